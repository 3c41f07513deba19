// The agent as fleetctl brings it to hosts: folders that packaging/bundle.sh fills, each with
// bundle.json, the archive and the unit file; one build each.
#pragma once

#include <string>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/plan/plan.h"

namespace fleetctl::command {

struct AgentOptions {
  // --agent-bundle: DIR, or DIR#SHA256 where that is the SHA-256 of its bundle.json (which has
  // those of the archive and the unit). None: the one beside this very program (../bundle, else
  // ../share/fleetctl/bundle).
  std::vector<std::string> bundles;
  std::string version;  // --version: of these alone; "": all
};

struct AgentBundle {
  plan::Release release;
  std::string unit;  // fleet-agent.service
};
using AgentBundles = std::vector<AgentBundle>;

// Reads and checks them. One for each architecture, at least one; an error, which names what there
// is, where that cannot be.
agent::Result<AgentBundles> read_agent_bundles(const AgentOptions& options);

}  // namespace fleetctl::command
