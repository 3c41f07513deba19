// Ansible's host patterns, as --limit takes them:
//   limit := part {"," part}    (":" also separates where the text is not one address or range)
//   part  := ["!" | "&"] (name | glob | "~" regex) [subscript]  |  "@" file with a part per line
//   subscript := "[" n "]" | "[" from ":" [to] "]"              (both ends included)
// Parts without prefix are united first (none: all hosts), then every & intersects, then every !
// takes away, whatever their order in the text.
// Beyond Ansible: a plain name that nothing has may be the short name (up to the dot) of one host.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/inventory/inventory.h"

namespace fleetctl::inventory {

struct Selection {
  std::vector<const Host*> hosts;     // in inventory order
  std::vector<std::string> named;     // hosts that a part names literally
  std::vector<std::string> warnings;  // globs and regexes that match nothing
};

// No limit selects all. A name that is neither a host nor a group is an error (Ansible only warns,
// and a misspelt name then deploys to fewer hosts than meant), and so is an empty selection.
agent::Result<Selection> select_hosts(const Inventory& inventory,
                                      const std::vector<std::string>& limits);

// The parts of one limit. Pure.
std::vector<std::string> split_limit(std::string_view limit);
// fnmatch: * ? [a-c] [!x], case-sensitive, the whole text.
bool glob_matches(std::string_view glob, std::string_view text);

}  // namespace fleetctl::inventory
