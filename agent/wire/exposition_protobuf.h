// Prometheus' protobuf exposition format, reading side: messages io.prometheus.client.MetricFamily,
// each behind its length (github.com/prometheus/client_model, metrics.proto), the one format that
// carries native histograms.
//
// Pull, as ExpositionReader: one family after the other, one metric after the other, in memory that
// is used again. A page that is not as it should be is refused from there on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "agent/model/labels.h"
#include "agent/model/metric_family.h"

namespace agent::wire {

// The schema of a native histogram whose bounds are told one by one.
inline constexpr std::int32_t kCustomBuckets = -53;

// True when a Content-Type names this format.
bool is_protobuf_exposition(std::string_view content_type);

// Beside the class, because clang 14 wants it complete for an optional of it.
struct ProtobufExemplar {
  model::Labels labels;
  double value = 0;
  std::optional<std::int64_t> time_ms;
};

class ProtobufExpositionReader {
 public:
  enum class Item { kFamily, kMetric, kEnd, kBroken };

  struct Family {
    std::string name, help, unit;
    model::MetricType type = model::MetricType::kUnknown;
  };
  using Exemplar = ProtobufExemplar;
  // One series of a metric in the classic sense.
  struct Point {
    std::string_view suffix;  // "", "_bucket", "_sum", "_count"
    std::string_view label;   // "le", "quantile" or ""
    double at = 0;            // its value
    double value = 0;
    std::optional<Exemplar> exemplar;
  };
  // Buckets of one sign: spans of (offset, length), and one count each.
  struct Buckets {
    std::vector<std::pair<std::int32_t, std::uint32_t>> spans;
    std::vector<std::int64_t> deltas;  // of whole numbers, each from the one before
    std::vector<double> counts;        // or not whole
  };
  struct Native {
    bool whole = true;  // counts are whole numbers
    std::uint64_t count = 0, zero_count = 0;
    double float_count = 0, float_zero_count = 0;
    double sum = 0, zero_threshold = 0;
    std::int32_t schema = 0;
    bool gauge = false;
    bool fresh = false;  // the first one after it began anew
    Buckets negative, positive;
    std::vector<double> custom_values;  // of kCustomBuckets: the bounds, but for +Inf
    std::vector<Exemplar> exemplars;
    std::size_t buckets() const;
  };
  struct Metric {
    model::Labels labels;
    std::optional<std::int64_t> time_ms;
    std::optional<std::int64_t> start_ms;  // since when it counts
    std::vector<Point> points;
    std::optional<Native> native;
    bool classic = false;  // a histogram with buckets among its points
  };

  // The page outlives it.
  explicit ProtobufExpositionReader(std::string_view page) : rest_(page) {}

  // kFamily, then a kMetric for each of its metrics, and so on. After kEnd and kBroken nothing
  // follows.
  Item next();
  const Family& family() const { return family_; }
  Metric& metric() { return metric_; }
  const std::string& error() const { return error_; }

 private:
  Item broken(const char* what);
  bool read_family();
  bool read_metric(std::string_view message);

  std::string_view rest_;
  std::string_view metrics_;  // of the family, with its other fields
  Family family_;
  Metric metric_;
  std::size_t families_ = 0;
  std::string error_;
};

// Halves the resolution until there are at most `limit` buckets (0: any number) and their bounds
// grow at least by `min_factor` (0: any). False when that cannot be: bounds of one's own stay.
bool coarsen(ProtobufExpositionReader::Native& histogram, std::uint64_t limit, double min_factor);

// The Histogram message of remote write that says the same; `start_ms`: since when it counts, 0 for
// unknown.
std::string encode_native_histogram(const ProtobufExpositionReader::Native& histogram,
                                    std::int64_t time_ms, std::int64_t start_ms = 0);
// One with the same bounds that has counted nothing and begins anew.
std::string encode_empty_histogram(const ProtobufExpositionReader::Native& histogram,
                                   std::int64_t time_ms);

}  // namespace agent::wire
