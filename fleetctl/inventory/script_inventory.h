// What inventory programs print for `--list`:
//   {"group": {"hosts": [...], "vars": {...}, "children": [...]} | ["host", ...] | {variables},
//    "_meta": {"hostvars": {"host": {...}}}}
// Without `_meta` each host is asked for with `--host NAME`. Source: ansible-core 2.14, inventory
// plugin `script`.
#pragma once

#include <functional>
#include <string>

#include "agent/base/result.h"
#include "fleetctl/inventory/inventory.h"
#include "fleetctl/value/value.h"

namespace fleetctl::inventory {

// Answers `--host NAME`.
using AskHost = std::function<agent::Result<value::Value>(const std::string& host)>;

// Adds what `document` declares. Errors name `file` and what is wrong.
agent::Result<> read_script_inventory(const value::Value& document, const std::string& file,
                                      const AskHost& ask_host, Inventory& inventory);

}  // namespace fleetctl::inventory
