// prometheus.enrich: gives samples the labels of the target that they belong to.
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/component/component.h"
#include "agent/component/receiver.h"

namespace agent::relabel {
namespace {

using component::MetricsReceiver;

constexpr std::size_t kMaxKnown = 100'000;  // series whose result is kept at hand

struct EnrichArgs {
  std::vector<model::Target> targets;
  std::vector<std::shared_ptr<MetricsReceiver>> forward_to;
  component::StringMap target_to_metric_match;
  std::string target_match_label;
  std::string metrics_match_label;
  std::vector<std::string> labels_to_copy;

  static component::Schema<EnrichArgs> schema() {
    using A = EnrichArgs;
    return component::Schema<A>()
        .required("targets", &A::targets, "Targets whose labels samples get.")
        .required("forward_to", &A::forward_to, "Receivers that get the samples.")
        .optional("target_to_metric_match", &A::target_to_metric_match,
                  "Labels of a target, and the labels of its samples that have the same values.")
        .optional("target_match_label", &A::target_match_label,
                  "Instead of target_to_metric_match: one label of a target.")
        .optional("metrics_match_label", &A::metrics_match_label,
                  "Label of a sample that has its value; empty is target_match_label.")
        .optional("labels_to_copy", &A::labels_to_copy, "Labels that samples get; empty are all.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (target_to_metric_match.empty() && target_match_label.empty())
      diagnostics.error(body.span, "target_to_metric_match says how samples find their target");
    for (const auto& [target, metric] : target_to_metric_match)
      if (target.empty() || metric.empty())
        diagnostics.error(body.span_of("target_to_metric_match"), "a label's name is empty");
  }
  component::StringMap pairs() const {
    if (!target_to_metric_match.empty()) return target_to_metric_match;
    return {{target_match_label,
             metrics_match_label.empty() ? target_match_label : metrics_match_label}};
  }
};

// What the exported receiver and the component share.
class Enricher final : public MetricsReceiver {
 public:
  explicit Enricher(const component::Host& host)
      : interner_(host.labels),
        clock_(host.clock),
        forwarded_(
            host.metrics.counter("prometheus_forwarded_samples_total", "Samples passed on.")),
        latency_(host.metrics.histogram("prometheus_fanout_latency",
                                        "Seconds that receivers took for a batch.",
                                        component::default_buckets())),
        size_(host.metrics.gauge("alloy_prometheus_target_cache_size",
                                 "Targets that samples may belong to.")),
        tap_(host.tap),
        forward_(host.tap) {}

  Result<> consume(model::SampleBatch batch, std::stop_token stop) override {
    if (tap_->watched()) tap_->show("in", batch);
    {
      MutexLock lock(mutex_);
      if (!configured_)
        return fail(ErrorCode::kUnavailable, "prometheus.enrich has no targets yet");
      for (auto& one : batch.samples) one.series = enriched(one.series);
      for (auto& one : batch.histograms) one.series = enriched(one.series);
      for (auto& one : batch.exemplars) one.series = enriched(one.series);
    }
    const std::size_t samples = batch.samples.size() + batch.histograms.size();
    const Mono before = clock_.mono();
    if (auto passed = forward_.consume(std::move(batch), std::move(stop)); !passed) return passed;
    latency_->observe(std::chrono::duration<double>(clock_.mono() - before).count());
    forwarded_->add(static_cast<double>(samples));
    return {};
  }

  void set(EnrichArgs args) {
    forward_.set(std::move(args.forward_to));
    const component::StringMap pairs = args.pairs();
    std::unordered_map<std::string, model::Labels> targets;
    for (const model::Target& target : args.targets) {
      const model::LabelBuilder all(target);
      std::string key;
      for (const auto& [of_target, of_metric] : pairs)
        if (!add_to(key, all.get(of_target))) break;
      if (key.empty()) continue;
      model::Labels copied;
      for (const model::Label& label : target)
        if (args.labels_to_copy.empty() ||
            std::find(args.labels_to_copy.begin(), args.labels_to_copy.end(), label.name) !=
                args.labels_to_copy.end())
          copied.push_back(label);
      targets[key] = std::move(copied);  // of several the last counts
    }
    size_->set(static_cast<double>(targets.size()));
    MutexLock lock(mutex_);
    configured_ = true;
    pairs_ = pairs;
    targets_ = std::move(targets);
    known_.clear();
  }

 private:
  // False, and an empty key, when there is no value.
  static bool add_to(std::string& key, std::string_view value) {
    if (value.empty()) {
      key.clear();
      return false;
    }
    key.append(std::to_string(value.size())).append(1, ':').append(value);
    return true;
  }

  model::LabelSet enriched(const model::LabelSet& series) REQUIRES(mutex_) {
    const auto found = known_.find(series);
    if (found != known_.end()) return found->second;
    std::string key;
    for (const auto& [of_target, of_metric] : pairs_)
      if (!add_to(key, series.get(of_metric))) break;
    const auto target = key.empty() ? targets_.end() : targets_.find(key);
    model::LabelSet result = series;
    if (target != targets_.end()) {
      model::LabelBuilder labels(series);
      for (const model::Label& label : target->second) labels.set(label.name, label.value);
      result = interner_.intern(std::move(labels).take());
    }
    // Series come and go: those that still come are known again at once.
    if (known_.size() >= kMaxKnown) known_.clear();
    known_.emplace(series, result);
    return result;
  }

  model::Interner& interner_;
  const Clock& clock_;
  const component::Counter forwarded_;
  const component::Histogram latency_;
  const component::Gauge size_;
  const std::shared_ptr<component::Tap> tap_;
  component::MetricsFanout forward_;
  Mutex mutex_;
  bool configured_ GUARDED_BY(mutex_) = false;
  component::StringMap pairs_ GUARDED_BY(mutex_);
  std::unordered_map<std::string, model::Labels> targets_ GUARDED_BY(mutex_);
  std::unordered_map<model::LabelSet, model::LabelSet, model::LabelSetHash> known_
      GUARDED_BY(mutex_);
};

class PrometheusEnrich final : public component::Configured<EnrichArgs> {
 public:
  explicit PrometheusEnrich(const component::Host& host)
      : enricher_(std::make_shared<Enricher>(host)) {
    host.exports({{"receiver", component::capsule<MetricsReceiver>(enricher_)}});
  }

  using Configured::prepare;
  Result<component::Commit> prepare(EnrichArgs args) override {
    return component::Commit(
        [this, args = std::move(args)]() mutable { enricher_->set(std::move(args)); });
  }

 private:
  const std::shared_ptr<Enricher> enricher_;
};

}  // namespace

component::Declaration prometheus_enrich() {
  return component::declare<PrometheusEnrich>(
      "prometheus.enrich", "Gives samples the labels of the target that they belong to.",
      {{"receiver", "MetricsReceiver", "Takes the samples to enrich."}});
}

}  // namespace agent::relabel
