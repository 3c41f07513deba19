#include "fleetctl/remote/tunnel.h"

#include <libssh/libssh.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <vector>

namespace fleetctl::remote {
namespace {

constexpr int kSliceMs = 200;
constexpr std::size_t kMostConnections = 64;
constexpr std::size_t kMostReasons = 16;

struct FreeChannel {
  void operator()(ssh_channel channel) const { ssh_channel_free(channel); }
};
struct FreeEvent {
  void operator()(ssh_event event) const { ssh_event_free(event); }
};

Error broken(ssh_session session) {
  const std::string why = ssh_get_error(session);
  return {ErrorCode::kUnavailable, "the connection broke" + (why.empty() ? "" : ": " + why)};
}

// "Channel opening failure: channel 43 error (2) Connection refused": what is the same each time.
std::string reason(const std::string& error) {
  const auto at = error.find(") ");
  return at == std::string::npos ? error : error.substr(at + 2);
}

}  // namespace

struct Tunnel::Connection {
  std::unique_ptr<ssh_channel_struct, FreeChannel> channel;
  agent::FileDescriptor end;  // until the host has opened it
  std::optional<Splice> splice;
};

Tunnel::Tunnel(ssh_session_struct* session, Far to, const Complain& complain)
    : session_(session), to_(std::move(to)), complain_(complain) {}
Tunnel::~Tunnel() = default;

bool Tunnel::accept_from(const agent::FileDescriptor& listener) {
  if (connections_.size() >= kMostConnections) return false;
  agent::FileDescriptor end(
      ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!end) return false;
  const int on = 1;
  ::setsockopt(end.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Connection connection;
  connection.channel.reset(ssh_channel_new(session_));
  connection.end = std::move(end);
  if (connection.channel) connections_.push_back(std::move(connection));
  return true;
}

Splice::Step Tunnel::open(Connection& connection) {
  ssh_channel channel = connection.channel.get();
  const int state =
      to_.socket.empty()
          ? ssh_channel_open_forward(channel, to_.host.c_str(), to_.port, "127.0.0.1", 0)
          : ssh_channel_open_forward_unix(channel, to_.socket.c_str(), "127.0.0.1", 0);
  if (state == SSH_AGAIN) return Splice::Step::kWaits;
  if (state != SSH_OK) {
    const std::string why = reason(ssh_get_error(session_));
    if (told_.size() < kMostReasons && told_.insert(why).second) complain_(why);
    return Splice::Step::kEnded;
  }
  connection.splice.emplace(channel, std::move(connection.end));
  return Splice::Step::kMoved;
}

Splice::Step Tunnel::step(Connection& connection) {
  return connection.splice ? connection.splice->step() : open(connection);
}

Result<> Tunnel::run(const agent::FileDescriptor& listener, const std::atomic<bool>& stop) {
  ssh_set_blocking(session_, 0);
  const std::unique_ptr<ssh_event_struct, FreeEvent> event(ssh_event_new());
  if (!event || ssh_event_add_session(event.get(), session_) != SSH_OK)
    return agent::fail(broken(session_));
  struct Leave {
    ssh_event event;
    ssh_session session;
    ~Leave() { ssh_event_remove_session(event, session); }
  } leave{event.get(), session_};
  while (!stop) {
    bool moved = accept_from(listener);
    for (auto it = connections_.begin(); it != connections_.end();) {
      const Splice::Step done = step(*it);
      moved = moved || done != Splice::Step::kWaits;
      it = done == Splice::Step::kEnded ? connections_.erase(it) : std::next(it);
    }
    if (!moved) wait(listener);
    // What came, also where no connection asks for it; and what is to go.
    if (ssh_event_dopoll(event.get(), 0) == SSH_ERROR || ssh_is_connected(session_) == 0)
      return agent::fail(broken(session_));
  }
  return {};
}

void Tunnel::wait(const agent::FileDescriptor& listener) const {
  const bool unsent = (ssh_get_poll_flags(session_) & SSH_WRITE_PENDING) != 0;
  std::vector<pollfd> waiting{
      {connections_.size() < kMostConnections ? listener.get() : -1, POLLIN, 0},
      {ssh_get_fd(session_), static_cast<short>(POLLIN | (unsent ? POLLOUT : 0)), 0}};
  for (const Connection& connection : connections_)
    if (connection.splice) waiting.push_back(connection.splice->awaited());
  ::poll(waiting.data(), waiting.size(), kSliceMs);
}

}  // namespace fleetctl::remote
