// `fleetctl doctor`: whether everything that a deploy needs is there: on this machine, between it
// and each host, and on the host. Nothing is changed.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/command/agent_bundle.h"
#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/hosts_run.h"

namespace fleetctl::command {

enum class Health {
  kGood,
  kOdd,  // a deploy works, somebody should know
  kBad,  // it does not
};

// One thing that was looked at.
struct Check {
  std::string name;  // "reach", "root", "tools", ...; a stable word
  Health health = Health::kGood;
  std::string text;
};

struct DoctorOptions : RunOptions {
  bool all = false;  // --all: what is well, too
};

// What is to be known of one host that was asked. `clock_error`: its clock is ahead of ours by so
// many seconds, 0 where it may be right.
std::vector<Check> check_host(const Host& host, const HostResult& result,
                              const agent::Result<AgentBundles>& bundles, std::int64_t clock_error);

// A table, or one JSON object per host and line, to `out`; the first is this machine, "localhost".
ExitCode doctor(const Fleet& fleet, const agent::Result<AgentBundles>& bundles,
                const DoctorOptions& options, const World& world, const std::atomic<bool>& stop,
                std::ostream& out, std::ostream& err);

// The whole command with the real world.
ExitCode run_doctor(FleetOptions fleet_options, const ConfigurationCheck& check,
                    const AgentOptions& agent, bool ask_become_password, DoctorOptions options);

}  // namespace fleetctl::command
