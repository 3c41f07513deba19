#include <catch2/catch.hpp>

#include "agent/component/relabel_args.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/sample_collector.h"

namespace agent::relabel {

component::Declaration prometheus_relabel();

namespace {

lang::Body rules(const std::shared_ptr<SampleCollector>& out, lang::Value ttl = {}) {
  std::shared_ptr<component::MetricsReceiver> receiver = out;
  std::vector<std::pair<std::string, lang::Value>> attributes = {
      {"forward_to", receivers(receiver)}};
  if (!ttl.is_null()) attributes.emplace_back("cache_ttl", std::move(ttl));
  return body_of(std::move(attributes),
                 {{"rule", body_of({{"target_label", "instance"}, {"replacement", "puck"}})},
                  {"rule", body_of({{"source_labels", string_list({"__name__"})},
                                    {"regex", "go_.*"},
                                    {"action", "drop"}})},
                  {"rule", body_of({{"source_labels", string_list({"nameless"})},
                                    {"regex", "yes"},
                                    {"target_label", "__name__"},
                                    {"replacement", ""}})}});
}

}  // namespace

TEST_CASE("prometheus.relabel: samples, markers, exemplars and histograms follow one mapping") {
  ComponentBox box("prometheus.relabel.x");
  RunningComponent component(box, prometheus_relabel());
  const auto out = std::make_shared<SampleCollector>();
  REQUIRE(component.configure(rules(out)).empty());
  model::SampleBatch batch;
  const auto series = [&](model::Labels labels) { return box.labels.intern(std::move(labels)); };
  const auto a = series({{"__name__", "a"}, {"instance", "old"}});
  batch.samples = {{a, 1, 2},
                   {series({{"__name__", "go_x"}}), 1, 3},
                   {series({{"__name__", "b"}, {"nameless", "yes"}}), 1, 4},
                   {a, 2, model::stale_marker()}};
  batch.exemplars.push_back({a, {{"t", "1"}}, 5, 1});
  batch.metadata.push_back({"a", model::MetricType::kGauge, "A.", ""});
  REQUIRE(box.metrics_receiver()->consume(std::move(batch), {}));
  const std::string wanted = R"(a{instance="puck"})";
  CHECK(out->rows() == std::vector<SampleCollector::Row>{{wanted, 1, "2"}, {wanted, 2, "stale"}});
  CHECK(out->exemplars() == std::vector<std::string>{wanted + R"( {t="1"} 5)"});
  CHECK(out->metadata().size() == 1);
  CHECK(box.metric("alloy_prometheus_relabel_metrics_processed") == 4);
  CHECK(box.metric("alloy_prometheus_relabel_metrics_written") == 2);
  CHECK(box.metric("alloy_prometheus_relabel_cache_misses") == 3);
  CHECK(box.metric("alloy_prometheus_relabel_cache_hits") == 2);
}

TEST_CASE("prometheus.relabel: with cache_ttl it forgets what did not come for that long") {
  FakeClock clock;
  ComponentBox box("prometheus.relabel.x", clock);
  RunningComponent component(box, prometheus_relabel());
  const auto out = std::make_shared<SampleCollector>();
  REQUIRE(component.configure(rules(out, "1m")).empty());
  const auto send = [&](const std::string& name) {
    model::SampleBatch batch;
    batch.samples.push_back({box.labels.intern({{"__name__", name}}), 1, 1});
    REQUIRE(box.metrics_receiver()->consume(std::move(batch), {}));
  };
  for (int i = 0; i < 100; ++i) send("a" + std::to_string(i));
  clock.advance(std::chrono::minutes(1));
  send("stays");
  clock.advance(std::chrono::minutes(1));
  send("stays");
  CHECK(box.metric("alloy_prometheus_relabel_cache_size") == 1);
  CHECK(box.metric("alloy_prometheus_relabel_cache_ttl_evictions") == 100);
}

TEST_CASE("prometheus.relabel: arguments that cannot be are refused") {
  ComponentBox box("prometheus.relabel.x");
  RunningComponent component(box, prometheus_relabel());
  const std::shared_ptr<component::MetricsReceiver> out = std::make_shared<SampleCollector>();
  CHECK(component.configure(body_of({{"forward_to", receivers(out)}, {"cache_ttl", "1s"}})) ==
        "cache_ttl must be at least 1m");
  CHECK(component.configure(body_of({{"forward_to", receivers(out)},
                                     {"cache_ttl", "1m"},
                                     {"max_cache_size", std::int64_t{5}}})) ==
        "cache_ttl and max_cache_size cannot both be given");
  CHECK(component.configure(
            body_of({{"forward_to", receivers(out)}, {"max_cache_size", std::int64_t{0}}})) ==
        "max_cache_size must be greater than 0");
}

}  // namespace agent::relabel
