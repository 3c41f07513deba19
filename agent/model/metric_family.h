// Metric samples grouped as the exposition formats group them: what an exporter answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/model/labels.h"

namespace agent::model {

// The values are those of MetricMetadata.MetricType in Prometheus' remote write protocol.
enum class MetricType : std::uint8_t {
  kUnknown = 0,
  kCounter = 1,
  kGauge = 2,
  kHistogram = 3,
  kGaugeHistogram = 4,
  kSummary = 5,
  kInfo = 6,
  kStateSet = 7,
};

struct MetricFamily {
  struct Point {
    std::string suffix;  // "_bucket", "_sum", "_count" of a histogram or summary; else ""
    Labels labels;       // with le of a bucket, quantile of a summary
    double value = 0;
    std::optional<std::int64_t> time_ms = std::nullopt;  // none: the time of the collection
  };
  std::string name;
  std::string help;
  MetricType type = MetricType::kUnknown;
  std::vector<Point> points;
};

}  // namespace agent::model
