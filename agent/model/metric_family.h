// Metric samples grouped as the exposition formats group them.
#pragma once

#include <string>
#include <vector>

#include "agent/model/labels.h"

namespace agent::model {

struct MetricFamily {
  enum class Type { kUntyped, kCounter, kGauge, kHistogram };
  struct Point {
    std::string suffix;  // "_bucket", "_sum", "_count" of a histogram; else ""
    Labels labels;
    double value = 0;
  };
  std::string name;
  std::string help;
  Type type = Type::kUntyped;
  std::vector<Point> points;
};

}  // namespace agent::model
