// loki.relabel: rewrites the labels of entries and passes them on; or, with forward_to = [], only
// exports its rules.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/component/component.h"
#include "agent/component/receiver.h"
#include "agent/component/relabel_args.h"
#include "agent/model/relabel.h"

namespace agent::relabel {
namespace {

struct LokiRelabelArgs {
  std::vector<std::shared_ptr<component::LogReceiver>> forward_to;
  std::int64_t max_cache_size = 10000;
  component::RelabelArgs relabel;

  static component::Schema<LokiRelabelArgs> schema() {
    return component::Schema<LokiRelabelArgs>()
        .required("forward_to", &LokiRelabelArgs::forward_to,
                  "Receivers that get the relabelled entries. An empty list suits a component that "
                  "only exports "
                  "its rules.")
        .optional("max_cache_size", &LokiRelabelArgs::max_cache_size,
                  "Number of label sets whose result is kept at hand.")
        .include(&LokiRelabelArgs::relabel);
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    relabel.validate(body, diagnostics);
    if (max_cache_size <= 0)
      diagnostics.error(body.span_of("max_cache_size"), "max_cache_size must be greater than 0");
  }
};

// The exported receiver; others may hold it longer than the component lives.
class Relabel final : public component::LogReceiver {
 public:
  explicit Relabel(const component::Metrics& metrics)
      : processed_(metrics.counter("loki_relabel_entries_processed", "Entries received.")),
        written_(metrics.counter("loki_relabel_entries_written", "Entries passed on.")),
        dropped_by_rule_(dropped(metrics, "rule")),
        dropped_unlabelled_(dropped(metrics, "no_labels")),
        hits_(metrics.counter("loki_relabel_cache_hits", "Label sets whose result was at hand.")),
        misses_(metrics.counter("loki_relabel_cache_misses",
                                "Label sets that went through the rules.")),
        size_(metrics.gauge("loki_relabel_cache_size", "Results at hand.")) {}

  void set(std::shared_ptr<model::Relabeler> relabeler,
           std::vector<std::shared_ptr<component::LogReceiver>> forward_to) {
    forward_.set(std::move(forward_to));
    MutexLock lock(mutex_);
    relabeler_ = std::move(relabeler);
  }
  std::shared_ptr<model::Relabeler> relabeler() const {
    MutexLock lock(mutex_);
    return relabeler_;
  }

  Result<> consume(model::EntryBatch batch, std::stop_token stop) override {
    const auto relabeler = this->relabeler();
    if (relabeler == nullptr)
      return fail(ErrorCode::kUnavailable, "loki.relabel is not configured yet");
    const std::size_t received = batch.entries.size();
    std::size_t by_rule = 0;
    std::size_t unlabelled = 0;

    // Neighbours mostly share their labels.
    model::LabelSet last;
    std::optional<model::LabelSet> last_result;
    bool known = false;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < received; ++i) {
      model::Entry& entry = batch.entries[i];
      if (!known || !(entry.labels == last)) {
        last = entry.labels;
        last_result = relabeler->apply(last);
        known = true;
      }
      if (!last_result || last_result->empty()) {
        ++(last_result ? unlabelled : by_rule);
        continue;
      }
      entry.labels = *last_result;
      if (kept != i) batch.entries[kept] = std::move(entry);
      ++kept;
    }
    batch.entries.resize(kept);
    const model::Relabeler::Stats stats = relabeler->stats();
    hits_->set(static_cast<double>(stats.hits));
    misses_->set(static_cast<double>(stats.misses));
    size_->set(static_cast<double>(stats.size));

    Result<> passed;
    if (kept == 0) {
      batch.settle();
    } else {
      passed = forward_.consume(std::move(batch), std::move(stop));
    }
    // An undelivered batch comes again and is counted then.
    if (!passed) return passed;
    processed_->add(static_cast<double>(received));
    written_->add(static_cast<double>(kept));
    dropped_by_rule_->add(static_cast<double>(by_rule));
    dropped_unlabelled_->add(static_cast<double>(unlabelled));
    return {};
  }

 private:
  static component::Counter dropped(const component::Metrics& metrics, std::string reason) {
    return metrics.counter("loki_relabel_entries_dropped_total", "Entries dropped, by reason.",
                           {{"reason", std::move(reason)}});
  }
  const component::Counter processed_;
  const component::Counter written_;
  const component::Counter dropped_by_rule_;
  const component::Counter dropped_unlabelled_;
  const component::Counter hits_;
  const component::Counter misses_;
  const component::Gauge size_;
  component::LogFanout forward_;
  mutable Mutex mutex_;
  std::shared_ptr<model::Relabeler> relabeler_ GUARDED_BY(mutex_);
};

class LokiRelabel final : public component::Configured<LokiRelabelArgs> {
 public:
  explicit LokiRelabel(component::Host host)
      : host_(std::move(host)), receiver_(std::make_shared<Relabel>(host_.metrics)) {
    host_.exports({{"receiver", component::capsule<component::LogReceiver>(receiver_)},
                   {"rules", component::capsule(std::make_shared<model::RelabelRules>())}});
  }

  using Configured::prepare;
  Result<component::Commit> prepare(LokiRelabelArgs args) override {
    auto rules = component::share_rules(args.relabel, rules_);
    if (!rules) return fail(std::move(rules.error()));
    auto shared = std::make_shared<LokiRelabelArgs>(std::move(args));
    // Published here, so that whatever refers to them is evaluated with the new rules.
    host_.exports({{"receiver", component::capsule<component::LogReceiver>(receiver_)},
                   {"rules", component::capsule(*rules)}});
    return component::Commit([this, shared, rules = std::move(*rules)]() mutable {
      // Equal rules keep what they have learned.
      auto relabeler = receiver_->relabeler();
      if (relabeler == nullptr || rules != rules_ || shared->max_cache_size != max_cache_size_) {
        relabeler = std::make_shared<model::Relabeler>(
            host_.labels, *rules, static_cast<std::size_t>(shared->max_cache_size));
      }
      max_cache_size_ = shared->max_cache_size;
      rules_ = std::move(rules);
      receiver_->set(std::move(relabeler), std::move(shared->forward_to));
    });
  }

  void debug_info(component::DebugWriter& out) const override {
    const auto relabeler = receiver_->relabeler();
    if (relabeler == nullptr) return;
    const auto stats = relabeler->stats();
    out.value("cache.size", std::to_string(stats.size));
    out.value("cache.hits", std::to_string(stats.hits));
    out.value("cache.misses", std::to_string(stats.misses));
  }

 private:
  component::Host host_;
  // Written by commit, which is not called concurrently with itself or with prepare.
  std::shared_ptr<model::RelabelRules> rules_;
  std::int64_t max_cache_size_ = 0;
  const std::shared_ptr<Relabel> receiver_;
};

}  // namespace

component::Declaration loki_relabel() {
  return component::declare<LokiRelabel>(
      "loki.relabel", "Rewrites the labels of log entries by rules, or drops entries by them.",
      {{"receiver", "LogsReceiver", "Receiver of the entries to relabel."},
       {"rules", "RelabelRules", "The rules, for components that apply them themselves."}});
}

}  // namespace agent::relabel
