// `fleetctl plan`: what deploy would change, host by host, and why that means a reload or a
// restart. Nothing is changed anywhere: it is a deploy with --check in other words.
#pragma once

#include <filesystem>
#include <iosfwd>

#include "fleetctl/command/agent_bundle.h"
#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/hosts_run.h"

namespace fleetctl::command {

struct PlanOptions : RunOptions {
  bool diff = false;            // --diff: show how the configurations differ, secrets masked
  bool side_by_side = false;    // --diff=side
  bool junit = false;           // --format junit
  bool offline = false;         // --offline: render and check, reach no host
  bool drop_listeners = false;  // --drop-listeners: those that running containers log to, too
  std::filesystem::path out;    // --out: save the plan there
};

// Hosts in their order to `out`, then a summary; the tree's problems to `err`.
ExitCode plan_fleet(const Fleet& fleet, const AgentBundles& bundles, const PlanOptions& options,
                    const World& world, std::ostream& out, std::ostream& err);

// The whole command with the real world.
ExitCode run_plan(const FleetOptions& fleet_options, const ConfigurationCheck& check,
                  const AgentOptions& agent, bool ask_become_password, PlanOptions options);

}  // namespace fleetctl::command
