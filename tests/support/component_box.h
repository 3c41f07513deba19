// What a test needs around one component: the box stands for the runtime (it gives a Host and
// shows what was published, counted, logged and reported), RunningComponent is the component in it,
// and bodies are made without a configuration text. Entries go to a LogCollector.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/component/component.h"
#include "agent/component/receiver.h"
#include "agent/component/tap.h"
#include "tests/support/temp_dir.h"

namespace agent {

// Thread-safe. It outlives the components in it, and several may follow each other, as they do when
// a process is restarted: metrics, health and the data folder stay.
class ComponentBox {
 public:
  using Published = std::map<std::string, lang::Value>;

  explicit ComponentBox(std::string id);       // real time
  ComponentBox(std::string id, Clock& clock);  // the clock outlives the box

  component::Host host();
  Published exports() const;
  lang::Value exported(const std::string& name) const;  // null when it is not there
  std::shared_ptr<component::LogReceiver> receiver() const;
  std::shared_ptr<component::MetricsReceiver> metrics_receiver() const;
  std::size_t publications() const;
  // Wait for real time; false after `limit`. `enough` is called with the box's lock held.
  bool wait_exports(const std::function<bool(const Published&)>& enough,
                    std::chrono::milliseconds limit = std::chrono::minutes(1)) const;
  bool wait_publications(std::size_t count) const;
  // Of the series with this name whose labels include `labels`: their number, and their sum.
  std::size_t series(std::string_view name, const model::Labels& labels = {}) const;
  double metric(std::string_view name, const model::Labels& labels = {}) const;
  std::string logged() const;

 private:
  SystemClock real_;
  Clock& clock_;
  std::string id_;

 public:
  TempDir dir;
  const std::filesystem::path data_dir = dir / "data";
  model::Interner labels;
  component::Metrics metrics;
  component::Collectors collectors;
  component::Health health;
  component::Taps taps;

 private:
  std::vector<double> values(std::string_view name, const model::Labels& labels) const;

  mutable Mutex mutex_;
  mutable Condition changed_;
  Published exports_ GUARDED_BY(mutex_);
  std::size_t publications_ GUARDED_BY(mutex_) = 0;
  std::string log_ GUARDED_BY(mutex_);
};

// One component; if it is a Worker, on a thread of its own.
class RunningComponent {
 public:
  RunningComponent(ComponentBox& box, const component::Declaration& declaration);
  ~RunningComponent() { stop(); }  // as kill -9 would: what is settled is not stored

  // Puts arguments in force; what was said about them, one message per line, "" for nothing.
  std::string configure(const lang::Body& body);
  bool refused() const { return refused_; }  // the arguments of the last configure()

  // A failing run() is called again, as the runtime would, without a pause.
  void start();
  void request_stop() { thread_.request_stop(); }
  bool running() const { return thread_.joinable(); }
  bool ended() const { return ended_; }
  void stop();
  void shut_down();  // an orderly end

  component::Component& get() { return *component_; }
  int failed_runs() const { return failed_runs_; }
  std::string debug(std::string_view name) const;  // "" when not there
  std::vector<std::pair<std::string, std::string>> debug_rows() const;

 private:
  std::unique_ptr<component::Component> component_;
  bool refused_ = false;
  std::atomic<int> failed_runs_{0};
  std::atomic<bool> ended_{false};
  std::jthread thread_;
};

lang::Attribute attribute(std::string name, lang::Value value);
lang::Attribute forward_to(std::shared_ptr<component::LogReceiver> receiver);
lang::Block block(std::string name, std::vector<lang::Attribute> attributes,
                  std::vector<lang::Block> blocks = {});
lang::Body body_of(std::vector<std::pair<std::string, lang::Value>> attributes,
                   std::vector<std::pair<std::string, lang::Body>> blocks = {});
lang::Value receivers(std::shared_ptr<component::LogReceiver> receiver);
lang::Value receivers(std::shared_ptr<component::MetricsReceiver> receiver);
lang::Value string_list(const std::vector<std::string>& items);

}  // namespace agent
