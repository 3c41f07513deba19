#include "agent/wire/classic_histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace agent::wire {
namespace {

using Native = ProtobufExpositionReader::Native;

// Empty buckets in a row that are cheaper to write than the end of a span; as Prometheus has it.
constexpr std::size_t kGapOfWhole = 2;
constexpr double kMaxWhole = 9.2e18;

// The spans of `counts` without the empty buckets that need not be written; use(place) for each
// that is.
template <class Count, class Use>
void in_spans(const std::vector<Count>& counts, std::size_t gap,
              ProtobufExpositionReader::Buckets& out, Use use) {
  std::size_t behind = 0;  // the last bucket that was written
  for (std::size_t at = 0; at < counts.size(); ++at) {
    if (counts[at] == 0) continue;
    const std::size_t empty = at - behind;
    if (out.spans.empty() || empty > gap) {
      out.spans.emplace_back(static_cast<std::int32_t>(empty), 0U);
      behind = at;
    }
    for (; behind <= at; ++behind) {
      ++out.spans.back().second;
      use(behind);
    }
  }
}

}  // namespace

void ClassicHistogram::clear() {
  buckets_.clear();
  count_.reset();
  sum_.reset();
}

Result<Native> ClassicHistogram::convert() {
  if (std::any_of(buckets_.begin(), buckets_.end(),
                  [](const auto& one) { return std::isnan(one.first); }))
    return fail(ErrorCode::kInvalid, "a histogram's bound is no number");
  std::stable_sort(buckets_.begin(), buckets_.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  buckets_.erase(std::unique(buckets_.begin(), buckets_.end(),
                             [](const auto& a, const auto& b) { return a.first == b.first; }),
                 buckets_.end());
  if (!count_ && buckets_.empty())
    return fail(ErrorCode::kInvalid, "a histogram has neither buckets nor a count");
  const double count = count_.value_or(buckets_.empty() ? 0 : buckets_.back().second);
  const double inf = std::numeric_limits<double>::infinity();
  if (buckets_.empty() || buckets_.back().first != inf) buckets_.emplace_back(inf, count);

  const auto is_whole = [](double value) {
    return value < kMaxWhole && value == std::floor(value);
  };
  Native out;
  out.schema = kCustomBuckets;
  out.sum = sum_.value_or(0);
  out.whole = is_whole(count);
  double before = 0;
  for (const auto& [bound, cumulative] : buckets_) {
    if (!(cumulative >= before) || std::isinf(cumulative))
      return fail(ErrorCode::kInvalid, "a histogram's buckets are not cumulative");
    out.whole = out.whole && is_whole(cumulative);
    before = cumulative;
    if (bound != inf) out.custom_values.push_back(bound);
  }
  if (before != count)
    return fail(ErrorCode::kInvalid, "a histogram's count is not that of its last bucket");
  // Of each bucket alone; whole numbers are not rounded as their differences would be.
  if (out.whole) {
    out.count = static_cast<std::uint64_t>(count);
    std::vector<std::int64_t> counts;
    std::int64_t below = 0;
    for (const auto& [bound, cumulative] : buckets_)
      counts.push_back(static_cast<std::int64_t>(cumulative) -
                       std::exchange(below, static_cast<std::int64_t>(cumulative)));
    std::int64_t last = 0;
    in_spans(counts, kGapOfWhole, out.positive, [&](std::size_t at) {
      out.positive.deltas.push_back(counts[at] - std::exchange(last, counts[at]));
    });
  } else {
    out.float_count = count;
    std::vector<double> counts;
    double below = 0;
    for (const auto& [bound, cumulative] : buckets_)
      counts.push_back(cumulative - std::exchange(below, cumulative));
    in_spans(counts, 0, out.positive,
             [&](std::size_t at) { out.positive.counts.push_back(counts[at]); });
  }
  return out;
}

}  // namespace agent::wire
