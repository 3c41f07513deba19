// The end of a benchmarked pipeline.
#pragma once

#include <cstddef>
#include <stop_token>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/component/receiver.h"

namespace agent {

// Counts entries and settles their batches. Thread-safe.
class CountingSink final : public component::LogReceiver {
 public:
  Result<> consume(model::EntryBatch batch, std::stop_token) override {
    MutexLock lock(mutex_);
    count_ += batch.entries.size();
    batch.settle();
    changed_.notify_all();
    return {};
  }
  void wait(std::size_t count) {
    MutexLock lock(mutex_);
    changed_.wait(lock, [&]() NO_THREAD_SAFETY_ANALYSIS { return count_ >= count; });
  }

 private:
  Mutex mutex_;
  Condition changed_;
  std::size_t count_ GUARDED_BY(mutex_) = 0;
};

}  // namespace agent
