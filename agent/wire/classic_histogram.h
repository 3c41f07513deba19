// A histogram of the classic kind (cumulative buckets, a sum and a count, each a series of its own)
// on its way to be a native one with custom buckets, schema -53
// (prometheus.io/docs/specs/native_histograms).
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "agent/wire/exposition_protobuf.h"

namespace agent::wire {

// What was told of one histogram since clear(), in any order. One thread.
class ClassicHistogram {
 public:
  // `count` of what is at most `bound`. Of two for one bound the first one counts.
  void bucket(double bound, double count) { buckets_.emplace_back(bound, count); }
  void sum(double value) { sum_ = value; }
  void count(double value) { count_ = value; }
  bool empty() const { return buckets_.empty() && !count_ && !sum_; }
  void clear();

  // kInvalid: a bound is no number, its buckets are not cumulative, or its count is not that of its
  // last bucket.
  Result<ProtobufExpositionReader::Native> convert();

 private:
  std::vector<std::pair<double, double>> buckets_;
  std::optional<double> count_, sum_;
};

}  // namespace agent::wire
