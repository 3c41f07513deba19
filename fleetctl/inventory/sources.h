// What -i names: files, folders and comma lists, read into one inventory.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/inventory/inventory.h"
#include "fleetctl/inventory/loader.h"

namespace fleetctl::inventory {

// Reads every source in order and reconciles. Unlike Ansible, which goes on with what it could
// read, a source that cannot be read is an error: a deploy to half a fleet helps nobody.
// Programs are run only where they are allowed.
enum class Programs { kRefused, kAllowed };
agent::Result<> read_sources(const std::vector<std::string>& sources, Loader& loader,
                             Inventory& inventory, Programs programs = Programs::kRefused);

// The folders beside the sources, where group_vars/ and host_vars/ are looked for.
std::vector<std::filesystem::path> variable_folders(const std::vector<std::string>& sources);

}  // namespace fleetctl::inventory
