// What flows through the components: who hands on to whom, and how much of it there was, from the
// counters that stand anyway.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/component/metrics.h"
#include "agent/runtime/runtime.h"

namespace agent::ui {

// Of one component since it started, added up over its counters' other labels.
struct Flow {
  double out = -1;    // entries or samples that left it; -1: nobody counts them
  double bytes = -1;  // that were sent
  double dropped = 0;
};
using Flows = std::map<std::string, Flow, std::less<>>;  // by the component's id

// What flows from `from` to `to`: "logs" or "metrics" through a receiver, else "values". Points
// into the list that it was made of.
struct Edge {
  std::string_view from, to;
  std::string_view kind;
};

// A receiver that an argument holds is one that another component exports.
std::vector<Edge> edges_of(const std::vector<runtime::ComponentStatus>& all);

// Of a component that does not count what leaves it, what those before it sent to it counts.
Flows flows_of(const std::vector<model::MetricFamily>& families, const std::vector<Edge>& edges);

// The component whose series it is; "" when it is nobody's.
std::string component_of(const model::MetricFamily::Point& point);

}  // namespace agent::ui
