#include "agent/component/series_table.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "agent/base/mutex.h"

namespace agent::component {

using model::Label;
using model::LabelSet;
using model::MetricFamily;
using model::MetricType;

struct SeriesTable::State {
  struct Series {
    double value = 0;
    std::unique_ptr<Distribution> distribution;  // of a histogram
    Mono changed{};
    std::size_t bytes = 0;
  };

  State(Options o, const Metrics& metrics, Clock& c, model::Interner& i)
      : options(std::move(o)), common(metrics.labels()), clock(c), interner(i) {}

  const Options options;
  const model::Labels common;
  Clock& clock;
  model::Interner& interner;
  Mutex mutex;
  std::unordered_map<LabelSet, Series, model::LabelSetHash> all GUARDED_BY(mutex);
  std::size_t bytes GUARDED_BY(mutex) = 0;
  Mono pruned_at GUARDED_BY(mutex){};
  // Neighbouring entries nearly always share their labels.
  LabelSet last_before GUARDED_BY(mutex);
  LabelSet last_after GUARDED_BY(mutex);

  bool own(std::string_view name) const {
    return (options.type == MetricType::kHistogram && name == "le") ||
           std::any_of(common.begin(), common.end(),
                       [&](const Label& l) { return l.name == name; });
  }

  LabelSet shown(const LabelSet& labels) REQUIRES(mutex) {
    if (labels == last_before) return last_after;
    const auto& all_labels = labels.labels();
    const bool clean = std::none_of(all_labels.begin(), all_labels.end(), [&](const Label& label) {
      return label.name.starts_with("__") || own(label.name);
    });
    last_before = labels;
    last_after = labels;
    if (clean) return last_after;
    model::Labels out;
    for (const Label& label : all_labels) {
      if (label.name.starts_with("__")) continue;
      out.push_back({own(label.name) ? "exported_" + label.name : label.name, label.value});
    }
    return last_after = interner.intern(std::move(out));
  }

  bool expired(const Series& series, Mono now) const {
    return options.max_idle.count() > 0 && now - series.changed >= options.max_idle;
  }

  void prune(Mono now) REQUIRES(mutex) {
    for (auto it = all.begin(); it != all.end();) {
      if (!expired(it->second, now)) {
        ++it;
        continue;
      }
      bytes -= it->second.bytes;
      it = all.erase(it);
    }
    pruned_at = now;
  }

  // Null when there are too many.
  Series* series(const LabelSet& labels) REQUIRES(mutex) {
    const LabelSet name = shown(labels);
    const Mono now = clock.mono();
    auto it = all.find(name);
    if (it == all.end()) {
      std::size_t size = sizeof(Series) + options.bounds.size() * sizeof(std::uint64_t);
      for (const Label& label : name.labels()) size += label.name.size() + label.value.size();
      const auto full = [&]() NO_THREAD_SAFETY_ANALYSIS {
        return all.size() >= options.most || bytes + size > options.most_bytes;
      };
      if (full() && now - pruned_at >= std::chrono::seconds(1)) prune(now);
      if (full()) return nullptr;
      it = all.emplace(name, Series()).first;
      it->second.bytes = size;
      bytes += size;
      if (options.type == MetricType::kHistogram)
        it->second.distribution = std::make_unique<Distribution>(options.bounds);
    }
    it->second.changed = now;
    return &it->second;
  }

  void collect(std::vector<MetricFamily>& out) {
    MutexLock lock(mutex);
    if (all.empty()) return;
    MetricFamily family{options.name, options.help, options.type, {}};
    for (const auto& [labels, series] : all) {
      model::LabelBuilder builder(labels);
      for (const Label& label : common) builder.set(label.name, label.value);
      if (series.distribution != nullptr) {
        add_points(family, builder.labels(), *series.distribution);
      } else {
        family.points.push_back({"", std::move(builder).take(), series.value});
      }
    }
    out.push_back(std::move(family));
    // Each series is shown at least once, also when it is scraped less often than it expires.
    prune(clock.mono());
  }
};

SeriesTable::SeriesTable(Options options, const Metrics& metrics, Clock& clock,
                         model::Interner& interner)
    : state_(std::make_shared<State>(std::move(options), metrics, clock, interner)),
      collection_(metrics.on_collect([state = state_](auto& out) { state->collect(out); })) {}

SeriesTable::~SeriesTable() = default;

bool SeriesTable::add(const LabelSet& labels, double amount) {
  MutexLock lock(state_->mutex);
  State::Series* series = state_->series(labels);
  if (series != nullptr) series->value += amount;
  return series != nullptr;
}

bool SeriesTable::set(const LabelSet& labels, double value) {
  MutexLock lock(state_->mutex);
  State::Series* series = state_->series(labels);
  if (series != nullptr) series->value = value;
  return series != nullptr;
}

bool SeriesTable::observe(const LabelSet& labels, double value) {
  MutexLock lock(state_->mutex);
  State::Series* series = state_->series(labels);
  if (series != nullptr) series->distribution->observe(value);
  return series != nullptr;
}

}  // namespace agent::component
