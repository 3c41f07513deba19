// prometheus.exporter.self and prometheus.exporter.static.
#include <catch2/catch.hpp>

#include "agent/component/collector.h"
#include "agent/wire/exposition.h"
#include "tests/support/component_box.h"

namespace agent::exporter {

component::Declaration prometheus_exporter_self();
component::Declaration prometheus_exporter_static();

namespace {

std::string page(const ComponentBox& box, const std::string& id) {
  const auto collector = box.collectors.find(id);
  REQUIRE(collector != nullptr);
  const auto families = collector->collect({});
  REQUIRE(families);
  return wire::write_exposition(*families);
}

}  // namespace

TEST_CASE("prometheus.exporter.self: shows what the agent counts") {
  ComponentBox box("prometheus.exporter.self.x");
  const auto counter = box.metrics.counter("things_total", "Things.");
  counter->add(3);
  RunningComponent component(box, prometheus_exporter_self());
  REQUIRE(component.configure({}).empty());
  CHECK(page(box, "prometheus.exporter.self.x") ==
        "# HELP things_total Things.\n# TYPE things_total counter\nthings_total 3\n");
  const auto& target = box.exported("targets").list().at(0).object();
  const auto job = std::find_if(target.begin(), target.end(),
                                [](const auto& member) { return member.first == "job"; });
  REQUIRE(job != target.end());
  CHECK(job->second.string() == "integrations/self");
}

TEST_CASE("prometheus.exporter.static: shows what is written, histograms as one family") {
  ComponentBox box("prometheus.exporter.static.x");
  RunningComponent component(box, prometheus_exporter_static());
  const std::string text =
      "# HELP a_seconds A.\n# TYPE a_seconds histogram\n"
      "a_seconds_bucket{le=\"1\"} 2\na_seconds_bucket{le=\"+Inf\"} 3\n"
      "a_seconds_sum 4.5\na_seconds_count 3\n"
      "# HELP b B.\n# TYPE b gauge\nb{x=\"1\"} 1 1700000000000\n";
  REQUIRE(component.configure(body_of({{"text", lang::Value(text)}})).empty());
  CHECK(page(box, "prometheus.exporter.static.x") == text);
  CHECK(component.configure(body_of({{"text", "b\n"}})) ==
        "line 1: expected a value after the series");
  CHECK(page(box, "prometheus.exporter.static.x") == text);
  REQUIRE(component.configure(body_of({{"text", "c 1\n"}})).empty());
  CHECK(page(box, "prometheus.exporter.static.x") == "# HELP c \n# TYPE c untyped\nc 1\n");
}

}  // namespace agent::exporter
