#include "agent/component/component.h"

namespace agent::component {

void Health::set(bool healthy, std::string_view message) {
  MutexLock lock(mutex_);
  if (state_.healthy == healthy && state_.message == message) return;
  if (state_.healthy != healthy || state_.since_ns == 0) state_.since_ns = clock_.wall_ns();
  state_.healthy = healthy;
  state_.message = message;
}

const Declaration* Registry::find(std::string_view name) const {
  for (const Declaration& declaration : all_)
    if (declaration.name == name) return &declaration;
  return nullptr;
}

}  // namespace agent::component
