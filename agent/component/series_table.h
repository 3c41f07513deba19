// The series of one metric whose labels come from data, such as the labels of log entries: bounded
// in number and in bytes, and forgotten when nothing was added for a time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/component/metrics.h"

namespace agent::component {

// Thread-safe. The clock outlives it. It is collected with `metrics`, whose labels its series carry
// too, and is gone from there when it goes. In series names that begin with "__" are left out, and
// a name that the metric has itself (component_id, le) becomes exported_<name>.
class SeriesTable {
 public:
  struct Options {
    std::string name;
    std::string help;
    model::MetricType type = model::MetricType::kCounter;  // or kGauge, kHistogram
    std::vector<double> bounds{};                          // of a histogram, rising
    // A series is shown once more and forgotten after this time without a change; 0 is never.
    Duration max_idle{0};
    std::size_t most = 10'000;
    std::size_t most_bytes = std::size_t{16} << 20;  // of the labels
  };
  SeriesTable(Options options, const Metrics& metrics, Clock& clock, model::Interner& interner);
  ~SeriesTable();

  // False when the series would be one too many: then nothing is counted.
  bool add(const model::LabelSet& labels, double amount);
  bool set(const model::LabelSet& labels, double value);
  bool observe(const model::LabelSet& labels, double value);

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with a collection that is under way
  std::shared_ptr<void> collection_;
};

}  // namespace agent::component
