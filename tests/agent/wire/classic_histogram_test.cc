#include "agent/wire/classic_histogram.h"

#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "agent/base/strings.h"

namespace agent::wire {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

// Its bounds, spans and counts, or what is wrong.
std::string converted(ClassicHistogram& histogram) {
  const auto native = histogram.convert();
  if (!native) return native.error().message;
  CHECK(native->schema == kCustomBuckets);
  std::string out = "bounds";
  for (const double bound : native->custom_values) out += " " + format_number(bound);
  out += " spans";
  for (const auto& [offset, length] : native->positive.spans)
    out += " " + std::to_string(offset) + "+" + std::to_string(length);
  out += native->whole ? " deltas" : " counts";
  for (const auto delta : native->positive.deltas) out += " " + std::to_string(delta);
  for (const double count : native->positive.counts) out += " " + format_number(count);
  return out + " of " +
         (native->whole ? std::to_string(native->count) : format_number(native->float_count)) +
         " sum " + format_number(native->sum);
}

ClassicHistogram of(const std::vector<std::pair<double, double>>& buckets) {
  ClassicHistogram out;
  for (const auto& [bound, count] : buckets) out.bucket(bound, count);
  return out;
}

}  // namespace

TEST_CASE("classic histogram: buckets of their own, in any order, the first of two") {
  auto one = of({{2, 3}, {1, 1}, {kInf, 7}, {1, 2}});
  one.sum(5.5);
  one.count(7);
  CHECK(converted(one) == "bounds 1 2 spans 0+3 deltas 1 1 2 of 7 sum 5.5");
  one.clear();
  CHECK(one.empty());
}

TEST_CASE("classic histogram: what is not told follows from the rest") {
  auto no_count = of({{1, 1}, {2, 4}});
  CHECK(converted(no_count) == "bounds 1 2 spans 0+2 deltas 1 2 of 4 sum 0");
  ClassicHistogram no_buckets;
  no_buckets.count(3);
  CHECK(converted(no_buckets) == "bounds spans 0+1 deltas 3 of 3 sum 0");
}

TEST_CASE("classic histogram: empty buckets are left out where that is shorter") {
  auto gaps =
      of({{1, 0}, {2, 1}, {3, 1}, {4, 1}, {5, 2}, {6, 2}, {7, 2}, {8, 2}, {9, 5}, {kInf, 5}});
  CHECK(converted(gaps) == "bounds 1 2 3 4 5 6 7 8 9 spans 1+4 3+1 deltas 1 -1 0 1 2 of 5 sum 0");
  auto halves = of({{1, 0.5}, {2, 0.5}, {3, 2}});
  CHECK(converted(halves) == "bounds 1 2 3 spans 0+1 1+1 counts 0.5 1.5 of 2 sum 0");
}

TEST_CASE("classic histogram: large counts add up") {
  const double large = 4611686018427387904.0;  // 2^62
  auto one = of({{1, 1}, {2, large}, {kInf, large + 1024}});
  CHECK(converted(one) ==
        "bounds 1 2 spans 0+3 deltas 1 4611686018427387902 -4611686018427386879 of "
        "4611686018427388928 sum 0");
}

TEST_CASE("classic histogram: what cannot be is refused") {
  ClassicHistogram none;
  none.sum(1);
  CHECK(converted(none) == "a histogram has neither buckets nor a count");
  auto falling = of({{1, 2}, {2, 1}});
  CHECK(converted(falling) == "a histogram's buckets are not cumulative");
  auto negative = of({{1, -1}});
  CHECK(converted(negative) == "a histogram's buckets are not cumulative");
  auto endless = of({{1, kInf}});
  CHECK(converted(endless) == "a histogram's buckets are not cumulative");
  auto none_of_it = of({{1, std::numeric_limits<double>::quiet_NaN()}});
  CHECK(converted(none_of_it) == "a histogram's buckets are not cumulative");
  auto unbounded = of({{1, 1}, {std::numeric_limits<double>::quiet_NaN(), 1}});
  CHECK(converted(unbounded) == "a histogram's bound is no number");
  auto short_of = of({{1, 2}});
  short_of.count(1);
  CHECK(converted(short_of) == "a histogram's buckets are not cumulative");
  auto different = of({{1, 2}, {kInf, 3}});
  different.count(4);
  CHECK(converted(different) == "a histogram's count is not that of its last bucket");
}

}  // namespace agent::wire
