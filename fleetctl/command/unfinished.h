// Which hosts of a tree the last deploys from this machine did not leave well: what
// `deploy --retry-failed` takes up again, and of one run alone `deploy --resume`. One small JSON
// file per tree in $XDG_STATE_HOME/fleetctl (~/.local/state/fleetctl); names of hosts and how they
// ended, no more.
//   {"schema": 1, "runs": [ID, ...], "hosts":
//     {NAME: {"how": "not begun"|"failed"|"unreachable"|..., "runs": [ID, ...]}}}
// `runs` are the last ones, the newest last; a host's are those of them that did not leave it well.
// A run that leaves it well takes it out, whichever runs it was in.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/host_run.h"

namespace fleetctl::command {

// Where the tree's file is. Trees differ by folder, inventories and templates.
agent::Result<std::filesystem::path> unfinished_file(const FleetOptions& options);

struct UnfinishedHost {
  std::string how;
  std::vector<std::string> runs;
  bool operator==(const UnfinishedHost&) const = default;
};
struct UnfinishedHosts {
  std::vector<std::string> runs;
  std::map<std::string, UnfinishedHost> hosts;
};
// No runs: there is no file, so no deploy is known.
agent::Result<UnfinishedHosts> read_unfinished(const std::filesystem::path& file);
// The part of a run's name after the last '-', which is enough to name it.
std::string short_run(const std::string& run);
// The hosts of the run that `id` names, whole or by its short part, or of the last run when it is
// "". An error, which names those that are known: there is no such run.
agent::Result<std::set<std::string>> hosts_of_run(const UnfinishedHosts& known,
                                                  const std::string& id);

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
