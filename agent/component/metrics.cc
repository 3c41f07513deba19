#include "agent/component/metrics.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "agent/base/mutex.h"

namespace agent::component {

using model::Label;
using model::Labels;
using model::MetricFamily;

struct Metrics::Store {
  struct Series {
    Labels labels;
    std::weak_ptr<Metric> metric;
  };
  struct Family {
    std::string help;
    MetricFamily::Type type = MetricFamily::Type::kUntyped;
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

std::shared_ptr<Metric> Metrics::series(MetricFamily::Type type, std::string_view name,
                                        std::string_view help, Labels labels) const {
  labels.insert(labels.end(), common_.begin(), common_.end());
  std::sort(labels.begin(), labels.end());
  MutexLock lock(store_->mutex);
  auto& family = store_->families[std::string(name)];
  family.type = type;
  if (family.help.empty()) family.help = help;
  auto& all = family.series;
  all.erase(
      std::remove_if(all.begin(), all.end(), [](const auto& s) { return s.metric.expired(); }),
      all.end());
  for (const auto& s : all) {
    if (s.labels != labels) continue;
    if (auto metric = s.metric.lock()) return metric;
  }
  auto metric = std::make_shared<Metric>();
  all.push_back({std::move(labels), metric});
  return metric;
}

Counter Metrics::counter(std::string_view name, std::string_view help, Labels labels) const {
  return series(MetricFamily::Type::kCounter, name, help, std::move(labels));
}
Gauge Metrics::gauge(std::string_view name, std::string_view help, Labels labels) const {
  return series(MetricFamily::Type::kGauge, name, help, std::move(labels));
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
    for (auto& [name, family] : store_->families) {
      MetricFamily copy{name, family.help, family.type, {}};
      for (const auto& s : family.series)
        if (auto metric = s.metric.lock()) copy.points.push_back({"", s.labels, metric->value()});
      if (!copy.points.empty()) out.push_back(std::move(copy));
    }
    auto& all = store_->collects;
    all.erase(std::remove_if(all.begin(), all.end(), [](const auto& c) { return c.expired(); }),
              all.end());
    for (const auto& c : all)
      if (auto held = c.lock()) collects.push_back(std::move(held));
  }
  for (const auto& collect : collects) (*collect)(out);
  // Families of one name from several callbacks become one.
  std::stable_sort(out.begin(), out.end(),
                   [](const MetricFamily& a, const MetricFamily& b) { return a.name < b.name; });
  std::vector<MetricFamily> merged;
  for (MetricFamily& family : out) {
    if (!merged.empty() && merged.back().name == family.name) {
      for (auto& point : family.points) merged.back().points.push_back(std::move(point));
    } else {
      merged.push_back(std::move(family));
    }
  }
  return merged;
}

}  // namespace agent::component
