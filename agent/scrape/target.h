// What a discovered target means to a scrape: where to ask, how often, and the labels of all its
// series. Pure. The special labels and their order of precedence are Prometheus' own
// (prometheus.io/docs/prometheus/latest/configuration/configuration, scrape_config).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/model/labels.h"

namespace agent::scrape {

// What holds for targets that do not say otherwise by their own labels.
struct TargetDefaults {
  std::string job_name;
  std::string scheme = "http";
  std::string metrics_path = "/metrics";
  std::vector<std::pair<std::string, std::vector<std::string>>> params;
  Duration interval{};
  Duration timeout{};
  bool operator==(const TargetDefaults&) const = default;
};

struct ScrapeTarget {
  std::string url;
  std::string exporter;  // component id when the target is in this process; else ""
  model::Labels labels;  // of its series: without those that start with "__"
  Duration interval{};
  Duration timeout{};
  auto operator<=>(const ScrapeTarget&) const = default;
};

// kInvalid: no address, an address that holds a path, an interval that is none, a timeout above the
// interval.
Result<ScrapeTarget> scrape_target(const model::Target& found, const TargetDefaults& defaults);

// When a target is due for the first time from `now_ns` on (wall time): its place inside the
// interval follows from its identity and `seed`, so that the targets of a host and the hosts of a
// fleet spread, and a restart changes nothing.
std::int64_t first_due_ns(const ScrapeTarget& target, std::string_view seed, std::int64_t now_ns);

}  // namespace agent::scrape
