// Which hosts of a tree the last deploys from this machine did not leave well: what
// `deploy --retry-failed` takes up again. One small JSON file per tree in
// $XDG_STATE_HOME/fleetctl (~/.local/state/fleetctl); names of hosts and how they ended, no more.
//   {"schema": 1, "run": ID, "hosts": {NAME: "not begun"|"failed"|"unreachable"|...}}
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/host_run.h"

namespace fleetctl::command {

// Where the tree's file is. Trees differ by folder, inventories and templates.
agent::Result<std::filesystem::path> unfinished_file(const FleetOptions& options);
// Name -> how it ended. nullopt: there is no file, so no deploy is known.
agent::Result<std::optional<std::map<std::string, std::string>>> read_unfinished(
    const std::filesystem::path& file);

// The book of one run. Several runs may write to the same file, each for its own hosts. One thread.
class Unfinished {
 public:
  // An empty path: nothing is written.
  Unfinished(std::filesystem::path file, const agent::Clock& clock)
      : file_(std::move(file)), clock_(clock) {}
  // From now on these hosts are "not begun", also when the program is killed.
  agent::Result<> begin(const std::string& run, const std::vector<std::string>& hosts);
  // A host that ended well is not in the file any more. Written at most once a second.
  agent::Result<> ended(const std::string& host, HostState state);
  agent::Result<> save();

 private:
  const std::filesystem::path file_;
  const agent::Clock& clock_;
  std::string run_;
  std::map<std::string, std::string> news_;  // "": it ended well
  agent::Mono saved_{};
};

}  // namespace fleetctl::command
