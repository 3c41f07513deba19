#include "agent/base/pulse.h"

#include <algorithm>

namespace agent {
namespace {

// The one thread_local of the house: io and the clocks announce their waits without being told
// whose thread they are on.
thread_local Pulse* mine = nullptr;

}  // namespace

std::vector<Pulses::Hang> Pulses::look(Duration passed, Duration limit) {
  std::vector<Hang> out;
  MutexLock lock(mutex_);
  for (Pulse* const thread : threads_) {
    const std::uint64_t moves = thread->moves_.load(std::memory_order_relaxed);
    if (moves != thread->seen_ || thread->waits_.load(std::memory_order_relaxed) != 0) {
      thread->seen_ = moves;
      thread->still_ = {};
      continue;
    }
    thread->still_ += passed;
    if (thread->still_ >= limit)
      out.push_back({thread->part_.load(std::memory_order_relaxed), thread->home_});
  }
  return out;
}

Pulse::Pulse(Origin origin) : pulses_(origin.pulses), home_(origin.home), part_(origin.home) {
  if (pulses_ == nullptr) return;
  mine = this;
  MutexLock lock(pulses_->mutex_);
  pulses_->threads_.push_back(this);
}

Pulse::~Pulse() {
  if (pulses_ == nullptr) return;
  mine = nullptr;
  MutexLock lock(pulses_->mutex_);
  auto& all = pulses_->threads_;
  const auto here = std::find(all.begin(), all.end(), this);
  *here = all.back();
  all.pop_back();
}

Pulse::Origin Pulse::origin() {
  return mine == nullptr ? Origin{} : Origin{mine->pulses_, mine->home_};
}

// Nobody else writes: no read-modify-write is needed.
void Pulse::move() {
  moves_.store(moves_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void Pulse::beat() {
  if (mine != nullptr) mine->move();
}

Pulse::Wait::Wait() : waiting_(mine) {
  if (waiting_ == nullptr) return;
  waiting_->move();
  waiting_->waits_.store(waiting_->waits_.load(std::memory_order_relaxed) + 1,
                         std::memory_order_relaxed);
}

Pulse::Wait::~Wait() {
  if (waiting_ == nullptr) return;
  waiting_->move();
  waiting_->waits_.store(waiting_->waits_.load(std::memory_order_relaxed) - 1,
                         std::memory_order_relaxed);
}

Pulse::Visit::Visit(Pulses& pulses, Part part)
    : of_(mine != nullptr ? *mine : own_.emplace(Origin{&pulses, part})),
      before_(of_.part_.load(std::memory_order_relaxed)) {
  of_.part_.store(part, std::memory_order_relaxed);
  of_.move();
}

Pulse::Visit::~Visit() {
  of_.part_.store(before_, std::memory_order_relaxed);
  of_.move();
}

}  // namespace agent
