// The agent as fleetctl brings it to hosts: a folder that packaging/bundle.sh fills, with
// bundle.json, the archive and the unit file.
#pragma once

#include <filesystem>
#include <string>

#include "agent/base/result.h"
#include "fleetctl/plan/plan.h"

namespace fleetctl::command {

struct AgentBundle {
  plan::Release release;
  std::string unit;  // fleet-agent.service
};

// Reads and checks the folder `asked`; "" means the one beside this very program (../bundle, else
// ../share/fleetctl/bundle).
agent::Result<AgentBundle> read_agent_bundle(const std::filesystem::path& asked);

}  // namespace fleetctl::command
