// Components that stand in for those which touch the world.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/component/component.h"

namespace agent::trial {

// What arrived at the ends of the pipelines, and the way into their beginnings. Thread-safe.
class Ends {
 public:
  struct Arrival {
    std::string component;  // its id
    std::string text;       // as test files write an entry or a sample
  };
  // `start_ns`: the clock's first time, from which entries' times are told.
  Ends(const Clock& clock, std::int64_t start_ns) : clock_(clock), start_ns_(start_ns) {}

  // What has arrived since the last call, in order.
  std::vector<Arrival> take();
  // Passes entries on as the source `component` would have read them: its `labels` and
  // `relabel_rules` hold for them. kNotFound: there is no such source.
  Result<> put(const std::string& component, model::EntryBatch batch,
               model::Interner& labels) const;
  Result<> put(const std::string& component, model::SampleBatch batch) const;
  // Ids of the sources that pass entries on.
  std::vector<std::string> log_sources() const;
  // The discovery `component` finds these.
  Result<> publish(const std::string& component, const std::vector<model::Target>& targets);

 private:
  friend class StandIn;
  friend class LogEnd;
  friend class MetricsEnd;
  struct Source;

  std::shared_ptr<Source> source(const std::string& component) const;
  static bool relabel(const Source& source, const model::Entry& entry, model::LabelBuilder& labels);
  void arrived(const std::string& component, std::string text);

  const Clock& clock_;
  const std::int64_t start_ns_;
  mutable Mutex mutex_;
  std::vector<Arrival> arrivals_ GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<Source>> sources_ GUARDED_BY(mutex_);
};

// `real` with everything stood in for that neither takes entries or samples to pass them on nor
// works on targets alone; and with test.sink, which keeps what it gets. `ends` outlives what is
// made with it.
component::Registry stand_ins(const component::Registry& real, std::shared_ptr<Ends> ends);

// "\n", "\r", "\t" and "\\" for the characters, and back.
std::string escape(std::string_view text);
std::string unescape(std::string_view text);

}  // namespace agent::trial
