// What the agent's process itself uses, for its own /metrics: names as Prometheus' client libraries
// have them.
#pragma once

#include <memory>
#include <string>

#include "agent/component/metrics.h"
#include "agent/runtime/runtime.h"

namespace agent::ui {

// Adds process_*, alloy_build_info and the number of components by health to `metrics` as long as
// the handle lives.
std::shared_ptr<void> expose_process(const component::Metrics& metrics,
                                     const runtime::Runtime& runtime, const std::string& version);

}  // namespace agent::ui
