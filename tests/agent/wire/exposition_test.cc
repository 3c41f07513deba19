#include "agent/wire/exposition.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace agent::wire {

TEST_CASE("exposition: help, type, labels and values are written and escaped") {
  model::MetricFamily family{
      "a_total", "Lines\nread \\ kept.", model::MetricFamily::Type::kCounter, {}};
  family.points.push_back({"", {{"k", "v\"\\\n"}, {"z", "1"}}, 3});
  family.points.push_back({"", {}, 0.1});
  CHECK(write_exposition({family}) ==
        "# HELP a_total Lines\\nread \\\\ kept.\n"
        "# TYPE a_total counter\n"
        "a_total{k=\"v\\\"\\\\\\n\",z=\"1\"} 3\n"
        "a_total 0.1\n");
}

TEST_CASE("exposition: values that are not finite") {
  CHECK(format_sample_value(std::nan("")) == "NaN");
  CHECK(format_sample_value(-INFINITY) == "-Inf");
  CHECK(format_sample_value(1e21) == "1e+21");
}

}  // namespace agent::wire
