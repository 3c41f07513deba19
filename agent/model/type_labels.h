// The labels that tell a series' type and unit where that is asked for
// (prometheus.io/docs/prometheus/latest/feature_flags, type-and-unit-labels).
#pragma once

#include <array>
#include <string_view>

#include "agent/model/labels.h"
#include "agent/model/metric_family.h"

namespace agent::model {

inline constexpr char kTypeLabel[] = "__type__";
inline constexpr char kUnitLabel[] = "__unit__";

// What is not known removes the label.
inline void set_type_and_unit(LabelBuilder& labels, MetricType type, std::string_view unit) {
  constexpr std::array<std::string_view, 8> kNames = {
      "", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"};
  labels.set(kTypeLabel, kNames[static_cast<std::size_t>(type)]);
  labels.set(kUnitLabel, unit);
}

}  // namespace agent::model
