// What `plan --out` saves and `deploy --plan` keeps to: names of hosts, hashes and what would
// change; no configuration, so no secret. The format is in docs/deploy.md.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/command/agent_bundle.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/host_run.h"

namespace fleetctl::command {

struct PlannedHost {
  std::string config_sha256;  // of what was rendered: rendered_sha256()
  bool asked = false;         // no: --offline; `seen` and would_change mean nothing
  bool would_change = false;
  Planned seen;
};

struct PlanFile {
  std::string run;
  std::string release;  // or several, with blanks between
  std::string unit_sha256;
  std::map<std::string, PlannedHost> hosts;  // those that answered
};

// Of the host's configuration; where it has more files, of that and those.
std::string rendered_sha256(const Host& host);

// The same tree and the same agent, as yet without hosts.
PlanFile plan_of(const AgentBundles& bundles, const std::string& run);
PlannedHost planned_of(const Host& host, const HostResult& result);

agent::Result<> write_plan(const std::filesystem::path& file, const PlanFile& plan);
agent::Result<PlanFile> read_plan(const std::filesystem::path& file);

// Hosts that a deploy by this plan is about.
std::vector<std::string> hosts_to_change(const PlanFile& plan);
// What the tree or the agent gives otherwise than when the plan was made: a sentence each. A host
// that is planned and not in the fleet counts only where `whole`.
std::vector<std::string> differences(const PlanFile& plan, const Fleet& fleet,
                                     const AgentBundles& bundles, bool whole);

}  // namespace fleetctl::command
