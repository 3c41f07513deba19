// Listening sockets from host:port texts, and a wait on many descriptors that a stop ends.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/result.h"

struct sockaddr;

namespace agent::io {

enum class Transport { kTcp, kUdp };

// Binds (and for TCP listens on) `address`, host:port; an empty host is every address, port 0 picks
// one. Non-blocking and close-on-exec. kUnavailable when the address is in use, kPermission,
// kInvalid.
Result<FileDescriptor> listen_on(std::string_view address, Transport transport);

// The same at a path of the file system, in place of what is there, for its owner alone (and root).
Result<FileDescriptor> listen_on_path(const std::string& path);

// "host:port" -> its parts; [::1]:80 for IPv6. kInvalid when it is not of that form.
Result<std::pair<std::string, std::string>> split_host_port(std::string_view address);

// "127.0.0.1:514", "[::1]:514"; "" when it is no Internet address.
std::string endpoint_text(const sockaddr* address, unsigned length);
// Where the socket is bound.
std::string local_endpoint(int fd);
// Whether the socket is one that listen_on() could have made of the same arguments.
bool listens_on(int fd, std::string_view address, Transport transport);
// Whether the TCP connection came, or could have come, in through the listening socket.
bool came_through(int connection, int listening);

// epoll with a wake-up. add(), remove() and wait() by one thread, wake() by any.
class Poller {
 public:
  static Result<Poller> create();
  // `token` is what wait() answers when the descriptor can be read, or has failed.
  Result<> add(int fd, std::uint64_t token);
  void remove(int fd);
  // Also answers when the descriptor can be written, or no longer.
  void watch_writing(int fd, std::uint64_t token, bool writing);
  // Tokens that are ready; none after `timeout`, a wake() or a stop.
  std::vector<std::uint64_t> wait(Duration timeout, const std::stop_token& stop);
  void wake() const;

 private:
  Poller(FileDescriptor epoll, FileDescriptor event)
      : epoll_(std::move(epoll)), event_(std::move(event)) {}
  FileDescriptor epoll_;
  FileDescriptor event_;
};

}  // namespace agent::io
