// `fleetctl init`: the files of a small fleet, in a new folder or beside what an Ansible tree has.
#pragma once

#include <filesystem>
#include <iosfwd>

#include "fleetctl/command/exit_code.h"

namespace fleetctl::command {

struct InitOptions {
  std::filesystem::path folder;  // "": the working folder
};

// Writes what is missing and tells so, and which options lead fleetctl to what is there. Nothing is
// written over.
ExitCode init(const InitOptions& options, std::ostream& out, std::ostream& err);

}  // namespace fleetctl::command
