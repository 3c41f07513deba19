// What `fleetctl lint` knows of a tree beyond what rendering says: ports, Docker, secrets, files
// that nothing uses.
#pragma once

#include <vector>

#include "fleetctl/command/fleet.h"
#include "fleetctl/command/lint.h"
#include "fleetctl/command/tree.h"

namespace fleetctl::command {

void review_tree(Tree& tree, const Fleet& fleet, const FleetOptions& options,
                 std::vector<Finding>& findings);

}  // namespace fleetctl::command
