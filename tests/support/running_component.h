// One component as the runtime would run it: configured from a body, on a thread of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/component/component.h"
#include "agent/component/decode.h"

namespace agent {

inline lang::Attribute attribute(std::string name, lang::Value value) {
  return {std::move(name), std::move(value), {}, {}};
}
inline lang::Attribute forward_to(std::shared_ptr<component::LogReceiver> receiver) {
  return attribute("forward_to", lang::Value::List{component::capsule(std::move(receiver))});
}
inline lang::Value string_list(const std::vector<std::string>& items) {
  return lang::Value::List(items.begin(), items.end());
}

// What the runtime shares between components; outlives them.
struct World {
  explicit World(Clock& c) : clock(c) {}
  Clock& clock;
  model::Interner labels;
  component::Metrics metrics;
  // The value of the series whose labels contain `labels`; -1 when there is none.
  double metric(std::string_view name, const model::Labels& wanted = {}) const {
    for (const auto& family : metrics.collect()) {
      if (family.name != name) continue;
      for (const auto& point : family.points) {
        bool all = true;
        for (const auto& label : wanted) {
          bool found = false;
          for (const auto& have : point.labels) found = found || have == label;
          all = all && found;
        }
        if (all) return point.value;
      }
    }
    return -1;
  }
};

class RunningComponent {
 public:
  RunningComponent(World& world, const component::Declaration& declaration, std::string id,
                   std::filesystem::path data_dir)
      : health_(world.clock) {
    component::Host host{std::move(id),
                         world.labels,
                         world.clock,
                         Log::none(),
                         world.metrics,
                         health_,
                         std::move(data_dir),
                         [this](component::Exports exports) {
                           MutexLock lock(mutex_);
                           exports_ = std::move(exports);
                           ++published_;
                           changed_.notify_all();
                         }};
    component_ = declaration.make(std::move(host));
  }
  // As kill -9 would: what is settled is not stored.
  ~RunningComponent() { stop(); }

  // False: the arguments are refused, see diagnostics().
  bool configure(const lang::Body& body) {
    diagnostics_ = {};
    auto commit = component_->prepare(body, diagnostics_);
    if (!commit) {
      if (diagnostics_.empty()) diagnostics_.error({}, commit.error().message);
      return false;
    }
    (*commit)();
    return true;
  }
  std::string problems() const {
    std::string out;
    for (const auto& d : diagnostics_.all()) out += d.message + "\n";
    return out;
  }

  // A failing run() is called again, as the runtime would, without a pause.
  void start() {
    auto* worker = dynamic_cast<component::Worker*>(component_.get());
    if (worker == nullptr) std::abort();
    thread_ = std::jthread([this, worker](std::stop_token stop) {
      while (!stop.stop_requested()) {
        if (worker->run(stop)) continue;
        ++failed_runs_;
        std::this_thread::yield();
      }
    });
  }
  void stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    thread_.join();
  }
  // An orderly end.
  void shut_down() {
    stop();
    component_->flush();
  }

  component::Component& get() { return *component_; }
  component::Health& health() { return health_; }
  int failed_runs() const { return failed_runs_; }
  std::string debug(std::string_view name) const {
    component::DebugWriter out;
    component_->debug_info(out);
    for (const auto& [key, value] : out.rows())
      if (key == name) return value;
    return "";
  }
  component::Exports exports() const {
    MutexLock lock(mutex_);
    return exports_;
  }
  // Waits until the exports were published `count` times in all.
  bool wait_published(std::size_t count) {
    MutexLock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(1),
                             [&]() NO_THREAD_SAFETY_ANALYSIS { return published_ >= count; });
  }

 private:
  component::Health health_;
  lang::Diagnostics diagnostics_;
  mutable Mutex mutex_;
  Condition changed_;
  component::Exports exports_ GUARDED_BY(mutex_);
  std::size_t published_ GUARDED_BY(mutex_) = 0;
  std::atomic<int> failed_runs_{0};
  std::unique_ptr<component::Component> component_;
  std::jthread thread_;
};

}  // namespace agent
