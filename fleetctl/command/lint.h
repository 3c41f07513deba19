// `fleetctl lint`: everything that can be known of a tree without reaching a host.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/style.h"

namespace fleetctl::command {

struct LintOptions {
  FleetOptions fleet;
  bool strict = false;            // --strict: warnings count as errors
  bool json = false;              // --format json
  bool junit = false;             // --format junit
  bool fix = false;               // --fix: write what is safe to write
  Colors colors = Colors::kAuto;  // --color
};

// A file as it is and as it should be; both mean the same.
struct Mend {
  std::filesystem::path path;
  std::string before;
  std::string after;
};

struct Finding {
  bool error = false;  // else a warning
  std::string rule;    // "syslog-port-unused"; a stable name
  std::vector<std::string> hosts;
  std::string file;  // "": none
  int line = 0;      // from 1; 0: not known
  int column = 0;
  std::string message;
  std::string details;               // further lines for people: the source line with a caret
  std::shared_ptr<const Mend> mend;  // what --fix does about it; none: a person has to
};

// Sorted by place; equal ones of several hosts are one.
std::vector<Finding> find_all(const LintOptions& options, const ConfigurationCheck& check);
ExitCode lint(const LintOptions& options, const ConfigurationCheck& check, std::ostream& out,
              std::ostream& err);

}  // namespace fleetctl::command
