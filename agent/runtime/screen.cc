#include "agent/runtime/screen.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <utility>

namespace agent::runtime {
namespace {

constexpr auto kLastWords = std::chrono::seconds(1);
constexpr int kLookMs = 200;  // how often the thread looks whether it is to stop

bool ready(int fd, int wait_ms) {
  pollfd one{fd, POLLOUT, 0};
  // An error is an answer too: the write tells it.
  return ::poll(&one, 1, wait_ms) > 0;
}

// The descriptor is shared with whoever started the agent, so that it cannot be made non-blocking.
// A pipe or terminal that poll(2) calls writable takes PIPE_BUF bytes without waiting, see pipe(7);
// a socket takes what it can when it is told not to wait. -> bytes, or -1 with errno
ssize_t write_now(int fd, std::string_view text) {
  const std::size_t size = std::min<std::size_t>(text.size(), PIPE_BUF);
  const ssize_t sent = ::send(fd, text.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0 || errno != ENOTSOCK) return sent;
  if (!ready(fd, 0)) {
    errno = EAGAIN;
    return -1;
  }
  return ::write(fd, text.data(), size);
}

}  // namespace

Screen::Screen(int fd, Clock& clock, const component::Metrics& metrics,
               std::function<void(std::uint64_t)> flows_again)
    : fd_(fd),
      clock_(clock),
      flows_again_(std::move(flows_again)),
      dropped_lines_(metrics.counter("logging_stderr_dropped_lines_total",
                                     "Lines of the agent's own log that standard error did not "
                                     "take, and for which there was no room to wait.")) {}

void Screen::close() {
  std::jthread ending;  // joined without the lock
  MutexLock lock(mutex_);
  clock_.wait(lock, changed_, clock_.mono() + kLastWords, {},
              [&]() NO_THREAD_SAFETY_ANALYSIS { return waiting_.empty(); });
  closed_ = true;
  ending = std::move(thread_);
}

void Screen::write(std::string_view line) {
  MutexLock lock(mutex_);
  if (waiting_.size() + line.size() > kMostBytes) {
    ++dropped_;
    dropped_lines_->increment();
    return;
  }
  const bool waited = !waiting_.empty();
  waiting_ += line;
  if (!waited) push();
  if (waiting_.empty() || closed_) return;
  if (!thread_.joinable())
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  changed_.notify_all();
}

void Screen::push() {
  std::size_t written = 0;
  while (written < waiting_.size()) {
    const ssize_t n = write_now(fd_, std::string_view(waiting_).substr(written));
    if (n > 0) {
      written += static_cast<std::size_t>(n);
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      break;
    } else {
      // Closed or broken: nobody is left to tell.
      written = waiting_.size();
    }
  }
  waiting_.erase(0, written);
  if (waiting_.empty()) waiting_.shrink_to_fit();
}

void Screen::run(const std::stop_token& stop) {
  ::pthread_setname_np(::pthread_self(), "own log out");
  while (!stop.stop_requested()) {
    std::uint64_t dropped = 0;
    {
      MutexLock lock(mutex_);
      clock_.wait(lock, changed_, kNever, stop,
                  [&]() NO_THREAD_SAFETY_ANALYSIS { return !waiting_.empty(); });
      push();
      if (waiting_.empty()) {
        dropped = std::exchange(dropped_, 0);
        changed_.notify_all();
      }
    }
    if (dropped > 0) flows_again_(dropped);
    ready(fd_, kLookMs);
  }
}

}  // namespace agent::runtime
