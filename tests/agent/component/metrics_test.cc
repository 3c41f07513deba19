#include "agent/component/metrics.h"

#include <catch2/catch.hpp>

#include "agent/wire/exposition.h"

namespace agent::component {

TEST_CASE("metrics: a histogram counts at most each bound, and shows sum and count") {
  const Metrics metrics;
  const Histogram seconds =
      metrics.with({{"component_id", "x"}}).histogram("took_seconds", "Took.", {0.1, 1, 100000});
  for (const double value : {0.05, 0.1, 0.5, 7.0, 1e9}) seconds->observe(value);
  CHECK(wire::write_exposition(metrics.collect()) ==
        "# HELP took_seconds Took.\n"
        "# TYPE took_seconds histogram\n"
        "took_seconds_bucket{component_id=\"x\",le=\"0.1\"} 2\n"
        "took_seconds_bucket{component_id=\"x\",le=\"1\"} 3\n"
        "took_seconds_bucket{component_id=\"x\",le=\"100000\"} 4\n"
        "took_seconds_bucket{component_id=\"x\",le=\"+Inf\"} 5\n"
        "took_seconds_sum{component_id=\"x\"} 1.00000000765e+09\n"
        "took_seconds_count{component_id=\"x\"} 5\n");
}

TEST_CASE("metrics: a series goes with its last handle") {
  const Metrics metrics;
  Histogram one = metrics.histogram("a", "A.", {1});
  const Histogram same = metrics.histogram("a", "A.", {1});
  CHECK(one == same);
  one = metrics.histogram("a", "A.", {1}, {{"k", "v"}});
  CHECK(metrics.collect().at(0).points.size() == 8);
  one.reset();
  CHECK(metrics.collect().at(0).points.size() == 4);
}

TEST_CASE("metrics: a name that is in use as another type does not break the page") {
  const Metrics metrics;
  const Counter counter = metrics.counter("a", "A.");
  const Histogram histogram = metrics.histogram("a", "A.", {1});
  histogram->observe(1);
  counter->increment();
  CHECK(wire::write_exposition(metrics.collect()) == "# HELP a A.\n# TYPE a counter\na 1\n");
}

}  // namespace agent::component
