// What a component needs to live in a test: a Host with a fake clock, and a look at what it
// published, logged, counted and reports.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/component/component.h"
#include "agent/component/receiver.h"
#include "tests/support/fake_clock.h"

namespace agent {

class ComponentBench {
 public:
  explicit ComponentBench(std::string id);
  ~ComponentBench();

  component::Host host();
  // The export of this name, null when it is not there.
  lang::Value published(std::string_view name) const;
  std::shared_ptr<component::LogReceiver> receiver() const;
  // The value of a series, by name and some of its labels; the sum over all that fit.
  double metric(std::string_view name, const model::Labels& labels = {}) const;
  std::string logged() const;
  // Advances the clock in small steps until `done`, at most 20 s of real time.
  bool advance_until(const std::function<bool()>& done,
                     Duration step = std::chrono::milliseconds(20));

  FakeClock clock;
  model::Interner labels;
  component::Metrics metrics;
  component::Health health{clock};
  std::filesystem::path data_dir;  // removed with the bench

 private:
  std::string id_;
  mutable Mutex mutex_;
  component::Exports exports_ GUARDED_BY(mutex_);
  std::string log_ GUARDED_BY(mutex_);
};

// Bodies without a configuration text.
lang::Attribute attribute(std::string name, lang::Value value);
lang::Block block(std::string name, std::vector<lang::Attribute> attributes,
                  std::vector<lang::Block> blocks = {});

}  // namespace agent
