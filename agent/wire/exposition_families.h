// A page of the text exposition format as a whole, by families. For small ones: scrapes read pages
// line by line (exposition_reader.h).
#pragma once

#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/model/metric_family.h"

namespace agent::wire {

// In the order of the page; those without samples are left out. kInvalid names the line.
Result<std::vector<model::MetricFamily>> read_families(std::string_view page);

}  // namespace agent::wire
