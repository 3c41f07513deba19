// The only place that asks what time it is or waits for it. Tests use agent/base/hand_clock.h.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <stop_token>

#include "agent/base/mutex.h"

namespace agent {

using Duration = std::chrono::nanoseconds;
// Nanoseconds since an arbitrary start, never jumping.
using Mono = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

// A condition that threads wait on together with a time limit; always wait through Clock::wait.
using Condition = std::condition_variable_any;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since 1970-01-01 UTC.
  virtual std::int64_t wall_ns() const = 0;
  virtual Mono mono() const = 0;
  // Waits until `ready()` (called with `lock` held), `deadline` or a stop; returns ready()'s last
  // answer. The caller holds `lock` on entry and on return. Whoever makes ready() true notifies
  // `condition`.
  virtual bool wait(MutexLock& lock, Condition& condition, Mono deadline,
                    const std::stop_token& stop, const std::function<bool()>& ready) = 0;
  // Sleeps until `deadline`. False when stopped before it.
  bool sleep_until(Mono deadline, const std::stop_token& stop);
  bool sleep_for(Duration duration, const std::stop_token& stop) {
    return sleep_until(mono() + duration, stop);
  }
};

class SystemClock final : public Clock {
 public:
  std::int64_t wall_ns() const override;
  Mono mono() const override;
  bool wait(MutexLock& lock, Condition& condition, Mono deadline, const std::stop_token& stop,
            const std::function<bool()>& ready) override;
};

// For waits without a time limit.
constexpr Mono kNever = Mono::max();

}  // namespace agent
