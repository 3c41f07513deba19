#include "agent/component/series_table.h"

#include <catch2/catch.hpp>
#include <string>

#include "agent/wire/exposition.h"
#include "tests/support/fake_clock.h"

namespace agent::component {
namespace {

using namespace std::chrono_literals;
using model::MetricType;

struct Bench {
  FakeClock clock;
  model::Interner labels;
  Metrics all;
  Metrics own = all.with({{"component_id", "x"}});

  SeriesTable table(SeriesTable::Options options) { return {options, own, clock, labels}; }
  std::string page() const { return wire::write_exposition(all.collect()); }
};

}  // namespace

TEST_CASE("SeriesTable: labels that are not shown, or are the metric's own") {
  Bench bench;
  SeriesTable sizes = bench.table({"sizes", "Sizes.", MetricType::kHistogram, {1}});
  CHECK(sizes.observe(bench.labels.intern({{"__path__", "a"}, {"app", "x"}}), 0.5));
  CHECK(sizes.observe(bench.labels.intern({{"__path__", "b"}, {"app", "x"}}), 2));
  CHECK(bench.page() ==
        "# HELP sizes Sizes.\n"
        "# TYPE sizes histogram\n"
        "sizes_bucket{app=\"x\",component_id=\"x\",le=\"1\"} 1\n"
        "sizes_bucket{app=\"x\",component_id=\"x\",le=\"+Inf\"} 2\n"
        "sizes_sum{app=\"x\",component_id=\"x\"} 2.5\n"
        "sizes_count{app=\"x\",component_id=\"x\"} 2\n");

  SeriesTable lines = bench.table({"lines", "Lines.", MetricType::kHistogram, {}});
  CHECK(lines.observe(bench.labels.intern({{"component_id", "a"}, {"le", "b"}}), 1));
  CHECK(
      bench.page().starts_with("# HELP lines Lines.\n"
                               "# TYPE lines histogram\n"
                               "lines_bucket{component_id=\"x\",exported_component_id=\"a\","
                               "exported_le=\"b\",le=\"+Inf\"} 1\n"));
}

TEST_CASE("SeriesTable: bounded in number and in bytes, with room again when a series is idle") {
  Bench bench;
  const auto of = [&](int i) { return bench.labels.intern({{"user", std::to_string(i)}}); };
  SeriesTable few = bench.table({"few", "", MetricType::kCounter, {}, 10s, 3});
  for (int i = 0; i < 3; ++i) CHECK(few.add(of(i), 1));
  CHECK_FALSE(few.add(of(3), 1));
  CHECK(few.add(of(0), 1));
  bench.clock.advance(9s);
  CHECK(few.add(of(0), 1));
  bench.clock.advance(2s);
  CHECK(few.add(of(3), 1));
  CHECK(bench.all.collect().at(0).points.size() == 2);

  SeriesTable small = bench.table({"small", "", MetricType::kCounter, {}, 0s, 1000, 4096});
  CHECK_FALSE(small.add(bench.labels.intern({{"a", std::string(5000, 'a')}}), 1));
  CHECK(small.add(bench.labels.intern({{"a", std::string(3000, 'a')}}), 1));
  CHECK_FALSE(small.add(bench.labels.intern({{"a", std::string(3000, 'b')}}), 1));
}

TEST_CASE("SeriesTable: an idle series is shown once more") {
  Bench bench;
  SeriesTable gauge = bench.table({"g", "", MetricType::kGauge, {}, 10s});
  CHECK(gauge.set(bench.labels.intern({{"a", "1"}}), 7));
  bench.clock.advance(1h);
  CHECK(bench.all.collect().size() == 1);
  CHECK(bench.all.collect().empty());
}

TEST_CASE("metrics: tables of one name become one family") {
  Bench bench;
  const model::LabelSet same = bench.labels.intern({{"a", "1"}});
  const model::LabelSet other = bench.labels.intern({{"a", "2"}});
  SeriesTable one = bench.table({"n", "", MetricType::kCounter});
  SeriesTable two = bench.table({"n", "", MetricType::kCounter});
  SeriesTable wrong = bench.table({"n", "", MetricType::kHistogram, {1}});
  one.add(same, 1);
  two.add(same, 2);
  two.add(other, 5);
  wrong.observe(same, 1);
  CHECK(bench.page() ==
        "# HELP n \n# TYPE n counter\nn{a=\"1\",component_id=\"x\"} 3\n"
        "n{a=\"2\",component_id=\"x\"} 5\n");
}

TEST_CASE("SeriesTable: what is gone is not collected") {
  Bench bench;
  {
    SeriesTable gone = bench.table({"n", "", MetricType::kCounter});
    gone.add({}, 1);
    CHECK(bench.page() == "# HELP n \n# TYPE n counter\nn{component_id=\"x\"} 1\n");
  }
  CHECK(bench.page().empty());
}

}  // namespace agent::component
