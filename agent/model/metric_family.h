// Metric samples grouped as the exposition formats group them: what an exporter answers.
#pragma once

#include <cstdint>
#include <memory>
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
    // More labels, which many points have in common and hold once; null for none. No name is in
    // both.
    std::shared_ptr<const Labels> common = nullptr;

    // use(label) for the labels of both, by name.
    template <class Use>
    void each_label(Use use) const;
    Labels all_labels() const;
  };
  std::string name;
  std::string help;
  MetricType type = MetricType::kUnknown;
  std::vector<Point> points;
};

template <class Use>
void MetricFamily::Point::each_label(Use use) const {
  auto own = labels.begin();
  if (common != nullptr) {
    for (const Label& shared : *common) {
      for (; own != labels.end() && own->name < shared.name; ++own) use(*own);
      use(shared);
    }
  }
  for (; own != labels.end(); ++own) use(*own);
}

inline Labels MetricFamily::Point::all_labels() const {
  if (common == nullptr) return labels;
  Labels out;
  out.reserve(labels.size() + common->size());
  each_label([&](const Label& label) { out.push_back(label); });
  return out;
}

}  // namespace agent::model
