#include "fleetctl/remote/splice.h"

#include <libssh/libssh.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

namespace fleetctl::remote {
namespace {

constexpr std::size_t kMost = 256U << 10;  // that waits in one direction
constexpr std::size_t kPiece = 32U << 10;

bool may_come_later() { return errno == EAGAIN || errno == EINTR; }

}  // namespace

bool Splice::has_room() const { return to_end_.size() < kMost; }

Splice::Step Splice::step() {
  bool moved = false;
  if (!move(moved)) return Step::kEnded;
  if (moved) return Step::kMoved;
  const bool over = ssh_channel_is_eof(channel_) != 0 || ssh_channel_is_closed(channel_) != 0;
  return to_end_.empty() && over ? Step::kEnded : Step::kWaits;
}

// False: nothing can be moved any more.
bool Splice::move(bool& moved) {
  std::array<char, kPiece> buffer;
  if (has_room()) {
    const int n = ssh_channel_read_nonblocking(channel_, buffer.data(), buffer.size(), 0);
    if (n > 0) to_end_.append(buffer.data(), static_cast<std::size_t>(n));
    moved = n > 0;
    if (n < 0 && to_end_.empty()) return false;
  }
  if (!to_end_.empty()) {
    const ssize_t n = ::send(end_.get(), to_end_.data(), to_end_.size(), MSG_NOSIGNAL);
    if (n < 0 && !may_come_later()) return false;
    if (n > 0) to_end_.erase(0, static_cast<std::size_t>(n));
    moved = moved || n > 0;
  }
  if (!read_all_ && to_channel_.size() < kMost) {
    const ssize_t n = ::recv(end_.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && !may_come_later()) return false;
    if (n > 0) to_channel_.append(buffer.data(), static_cast<std::size_t>(n));
    read_all_ = n == 0;
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
  if (read_all_ && to_channel_.empty() && !told_so_) {
    ssh_channel_send_eof(channel_);
    told_so_ = true;
  }
  return true;
}

pollfd Splice::awaited() const {
  const bool reads = !read_all_ && to_channel_.size() < kMost;
  const int events = (reads ? POLLIN : 0) | (to_end_.empty() ? 0 : POLLOUT);
  // A socket that is not waited for would still wake with its errors, again and again.
  return {events == 0 ? -1 : end_.get(), static_cast<short>(events), 0};
}

}  // namespace fleetctl::remote
