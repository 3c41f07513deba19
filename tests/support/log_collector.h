// A receiver that keeps what it gets. Thread-safe; what waits does so in real time.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/component/receiver.h"

namespace agent {

class LogCollector final : public component::LogReceiver {
 public:
  struct Line {          // everything a Loki would see
    std::string labels;  // {a="b"}
    std::int64_t time_ns = 0;
    std::string text;
    auto operator<=>(const Line&) const = default;
  };
  enum class Mode {
    kSettle,  // delivered at once
    kHold,    // taken, but neither delivered nor lost until settle_held() or lose_held()
    kRefuse,  // consume fails
  };

  void set_mode(Mode mode) {
    MutexLock lock(mutex_);
    mode_ = mode;
  }
  // Delivers the next `batches`, then holds.
  void settle_then_hold(std::size_t batches) {
    MutexLock lock(mutex_);
    mode_ = Mode::kSettle;
    left_ = batches;
  }

  Result<> consume(model::EntryBatch batch, std::stop_token) override {
    MutexLock lock(mutex_);
    ++calls_;
    changed_.notify_all();  // the waiters see the rest of this call too: it holds the lock
    if (mode_ == Mode::kRefuse) return fail(ErrorCode::kUnavailable, "refused by the test");
    if (left_ && mode_ == Mode::kSettle && (*left_)-- == 0) {
      left_.reset();
      mode_ = Mode::kHold;
    }
    for (const model::Entry& entry : batch.entries) {
      lines_.push_back({entry.labels.text(), entry.time_ns, std::string(entry.line)});
      if (mode_ == Mode::kSettle) delivered_.insert(lines_.back().text);
    }
    if (mode_ == Mode::kSettle) {
      batch.settle();
    } else {
      held_.push_back(std::move(batch));
    }
    return {};
  }

  // Those that were not taken.
  std::vector<Line> seen() const {
    MutexLock lock(mutex_);
    return lines_;
  }
  // False after `limit`. `enough` is called with the lock held.
  bool wait(const std::function<bool(const std::vector<Line>&)>& enough,
            std::chrono::milliseconds limit = kPatience) const {
    MutexLock lock(mutex_);
    return changed_.wait_for(lock, limit,
                             [&]() NO_THREAD_SAFETY_ANALYSIS { return enough(lines_); });
  }
  bool wait_for(std::size_t count, std::chrono::milliseconds limit = kPatience) const {
    return wait([&](const auto& lines) { return lines.size() >= count; }, limit);
  }
  // Waits until there are `count` lines and takes all; fewer when patience ended.
  std::vector<Line> take(std::size_t count) {
    wait_for(count);
    MutexLock lock(mutex_);
    return std::exchange(lines_, {});
  }
  std::vector<std::string> take_text(std::size_t count) {
    std::vector<std::string> out;
    for (Line& line : take(count)) out.push_back(std::move(line.text));
    return out;
  }
  void clear() {
    MutexLock lock(mutex_);
    lines_.clear();
  }
  // Waits until `count` different lines were delivered at once (mode kSettle), in all.
  bool wait_delivered(std::size_t count) {
    MutexLock lock(mutex_);
    return changed_.wait_for(
        lock, kPatience, [&]() NO_THREAD_SAFETY_ANALYSIS { return delivered_.size() >= count; });
  }
  std::set<std::string> delivered() const {
    MutexLock lock(mutex_);
    return delivered_;
  }
  // Waits until consume was called `count` times in all.
  bool wait_calls(std::size_t count) {
    MutexLock lock(mutex_);
    return changed_.wait_for(lock, kPatience,
                             [&]() NO_THREAD_SAFETY_ANALYSIS { return calls_ >= count; });
  }
  std::size_t calls() const {
    MutexLock lock(mutex_);
    return calls_;
  }
  void settle_held() {
    MutexLock lock(mutex_);
    for (model::EntryBatch& batch : held_) batch.settle();
    held_.clear();
  }
  void lose_held() {
    MutexLock lock(mutex_);
    held_.clear();
  }

 private:
  static constexpr std::chrono::milliseconds kPatience = std::chrono::minutes(1);

  mutable Mutex mutex_;
  mutable Condition changed_;
  Mode mode_ GUARDED_BY(mutex_) = Mode::kSettle;
  std::size_t calls_ GUARDED_BY(mutex_) = 0;
  std::optional<std::size_t> left_ GUARDED_BY(mutex_);
  std::set<std::string> delivered_ GUARDED_BY(mutex_);
  std::vector<Line> lines_ GUARDED_BY(mutex_);
  std::vector<model::EntryBatch> held_ GUARDED_BY(mutex_);
};

}  // namespace agent
