// `fleetctl verify`: writes a marked line on each host where its agent reads, and asks Loki and
// Prometheus until it has arrived there: what nothing on the host itself can tell.
#pragma once

#include <chrono>
#include <iosfwd>
#include <string>
#include <vector>

#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/hosts_run.h"

namespace fleetctl::command {

struct VerifyOptions : RunOptions {
  bool junit = false;                // --format junit
  std::string loki;                  // --loki: asked instead of what the configuration writes to
  std::string prometheus;            // --prometheus: the same
  std::vector<std::string> only;     // --only: journal, containers, metrics; none: all that the
                                     // configuration has
  std::chrono::seconds within{120};  // --within
};

// A table, or one JSON object per host and line (docs/verify.md has its members), to `out`.
ExitCode verify(const Fleet& fleet, const VerifyOptions& options, const World& world,
                const std::atomic<bool>& stop, std::ostream& out, std::ostream& err);

// The whole command with the real world.
ExitCode run_verify(FleetOptions fleet_options, const ConfigurationCheck& check,
                    bool ask_become_password, VerifyOptions options);

}  // namespace fleetctl::command
