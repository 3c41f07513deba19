// `fleetctl unlock`: whose lock each host has and since when; ends what holds it, after a question.
// A lock goes with the process that holds it, so that only one that hangs has to be ended.
#pragma once

#include <iosfwd>

#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/hosts_run.h"

namespace fleetctl::command {

struct UnlockOptions : RunOptions {
  bool list = false;  // --list: tell, end nothing
};

// A table, or one JSON object per host and line, to `out`; the question to `err`. kLocked where a
// lock is left.
ExitCode unlock(const Fleet& fleet, const UnlockOptions& options, const World& world,
                const std::atomic<bool>& stop, std::ostream& out, std::ostream& err);

}  // namespace fleetctl::command
