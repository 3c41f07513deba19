#include "tests/support/component_bench.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

namespace agent {

ComponentBench::ComponentBench(std::string id) : id_(std::move(id)) {
  std::string folder = (std::filesystem::temp_directory_path() / "bench.XXXXXX").string();
  data_dir = mkdtemp(folder.data());
}

ComponentBench::~ComponentBench() { std::filesystem::remove_all(data_dir); }

component::Host ComponentBench::host() {
  const auto sink = [this](std::string_view line) {
    MutexLock lock(mutex_);
    log_ += line;
  };
  return component::Host{id_,
                         labels,
                         clock,
                         Log(clock, sink),
                         metrics,
                         health,
                         data_dir,
                         [this](component::Exports exports) {
                           MutexLock lock(mutex_);
                           exports_ = std::move(exports);
                         }};
}

lang::Value ComponentBench::published(std::string_view name) const {
  MutexLock lock(mutex_);
  for (const auto& [key, value] : exports_) {
    if (key == name) return value;
  }
  return {};
}

std::shared_ptr<component::LogReceiver> ComponentBench::receiver() const {
  return std::static_pointer_cast<component::LogReceiver>(published("receiver").capsule().object);
}

double ComponentBench::metric(std::string_view name, const model::Labels& wanted) const {
  double sum = 0;
  for (const auto& family : metrics.collect()) {
    if (family.name != name) continue;
    for (const auto& point : family.points) {
      const bool fits = std::all_of(wanted.begin(), wanted.end(), [&](const model::Label& label) {
        return std::find(point.labels.begin(), point.labels.end(), label) != point.labels.end();
      });
      if (fits) sum += point.value;
    }
  }
  return sum;
}

std::string ComponentBench::logged() const {
  MutexLock lock(mutex_);
  return log_;
}

bool ComponentBench::advance_until(const std::function<bool()>& done, Duration step) {
  SystemClock real;
  const Mono limit = real.mono() + std::chrono::seconds(20);
  while (!done()) {
    if (real.mono() > limit) return false;
    clock.advance(step);
    std::this_thread::yield();
  }
  return true;
}

lang::Attribute attribute(std::string name, lang::Value value) {
  return {std::move(name), std::move(value), {}, {}};
}

lang::Block block(std::string name, std::vector<lang::Attribute> attributes,
                  std::vector<lang::Block> blocks) {
  lang::Block out;
  out.name = std::move(name);
  out.body.attributes = std::move(attributes);
  out.body.blocks = std::move(blocks);
  return out;
}

}  // namespace agent
