// prometheus.exporter.process: the processes of this host in groups, as process-exporter tells
// them.
#include <memory>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/component/collector.h"
#include "agent/component/component.h"
#include "agent/exporter/process/page.h"
#include "agent/exporter/process/process_args.h"
#include "agent/exporter/process/tracker.h"

namespace agent::exporter {
namespace {

using processes::ProcessArgs;
using processes::Tracker;

class ProcessCollector final : public component::Collector {
 public:
  explicit ProcessCollector(Log log) : log_(std::move(log)) {}

  void set(std::shared_ptr<Tracker> tracker) {
    MutexLock lock(mutex_);
    tracker_ = std::move(tracker);
  }

  Result<std::vector<model::MetricFamily>> collect(std::stop_token stop) override {
    // A tracker keeps what it saw until the next scan; two at once would mix it up.
    MutexLock one_at_a_time(collecting_);
    std::shared_ptr<Tracker> tracker;
    {
      MutexLock lock(mutex_);
      tracker = tracker_;
    }
    if (tracker == nullptr)
      return fail(ErrorCode::kUnavailable, "this exporter is not configured yet");
    const auto done = tracker->scan(stop);
    if (!done && done.error().code == ErrorCode::kCancelled) return fail(done.error());
    if (!done)
      log_.limited(Level::kWarn, "the processes cannot be listed", {{"err", done.error().message}});
    return processes::page(*tracker, done.has_value());
  }

 private:
  const Log log_;
  Mutex collecting_;
  Mutex mutex_;
  std::shared_ptr<Tracker> tracker_ GUARDED_BY(mutex_);
};

class ProcessExporter final : public component::Configured<ProcessArgs> {
 public:
  explicit ProcessExporter(component::Host host)
      : host_(std::move(host)),
        collector_(std::make_shared<ProcessCollector>(host_.log)),
        registered_(host_.collectors.add(host_.id, collector_)) {
    host_.exports({{"targets", component::targets_value({component::exporter_target(
                                   host_.id, "process", component::host_name())})}});
  }

  using Configured::prepare;
  // Counts begin here: other arguments mean other groups.
  Result<component::Commit> prepare(ProcessArgs args) override {
    auto tracker = Tracker::make(args, host_.clock, host_.log);
    if (!tracker) return fail(std::move(tracker.error()));
    return component::Commit([this, shared = std::shared_ptr<Tracker>(std::move(*tracker))] {
      collector_->set(shared);
    });
  }

 private:
  component::Host host_;
  const std::shared_ptr<ProcessCollector> collector_;
  const std::shared_ptr<void> registered_;
};

}  // namespace

component::Declaration prometheus_exporter_process() {
  return component::declare<ProcessExporter>(
      "prometheus.exporter.process",
      "Exposes metrics of the processes on this host by groups, as process-exporter does.",
      {{"targets", "list(map(string))", "The target that means this host's processes."}});
}

}  // namespace agent::exporter
