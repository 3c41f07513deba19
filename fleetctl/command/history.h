// `fleetctl history`: the changes that a host has seen, from its own book of them: when, by whom,
// what, and how it ended.
#pragma once

#include <iosfwd>

#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/hosts_run.h"

namespace fleetctl::command {

struct HistoryOptions : RunOptions {
  unsigned lines = 10;  // --lines: so many of the last changes of each host
};

// A table, or one JSON object per change and line, newest first, to `out`.
ExitCode history(const Fleet& fleet, const HistoryOptions& options, const World& world,
                 const std::atomic<bool>& stop, std::ostream& out, std::ostream& err);

}  // namespace fleetctl::command
