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

TEST_CASE("exposition: labels that points have in common stand among their own, by name") {
  const auto common = std::make_shared<const model::Labels>(model::Labels{{"b", "1"}, {"d", "2"}});
  model::MetricFamily family{"a", "A.", model::MetricType::kGauge, {}};
  family.points.push_back({"", {{"a", "x"}, {"c", "y"}, {"e", "z"}}, 1, std::nullopt, common});
  family.points.push_back({"", {}, 2, std::nullopt, common});
  CHECK(write_exposition({family}) ==
        "# HELP a A.\n# TYPE a gauge\n"
        "a{a=\"x\",b=\"1\",c=\"y\",d=\"2\",e=\"z\"} 1\na{b=\"1\",d=\"2\"} 2\n");
  CHECK(family.points[0].all_labels() ==
        model::Labels{{"a", "x"}, {"b", "1"}, {"c", "y"}, {"d", "2"}, {"e", "z"}});
}

TEST_CASE("exposition: a point's own time is written") {
  model::MetricFamily family{"a", "A.", model::MetricType::kSummary, {}};
  family.points.push_back({"_sum", {}, 1e6, 1'700'000'000'123});
  CHECK(write_exposition({family}) == "# HELP a A.\n# TYPE a summary\na_sum 1e+06 1700000000123\n");
}

}  // namespace agent::wire
