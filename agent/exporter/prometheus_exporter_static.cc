// prometheus.exporter.static: metrics written into the configuration, as a target.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/component/collector.h"
#include "agent/component/component.h"
#include "agent/wire/exposition_families.h"

namespace agent::exporter {
namespace {

using model::MetricFamily;

struct StaticArgs {
  std::string text;

  static component::Schema<StaticArgs> schema() {
    return component::Schema<StaticArgs>().required(
        "text", &StaticArgs::text, "Metrics in Prometheus' text exposition format.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (const auto families = wire::read_families(text); !families)
      diagnostics.error(body.span_of("text"), families.error().message);
  }
};

class Written final : public component::Collector {
 public:
  void set(std::vector<MetricFamily> families) {
    MutexLock lock(mutex_);
    families_ = std::move(families);
  }
  Result<std::vector<MetricFamily>> collect(std::stop_token) override {
    MutexLock lock(mutex_);
    return families_;
  }

 private:
  Mutex mutex_;
  std::vector<MetricFamily> families_ GUARDED_BY(mutex_);
};

class StaticExporter final : public component::Configured<StaticArgs> {
 public:
  explicit StaticExporter(const component::Host& host)
      : registered_(host.collectors.add(host.id, written_)) {
    host.exports({{"targets", component::targets_value({component::exporter_target(
                                  host.id, "static", component::host_name())})}});
  }
  using Configured::prepare;
  Result<component::Commit> prepare(StaticArgs args) override {
    auto families = wire::read_families(args.text);
    if (!families) return fail(std::move(families.error()));
    return component::Commit([this, families = std::move(*families)] { written_->set(families); });
  }

 private:
  const std::shared_ptr<Written> written_ = std::make_shared<Written>();
  const std::shared_ptr<void> registered_;
};

}  // namespace

component::Declaration prometheus_exporter_static() {
  return component::declare<StaticExporter>(
      "prometheus.exporter.static", "Exposes metrics that the configuration itself holds.",
      {{"targets", "list(map(string))", "The target that means these metrics."}});
}

}  // namespace agent::exporter
