#include "agent/component/collector.h"

#include <catch2/catch.hpp>

namespace agent::component {

namespace {

class Fixed final : public Collector {
 public:
  Result<std::vector<model::MetricFamily>> collect(std::stop_token) override {
    return std::vector<model::MetricFamily>{{"a", "A.", model::MetricType::kGauge, {{"", {}, 1}}}};
  }
};

}  // namespace

TEST_CASE("collectors: an exporter is found until its handle goes") {
  const Collectors collectors;
  const auto collector = std::make_shared<Fixed>();
  CHECK(collectors.find("prometheus.exporter.unix.x") == nullptr);
  auto handle = collectors.add("prometheus.exporter.unix.x", collector);
  CHECK(collectors.find("prometheus.exporter.unix.x") == collector);
  CHECK(collectors.find("prometheus.exporter.unix") == nullptr);
  handle.reset();
  CHECK(collectors.find("prometheus.exporter.unix.x") == nullptr);
}

TEST_CASE("collectors: a target's path names its component") {
  const model::Target target = exporter_target("prometheus.exporter.unix.x", "unix", "puck");
  const model::LabelBuilder labels(target);
  CHECK(labels.get("__address__") == kInProcessAddress);
  CHECK(labels.get("job") == "integrations/unix");
  CHECK(labels.get("instance") == "puck");
  CHECK(exporter_of_path(labels.get("__metrics_path__")) == "prometheus.exporter.unix.x");
  CHECK(exporter_of_path("/api/v0/component//metrics").empty());
  CHECK(exporter_of_path("/api/v0/component/shop.a/unix.x/metrics") == "shop.a/unix.x");
  CHECK(exporter_of_path("/metrics").empty());
}

}  // namespace agent::component
