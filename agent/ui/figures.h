// The whole agent in a few figures, for who asks many agents (`fleetctl status`):
//
//   {"start": seconds since 1970,
//    "lines": n, "received_samples": n,        since the start: two answers make a rate
//    "samples_per_second": x,                  of scrapes: what the last one of each target
//    brought,
//                                              over its interval
//    "backlog": {"entries": n, "samples": n, "bytes": n, "oldest_seconds": n},
//    "last_error": null or {"component", "message", "time": seconds since 1970 or 0, "now": bool}}
//
// Lines are those that sources passed on. The backlog is what is read and not acknowledged, and
// what files and queues hold behind it. A time of 0 is not known.
#pragma once

#include <string>
#include <vector>

#include "agent/component/metrics.h"
#include "agent/runtime/runtime.h"

namespace agent::ui {

std::string figures_json(const std::vector<runtime::ComponentStatus>& all,
                         const std::vector<model::MetricFamily>& families);

}  // namespace agent::ui
