// A clock that stands still until it is moved by hand: for trials of configurations, and for tests.
// Thread-safe.
#pragma once

#include <map>

#include "agent/base/clock.h"

namespace agent {

class HandClock final : public Clock {
 public:
  // Starts at this wall time, nanoseconds since 1970.
  explicit HandClock(std::int64_t wall_ns = 1'700'000'000'000'000'000) : wall_ns_(wall_ns) {}

  std::int64_t wall_ns() const override;
  Mono mono() const override;
  bool wait(MutexLock& lock, Condition& condition, Mono deadline, const std::stop_token& stop,
            const std::function<bool()>& ready) override;

  // Moves both times and wakes every waiter whose deadline is reached.
  void advance(Duration duration);
  // Advances in small steps until `done`; false when that took a minute of real time.
  bool advance_until(const std::function<bool()>& done,
                     Duration step = std::chrono::milliseconds(20));
  // The same for exact times, with a single thread that never waits longer than `step`:
  // after each step it waits until that thread waits again.
  bool advance_in_step(const std::function<bool()>& done, Duration step);
  // Number of threads that wait with a deadline, to know that a thread is asleep.
  std::size_t sleepers() const;

 private:
  mutable Mutex mutex_;
  std::int64_t wall_ns_ GUARDED_BY(mutex_);
  Duration elapsed_ GUARDED_BY(mutex_){0};
  std::multimap<Mono, Condition*> waiting_ GUARDED_BY(mutex_);
  std::size_t waits_ GUARDED_BY(mutex_) = 0;  // begun, with a deadline
};

}  // namespace agent
