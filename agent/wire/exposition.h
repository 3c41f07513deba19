// Prometheus' text exposition format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats),
// writing side.
#pragma once

#include <string>
#include <vector>

#include "agent/model/metric_family.h"

namespace agent::wire {

inline constexpr char kExpositionContentType[] = "text/plain; version=0.0.4; charset=utf-8";

std::string write_exposition(const std::vector<model::MetricFamily>& families);

}  // namespace agent::wire
