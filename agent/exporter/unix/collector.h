// What a collector of prometheus.exporter.unix is: a function that adds the families of one part of
// the host. Each is asked by one thread at a time.
#pragma once

#include <concepts>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/component/schema.h"
#include "agent/model/metric_family.h"

namespace agent::exporter::unix_host {

// Families under construction. What names the kernel makes up become names of metrics: bytes that
// these cannot have become '_'.
class Families {
 public:
  using Labels = std::initializer_list<model::Label>;  // in any order; empty values are left out
  void gauge(std::string_view name, std::string_view help, double value, Labels labels = {}) {
    add(model::MetricType::kGauge, name, help, value, model::Labels(labels));
  }
  void counter(std::string_view name, std::string_view help, double value, Labels labels = {}) {
    add(model::MetricType::kCounter, name, help, value, model::Labels(labels));
  }
  void untyped(std::string_view name, std::string_view help, double value, Labels labels = {}) {
    add(model::MetricType::kUnknown, name, help, value, model::Labels(labels));
  }
  void add(model::MetricType type, std::string_view name, std::string_view help, double value,
           model::Labels labels);
  bool empty() const { return families_.empty(); }
  // Whole families join these; one of a name that is there adds its points.
  void add_families(std::vector<model::MetricFamily> families);
  void merge(Families other) { add_families(std::move(other).take()); }
  std::vector<model::MetricFamily> take() &&;  // by name

 private:
  std::map<std::string, model::MetricFamily, std::less<>> families_;
};

// Where the host's files are; a container sees those of the host elsewhere.
struct Roots {
  std::filesystem::path proc, sys, root, udev;
};

struct UnixArgs;

// A failure is told by node_scrape_collector_success 0; what was added before it stays. kNotFound:
// this host has nothing of the kind.
class Collect {
 public:
  template <class Function>
  requires std::invocable<Function&, Families&> Collect(
      Function function)  // NOLINT(google-explicit-constructor)
      : function_([f = std::move(function)](Families& out, const std::stop_token&) mutable {
          return f(out);
        }) {}
  // Of what waits: ends within a second of a stop.
  template <class Function>
  requires std::invocable<Function&, Families&, const std::stop_token&> Collect(Function function)
      : function_(std::move(function)) {}  // NOLINT
  Result<> operator()(Families& out, const std::stop_token& stop) const {
    return function_(out, stop);
  }

 private:
  std::function<Result<>(Families&, const std::stop_token&)> function_;
};

struct CollectorKind {
  std::string_view name;
  bool by_default;
  Result<Collect> (*make)(const UnixArgs& args, const Roots& roots, Clock& clock);
  // Alloy's set_collectors does not know it: only enable_collectors switches it on.
  bool only_enabled = false;
};
// All there are, by name.
const std::vector<CollectorKind>& collector_kinds();

// Names of node_exporter's that this agent knows and does not have, with the reason.
std::string_view missing_collector(std::string_view name);

}  // namespace agent::exporter::unix_host
