// A clock for code that waits on its own thread: every wait is over at once, and as much time has
// passed.
#pragma once

#include "agent/base/clock.h"

namespace agent {

// One thread.
class SteppingClock final : public Clock {
 public:
  std::int64_t wall_ns() const override { return 1'700'000'000'000'000'000 + elapsed_.count(); }
  Mono mono() const override { return Mono(elapsed_); }
  bool wait(MutexLock&, Condition&, Mono deadline, const std::stop_token&,
            const std::function<bool()>& ready) override {
    if (!ready() && deadline > mono()) elapsed_ = deadline.time_since_epoch();
    return ready();
  }
  void advance(Duration duration) { elapsed_ += duration; }

 private:
  Duration elapsed_{0};
};

}  // namespace agent
