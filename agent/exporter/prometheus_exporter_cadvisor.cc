// prometheus.exporter.cadvisor: the containers of this host, as cAdvisor tells them. All of it is
// read when it is scraped.
#include <memory>
#include <utility>

#include "agent/base/mutex.h"
#include "agent/component/collector.h"
#include "agent/component/component.h"
#include "agent/exporter/cadvisor/scraper.h"

namespace agent::exporter {
namespace {

using cadvisor::CadvisorArgs;
using cadvisor::Scraper;

class Containers final : public component::Collector {
 public:
  explicit Containers(Clock& clock) : clock_(clock) {}

  void set(std::shared_ptr<Scraper> scraper) {
    MutexLock lock(mutex_);
    scraper_ = std::move(scraper);
  }

  Result<std::vector<model::MetricFamily>> collect(std::stop_token stop) override {
    std::shared_ptr<Scraper> scraper;
    {
      // Two scrapes at once would both ask Docker; the second waits for the first.
      MutexLock lock(mutex_);
      if (!clock_.wait(lock, changed_, kNever, stop, [this]() REQUIRES(mutex_) { return !busy_; }))
        return fail(ErrorCode::kCancelled, "stopped");
      if (scraper_ == nullptr)
        return fail(ErrorCode::kUnavailable, "this exporter is not configured yet");
      busy_ = true;
      scraper = scraper_;
    }
    auto families = scraper->scrape(stop);
    {
      MutexLock lock(mutex_);
      busy_ = false;
    }
    changed_.notify_all();
    if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped");
    return families;
  }

 private:
  Clock& clock_;
  Mutex mutex_;
  Condition changed_;
  std::shared_ptr<Scraper> scraper_ GUARDED_BY(mutex_);
  bool busy_ GUARDED_BY(mutex_) = false;
};

class CadvisorExporter final : public component::Configured<CadvisorArgs> {
 public:
  explicit CadvisorExporter(component::Host host)
      : host_(std::move(host)),
        containers_(std::make_shared<Containers>(host_.clock)),
        registered_(host_.collectors.add(host_.id, containers_)) {
    host_.exports({{"targets", component::targets_value({component::exporter_target(
                                   host_.id, "cadvisor", component::host_name())})}});
  }

  using Configured::prepare;
  Result<component::Commit> prepare(CadvisorArgs args) override {
    auto docker = args.docker();
    if (!docker) return fail(std::move(docker.error()));
    auto scraper = std::make_shared<Scraper>(std::move(args), std::move(*docker),
                                             cadvisor::HostRoots(), host_.clock, host_.log);
    return component::Commit([this, scraper] { containers_->set(scraper); });
  }

 private:
  component::Host host_;
  const std::shared_ptr<Containers> containers_;
  const std::shared_ptr<void> registered_;
};

}  // namespace

component::Declaration prometheus_exporter_cadvisor() {
  return component::declare<CadvisorExporter>(
      "prometheus.exporter.cadvisor",
      "Exposes the metrics of the containers of this host, as cAdvisor does.",
      {{"targets", "list(map(string))", "The target that means this host's containers."}});
}

}  // namespace agent::exporter
