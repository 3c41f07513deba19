// fleet.yaml as a part of the command line: what is written there counts where the command line
// says nothing.
#pragma once

#include <memory>
#include <string>

#include "fleetctl/command/tree_rules.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace fleetctl::cli {

class FleetFile {
 public:
  // Gives `app` the option --config; the file is read when `app` parses its arguments.
  explicit FleetFile(CLI::App& app);
  // What the file of `command`'s program says of the tree; filled in when that reads it.
  static std::shared_ptr<const command::TreeRules> rules(const CLI::App& command);
  // After the arguments were parsed: what was wrong with the file, or why one that lies here was
  // not read; "": nothing.
  std::string error() const;

 private:
  const CLI::Option* option_;
  std::shared_ptr<std::string> error_;  // the one that reads writes it, and belongs to `app`
};

// fleet.yaml(5), in roff's man macros: its rules, and the options of all commands of `app`.
std::string fleet_file_page(const CLI::App& app, const std::string& version);

}  // namespace fleetctl::cli
