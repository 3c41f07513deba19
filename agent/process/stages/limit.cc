// stage.limit: a token bucket. An entry takes a token; where there is none it is dropped, or, with
// drop = false, goes on when its token comes, and its source stands still meanwhile.
#include <algorithm>
#include <list>
#include <string>
#include <unordered_map>

#include "agent/component/series_table.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

constexpr std::int64_t kFewestLabels = 10'000;

struct LimitArgs {
  double rate = 0;
  std::int64_t burst = 0;
  bool drop = false;
  std::string by_label_name;
  std::int64_t max_distinct_labels = kFewestLabels;
  static component::Schema<LimitArgs> schema() {
    return component::Schema<LimitArgs>()
        .required("rate", &LimitArgs::rate, "Entries a second.")
        .required("burst", &LimitArgs::burst,
                  "Entries that may pass at once after a time with few.")
        .optional("drop", &LimitArgs::drop,
                  "Drops what is too much, instead of letting its source wait.")
        .optional("by_label_name", &LimitArgs::by_label_name,
                  "Gives each value of this label a rate of its own; only with drop.")
        .optional("max_distinct_labels", &LimitArgs::max_distinct_labels,
                  "Values of by_label_name that are remembered, at least 10000.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (!(rate > 0)) diagnostics.error(body.span_of("rate"), "rate must be greater than 0");
    if (burst <= 0) diagnostics.error(body.span_of("burst"), "burst must be greater than 0");
    if (!by_label_name.empty() && !drop)
      diagnostics.error(body.span_of("by_label_name"), "by_label_name needs drop = true");
  }
};

class Bucket {
 public:
  Bucket(double rate, double burst, Mono now)
      : rate_(rate), burst_(burst), tokens_(burst), at_(now) {}

  // Takes a token if there is one.
  bool take(Mono now) {
    refill(now);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }
  // Takes a token in advance if need be; when it is there.
  Mono reserve(Mono now) {
    constexpr double kLongest = 1e9;  // seconds, that the time stays within its type
    refill(now);
    tokens_ -= 1;
    if (tokens_ >= 0) return now;
    return now + Duration(static_cast<std::int64_t>(std::min(-tokens_ / rate_, kLongest) * 1e9));
  }

 private:
  void refill(Mono now) {
    const double seconds = std::chrono::duration<double>(now - at_).count();
    tokens_ = std::min(burst_, tokens_ + seconds * rate_);
    at_ = now;
  }
  double rate_;
  double burst_;
  double tokens_;
  Mono at_;
};

class Limit final : public Stage {
 public:
  using Arguments = LimitArgs;
  Limit(Arguments args, const StageHost& host)
      : args_(std::move(args)),
        most_(static_cast<std::size_t>(std::max(args_.max_distinct_labels, kFewestLabels))),
        clock_(host.clock),
        labels_(host.labels),
        dropped_(host.dropped("ratelimit_drop_stage")),
        all_(new_bucket(host.clock.mono())) {
    if (args_.by_label_name.empty()) return;
    if (args_.max_distinct_labels < kFewestLabels)
      host.log.warn("stage.limit: max_distinct_labels is raised to the least possible",
                    {{"max_distinct_labels", kFewestLabels}});
    dropped_by_label_ = std::make_unique<component::SeriesTable>(
        component::SeriesTable::Options{"loki_process_dropped_lines_by_label_total",
                                        "Lines that stage.limit dropped, by label value.",
                                        model::MetricType::kCounter,
                                        {},
                                        Duration(0),
                                        most_},
        host.metrics, clock_, labels_);
  }

  void process(Batch& batch) override {
    const Mono now = clock_.mono();
    for (Item& item : batch.items) {
      if (!args_.drop) {
        item.not_before = std::max(item.not_before, all_.reserve(now));
      } else if (args_.by_label_name.empty()) {
        item.dropped = !all_.take(now);
      } else if (const std::string_view value = item.labels.get(args_.by_label_name);
                 !value.empty() && !bucket_of(value, now).take(now)) {
        item.dropped = true;
        dropped_by_label_->add(labels_.intern({{"label_name", args_.by_label_name},
                                               {"label_value", std::string(value)}}),
                               1);
      }
      if (item.dropped) dropped_->increment();
    }
  }

 private:
  using Recent = std::list<std::pair<std::string, Bucket>>;  // newest first

  Bucket new_bucket(Mono now) const { return {args_.rate, static_cast<double>(args_.burst), now}; }

  Bucket& bucket_of(std::string_view value, Mono now) {
    if (const auto known = index_.find(value); known != index_.end()) {
      recent_.splice(recent_.begin(), recent_, known->second);
      return recent_.front().second;
    }
    if (recent_.size() >= most_) {
      index_.erase(recent_.back().first);
      recent_.pop_back();
    }
    recent_.emplace_front(value, new_bucket(now));
    index_.emplace(recent_.front().first, recent_.begin());
    return recent_.front().second;
  }

  const Arguments args_;
  const std::size_t most_;
  Clock& clock_;
  model::Interner& labels_;
  component::Counter dropped_;
  std::unique_ptr<component::SeriesTable> dropped_by_label_;
  Bucket all_;
  Recent recent_;
  std::unordered_map<std::string_view, Recent::iterator> index_;  // keys live in recent_
};

}  // namespace

StageDeclaration stage_limit() {
  return declare_stage<Limit>("limit", "Lets so many entries a second pass.");
}

}  // namespace agent::process
