// loki.enrich: gives entries the labels of the target that they belong to.
#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>

#include "agent/component/component.h"
#include "agent/component/receiver.h"
#include "agent/process/label_memo.h"

namespace agent::process {
namespace {

using component::LogFanout;
using component::LogReceiver;

struct EnrichArgs {
  std::vector<std::shared_ptr<LogReceiver>> forward_to;
  std::vector<model::Target> targets;
  std::string target_match_label;
  std::string logs_match_label;
  std::vector<std::string> labels_to_copy;
  static component::Schema<EnrichArgs> schema() {
    return component::Schema<EnrichArgs>()
        .required("forward_to", &EnrichArgs::forward_to, "Receivers that get the entries.")
        .required("targets", &EnrichArgs::targets, "Targets whose labels entries get.")
        .required("target_match_label", &EnrichArgs::target_match_label,
                  "Label of a target by which entries find it.")
        .optional("logs_match_label", &EnrichArgs::logs_match_label,
                  "Label of an entry that has the same value; empty is target_match_label.")
        .optional("labels_to_copy", &EnrichArgs::labels_to_copy,
                  "Labels that entries get; empty are all.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (target_match_label.empty())
      diagnostics.error(body.span_of("target_match_label"), "target_match_label must not be empty");
  }
};

// What the exported receiver and the component share.
class Enricher final : public LogReceiver {
 public:
  explicit Enricher(const component::Host& host)
      : interner_(host.labels), tap_(host.tap), fanout_(host.tap) {}

  Result<> consume(model::EntryBatch batch, std::stop_token stop) override {
    if (tap_->watched()) tap_->show("in", batch);
    {
      MutexLock lock(mutex_);
      if (!configured_) return fail(ErrorCode::kUnavailable, "loki.enrich has no targets yet");
      model::LabelSet before;
      model::LabelSet after;
      bool known = false;
      for (model::Entry& entry : batch.entries) {
        // Neighbours nearly always share their labels.
        if (!known || !(entry.labels == before)) {
          before = entry.labels;
          after = enriched(before);
          known = true;
        }
        entry.labels = after;
      }
    }
    return fanout_.consume(std::move(batch), std::move(stop));
  }

  void set(EnrichArgs args) {
    fanout_.set(std::move(args.forward_to));
    std::unordered_map<std::string, model::Labels> targets;
    for (model::Target& target : args.targets) {
      const model::LabelBuilder all(target);
      const std::string value(all.get(args.target_match_label));
      if (value.empty()) continue;
      model::Labels copied;
      for (model::Label& label : target)
        if (args.labels_to_copy.empty() ||
            std::find(args.labels_to_copy.begin(), args.labels_to_copy.end(), label.name) !=
                args.labels_to_copy.end())
          copied.push_back(std::move(label));
      targets[value] = std::move(copied);  // of several the last counts
    }
    MutexLock lock(mutex_);
    configured_ = true;
    match_label_ = args.logs_match_label.empty() ? args.target_match_label : args.logs_match_label;
    targets_ = std::move(targets);
    memo_ = std::make_unique<LabelMemo>(interner_);
  }

 private:
  model::LabelSet enriched(const model::LabelSet& labels) REQUIRES(mutex_) {
    const std::string_view value = labels.get(match_label_);
    const auto target = value.empty() ? targets_.end() : targets_.find(std::string(value));
    if (target == targets_.end()) return labels;
    LabelMemo::Changes changes;
    for (const model::Label& label : target->second)
      if (!label.value.empty()) changes.emplace_back(label.name, label.value);
    return memo_->apply(labels, changes);
  }

  model::Interner& interner_;
  const std::shared_ptr<component::Tap> tap_;
  LogFanout fanout_;
  Mutex mutex_;
  bool configured_ GUARDED_BY(mutex_) = false;
  std::string match_label_ GUARDED_BY(mutex_);
  std::unordered_map<std::string, model::Labels> targets_ GUARDED_BY(mutex_);
  std::unique_ptr<LabelMemo> memo_ GUARDED_BY(mutex_);
};

class LokiEnrich final : public component::Configured<EnrichArgs> {
 public:
  explicit LokiEnrich(const component::Host& host) : enricher_(std::make_shared<Enricher>(host)) {
    host.exports({{"receiver", component::capsule<LogReceiver>(enricher_)}});
  }

  Result<component::Commit> prepare(EnrichArgs args) override {
    return component::Commit(
        [this, args = std::move(args)]() mutable { enricher_->set(std::move(args)); });
  }

 private:
  std::shared_ptr<Enricher> enricher_;
};

}  // namespace

component::Declaration loki_enrich() {
  return component::declare<LokiEnrich>(
      "loki.enrich", "Gives entries the labels of the target that they belong to.",
      {{"receiver", "LogsReceiver", "Takes the entries to enrich."}});
}

}  // namespace agent::process
