// What the agent itself would say of a configuration.
#pragma once

#include "fleetctl/command/fleet.h"

namespace fleetctl::cli {

// The very parser and schemas that the agent runs; sys.env and the like are the host's business.
command::ConfigurationCheck agent_check();

}  // namespace fleetctl::cli
