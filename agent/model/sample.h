// Samples of series and the batches in which they travel from a scrape to a remote write.
//
// Unlike log entries, samples carry no receipt: they cannot be read again. Whoever consumes a batch
// without a failure has taken it over (remote write: into its disk queue).
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/model/labels.h"
#include "agent/model/metric_family.h"

namespace agent::model {

inline constexpr char kMetricNameLabel[] = "__name__";

// "This series ended": the NaN that Prometheus gives this meaning. Its bits must survive every
// step.
inline constexpr std::uint64_t kStaleBits = 0x7ff0000000000002U;
inline double stale_marker() { return std::bit_cast<double>(kStaleBits); }
inline bool is_stale_marker(double value) {
  return std::bit_cast<std::uint64_t>(value) == kStaleBits;
}

struct Sample {
  LabelSet series;  // with __name__
  std::int64_t time_ms = 0;
  double value = 0;
  std::int64_t start_ms = 0;  // since when the series counts; 0: unknown
};

// An example of what a series counted, say a trace id.
struct Exemplar {
  LabelSet series;
  Labels labels;
  double value = 0;
  std::int64_t time_ms = 0;
};

// A native histogram, passed through: `encoded` is the Histogram message of remote write (equal in
// protocol 1.0 and 2.0), with its time inside.
struct NativeHistogram {
  LabelSet series;
  std::int64_t time_ms = 0;
  std::shared_ptr<const std::string> encoded;
  bool custom_buckets = false;  // schema -53, which protocol 1.0 does not know
  bool has_start = false;       // tells since when it counts, which 1.0 cannot, either
};

// What a family is. The last one told counts.
struct Metadata {
  std::string family;
  MetricType type = MetricType::kUnknown;
  std::string help;
  std::string unit;
};

// Moves; clone() is the one way to copy. One thread at a time.
class SampleBatch {
 public:
  SampleBatch() = default;
  SampleBatch(SampleBatch&&) noexcept = default;
  SampleBatch& operator=(SampleBatch&&) noexcept = default;

  std::vector<Sample> samples;  // of one series in order of time
  std::vector<Exemplar> exemplars;
  std::vector<NativeHistogram> histograms;
  std::vector<Metadata> metadata;

  bool empty() const {
    return samples.empty() && exemplars.empty() && histograms.empty() && metadata.empty();
  }
  SampleBatch clone() const { return SampleBatch(*this); }
  void settle() {}  // nobody waits for it

 private:
  SampleBatch(const SampleBatch&) = default;
};

}  // namespace agent::model
