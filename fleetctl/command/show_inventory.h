// `fleetctl inventory`: hosts, groups and variables as Ansible sees them, in the very shape of
// `ansible-inventory`, and where each variable of a host was written.
#pragma once

#include <iosfwd>
#include <string>

#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/style.h"

namespace fleetctl::command {

struct InventoryOptions {
  FleetOptions fleet;
  bool list = false;              // --list: everything
  std::string host;               // --host H: one host's variables
  bool graph = false;             // --graph: groups and hosts as a tree
  std::string group = "all";      // where the graph starts
  bool show_variables = false;    // --vars: the graph with variables
  bool origin = false;            // --origin: with --host, where each value was written
  bool own_only = false;          // --export: each variable where it was written, nothing merged
  std::string format = "json";    // json or yaml; with --origin text or json
  Colors colors = Colors::kAuto;  // --color
};

// Templates in variables are shown as they are written, encrypted values as their ciphertext.
ExitCode show_inventory(const InventoryOptions& options, std::ostream& out, std::ostream& err);

}  // namespace fleetctl::command
