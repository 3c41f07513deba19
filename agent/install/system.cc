#include "agent/install/system.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "agent/base/file.h"
#include "agent/install/layout.h"

namespace agent::install {
namespace {

constexpr std::size_t kHeadLimit = 60U << 10;

Result<sockaddr_in> parse_address(const std::string& text) {
  const auto colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  unsigned port = 0;
  const auto bad = [&] {
    return fail(ErrorCode::kInvalid, "not an IPv4 address with a port: " + text);
  };
  if (colon == std::string::npos) return bad();
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, port);
  if (error != std::errc() || stop != end || port == 0 || port > 65535) return bad();
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1) return bad();
  return address;
}

// Connected or on the way there.
Result<FileDescriptor> connect_to(int family, const sockaddr* peer, socklen_t size) {
  FileDescriptor fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("socket", errno);
  if (::connect(fd.get(), peer, size) != 0 && errno != EINPROGRESS)
    return fail_errno("connect", errno);
  return fd;
}

// To the agent's own socket; a descriptor that is none when nobody listens there.
FileDescriptor connect_to_socket(const std::filesystem::path& path) {
  sockaddr_un peer{};
  peer.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof peer.sun_path) return {};
  path.native().copy(peer.sun_path, sizeof peer.sun_path - 1);
  auto fd = connect_to(AF_UNIX, reinterpret_cast<const sockaddr*>(&peer), sizeof peer);
  return fd ? std::move(*fd) : FileDescriptor();
}

// Waits until `fd` is ready for `events`.
Result<> await(int fd, short events, const Clock& clock, Mono deadline) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock.mono()).count();
    if (left <= 0) return fail(ErrorCode::kUnavailable, "no answer in time");
    pollfd waiting{fd, events, 0};
    const int n = ::poll(&waiting, 1, static_cast<int>(left));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return fail_errno("poll", errno);
  }
}

Result<HttpAnswer> parse_answer(std::string_view text, std::size_t most) {
  const auto bad = [] { return fail(ErrorCode::kIo, "the answer is not HTTP"); };
  if (text.substr(0, 7) != "HTTP/1." || text.size() < 12) return bad();
  HttpAnswer answer;
  const auto [stop, error] = std::from_chars(text.data() + 9, text.data() + 12, answer.status);
  if (error != std::errc() || stop != text.data() + 12) return bad();
  const auto head = text.find("\r\n\r\n");
  if (head == std::string_view::npos) return bad();
  answer.body = text.substr(head + 4, most);
  return answer;
}

}  // namespace

std::filesystem::path HostSystem::at(std::string_view path) const { return path; }

Result<ProcessResult> HostSystem::run(const std::vector<std::string>& argv, Duration limit,
                                      const std::optional<Identity>& identity) {
  Spawn spawn;
  spawn.argv = argv;
  spawn.identity = identity;
  spawn.environment = {"LC_ALL=C", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0",
                       "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  return run_process(std::move(spawn), {}, clock_, limit);
}

// HTTP/1.0, so that the server answers with a plain body and closes.
Result<HttpAnswer> HostSystem::http(std::string_view method, const std::string& address,
                                    std::string_view path, Duration limit, std::size_t most) {
  const std::string what = std::string(method) + " http://" + address + std::string(path);
  const auto run = [&]() -> Result<HttpAnswer> {
    const Mono deadline = clock_.mono() + limit;
    FileDescriptor fd = connect_to_socket(at(kAgentSocket));
    if (!fd) {
      const auto peer = parse_address(address);
      if (!peer) return fail(peer.error());
      auto connected = connect_to(AF_INET, reinterpret_cast<const sockaddr*>(&*peer), sizeof *peer);
      if (!connected) return fail(std::move(connected.error()));
      fd = std::move(*connected);
    }
    if (auto ready = await(fd.get(), POLLOUT, clock_, deadline); !ready) return fail(ready.error());
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return fail_errno("connect", error);

    const std::string request = std::string(method) + " " + std::string(path) +
                                " HTTP/1.0\r\nHost: " + address +
                                "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      return fail_errno("send", errno);
    }
    std::string text;
    for (;;) {
      if (auto ready = await(fd.get(), POLLIN, clock_, deadline); !ready)
        return fail(ready.error());
      std::array<char, 4096> buffer;
      const ssize_t n = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (n < 0) return fail_errno("receive", errno);
      if (n == 0) return parse_answer(text, most);
      if (text.size() < kHeadLimit + most) text.append(buffer.data(), static_cast<std::size_t>(n));
    }
  };
  auto answer = run();
  if (!answer) return fail(std::move(answer.error()).within(what));
  return answer;
}

}  // namespace agent::install
