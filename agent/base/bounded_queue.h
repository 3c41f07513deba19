// A queue between threads with a limit on its total weight (bytes, usually): push waits while it is
// full.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <stop_token>
#include <utility>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"

namespace agent {

// Thread-safe. `clock` outlives it.
template <class T>
class BoundedQueue {
 public:
  BoundedQueue(Clock& clock, std::size_t limit) : clock_(clock), limit_(limit) {}

  // Waits for room; an item heavier than the limit goes in alone. False (and `item` untouched) when
  // stopped or closed.
  bool push(T& item, std::size_t weight, const std::stop_token& stop) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    const bool room = clock_.wait(lock, changed_, kNever, stop, [&]() NO_THREAD_SAFETY_ANALYSIS {
      return closed_ || weight_ == 0 || weight_ + weight <= limit_;
    });
    if (!room || closed_) return false;
    weight_ += weight;
    items_.emplace_back(std::move(item), weight);
    changed_.notify_all();
    return true;
  }

  // The oldest item; none when `deadline` passed, a stop was asked for, or the queue is closed and
  // empty.
  std::optional<T> pop(Mono deadline, const std::stop_token& stop) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    clock_.wait(lock, changed_, deadline, stop,
                [&]() NO_THREAD_SAFETY_ANALYSIS { return closed_ || !items_.empty(); });
    if (items_.empty()) return std::nullopt;
    T item = std::move(items_.front().first);
    weight_ -= items_.front().second;
    items_.pop_front();
    changed_.notify_all();
    return item;
  }

  // push refuses from now on; pop hands out what is left.
  void close() EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  bool closed() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return closed_;
  }
  std::size_t weight() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return weight_;
  }
  std::size_t size() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return items_.size();
  }

 private:
  Clock& clock_;
  const std::size_t limit_;
  mutable Mutex mutex_;
  Condition changed_;
  std::deque<std::pair<T, std::size_t>> items_ GUARDED_BY(mutex_);
  std::size_t weight_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace agent
