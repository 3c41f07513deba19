// What happens on a run's way, for programs: --format jsonl. A JSON object per line, each with
// schema, type, ts and run; docs/schemas/fleetctl.schema.json tells them all. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fleetctl/command/host_run.h"

namespace fleetctl::command {

struct EventHead {
  std::string run;
  std::int64_t wall_ns = 0;
};
// A run over so many hosts begins.
std::string begin_event(const EventHead& head, std::string_view doing, std::size_t hosts);
// A host is at something else.
std::string step_event(const EventHead& head, std::string_view host, std::string_view phase);
// A host has ended: status, whether it was changed, how long it took, what went wrong.
std::string end_event(const EventHead& head, std::string_view host, const HostResult& result);

}  // namespace fleetctl::command
