#include "agent/io/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <memory>
#include <mutex>
#include <thread>

#include "agent/base/pulse.h"

namespace agent::io {
namespace {

constexpr std::uint64_t kWakeToken = std::numeric_limits<std::uint64_t>::max();

// How long a name is looked up for an address to listen on.
constexpr auto kLookUpLimit = std::chrono::seconds(5);

using Found = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

// getaddrinfo(3) of a name asks servers that may not answer, and can be ended by nobody: it is done
// on a thread that owns all it uses and is left to itself when the time is over. -> EAI_...
int look_up(const std::string& host, const std::string& port, const addrinfo& hints, Found& found) {
  struct Question {
    std::mutex mutex;
    std::condition_variable changed;
    bool answered = false;
    int code = 0;
    Found found{nullptr, &::freeaddrinfo};
  };
  const auto question = std::make_shared<Question>();
  std::thread([question, host, port, hints] {
    addrinfo* first = nullptr;
    const int code = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &first);
    const std::lock_guard lock(question->mutex);
    question->code = code;
    question->found.reset(code == 0 ? first : nullptr);
    question->answered = true;
    question->changed.notify_all();
  }).detach();
  const Pulse::Wait waiting;
  std::unique_lock lock(question->mutex);
  if (!question->changed.wait_for(lock, kLookUpLimit, [&] { return question->answered; }))
    return EAI_AGAIN;
  found = std::move(question->found);
  return question->code;
}

// What `address` may be bound to, best first.
Result<Found> addresses_of(std::string_view address, Transport transport) {
  auto parts = split_host_port(address);
  if (!parts) return fail(parts.error());
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = transport == Transport::kTcp ? SOCK_STREAM : SOCK_DGRAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  const auto& [host, port] = *parts;
  hints.ai_flags |= AI_NUMERICHOST;
  addrinfo* first = nullptr;
  int code = ::getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &first);
  Found found(code == 0 ? first : nullptr, &::freeaddrinfo);
  if (code == EAI_NONAME) {
    hints.ai_flags &= ~AI_NUMERICHOST;
    code = look_up(host, port, hints, found);
  }
  if (code != 0)
    return fail(ErrorCode::kUnavailable,
                "listen on " + std::string(address) + ": " + ::gai_strerror(code));
  return found;
}

// An Internet address without what does not tell one from another.
struct Bound {
  bool known = false;
  std::string host;  // its bytes
  in_port_t port = 0;

  bool any() const { return host.find_first_not_of('\0') == std::string::npos; }
};

Bound bound_of(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    return {
        true, {reinterpret_cast<const char*>(&v4->sin_addr), sizeof v4->sin_addr}, v4->sin_port};
  }
  if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    return {
        true, {reinterpret_cast<const char*>(&v6->sin6_addr), sizeof v6->sin6_addr}, v6->sin6_port};
  }
  return {};
}

Bound bound_of(int fd) {
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) != 0) return {};
  return bound_of(reinterpret_cast<const sockaddr*>(&bound));
}

int option_of(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : 0;
}

}  // namespace

Result<std::pair<std::string, std::string>> split_host_port(std::string_view address) {
  const auto wrong = [&] {
    return fail(ErrorCode::kInvalid, "address \"" + std::string(address) + "\" is not host:port");
  };
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string_view host = address.substr(0, colon);
  const std::string_view port = address.substr(colon + 1);
  if (!host.empty() && host.front() == '[') {
    if (host.back() != ']') return wrong();
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong();
  }
  const bool digits =
      !port.empty() && port.size() <= 5 &&
      std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || std::stoi(std::string(port)) > 65535) return wrong();
  return std::pair(std::string(host), std::string(port));
}

std::string endpoint_text(const sockaddr* address, unsigned length) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (::getnameinfo(address, length, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return {};
  const std::string name = host.data();
  return (name.find(':') == std::string::npos ? name : "[" + name + "]") + ":" + port.data();
}

std::string local_endpoint(int fd) {
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) != 0) return {};
  return endpoint_text(reinterpret_cast<const sockaddr*>(&bound), length);
}

