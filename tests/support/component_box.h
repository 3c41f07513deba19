// What a test needs around one component: a Host whose exports, metrics and health can be looked
// at, arguments made of plain values, and a receiver that keeps what it gets. Needs
// agent_component.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/component/component.h"
#include "agent/component/receiver.h"
#include "tests/support/temp_dir.h"

namespace agent::component {

// An entry as text, for comparisons: everything a Loki would see.
struct SeenEntry {
  std::string labels;
  std::int64_t time_ns = 0;
  std::string line;
  auto operator<=>(const SeenEntry&) const = default;
};

// Keeps entries. By default a batch is settled at once; hold() keeps batches unsettled until
// settle_held() or lose_held(). Thread-safe.
class KeepingReceiver final : public LogReceiver {
 public:
  Result<> consume(model::EntryBatch batch, std::stop_token) override {
    std::unique_lock lock(mutex_);
    if (refuse_) return fail(ErrorCode::kUnavailable, "refused");
    for (const model::Entry& entry : batch.entries)
      seen_.push_back({entry.labels.text(), entry.time_ns, std::string(entry.line)});
    if (hold_) {
      held_.push_back(std::move(batch));
    } else {
      lock.unlock();  // settling runs the source's code
      batch.settle();
      lock.lock();
    }
    changed_.notify_all();
    return {};
  }
  void hold(bool on) {
    std::unique_lock lock(mutex_);
    hold_ = on;
  }
  void refuse(bool on) {
    std::unique_lock lock(mutex_);
    refuse_ = on;
  }
  void settle_held() {
    for (model::EntryBatch& batch : take_held()) batch.settle();
  }
  void lose_held() { take_held().clear(); }
  std::vector<SeenEntry> seen() const {
    std::unique_lock lock(mutex_);
    return seen_;
  }
  void clear() {
    std::unique_lock lock(mutex_);
    seen_.clear();
  }
  // Waits until `enough(seen)`; false after `limit`.
  bool wait(const std::function<bool(const std::vector<SeenEntry>&)>& enough,
            std::chrono::milliseconds limit = std::chrono::seconds(20)) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [&] { return enough(seen_); });
  }
  bool wait_for(std::size_t count,
                std::chrono::milliseconds limit = std::chrono::seconds(20)) const {
    return wait([&](const auto& seen) { return seen.size() >= count; }, limit);
  }

 private:
  std::vector<model::EntryBatch> take_held() {
    std::unique_lock lock(mutex_);
    return std::exchange(held_, {});
  }
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<SeenEntry> seen_;
  std::vector<model::EntryBatch> held_;
  bool hold_ = false;
  bool refuse_ = false;
};

class ComponentBox {
 public:
  explicit ComponentBox(std::string id = "test.component") : id_(std::move(id)) {}

  Host host() { return host(clock_); }
  Host host(Clock& clock) {
    return Host{id_,
                labels,
                clock,
                Log::none(),
                metrics.with({{"component_id", id_}}),
                health,
                dir.path() / "data",
                [this](Exports exports) { publish(std::move(exports)); }};
  }
  // The newest value of an export; null when there is none.
  lang::Value exported(const std::string& name) const {
    std::unique_lock lock(mutex_);
    const auto it = exports_.find(name);
    return it == exports_.end() ? lang::Value() : it->second;
  }
  std::size_t publications() const {
    std::unique_lock lock(mutex_);
    return publications_;
  }
  // Waits until the exports satisfy `enough`, called with the box's lock held.
  bool wait_exports(const std::function<bool(const std::map<std::string, lang::Value>&)>& enough,
                    std::chrono::milliseconds limit = std::chrono::seconds(20)) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [&] { return enough(exports_); });
  }
  // Sum of the points of a metric whose labels include `with`.
  double metric(std::string_view name, const model::Labels& with = {}) const {
    double sum = 0;
    for (const model::MetricFamily& family : metrics.collect()) {
      if (family.name != name) continue;
      for (const auto& point : family.points) {
        bool all = true;
        for (const model::Label& label : with)
          all = all &&
                std::find(point.labels.begin(), point.labels.end(), label) != point.labels.end();
        if (all) sum += point.value;
      }
    }
    return sum;
  }

  TempDir dir;
  model::Interner labels;
  Metrics metrics;
  SystemClock clock_;
  Health health{clock_};

 private:
  void publish(Exports exports) {
    std::unique_lock lock(mutex_);
    exports_.clear();
    for (auto& [name, value] : exports) exports_[name] = std::move(value);
    ++publications_;
    changed_.notify_all();
  }
  std::string id_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<std::string, lang::Value> exports_;
  std::size_t publications_ = 0;
};

// A body of attributes and blocks; both by value, as a configuration would have evaluated them.
inline lang::Body body_of(std::vector<std::pair<std::string, lang::Value>> attributes,
                          std::vector<std::pair<std::string, lang::Body>> blocks = {}) {
  lang::Body body;
  for (auto& [name, value] : attributes)
    body.attributes.push_back({std::move(name), std::move(value), {}, {}});
  for (auto& [name, inner] : blocks)
    body.blocks.push_back({std::move(name), "", std::move(inner), {}});
  return body;
}

// Puts arguments in force; "" or what is wrong.
inline std::string configure(Component& component, const lang::Body& body) {
  lang::Diagnostics diagnostics;
  auto commit = component.prepare(body, diagnostics);
  if (!diagnostics.empty()) return diagnostics.all().front().message;
  if (!commit) return commit.error().message;
  (*commit)();
  return "";
}

inline lang::Value receivers(const std::shared_ptr<LogReceiver>& receiver) {
  return lang::Value(lang::Value::List{capsule<LogReceiver>(receiver)});
}

}  // namespace agent::component
