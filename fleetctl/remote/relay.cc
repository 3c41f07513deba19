#include "fleetctl/remote/relay.h"

#include <libssh/libssh.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

namespace fleetctl::remote {
namespace {

constexpr int kSliceMs = 200;
constexpr std::size_t kMost = 256U << 10;  // that waits in one direction
constexpr std::size_t kPiece = 32U << 10;

}  // namespace

Relay::Relay(ssh_session_struct* session, ssh_channel_struct* channel, agent::FileDescriptor end)
    : session_(session),
      channel_(channel),
      end_(std::move(end)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Relay::run(const std::stop_token& stop) {
  ssh_set_blocking(session_, 0);
  while (!stop.stop_requested() && step()) {
  }
  // The other end of the socket sees the end of the connection.
  ::shutdown(end_.get(), SHUT_RDWR);
}

// Moves what can be moved; waits where nothing can. False at the end.
bool Relay::step() {
  std::array<char, kPiece> buffer;
  bool moved = false;
  if (to_end_.size() < kMost) {
    const int n = ssh_channel_read_nonblocking(channel_, buffer.data(), buffer.size(), 0);
    if (n > 0) to_end_.append(buffer.data(), static_cast<std::size_t>(n));
    moved = n > 0;
    if (n < 0 && to_end_.empty()) return false;
  }
  if (!to_end_.empty()) {
    const ssize_t n = ::send(end_.get(), to_end_.data(), to_end_.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (n > 0) to_end_.erase(0, static_cast<std::size_t>(n));
    moved = moved || n > 0;
  }
  if (to_channel_.size() < kMost) {
    const ssize_t n = ::recv(end_.get(), buffer.data(), buffer.size(), 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return false;
    if (n > 0) to_channel_.append(buffer.data(), static_cast<std::size_t>(n));
    moved = moved || n > 0;
  }
  if (const std::uint32_t window = ssh_channel_window_size(channel_);
      !to_channel_.empty() && window > 0) {
    const auto size =
        static_cast<std::uint32_t>(std::min<std::size_t>({to_channel_.size(), window, kPiece}));
    const int n = ssh_channel_write(channel_, to_channel_.data(), size);
    if (n < 0) return false;
    to_channel_.erase(0, static_cast<std::size_t>(n));
    moved = moved || n > 0;
  }
  if (ssh_blocking_flush(session_, 0) == SSH_ERROR || ssh_is_connected(session_) == 0) return false;
  if (moved) return true;
  if (to_end_.empty() &&
      (ssh_channel_is_eof(channel_) != 0 || ssh_channel_is_closed(channel_) != 0))
    return false;
  wait();
  return true;
}

void Relay::wait() {
  const bool unsent = (ssh_get_poll_flags(session_) & SSH_WRITE_PENDING) != 0;
  std::array<pollfd, 2> waiting{
      pollfd{end_.get(),
             static_cast<short>((to_channel_.size() < kMost ? POLLIN : 0) |
                                (to_end_.empty() ? 0 : POLLOUT)),
             0},
      pollfd{ssh_get_fd(session_),
             static_cast<short>((to_end_.size() < kMost ? POLLIN : 0) | (unsent ? POLLOUT : 0)),
             0}};
  ::poll(waiting.data(), waiting.size(), kSliceMs);
}

}  // namespace fleetctl::remote
