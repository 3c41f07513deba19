// A receiver of samples that keeps what it gets, as text. Thread-safe; what waits does so in real
// time.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/strings.h"
#include "agent/component/receiver.h"

namespace agent {

class SampleCollector final : public component::MetricsReceiver {
 public:
  struct Row {
    std::string series;  // name{a="b"}
    std::int64_t time_ms = 0;
    std::string value;  // "1.5", "stale"
    auto operator<=>(const Row&) const = default;
  };

  // consume fails from now on, or no longer.
  void refuse(bool on) {
    MutexLock lock(mutex_);
    refusing_ = on;
  }

  Result<> consume(model::SampleBatch batch, std::stop_token) override {
    MutexLock lock(mutex_);
    changed_.notify_all();  // the waiters see the rest of this call too: it holds the lock
    if (refusing_) return fail(ErrorCode::kUnavailable, "refused by the test");
    for (const model::Sample& sample : batch.samples)
      rows_.push_back(
          {text(sample.series), sample.time_ms,
           model::is_stale_marker(sample.value) ? "stale" : format_number(sample.value)});
    for (const model::Exemplar& one : batch.exemplars)
      exemplars_.push_back(text(one.series) + " " + model::labels_text(one.labels) + " " +
                           format_number(one.value));
    for (const model::NativeHistogram& one : batch.histograms)
      histograms_.push_back(text(one.series) + " @" + std::to_string(one.time_ms));
    for (model::Metadata& one : batch.metadata) metadata_.push_back(std::move(one));
    return {};
  }

  std::vector<Row> rows() const {
    MutexLock lock(mutex_);
    return rows_;
  }
  std::vector<std::string> exemplars() const {
    MutexLock lock(mutex_);
    return exemplars_;
  }
  std::vector<std::string> histograms() const {
    MutexLock lock(mutex_);
    return histograms_;
  }
  std::vector<model::Metadata> metadata() const {
    MutexLock lock(mutex_);
    return metadata_;
  }
  // The values of one series, in order of arrival.
  std::vector<std::string> values(const std::string& series) const {
    MutexLock lock(mutex_);
    std::vector<std::string> out;
    for (const Row& row : rows_)
      if (row.series == series) out.push_back(row.value);
    return out;
  }
  // False after a minute. `enough` is called with the lock held.
  bool wait(const std::function<bool(const std::vector<Row>&)>& enough) const {
    MutexLock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(1),
                             [&]() NO_THREAD_SAFETY_ANALYSIS { return enough(rows_); });
  }
  bool wait_values(const std::string& series, std::size_t count) const {
    return wait([&](const std::vector<Row>& rows) {
      std::size_t found = 0;
      for (const Row& row : rows) found += row.series == series ? 1 : 0;
      return found >= count;
    });
  }

  static std::string text(const model::LabelSet& series) {
    model::LabelBuilder labels(series);
    std::string out(labels.get(model::kMetricNameLabel));
    labels.remove(model::kMetricNameLabel);
    if (!labels.labels().empty()) out += model::labels_text(labels.labels());
    return out;
  }

 private:
  mutable Mutex mutex_;
  mutable Condition changed_;
  bool refusing_ GUARDED_BY(mutex_) = false;
  std::vector<Row> rows_ GUARDED_BY(mutex_);
  std::vector<std::string> exemplars_ GUARDED_BY(mutex_);
  std::vector<std::string> histograms_ GUARDED_BY(mutex_);
  std::vector<model::Metadata> metadata_ GUARDED_BY(mutex_);
};

}  // namespace agent
