// Proof of delivery. A source issues one Receipt with each batch; whoever ends the batch's journey
// settles it, and the source then knows how far its position may advance. Losing a Receipt without
// settling it means: not delivered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "agent/base/mutex.h"

namespace agent::model {

// A move-only handle; share() makes a further holder. When the last holder is gone, `done` is
// called once, on that holder's thread: with true when every holder settled, with false when one
// was destroyed unsettled (a stop, a lost queue), so that the source reads the batch again.
class Receipt {
 public:
  Receipt() = default;  // nobody waits for it
  explicit Receipt(std::function<void(bool delivered)> done);
  Receipt(Receipt&&) noexcept = default;
  Receipt& operator=(Receipt&& other) noexcept;
  ~Receipt() { release(false); }

  Receipt share() const;
  // Delivered, deliberately dropped, or refused for good by the receiver. The handle is empty
  // afterwards.
  void settle() { release(true); }
  // False when nobody waits for it.
  explicit operator bool() const { return state_ != nullptr; }
  // True for two holders of one receipt.
  bool same_as(const Receipt& other) const { return state_ == other.state_; }

 private:
  struct State;
  void release(bool settled);
  std::shared_ptr<State> state_;
};

// A source's outstanding batches in reading order. `Position` says from where to read on once the
// batch and all before it are settled. Thread-safe; Receipts may outlive the window.
template <class Position>
class AckWindow {
 public:
  AckWindow() : core_(std::make_shared<Core>()) {}

  // The receipt of the next batch; `after` is the position to store when it is settled.
  Receipt issue(Position after) {
    std::uint64_t number = 0;
    {
      MutexLock lock(core_->mutex);
      number = core_->first + core_->slots.size();
      core_->slots.push_back({std::move(after), false});
    }
    return Receipt([core = core_, number, epoch = epoch_](bool delivered) {
      MutexLock lock(core->mutex);
      if (core->epoch != epoch) return;  // issued before a rewind: it will be read again
      if (!delivered) {
        core->lost = true;
        return;
      }
      core->slots[static_cast<std::size_t>(number - core->first)].settled = true;
      while (!core->slots.empty() && core->slots.front().settled) {
        core->newest = std::move(core->slots.front().after);
        core->slots.pop_front();
        ++core->first;
      }
    });
  }

  // The newest position below which everything is settled, once per advance.
  std::optional<Position> take_settled() {
    MutexLock lock(core_->mutex);
    return std::exchange(core_->newest, std::nullopt);
  }

  // True when a batch came back undelivered: the source then calls rewind() and reads on from its
  // stored position.
  bool lost() const {
    MutexLock lock(core_->mutex);
    return core_->lost;
  }

  // Forgets everything outstanding (its receipts no longer count). Only the thread that issues
  // calls this.
  void rewind() {
    MutexLock lock(core_->mutex);
    core_->slots.clear();
    core_->first = 0;
    core_->lost = false;
    epoch_ = ++core_->epoch;
  }

  std::size_t outstanding() const {
    MutexLock lock(core_->mutex);
    return core_->slots.size();
  }

 private:
  struct Slot {
    Position after;
    bool settled = false;
  };
  struct Core {
    mutable Mutex mutex;
    std::deque<Slot> slots GUARDED_BY(mutex);
    std::uint64_t first GUARDED_BY(mutex) = 0;  // number of slots.front()
    std::uint64_t epoch GUARDED_BY(mutex) = 0;
    bool lost GUARDED_BY(mutex) = false;
    std::optional<Position> newest GUARDED_BY(mutex);
  };
  std::shared_ptr<Core> core_;
  std::uint64_t epoch_ = 0;  // of the issuing thread
};

}  // namespace agent::model
