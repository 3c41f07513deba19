// prometheus.exporter.self: the agent's own metrics as a target.
#include <memory>
#include <utility>

#include "agent/component/collector.h"
#include "agent/component/component.h"

namespace agent::exporter {
namespace {

struct SelfArgs {
  static component::Schema<SelfArgs> schema() { return {}; }
};

class OwnMetrics final : public component::Collector {
 public:
  explicit OwnMetrics(component::Metrics metrics) : metrics_(std::move(metrics)) {}
  Result<std::vector<model::MetricFamily>> collect(std::stop_token) override {
    return metrics_.collect();
  }

 private:
  const component::Metrics metrics_;
};

class SelfExporter final : public component::Configured<SelfArgs> {
 public:
  explicit SelfExporter(const component::Host& host)
      : registered_(host.collectors.add(host.id, std::make_shared<OwnMetrics>(host.metrics))) {
    host.exports({{"targets", component::targets_value({component::exporter_target(
                                  host.id, "self", component::host_name())})}});
  }
  using Configured::prepare;
  Result<component::Commit> prepare(SelfArgs) override {
    return component::Commit([] {});
  }

 private:
  const std::shared_ptr<void> registered_;
};

}  // namespace

component::Declaration prometheus_exporter_self() {
  return component::declare<SelfExporter>(
      "prometheus.exporter.self", "Exposes the agent's own metrics as a target to scrape.",
      {{"targets", "list(map(string))", "The target that means this agent."}});
}

}  // namespace agent::exporter
