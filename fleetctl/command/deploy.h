// `fleetctl deploy`: every selected host gets its agent and its configuration, side by side, each
// to its own end.
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <string>

#include "agent/base/clock.h"
#include "fleetctl/command/agent_bundle.h"
#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/host_run.h"
#include "fleetctl/command/reach.h"

namespace fleetctl::command {

struct DeployOptions {
  bool check = false;      // --check: tell what would change, change nothing
  bool diff = false;       // --diff: show how the configurations differ, secrets masked
  bool json = false;       // --format json: one object per line
  bool exit_code = false;  // --exit-code: 2 when there are changes
  bool limited =
      false;         // --limit was given; without it, several hosts are asked about on a terminal
  bool yes = false;  // --yes: do not ask
  unsigned forks = 64;  // hosts at a time
  ReachOptions reach;
  agent::Duration host_limit = std::chrono::seconds(300);  // for one host, from connect to report
  std::string who;                                         // operator@machine
  std::string run;  // names this run in messages and on the hosts
};

// Makes the connection to a host; tests give one that only prints.
using Reacher = std::function<agent::Result<Reached>(const Host& host)>;
// The random word of a connection.
using NonceSource = std::function<std::string()>;

// Results go to `out`, one line (and details) per host as it ends, then a summary; the rest to
// `err`. Nothing is touched when the fleet has a problem.
ExitCode deploy(const Fleet& fleet, const AgentBundle& bundle, const DeployOptions& options,
                const Reacher& reacher, const NonceSource& nonces, const agent::Clock& clock,
                std::ostream& out, std::ostream& err);

// The whole command with the real world: loads the fleet and the bundle, asks where it must,
// connects by SSH or locally, and lets Ctrl-C stop it: once, no further host is begun; twice, at
// once.
ExitCode run_deploy(const FleetOptions& fleet_options, const ConfigurationCheck& check,
                    const std::filesystem::path& agent_bundle, bool ask_become_password,
                    DeployOptions options);

}  // namespace fleetctl::command
