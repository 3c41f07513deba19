// `fleetctl rollback`: every selected host back to an earlier generation that it has kept, by the
// same transaction as a deploy: what does not come up stays as it was.
#pragma once

#include <iosfwd>

#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/hosts_run.h"

namespace fleetctl::command {

struct RollbackOptions : RunOptions {
  plan::Gate gate;              // --health-grace, --health-timeout, --delivery
  unsigned to = 0;              // --to: the generation; 0: the one before the present
  bool drop_listeners = false;  // --drop-listeners: those that containers log to, too
  bool check = false;           // --check: tell what would change, change nothing
  bool list = false;            // --list: tell what there is to go back to, change nothing
};

// One line (and details) per host to `out`, then a summary; warnings to `err`.
ExitCode rollback(const Fleet& fleet, const RollbackOptions& options, const World& world,
                  std::ostream& out, std::ostream& err);

// The whole command with the real world. Nothing is rendered: a broken template is no obstacle.
ExitCode run_rollback(FleetOptions fleet_options, bool ask_become_password,
                      RollbackOptions options);

}  // namespace fleetctl::command
