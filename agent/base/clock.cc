#include "agent/base/clock.h"

#include "agent/base/pulse.h"

namespace agent {

bool Clock::sleep_until(Mono deadline, const std::stop_token& stop) {
  Mutex mutex;
  Condition condition;
  MutexLock lock(mutex);
  wait(lock, condition, deadline, stop, [] { return false; });
  return !stop.stop_requested();
}

std::int64_t SystemClock::wall_ns() const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Mono SystemClock::mono() const {
  Pulse::beat();
  return std::chrono::steady_clock::now();
}

bool SystemClock::wait(MutexLock& lock, Condition& condition, Mono deadline,
                       const std::stop_token& stop, const std::function<bool()>& ready) {
  const Pulse::Wait waiting;
  // A deadline far away would overflow inside the standard library's clock arithmetic.
  if (deadline - mono() > std::chrono::hours(24 * 365)) return condition.wait(lock, stop, ready);
  return condition.wait_until(lock, stop, deadline, ready);
}

}  // namespace agent
