#include "agent/component/component.h"

namespace agent::component {
namespace {

constexpr std::size_t kMaxHistory = 16;

}  // namespace

void Health::set(bool healthy, std::string_view message) {
  MutexLock lock(mutex_);
  if (state_.healthy == healthy && state_.message == message) return;
  const bool turned = state_.healthy != healthy || state_.since_ns == 0;
  if (turned) state_.since_ns = clock_.wall_ns();
  state_.healthy = healthy;
  state_.message = message;
  if (!turned) {
    history_.back() = state_;
    return;
  }
  if (history_.size() == kMaxHistory) history_.erase(history_.begin());
  history_.push_back(state_);
}

const Declaration* Registry::find(std::string_view name) const {
  for (const Declaration& declaration : all_)
    if (declaration.name == name) return &declaration;
  return nullptr;
}

}  // namespace agent::component
