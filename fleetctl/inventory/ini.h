// Ansible's INI inventory.
//   host[:port] [k=v ...]      [group]      [group:children]      [group:vars] k=v
// Lines before the first header belong to `ungrouped`. Values are Python literals where they can
// be read as one (5, True, ['a']), else text. Source: ansible-core 2.14, inventory plugin `ini`.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "fleetctl/inventory/inventory.h"

namespace fleetctl::inventory {

// Adds what `text` declares. Errors are "file:line: ..."; part of the file may have been added.
agent::Result<> read_ini(std::string_view text, const std::string& file, Inventory& inventory);

}  // namespace fleetctl::inventory
