#include "fleetctl/remote/relay.h"

#include <libssh/libssh.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

namespace fleetctl::remote {
namespace {

constexpr int kSliceMs = 200;

}  // namespace

Relay::Relay(ssh_session_struct* session, ssh_channel_struct* channel, agent::FileDescriptor end)
    : session_(session),
      splice_(channel, std::move(end)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Relay::run(const std::stop_token& stop) {
  ssh_set_blocking(session_, 0);
  while (!stop.stop_requested() && step()) {
  }
  // The other end of the socket sees the end of the connection.
  ::shutdown(splice_.end().get(), SHUT_RDWR);
}

// Moves what can be moved; waits where nothing can. False at the end.
bool Relay::step() {
  const Splice::Step done = splice_.step();
  if (done == Splice::Step::kEnded) return false;
  if (ssh_blocking_flush(session_, 0) == SSH_ERROR || ssh_is_connected(session_) == 0) return false;
  if (done == Splice::Step::kWaits) wait();
  return true;
}

void Relay::wait() {
  const bool unsent = (ssh_get_poll_flags(session_) & SSH_WRITE_PENDING) != 0;
  std::array<pollfd, 2> waiting{
      splice_.awaited(),
      pollfd{ssh_get_fd(session_),
             static_cast<short>((splice_.has_room() ? POLLIN : 0) | (unsent ? POLLOUT : 0)), 0}};
  ::poll(waiting.data(), waiting.size(), kSliceMs);
}

}  // namespace fleetctl::remote
