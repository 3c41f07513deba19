// `fleetctl uninstall`: takes the agent off hosts, after a question.
#pragma once

#include <iosfwd>

#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/hosts_run.h"

namespace fleetctl::command {

struct UninstallOptions : RunOptions {
  bool drop_listeners = false;  // --drop-listeners: even where containers log to them
  bool purge = false;           // --purge: what it remembers and its user as well
};

// One line per host, or one JSON object, and a summary to `out`; the question to `err`.
ExitCode uninstall(const Fleet& fleet, const UninstallOptions& options, const World& world,
                   const std::atomic<bool>& stop, std::ostream& out, std::ostream& err);

}  // namespace fleetctl::command
