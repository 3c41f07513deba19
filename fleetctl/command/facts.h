// `fleetctl facts`: what hosts tell about themselves, for templates that name facts.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fleetctl/command/hosts_run.h"

namespace fleetctl::command {

struct FactsOptions : RunOptions {
  std::filesystem::path output;  // "": standard output
};

// Facts of `hosts` as JSON by host, those in `known` (such JSON, or "") too. A host that cannot be
// asked adds a line to `problems`.
std::string gather_facts(const std::vector<std::shared_ptr<const Host>>& hosts,
                         const RunOptions& options, const World& world, const std::string& known,
                         std::vector<Problem>& problems);

// Loads and renders; where templates ask for facts that nobody knows, asks those hosts and renders
// again.
agent::Result<Fleet> load_fleet_with_facts(FleetOptions options, const ConfigurationCheck& check,
                                           RunOptions run);

ExitCode run_facts(FleetOptions fleet_options, FactsOptions options);

}  // namespace fleetctl::command
