// Events that the collector perf counts, by the names that its block has for them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace agent::exporter::unix_host {

enum class PerfKind { kHardware, kSoftware, kCache };

struct PerfEvent {
  const char* name;
  const char* metric;  // behind node_perf_
  std::uint64_t config;
};
const std::vector<PerfEvent>& perf_events(PerfKind kind);

// "0", "0-3,8", "0-10:5" (each fifth).
Result<std::vector<int>> parse_cpu_list(std::string_view text);

}  // namespace agent::exporter::unix_host
