// `fleetctl logs`: what one host's agent writes into its journal.
#pragma once

#include <iosfwd>

#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/hosts_run.h"

namespace fleetctl::command {

struct LogsOptions : RunOptions {
  bool follow = false;   // -f
  unsigned lines = 100;  // -n
};

// The fleet is that one host. Ends with the host's journalctl, or, following, never by itself.
ExitCode logs(const Fleet& fleet, const LogsOptions& options, const World& world, std::ostream& out,
              std::ostream& err);

// The whole command with the real world.
ExitCode run_logs(FleetOptions fleet_options, const LogsOptions& options);

}  // namespace fleetctl::command
