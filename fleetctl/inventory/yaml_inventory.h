// Ansible's YAML inventory: top-level keys are groups, each with `hosts`, `vars` and `children`.
#pragma once

#include <string>

#include "agent/base/result.h"
#include "fleetctl/inventory/inventory.h"
#include "fleetctl/value/value.h"

namespace fleetctl::inventory {

// Adds what the document declares. Errors are "file:line:column: ...".
agent::Result<> read_yaml_inventory(const value::Value& document, const std::string& file,
                                    Inventory& inventory);

}  // namespace fleetctl::inventory
