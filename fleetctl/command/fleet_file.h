// fleet.yaml: what the command line would say each time, written down once.
//   inventory: [inventory, more]     options by their long names, for every command that has them
//   forks: 32
//   deploy: {serial: 10%}            for this command alone, above those
// and what holds for the tree in every run (tree_rules.h).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/command/tree_rules.h"

namespace fleetctl::command {

inline constexpr const char* kFleetFile = "fleet.yaml";

struct FleetFileEntry {
  std::string option;               // "max-fail"; or the name of a command, with its own options
  std::vector<std::string> values;  // a flag has "true" or "false"
  std::vector<FleetFileEntry> options;
  std::string place;  // "fleet.yaml:3"
};

struct FleetFileContents {
  std::vector<FleetFileEntry> entries;  // in the order of the file
  TreeRules rules;
};

// Errors begin with the place.
agent::Result<FleetFileContents> read_fleet_file(std::string_view text, const std::string& file);

// A file that says these: options by their long names, each with one text.
std::string fleet_file_text(const std::vector<std::pair<std::string, std::string>>& options);

}  // namespace fleetctl::command
