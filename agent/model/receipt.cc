#include "agent/model/receipt.h"

#include <atomic>

namespace agent::model {

struct Receipt::State {
  explicit State(std::function<void(bool)> d) : done(std::move(d)) {}
  std::atomic<std::uint32_t> holders{1};
  std::atomic<bool> delivered{true};
  std::function<void(bool)> done;
};

Receipt::Receipt(std::function<void(bool delivered)> done)
    : state_(std::make_shared<State>(std::move(done))) {}

Receipt& Receipt::operator=(Receipt&& other) noexcept {
  if (this != &other) {
    release(false);
    state_ = std::move(other.state_);
  }
  return *this;
}

Receipt Receipt::share() const {
  Receipt other;
  if (state_ != nullptr) {
    state_->holders.fetch_add(1, std::memory_order_relaxed);
    other.state_ = state_;
  }
  return other;
}

void Receipt::release(bool settled) {
  if (state_ == nullptr) return;
  const std::shared_ptr<State> state = std::move(state_);
  state_.reset();
  if (!settled) state->delivered.store(false, std::memory_order_relaxed);
  if (state->holders.fetch_sub(1, std::memory_order_acq_rel) == 1)
    state->done(state->delivered.load(std::memory_order_relaxed));
}

}  // namespace agent::model
