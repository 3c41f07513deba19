// The families of prometheus.exporter.process: process-exporter's names, labels and values.
#pragma once

#include <vector>

#include "agent/exporter/process/tracker.h"
#include "agent/model/metric_family.h"

namespace agent::exporter::processes {

// By name. Without `groups` those of the scrape itself only.
std::vector<model::MetricFamily> page(const Tracker& tracker, bool groups);

}  // namespace agent::exporter::processes
