// `fleetctl deploy`: every selected host gets its agent and its configuration, side by side, each
// to its own end.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <optional>

#include "fleetctl/command/agent_bundle.h"
#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/hosts_run.h"
#include "fleetctl/command/plan_file.h"

namespace fleetctl::command {

struct DeployOptions : RunOptions {
  bool check = false;  // --check: tell what would change, change nothing
  bool junit = false;  // --format junit
  bool diff = false;   // --diff: show how the configurations differ, secrets masked
  plan::Restart restart = plan::Restart::kWhenNeeded;  // --restart
  bool rolls_back = true;                              // --no-rollback: what does not come up stays
  bool drop_listeners = false;        // --drop-listeners: those that containers log to, too
  plan::Gate gate;                    // --health-grace, --health-timeout, --delivery
  bool force = false;                 // --force: the agent is sent again, and restarted
  bool retry_failed = false;          // --retry-failed: only what earlier runs did not leave well
  std::optional<std::string> resume;  // --resume: only what this run did not; "": the last one
  std::filesystem::path plan_file;    // --plan: do what this plan says, or nothing
  std::optional<PlanFile> plan;       // that, read
  std::filesystem::path unfinished;   // the book of that; "": none is kept
};

// Results go to `out`, one line (and details) per host as it ends, then a summary; the rest to
// `err`. Nothing is touched when the fleet has a problem.
ExitCode deploy(const Fleet& fleet, const AgentBundles& bundles, const DeployOptions& options,
                const World& world, std::ostream& out, std::ostream& err);

// The whole command with the real world: loads the fleet and the bundle, asks where it must.
ExitCode run_deploy(FleetOptions fleet_options, const ConfigurationCheck& check,
                    const AgentOptions& agent, bool ask_become_password, DeployOptions options);

// One host's part: what it gets, or with options.check what it would get. Any thread.
HostResult deploy_to(const Host& host, const AgentBundles& bundles, const DeployOptions& options,
                     const World& world);

// What deploy and plan need before a host is changed. Without `run` no host is asked for facts.
// nullopt: why not is on standard error.
struct Rendered {
  Fleet fleet;
  AgentBundles bundles;
};
std::optional<Rendered> load_rendered(const FleetOptions& options, const ConfigurationCheck& check,
                                      const RunOptions* run, const AgentOptions& agent);

}  // namespace fleetctl::command
