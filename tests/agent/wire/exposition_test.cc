#include "agent/wire/exposition.h"

#include <catch2/catch.hpp>

namespace agent::wire {

TEST_CASE("exposition: help, type, labels and values are written and escaped") {
  model::MetricFamily family{"a_total", "Lines\nread \\ kept.", model::MetricType::kCounter, {}};
  family.points.push_back({"", {{"k", "v\"\\\n"}, {"z", "1"}}, 3});
  family.points.push_back({"", {}, 0.1});
  CHECK(write_exposition({family}) ==
        "# HELP a_total Lines\\nread \\\\ kept.\n"
        "# TYPE a_total counter\n"
        "a_total{k=\"v\\\"\\\\\\n\",z=\"1\"} 3\n"
        "a_total 0.1\n");
}

TEST_CASE("exposition: a point's own time is written") {
  model::MetricFamily family{"a", "A.", model::MetricType::kSummary, {}};
  family.points.push_back({"_sum", {}, 1e6, 1'700'000'000'123});
  CHECK(write_exposition({family}) == "# HELP a A.\n# TYPE a summary\na_sum 1e+06 1700000000123\n");
}

}  // namespace agent::wire
