// Which series of a text page are parts of one metric: the buckets, sum, count and time of creation
// of one histogram, say. Known from page to page by their bytes, as the series themselves are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/base/result.h"
#include "agent/model/labels.h"
#include "agent/model/metric_family.h"

namespace agent::scrape {

// Belongs to one thread.
class MetricParts {
 public:
  static constexpr std::size_t kMax = 250'000;  // parts of a page

  enum class Kind : std::uint8_t { kOther, kValue, kBucket, kSum, kCount, kCreated };
  struct Metric {
    std::string key;       // differs between metrics, and from the text of any series
    std::string family;    // its name
    model::Labels labels;  // without le, quantile and the name
  };
  struct Part {
    Kind kind = Kind::kOther;
    model::MetricType type = model::MetricType::kUnknown;  // that it was judged by
    double bound = 0;                                      // of a bucket
    const Metric* metric = nullptr;  // null: a part of nothing. Good until tidy()
  };

  // What the series of these bytes is in a family of this type. kInvalid: it is no series;
  // kExhausted: there are too many.
  Result<Part> find(std::string_view text, std::string_view family, model::MetricType type);
  // At the end of a page; forgets all when most of it was not asked for.
  void tidy();
  void forget();

  // A key as `Metric` has it.
  static std::string key_of(std::string_view family, const model::Labels& labels);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  std::unordered_map<std::string, Part, Hash, std::equal_to<>> parts_;
  std::unordered_map<std::string, Metric, Hash, std::equal_to<>> metrics_;
  std::size_t asked_ = 0;  // since the last tidy()
};

}  // namespace agent::scrape