bool listens_on(int fd, std::string_view address, Transport transport) {
  const bool tcp = transport == Transport::kTcp;
  if (option_of(fd, SO_TYPE) != (tcp ? SOCK_STREAM : SOCK_DGRAM)) return false;
  if (tcp && option_of(fd, SO_ACCEPTCONN) == 0) return false;
  const Bound bound = bound_of(fd);
  const auto found = addresses_of(address, transport);
  if (!bound.known || !found) return false;
  for (const addrinfo* a = found->get(); a != nullptr; a = a->ai_next) {
    const Bound wanted = bound_of(a->ai_addr);
    if (wanted.known && wanted.host == bound.host && wanted.port == bound.port) return true;
  }
  return false;
}

bool came_through(int connection, int listening) {
  if (option_of(connection, SO_TYPE) != SOCK_STREAM || option_of(connection, SO_ACCEPTCONN) != 0)
    return false;
  const Bound here = bound_of(connection);
  const Bound there = bound_of(listening);
  return here.known && there.known && here.port == there.port &&
         (there.any() || there.host == here.host);
}

Result<FileDescriptor> listen_on(std::string_view address, Transport transport) {
  const auto found = addresses_of(address, transport);
  if (!found) return fail(found.error());
  const std::string what = "listen on " + std::string(address);
  const bool tcp = transport == Transport::kTcp;
  int error = EADDRNOTAVAIL;
  for (const addrinfo* a = found->get(); a != nullptr; a = a->ai_next) {
    FileDescriptor fd(
        ::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol));
    if (!fd) {
      error = errno;
      continue;
    }
    const int on = 1;
    if (tcp) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd.get(), a->ai_addr, a->ai_addrlen) == 0 && (!tcp || ::listen(fd.get(), 512) == 0))
      return fd;
    error = errno;
  }
  return fail_errno(what, error);
}

Result<FileDescriptor> listen_on_path(const std::string& path) {
  const std::string what = "listen on " + path;
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path)
    return fail(ErrorCode::kInvalid, what + ": a socket's path has at most " +
                                         std::to_string(sizeof address.sun_path - 1) + " bytes");
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(what, errno);
  struct stat present {};
  if (::lstat(path.c_str(), &present) == 0 && S_ISSOCK(present.st_mode)) ::unlink(path.c_str());
  // Nobody can connect before listen(), and by then only the owner may.
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(fd.get(), 64) != 0)
    return fail_errno(what, errno);
  return fd;
}

Result<Poller> Poller::create() {
  FileDescriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
  FileDescriptor event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll || !event) return fail_errno("epoll", errno);
  Poller poller(std::move(epoll), std::move(event));
  if (auto added = poller.add(poller.event_.get(), kWakeToken); !added) return fail(added.error());
  return poller;
}

Result<> Poller::add(int fd, std::uint64_t token) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = token;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("epoll", errno);
  return {};
}

void Poller::watch_writing(int fd, std::uint64_t token, bool writing) {
  epoll_event event{};
  event.events = EPOLLIN | (writing ? EPOLLOUT : 0U);
  event.data.u64 = token;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Poller::remove(int fd) { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void Poller::wake() const {
  const std::uint64_t one = 1;
  // A full counter means that a wake-up is pending already.
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

std::vector<std::uint64_t> Poller::wait(Duration timeout, const std::stop_token& stop) {
  const std::stop_callback on_stop(stop, [this] { wake(); });
  if (stop.stop_requested()) return {};
  std::array<epoll_event, 256> events;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
  const int n = [&] {
    const Pulse::Wait waiting;
    return ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                        static_cast<int>(std::clamp<std::int64_t>(ms, 0, 60'000)));
  }();
  std::vector<std::uint64_t> ready;
  for (int i = 0; i < n; ++i) {
    if (events[static_cast<std::size_t>(i)].data.u64 == kWakeToken) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = ::read(event_.get(), &count, sizeof count);
    } else {
      ready.push_back(events[static_cast<std::size_t>(i)].data.u64);
    }
  }
  return ready;
}

}  // namespace agent::io
