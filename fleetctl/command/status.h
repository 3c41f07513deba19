// `fleetctl status`: how each host's agent is, and whether it has what the tree would give it. One
// connection and one command per host; nothing is changed.
#pragma once

#include <iosfwd>

#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/hosts_run.h"

namespace fleetctl::command {

// exit_code: 2 when a host is not as it should be: no agent, another configuration than rendered,
// not active, not ready or not healthy.
enum class StatusOrder {
  kListed,  // the inventory's
  kName,
  kState,    // those that are not as they should be first
  kLines,    // the most lines per second first
  kSamples,  // the most samples per second first
  kBacklog,  // the oldest backlog first
};

struct StatusOptions : RunOptions {
  agent::Duration watch{0};  // --watch: again and again, this long after the last answer; 0: once
  StatusOrder order = StatusOrder::kListed;  // --sort; of the table
  bool drift = false;  // --drift: only hosts that are not as the tree gives them, with the diff
  std::size_t columns = 0;  // of the terminal; 0: there is none
};

// A table with its sum below, or one JSON object per host and line (docs/deploy.md has its
// members), to `out`; the tree's problems to `err`. A host whose configuration did not render is
// asked all the same.
ExitCode status(const Fleet& fleet, const StatusOptions& options, const World& world,
                std::ostream& out, std::ostream& err);

// The whole command with the real world.
ExitCode run_status(FleetOptions fleet_options, const ConfigurationCheck& check,
                    bool ask_become_password, StatusOptions options);

}  // namespace fleetctl::command
