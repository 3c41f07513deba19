#include "agent/discovery/target_lists.h"

#include <cstdint>

namespace agent::discovery {

TargetLists::TargetLists(component::Host& host, const std::string& kind)
    : host_(host),
      count_(host.metrics.gauge("discovery_" + kind + "_targets", "Targets exported.")) {
  host_.exports({{"targets", component::targets_value({})}});
}

void TargetLists::keep(const std::set<std::string>& origins) {
  std::erase_if(lists_, [&](const auto& list) { return !origins.contains(list.first); });
}

void TargetLists::publish() {
  std::vector<model::Target> all;
  for (const auto& [origin, targets] : lists_)
    all.insert(all.end(), targets.begin(), targets.end());
  if (all == published_) return;
  count_->set(static_cast<double>(all.size()));
  host_.exports({{"targets", component::targets_value(all)}});
  published_ = std::move(all);
}

void TargetLists::debug_info(component::DebugWriter& out) const {
  out.value("targets", std::to_string(static_cast<std::int64_t>(count_->value())));
}

}  // namespace agent::discovery
