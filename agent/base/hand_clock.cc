#include "agent/base/hand_clock.h"

#include <thread>
#include <vector>

#include "agent/base/pulse.h"

namespace agent {

std::int64_t HandClock::wall_ns() const {
  MutexLock lock(mutex_);
  return wall_ns_;
}

Mono HandClock::mono() const {
  Pulse::beat();
  MutexLock lock(mutex_);
  return Mono(elapsed_);
}

bool HandClock::wait(MutexLock& lock, Condition& condition, Mono deadline,
                     const std::stop_token& stop, const std::function<bool()>& ready) {
  const Pulse::Wait waiting;
  if (deadline == kNever) return condition.wait(lock, stop, ready);
  std::multimap<Mono, Condition*>::iterator entry;
  {
    MutexLock own(mutex_);
    entry = waiting_.emplace(deadline, &condition);
    ++waits_;
  }
  // The advancing thread cannot take the waiter's own mutex, so that a notification may fall
  // between a waiter's look at the time and its sleep; the short real-time slice bounds what that
  // costs.
  for (;;) {
    if (ready() || mono() >= deadline || stop.stop_requested()) break;
    condition.wait_for(lock, stop, std::chrono::milliseconds(2),
                       [&] { return ready() || mono() >= deadline; });
  }
  {
    MutexLock own(mutex_);
    waiting_.erase(entry);
  }
  return ready();
}

void HandClock::advance(Duration duration) {
  MutexLock lock(mutex_);
  elapsed_ += duration;
  wall_ns_ += duration.count();
  for (auto& [deadline, condition] : waiting_) condition->notify_all();
}

bool HandClock::advance_until(const std::function<bool()>& done, Duration step) {
  const SystemClock real;
  const Mono limit = real.mono() + std::chrono::minutes(1);
  while (!done()) {
    if (real.mono() > limit) return false;
    advance(step);
    std::this_thread::yield();
  }
  return true;
}

bool HandClock::advance_in_step(const std::function<bool()>& done, Duration step) {
  const SystemClock real;
  const Mono limit = real.mono() + std::chrono::minutes(1);
  const auto waits = [this] {
    MutexLock lock(mutex_);
    return waits_;
  };
  const auto waits_again = [&](std::size_t before) {
    while (waits() == before && real.mono() < limit) std::this_thread::yield();
  };
  waits_again(0);
  while (!done()) {
    if (real.mono() >= limit) return false;
    const std::size_t before = waits();
    advance(step);
    waits_again(before);
  }
  return true;
}

std::size_t HandClock::sleepers() const {
  MutexLock lock(mutex_);
  return waiting_.size();
}

}  // namespace agent
