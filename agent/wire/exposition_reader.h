// Prometheus' text exposition format 0.0.4 and OpenMetrics text 1.0, reading side
// (prometheus.io/docs/instrumenting/exposition_formats, the OpenMetrics specification).
//
// Pull: next() gives one line after the other. The name and labels of a sample are only delimited
// by it, not understood: a scrape knows them from the last time by their bytes and asks labels()
// for new ones alone. A page that breaks its grammar is refused from that line on, as Prometheus
// does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/model/labels.h"
#include "agent/model/metric_family.h"

namespace agent::wire {

enum class ExpositionFormat { kText, kOpenMetrics };
// The format that a Content-Type names; none: neither of them.
std::optional<ExpositionFormat> exposition_format(std::string_view content_type);

// One thread. The page outlives it; views are good as long as the page.
class ExpositionReader {
 public:
  enum class Item { kSample, kType, kHelp, kUnit, kEnd, kBroken };

  ExpositionReader(std::string_view page, ExpositionFormat format)
      : at_(page.data()), end_(page.data() + page.size()), format_(format) {}

  // After kEnd and kBroken nothing follows.
  Item next();

  // Of a kSample. Its name and labels as written; equal bytes mean the same series.
  std::string_view series() const { return series_; }
  double value() const { return value_; }
  std::optional<std::int64_t> time_ms() const { return time_ms_; }
  // With __name__. kInvalid: not a name, not a label, not UTF-8, a label twice.
  Result<model::Labels> labels() const { return labels_of(series_); }
  static Result<model::Labels> labels_of(std::string_view series);

  struct Exemplar {
    std::string_view labels;  // "{...}", as series()
    double value = 0;
    std::optional<std::int64_t> time_ms;
  };
  const std::optional<Exemplar>& exemplar() const { return exemplar_; }

  // Of a kType, kHelp or kUnit: the family, and what is said of it.
  std::string_view family() const { return series_; }
  model::MetricType type() const { return type_; }
  std::string text() const;  // unescaped

  // Of a kBroken: "line 3: ...".
  std::string error() const;

 private:
  Item sample();
  Item comment();
  Item broken(const char* what);
  bool skip_labels();
  bool number(double& out);
  bool time(std::int64_t& out);
  bool blanks();
  std::string_view word();

  const char* at_;
  const char* end_;
  ExpositionFormat format_;
  std::size_t line_ = 0;
  bool ended_ = false;
  const char* error_ = nullptr;
  std::string_view series_;
  std::string_view text_;
  model::MetricType type_ = model::MetricType::kUnknown;
  double value_ = 0;
  std::optional<std::int64_t> time_ms_;
  std::optional<Exemplar> exemplar_;
};

// The number that `text` is, as both formats write numbers; none when it is not one.
std::optional<double> parse_sample_value(std::string_view text);

}  // namespace agent::wire
