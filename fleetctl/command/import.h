// `fleetctl import`: what a playbook's tasks do, which of that a deploy does as well, and the
// options that lead fleetctl to the same variables and templates, in fleet.yaml.
#pragma once

#include <filesystem>
#include <iosfwd>

#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/style.h"

namespace fleetctl::command {

struct ImportOptions {
  std::filesystem::path playbook;
  bool report = false;            // --report: only tell
  bool json = false;              // --format json
  Colors colors = Colors::kAuto;  // --color
};

// Tasks of all plays, of the roles that they name and of the files that they import, to `out`;
// a task that stays with Ansible is no error. Nothing is run, no host is reached.
ExitCode import_playbook(const ImportOptions& options, std::ostream& out, std::ostream& err);

}  // namespace fleetctl::command
