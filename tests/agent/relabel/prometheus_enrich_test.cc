#include <catch2/catch.hpp>

#include "tests/support/component_box.h"
#include "tests/support/sample_collector.h"

namespace agent::relabel {
component::Declaration prometheus_enrich();
namespace {

using lang::Value;
using Options = std::vector<std::pair<std::string, Value>>;

struct Fixture {
  ComponentBox box{"prometheus.enrich.x"};
  std::shared_ptr<SampleCollector> out = std::make_shared<SampleCollector>();
  RunningComponent component{box, prometheus_enrich()};

  std::string configure(std::vector<model::Target> targets, Options more) {
    more.emplace_back("targets", component::targets_value(targets));
    more.emplace_back("forward_to", receivers(out));
    return component.configure(body_of(std::move(more)));
  }
  std::string pass(model::Labels labels) {
    labels.push_back({"__name__", "m"});
    model::SampleBatch batch;
    batch.samples.push_back({box.labels.intern(std::move(labels)), 1, 2});
    const auto passed = box.metrics_receiver()->consume(std::move(batch), {});
    return passed ? out->rows().back().series : passed.error().message;
  }
};

const std::vector<model::Target> kTargets = {{{"__meta_app", "shop"}, {"pod", "p1"}, {"zone", "a"}},
                                             {{"__meta_app", "shop"}, {"pod", "p2"}, {"zone", "b"}},
                                             {{"pod", "p3"}, {"zone", "c"}}};

}  // namespace

TEST_CASE("prometheus.enrich: samples get the labels of their target, others pass unchanged") {
  Fixture f;
  REQUIRE(f.configure(kTargets, {{"target_to_metric_match", Value::Object{{"pod", "instance"}}},
                                 {"labels_to_copy", string_list({"zone", "none"})}}) == "");
  CHECK(f.pass({{"instance", "p1"}}) == "m{instance=\"p1\", zone=\"a\"}");
  CHECK(f.pass({{"instance", "p1"}}) == "m{instance=\"p1\", zone=\"a\"}");
  CHECK(f.pass({{"instance", "p2"}, {"zone", "mine"}}) == "m{instance=\"p2\", zone=\"b\"}");
  CHECK(f.pass({{"instance", "p9"}}) == "m{instance=\"p9\"}");
  CHECK(f.pass({{"x", "y"}}) == "m{x=\"y\"}");
  CHECK(f.box.metric("prometheus_forwarded_samples_total") == 5);
  CHECK(f.box.metric("alloy_prometheus_target_cache_size") == 3);
}

TEST_CASE("prometheus.enrich: all labels of the map must match; without names all are copied") {
  Fixture f;
  REQUIRE(f.configure(kTargets, {{"target_to_metric_match",
                                  Value::Object{{"__meta_app", "app"}, {"pod", "pod"}}}}) == "");
  CHECK(f.pass({{"app", "shop"}, {"pod", "p2"}}) ==
        "m{__meta_app=\"shop\", app=\"shop\", pod=\"p2\", zone=\"b\"}");
  CHECK(f.pass({{"app", "other"}, {"pod", "p2"}}) == "m{app=\"other\", pod=\"p2\"}");
  CHECK(f.pass({{"pod", "p3"}}) == "m{pod=\"p3\"}");
}

TEST_CASE("prometheus.enrich: the old arguments, and targets that change") {
  Fixture f;
  REQUIRE(f.configure(kTargets, {{"target_match_label", "pod"},
                                 {"labels_to_copy", string_list({"zone"})}}) == "");
  CHECK(f.pass({{"pod", "p1"}}) == "m{pod=\"p1\", zone=\"a\"}");
  REQUIRE(f.configure({{{"pod", "p1"}, {"zone", "z"}}}, {{"target_match_label", "pod"}}) == "");
  CHECK(f.pass({{"pod", "p1"}}) == "m{pod=\"p1\", zone=\"z\"}");
  CHECK(f.configure(kTargets, {}) == "target_to_metric_match says how samples find their target");
}

}  // namespace agent::relabel
