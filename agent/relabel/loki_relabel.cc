// loki.relabel: rewrites the labels of entries and passes them on; or, with forward_to = [], only
// exports its rules.
#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agent/relabel/relabel_component.h"

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
  std::size_t cache_entries() const { return static_cast<std::size_t>(max_cache_size); }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    relabel.validate(body, diagnostics);
    if (max_cache_size <= 0)
      diagnostics.error(body.span_of("max_cache_size"), "max_cache_size must be greater than 0");
  }
};

class Relabel final : public RelabelReceiver<model::EntryBatch> {
 public:
  explicit Relabel(const component::Host& host)
      : RelabelReceiver(host),
        processed_(host.metrics.counter("loki_relabel_entries_processed", "Entries received.")),
        written_(host.metrics.counter("loki_relabel_entries_written", "Entries passed on.")),
        dropped_by_rule_(dropped(host.metrics, "rule")),
        dropped_unlabelled_(dropped(host.metrics, "no_labels")),
        hits_(host.metrics.counter("loki_relabel_cache_hits",
                                   "Label sets whose result was at hand.")),
        misses_(host.metrics.counter("loki_relabel_cache_misses",
                                     "Label sets that went through the rules.")),
        size_(host.metrics.gauge("loki_relabel_cache_size", "Results at hand.")) {}

  void configure(const LokiRelabelArgs&) {}

  Result<> consume(model::EntryBatch batch, std::stop_token stop) override {
    const auto relabeler = this->relabeler();
    if (relabeler == nullptr)
      return fail(ErrorCode::kUnavailable, "loki.relabel is not configured yet");
    const std::size_t received = batch.entries.size();
    std::size_t by_rule = 0;
    std::size_t unlabelled = 0;
    if (tap_->watched()) show_rules(*relabeler, batch);

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
  // What each rule makes of the first entries; a whole batch of thousands would slow the flow down.
  void show_rules(const model::Relabeler& relabeler, const model::EntryBatch& batch) {
    constexpr std::size_t kMostShown = 100;
    const std::size_t shown = std::min(batch.entries.size(), kMostShown);
    for (const model::Entry& entry : std::span(batch.entries).first(shown)) {
      const std::uint32_t number = tap_->next_entry();
      tap_->show({"in", number, entry.line, entry.labels},
                 [&] { return component::sighting_of(entry); });
      model::LabelBuilder labels(entry.labels);
      relabeler.rules().apply(labels, [&](std::size_t rule, bool kept) {
        const std::string at = "rule." + std::to_string(rule + 1);
        tap_->show({at, number, entry.line, entry.labels}, [&] {
          component::Sighting sighting = component::sighting_of(entry);
          sighting.labels.clear();
          for (const model::Label& label : labels.labels())
            sighting.labels.emplace_back(label.name, label.value);
          if (!kept) sighting.dropped = "rule";
          return sighting;
        });
      });
    }
  }

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
};

}  // namespace

component::Declaration loki_relabel() {
  return component::declare<RelabelComponent<LokiRelabelArgs, Relabel, model::EntryBatch>>(
      "loki.relabel", "Rewrites the labels of log entries by rules, or drops entries by them.",
      {{"receiver", "LogsReceiver", "Receiver of the entries to relabel."},
       {"rules", "RelabelRules", "The rules, for components that apply them themselves."}});
}

}  // namespace agent::relabel
