#include "agent/component/metrics.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <utility>

#include "agent/base/mutex.h"
#include "agent/base/strings.h"

namespace agent::component {

using model::Label;
using model::Labels;
using model::MetricFamily;
using model::MetricType;

void add_points(MetricFamily& family, const Labels& labels, const Distribution& values) {
  const auto buckets = values.buckets();
  for (const auto& [bound, count] : buckets) {
    model::LabelBuilder with_bound(labels);
    with_bound.set("le", format_number(bound));
    family.points.push_back({"_bucket", std::move(with_bound).take(), count});
  }
  family.points.push_back({"_sum", labels, values.sum()});
  family.points.push_back({"_count", labels, buckets.back().second});
}

namespace {

// Puts the points of `more` into `family`, which has the same name.
void merge(MetricFamily& family, MetricFamily more) {
  if (family.type != more.type) return;  // a page with both kinds could not be read
  std::map<std::pair<std::string, Labels>, std::size_t> known;
  for (std::size_t i = 0; i < family.points.size(); ++i)
    known.emplace(std::pair(family.points[i].suffix, family.points[i].labels), i);
  for (MetricFamily::Point& point : more.points) {
    const auto [it, is_new] =
        known.emplace(std::pair(point.suffix, point.labels), family.points.size());
    if (is_new) {
      family.points.push_back(std::move(point));
    } else if (family.type == MetricType::kGauge) {
      family.points[it->second].value = point.value;
    } else {
      family.points[it->second].value += point.value;
    }
  }
}

}  // namespace

Distribution::Distribution(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

void Distribution::observe(double value, std::uint64_t times) {
  const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<std::size_t>(at)].fetch_add(times, std::memory_order_relaxed);
  sum_.add(value * static_cast<double>(times));
}

std::vector<std::pair<double, double>> Distribution::buckets() const {
  std::vector<std::pair<double, double>> out;
  out.reserve(counts_.size());
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    count += counts_[i].load(std::memory_order_relaxed);
    out.emplace_back(i < bounds_.size() ? bounds_[i] : std::numeric_limits<double>::infinity(),
                     static_cast<double>(count));
  }
  return out;
}

std::vector<double> default_buckets() { return {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}; }

struct Metrics::Store {
  struct Series {
    Labels labels;
    std::weak_ptr<void> value;  // Metric, or Distribution where the family is a histogram
  };
  struct Family {
    std::string help;
    MetricType type = MetricType::kUnknown;
    std::vector<Series> series;
  };
  Mutex mutex;
  std::map<std::string, Family, std::less<>> families GUARDED_BY(mutex);
  std::vector<std::weak_ptr<Collect>> collects GUARDED_BY(mutex);
};

Metrics::Metrics() : store_(std::make_shared<Store>()) {}

Metrics Metrics::with(Labels labels) const {
  Metrics copy = *this;
  copy.common_.insert(copy.common_.end(), std::make_move_iterator(labels.begin()),
                      std::make_move_iterator(labels.end()));
  return copy;
}

template <class Value, class Make>
std::shared_ptr<Value> Metrics::series(MetricType type, std::string_view name,
                                       std::string_view help, Labels labels, Make make) const {
  labels.insert(labels.end(), common_.begin(), common_.end());
  std::sort(labels.begin(), labels.end());
  MutexLock lock(store_->mutex);
  auto& family = store_->families[std::string(name)];
  auto& all = family.series;
  all.erase(std::remove_if(all.begin(), all.end(), [](const auto& s) { return s.value.expired(); }),
            all.end());
  // A name that is in use keeps its kind of value; a series of another kind would not be collected.
  const bool of_kind = (family.type == MetricType::kHistogram) == (type == MetricType::kHistogram);
  if (!all.empty() && !of_kind) return make();
  family.type = type;
  if (family.help.empty()) family.help = help;
  for (const auto& s : all) {
    if (s.labels != labels) continue;
    if (auto value = s.value.lock()) return std::static_pointer_cast<Value>(value);
  }
  auto value = make();
  all.push_back({std::move(labels), value});
  return value;
}

Counter Metrics::counter(std::string_view name, std::string_view help, Labels labels) const {
  return series<Metric>(MetricType::kCounter, name, help, std::move(labels),
                        [] { return std::make_shared<Metric>(); });
}
Gauge Metrics::gauge(std::string_view name, std::string_view help, Labels labels) const {
  return series<Metric>(MetricType::kGauge, name, help, std::move(labels),
                        [] { return std::make_shared<Metric>(); });
}
Histogram Metrics::histogram(std::string_view name, std::string_view help,
                             std::vector<double> bounds, Labels labels) const {
  return series<Distribution>(MetricType::kHistogram, name, help, std::move(labels),
                              [&] { return std::make_shared<Distribution>(std::move(bounds)); });
}

std::shared_ptr<void> Metrics::on_collect(Collect collect) const {
  auto held = std::make_shared<Collect>(std::move(collect));
  MutexLock lock(store_->mutex);
  store_->collects.push_back(held);
  return held;
}

std::vector<MetricFamily> Metrics::collect() const {
  std::vector<MetricFamily> out;
  std::vector<std::shared_ptr<Collect>> collects;
  {
    MutexLock lock(store_->mutex);
    auto& all = store_->collects;
    all.erase(std::remove_if(all.begin(), all.end(), [](const auto& c) { return c.expired(); }),
              all.end());
    for (const auto& c : all)
      if (auto held = c.lock()) collects.push_back(std::move(held));
  }
  for (const auto& collect : collects) (*collect)(out);
  {
    MutexLock lock(store_->mutex);
    for (auto& [name, family] : store_->families) {
      MetricFamily copy{name, family.help, family.type, {}};
      for (const auto& s : family.series) {
        const auto value = s.value.lock();
        if (!value) continue;
        if (family.type == MetricType::kHistogram)
          add_points(copy, s.labels, *std::static_pointer_cast<Distribution>(value));
        else
          copy.points.push_back({"", s.labels, std::static_pointer_cast<Metric>(value)->value()});
      }
      if (!copy.points.empty()) out.push_back(std::move(copy));
    }
  }
  // Families of one name from several callbacks become one.
  std::stable_sort(out.begin(), out.end(),
                   [](const MetricFamily& a, const MetricFamily& b) { return a.name < b.name; });
  std::vector<MetricFamily> merged;
  for (MetricFamily& family : out) {
    if (!merged.empty() && merged.back().name == family.name) {
      merge(merged.back(), std::move(family));
    } else {
      merged.push_back(std::move(family));
    }
  }
  return merged;
}

}  // namespace agent::component
