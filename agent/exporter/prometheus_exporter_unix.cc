// prometheus.exporter.unix: the host's own metrics, as node_exporter tells them.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/component/collector.h"
#include "agent/component/component.h"
#include "agent/exporter/unix/collector.h"
#include "agent/exporter/unix/unix_args.h"

namespace agent::exporter {
namespace {

using unix_host::CollectorKind;
using unix_host::Families;
using unix_host::UnixArgs;

struct Running {
  std::string name;
  unix_host::Collect collect;
};

// Which collectors run: set_collectors instead of the default, then without disable_collectors,
// then with enable_collectors.
std::vector<const CollectorKind*> chosen(const UnixArgs& args) {
  const auto in = [](const std::vector<std::string>& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  std::vector<const CollectorKind*> out;
  for (const CollectorKind& kind : unix_host::collector_kinds()) {
    bool on = args.set_collectors.empty()
                  ? kind.by_default
                  : !kind.only_enabled && in(args.set_collectors, kind.name);
    on = (on && !in(args.disable_collectors, kind.name)) || in(args.enable_collectors, kind.name);
    if (on) out.push_back(&kind);
  }
  return out;
}

class UnixCollectors final : public component::Collector {
 public:
  explicit UnixCollectors(const component::Host& host)
      : clock_(host.clock), log_(host.log), metrics_(host.metrics) {}

  void set(std::shared_ptr<const std::vector<Running>> running, bool own_metrics) {
    MutexLock lock(mutex_);
    running_ = std::move(running);
    own_metrics_ = own_metrics;
  }

  Result<std::vector<model::MetricFamily>> collect(std::stop_token stop) override {
    // Collectors keep what they need between two collections; two at once would mix it up.
    MutexLock one_at_a_time(collecting_);
    std::shared_ptr<const std::vector<Running>> running;
    bool own_metrics = false;
    {
      MutexLock lock(mutex_);
      running = running_;
      own_metrics = own_metrics_;
    }
    if (running == nullptr)
      return fail(ErrorCode::kUnavailable, "this exporter is not configured yet");
    Families all;
    for (const Running& one : *running) {
      if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped");
      Families own;
      const Mono before = clock_.mono();
      const auto done = one.collect(own, stop);
      const std::chrono::duration<double> took = clock_.mono() - before;
      if (!done)
        log_.debug("a collector failed", {{"collector", one.name}, {"err", done.error().message}});
      all.merge(std::move(own));
      all.gauge("node_scrape_collector_duration_seconds", "Seconds that a collector took.",
                took.count(), {{"collector", one.name}});
      all.gauge("node_scrape_collector_success", "1 when a collector told all it could.",
                done ? 1 : 0, {{"collector", one.name}});
    }
    // As Alloy, whose version it is there as well: dashboards of node_exporter list hosts by it.
    all.gauge("node_exporter_build_info", "Version of the agent, in node_exporter's place.", 1,
              {{"version", AGENT_VERSION}});
    if (own_metrics) {
      std::vector<model::MetricFamily> families = metrics_.collect();
      std::erase_if(families, [](const auto& one) { return !one.name.starts_with("process_"); });
      all.add_families(std::move(families));
    }
    return std::move(all).take();
  }

 private:
  const Clock& clock_;
  const Log log_;
  const component::Metrics metrics_;
  Mutex collecting_;
  Mutex mutex_;
  std::shared_ptr<const std::vector<Running>> running_ GUARDED_BY(mutex_);
  bool own_metrics_ GUARDED_BY(mutex_) = false;
};

class UnixExporter final : public component::Configured<UnixArgs> {
 public:
  explicit UnixExporter(component::Host host)
      : host_(std::move(host)),
        collectors_(std::make_shared<UnixCollectors>(host_)),
        registered_(host_.collectors.add(host_.id, collectors_)) {
    host_.exports({{"targets", component::targets_value({component::exporter_target(
                                   host_.id, "unix", component::host_name())})}});
  }

  using Configured::prepare;
  Result<component::Commit> prepare(UnixArgs args) override {
    const unix_host::Roots roots{args.procfs_path, args.sysfs_path, args.rootfs_path,
                                 args.udev_data_path};
    auto running = std::make_shared<std::vector<Running>>();
    for (const CollectorKind* kind : chosen(args)) {
      auto collect = kind->make(args, roots, host_.clock);
      if (!collect) return fail(std::move(collect.error()));
      running->push_back({std::string(kind->name), std::move(*collect)});
    }
    return component::Commit([this, running, own_metrics = args.include_exporter_metrics] {
      collectors_->set(running, own_metrics);
    });
  }

 private:
  component::Host host_;
  const std::shared_ptr<UnixCollectors> collectors_;
  const std::shared_ptr<void> registered_;
};

}  // namespace

component::Declaration prometheus_exporter_unix() {
  return component::declare<UnixExporter>(
      "prometheus.exporter.unix", "Exposes the metrics of this host, as node_exporter does.",
      {{"targets", "list(map(string))", "The target that means this host."}});
}

}  // namespace agent::exporter
