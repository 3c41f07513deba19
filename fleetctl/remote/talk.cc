#include "fleetctl/remote/talk.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace fleetctl::remote {
namespace {

constexpr int kSliceMs = 500;

// Reads what is there; closes at the end. True when something came.
template <class Deliver>
Result<> pump(agent::FileDescriptor& fd, const Deliver& deliver) {
  std::array<char, 16384> buffer;
  const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
  if (n > 0) return deliver(std::string_view(buffer.data(), static_cast<std::size_t>(n)));
  if (n == 0 || (errno != EINTR && errno != EAGAIN)) fd.reset();
  return {};
}

// Whether the child has ended, at `deadline` at the latest: it may have closed its outputs and
// live.
bool has_ended(const agent::Child& child, const Clock& clock, Mono deadline) {
  constexpr int kPauseMs = 20;
  for (;;) {
    siginfo_t info{};
    const int looked =
        ::waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED | WNOHANG | WNOWAIT);
    if (looked == 0 && info.si_pid != 0) return true;
    if (looked != 0 && errno != EINTR) return true;
    if (clock.mono() >= deadline) return false;
    ::poll(nullptr, 0, kPauseMs);
  }
}

}  // namespace

Result<int> talk(agent::Child child, Input input, Dialogue& dialogue, const Clock& clock,
                 Mono deadline) {
  ::fcntl(child.in.get(), F_SETFL, O_NONBLOCK);
  dialogue.on_start(input);
  while (child.out || child.err) {
    if (input.empty() && input.closed()) child.in.reset();
    const Mono now = clock.mono();
    if (now >= deadline) return agent::fail(ErrorCode::kUnavailable, "no end in time");
    std::array<pollfd, 3> fds{pollfd{child.out.get(), POLLIN, 0},
                              pollfd{child.err.get(), POLLIN, 0},
                              pollfd{input.empty() ? -1 : child.in.get(), POLLOUT, 0}};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - now).count();
    const int wait = static_cast<int>(std::clamp<long>(left, 1, kSliceMs));
    if (::poll(fds.data(), fds.size(), wait) < 0 && errno != EINTR)
      return agent::fail_errno("poll", errno);
    if (fds[2].revents != 0) {
      const auto bytes = input.next();
      const ssize_t n = ::write(child.in.get(), bytes.data(), bytes.size());
      if (n > 0) input.consume(static_cast<std::size_t>(n));
      if (n < 0 && errno != EAGAIN && errno != EINTR) {  // it reads no more; its output tells why
        child.in.reset();
        input = {};
        input.close();
      }
    }
    if (fds[0].revents != 0) {
      auto told =
          pump(child.out, [&](std::string_view bytes) { return dialogue.on_output(bytes, input); });
      if (!told) return agent::fail(told.error());
    }
    if (fds[1].revents != 0) {
      auto told = pump(child.err, [&](std::string_view bytes) {
        return dialogue.on_error_output(bytes, input);
      });
      if (!told) return agent::fail(told.error());
    }
  }
  child.in.reset();  // nobody is left whom it could answer
  if (!has_ended(child, clock, deadline))
    return agent::fail(ErrorCode::kUnavailable, "no end in time");
  return child.wait();
}

}  // namespace fleetctl::remote
