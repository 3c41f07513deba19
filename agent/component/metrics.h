// The agent's own metrics. A component asks its Metrics for counters, gauges and histograms once
// and keeps the handles; the series carry component_id and component_path and go when the last
// handle of them goes. Thread-safe; adding is one atomic, observing a few.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/model/metric_family.h"

namespace agent::component {

// A number that only grows, or one that goes up and down.
class Metric {
 public:
  void add(double amount) {
    double now = value_.load(std::memory_order_relaxed);
    while (!value_.compare_exchange_weak(now, now + amount, std::memory_order_relaxed)) {
    }
  }
  void increment() { add(1); }
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};
using Counter = std::shared_ptr<Metric>;
using Gauge = std::shared_ptr<Metric>;

// How often observed values were at most each bound, their number and their sum. A collection while
// others observe may see one of these a value ahead of another.
class Distribution {
 public:
  explicit Distribution(std::vector<double> bounds);  // rising; +Inf is added
  void observe(double value, std::uint64_t times = 1);
  // Per bound, +Inf last: values at most that bound, those of lower bounds included.
  std::vector<std::pair<double, double>> buckets() const;
  double sum() const { return sum_.value(); }

 private:
  std::vector<double> bounds_;
  std::vector<std::atomic<std::uint64_t>> counts_;  // one more than bounds_
  Metric sum_;
};
using Histogram = std::shared_ptr<Distribution>;
// Seconds, from 5 ms to 10 s: what Prometheus' clients take by default.
std::vector<double> default_buckets();

// The points of a histogram with these labels.
void add_points(model::MetricFamily& family, const model::Labels& labels,
                const Distribution& values);

// A cheap, copyable handle on the process's metrics plus the labels that each series of this part
// carries.
class Metrics {
 public:
  Metrics();

  // These labels on every series asked for through the returned handle.
  Metrics with(model::Labels labels) const;
  const model::Labels& labels() const { return common_; }

  // Equal name and labels give the same series. `name` as Alloy has it, counters end in _total;
  // `help` one sentence.
  Counter counter(std::string_view name, std::string_view help, model::Labels labels = {}) const;
  Gauge gauge(std::string_view name, std::string_view help, model::Labels labels = {}) const;
  Histogram histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                      model::Labels labels = {}) const;

  // Asked at every collect(), before the series are read, for figures that exist anyway (queue
  // lengths): adds families, or sets gauges. Lives as long as the returned handle.
  using Collect = std::function<void(std::vector<model::MetricFamily>&)>;
  std::shared_ptr<void> on_collect(Collect collect) const;

  // All families sorted by name, points in order of creation. A name belongs to the first kind of
  // metric that has it; points of equal labels are added up, of gauges the last counts.
  std::vector<model::MetricFamily> collect() const;

 private:
  struct Store;
  template <class Value, class Make>
  std::shared_ptr<Value> series(model::MetricType type, std::string_view name,
                                std::string_view help, model::Labels labels, Make make) const;
  std::shared_ptr<Store> store_;
  model::Labels common_;
};

}  // namespace agent::component
