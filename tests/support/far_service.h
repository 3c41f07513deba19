// A service on a free port of the loopback for tests of tunnels. A connection sends one line:
//   "bytes N"  gets N bytes and the end
//   "stay"     gets "here\n", and nothing more until it goes
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/file.h"

namespace fleetctl {

inline agent::FileDescriptor listening_on_loopback(std::uint16_t& port, int flags = 0) {
  agent::FileDescriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
  ::listen(fd.get(), 64);
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port = ntohs(address.sin_port);
  return fd;
}

// A connection that has sent `line`; what takes longer than a minute is an error.
inline agent::FileDescriptor asking(std::uint16_t port, const std::string& line) {
  agent::FileDescriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval minute{60, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
  const std::string text = line + "\n";
  ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
  return fd;
}

// All that comes until the end, or at least `most` bytes.
inline std::string heard(const agent::FileDescriptor& fd, std::size_t most = SIZE_MAX) {
  std::string out;
  char buffer[16384];
  while (out.size() < most) {
    const ssize_t n = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (n <= 0) break;
    out.append(buffer, static_cast<std::size_t>(n));
  }
  return out;
}

class FarService {
 public:
  FarService() {
    thread_ = std::thread([this] {
      for (;;) {
        agent::FileDescriptor fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!fd) return;
        const timeval minute{60, 0};
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute);
        ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &minute, sizeof minute);
        connections_.emplace_back([fd = std::move(fd)] { serve(fd); });
      }
    });
  }
  ~FarService() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    for (std::thread& one : connections_) one.join();
  }
  std::uint16_t port() const { return port_; }

 private:
  static void serve(const agent::FileDescriptor& fd) {
    std::string line;
    for (char c = 0; ::recv(fd.get(), &c, 1, 0) == 1 && c != '\n';) line += c;
    const bool stays = line == "stay";
    std::string answer = "here\n";
    if (!stays) answer.assign(std::strtoul(line.c_str() + 6, nullptr, 10), 'b');
    for (std::size_t at = 0; at < answer.size();) {
      const ssize_t n = ::send(fd.get(), answer.data() + at, answer.size() - at, MSG_NOSIGNAL);
      if (n <= 0) return;
      at += static_cast<std::size_t>(n);
    }
    if (stays) heard(fd);
  }

  std::uint16_t port_ = 0;
  agent::FileDescriptor listener_ = listening_on_loopback(port_);
  std::vector<std::thread> connections_;
  std::thread thread_;
};

}  // namespace fleetctl
