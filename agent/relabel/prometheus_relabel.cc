// prometheus.relabel: rewrites the labels of samples, or drops them, and passes them on.
#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/relabel/relabel_component.h"

namespace agent::relabel {
namespace {

// With cache_ttl the time bounds the cache; this bounds it against a flood of new series.
constexpr std::size_t kMostEntries = 1'000'000;

struct PrometheusRelabelArgs {
  std::vector<std::shared_ptr<component::MetricsReceiver>> forward_to;
  std::optional<std::int64_t> max_cache_size;
  Duration cache_ttl = Duration::zero();
  component::RelabelArgs relabel;

  static component::Schema<PrometheusRelabelArgs> schema() {
    return component::Schema<PrometheusRelabelArgs>()
        .required("forward_to", &PrometheusRelabelArgs::forward_to,
                  "Receivers that get the relabelled samples.")
        .optional("max_cache_size", &PrometheusRelabelArgs::max_cache_size,
                  "Number of series whose result is kept at hand; 100000 when neither this nor "
                  "cache_ttl is given.")
        .optional("cache_ttl", &PrometheusRelabelArgs::cache_ttl,
                  "Instead of max_cache_size: a result is forgotten when its series did not come "
                  "for this long, at least 1m, at most twice this long.")
        .include(&PrometheusRelabelArgs::relabel);
  }
  std::size_t cache_entries() const {
    if (cache_ttl > Duration::zero()) return kMostEntries;
    return static_cast<std::size_t>(max_cache_size.value_or(100'000));
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    relabel.validate(body, diagnostics);
    if (max_cache_size && *max_cache_size <= 0)
      diagnostics.error(body.span_of("max_cache_size"), "max_cache_size must be greater than 0");
    if (cache_ttl == Duration::zero()) return;
    if (cache_ttl < std::chrono::minutes(1))
      diagnostics.error(body.span_of("cache_ttl"), "cache_ttl must be at least 1m");
    if (max_cache_size)
      diagnostics.error(body.span_of("cache_ttl"),
                        "cache_ttl and max_cache_size cannot both be given");
  }
};

class Relabel final : public RelabelReceiver<model::SampleBatch> {
 public:
  explicit Relabel(const component::Host& host)
      : RelabelReceiver(host),
        clock_(host.clock),
        processed_(host.metrics.counter("alloy_prometheus_relabel_metrics_processed",
                                        "Samples received.")),
        written_(
            host.metrics.counter("alloy_prometheus_relabel_metrics_written", "Samples passed on.")),
        misses_(host.metrics.counter("alloy_prometheus_relabel_cache_misses",
                                     "Series that went through the rules.")),
        hits_(host.metrics.counter("alloy_prometheus_relabel_cache_hits",
                                   "Series whose result was at hand.")),
        evicted_(host.metrics.counter("alloy_prometheus_relabel_cache_ttl_evictions",
                                      "Results forgotten because of cache_ttl.")),
        size_(host.metrics.gauge("alloy_prometheus_relabel_cache_size", "Results at hand.")) {}

  void configure(const PrometheusRelabelArgs& args) {
    MutexLock lock(mutex_);
    ttl_ = args.cache_ttl;
    tidy_at_ = clock_.mono() + ttl_;
  }

  Result<> consume(model::SampleBatch batch, std::stop_token stop) override {
    const auto relabeler = this->relabeler();
    if (relabeler == nullptr)
      return fail(ErrorCode::kUnavailable, "prometheus.relabel is not configured yet");
    if (tap_->watched()) tap_->show("in", batch);
    const std::size_t received = batch.samples.size() + batch.histograms.size();
    // A staleness marker goes where the samples of its series went.
    relabel(*relabeler, batch.samples);
    relabel(*relabeler, batch.histograms);
    relabel(*relabeler, batch.exemplars);
    const std::size_t kept = batch.samples.size() + batch.histograms.size();
    tidy(*relabeler);
    const model::Relabeler::Stats stats = relabeler->stats();
    hits_->set(static_cast<double>(stats.hits));
    misses_->set(static_cast<double>(stats.misses));
    size_->set(static_cast<double>(stats.size));
    if (!batch.empty()) {
      if (auto passed = forward_.consume(std::move(batch), std::move(stop)); !passed) return passed;
    }
    processed_->add(static_cast<double>(received));
    written_->add(static_cast<double>(kept));
    return {};
  }

 private:
  template <class Item>
  static void relabel(model::Relabeler& relabeler, std::vector<Item>& items) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
      auto result = relabeler.apply(items[i].series);
      if (!result || result->get(model::kMetricNameLabel).empty()) continue;
      items[i].series = std::move(*result);
      if (kept != i) items[kept] = std::move(items[i]);
      ++kept;
    }
    items.resize(kept);
  }

  void tidy(model::Relabeler& relabeler) {
    {
      MutexLock lock(mutex_);
      if (ttl_ == Duration::zero() || clock_.mono() < tidy_at_) return;
      tidy_at_ = clock_.mono() + ttl_;
    }
    evicted_->add(static_cast<double>(relabeler.forget_unused()));
  }

  const Clock& clock_;
  const component::Counter processed_;
  const component::Counter written_;
  const component::Counter misses_;
  const component::Counter hits_;
  const component::Counter evicted_;
  const component::Gauge size_;
  Mutex mutex_;
  Duration ttl_ GUARDED_BY(mutex_) = Duration::zero();
  Mono tidy_at_ GUARDED_BY(mutex_);
};

}  // namespace

component::Declaration prometheus_relabel() {
  return component::declare<RelabelComponent<PrometheusRelabelArgs, Relabel, model::SampleBatch>>(
      "prometheus.relabel", "Rewrites the labels of samples by rules, or drops samples by them.",
      {{"receiver", "MetricsReceiver", "Receiver of the samples to relabel."},
       {"rules", "RelabelRules", "The rules, for components that apply them themselves."}});
}

}  // namespace agent::relabel
