// A deploy's conversation with one host, from the first byte to its result.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/secret.h"
#include "fleetctl/plan/bootstrap.h"
#include "fleetctl/plan/diff.h"
#include "fleetctl/plan/host_words.h"
#include "fleetctl/plan/installed.h"
#include "fleetctl/plan/plan.h"
#include "fleetctl/remote/remote.h"

namespace fleetctl::command {

enum class HostState {
  kUnchanged,
  kChanged,
  kWouldChange,  // --check
  kFailed,       // nothing was changed
  kRolledBack,   // something was, and was put back
  kBroken,       // something was, and could not be put back
  kUnreachable,
  kLocked,  // somebody else is at work there
  kLost,    // the connection broke while the host was changing: it ends well by itself, but how is
            // not known
};

struct HostResult {
  HostState state = HostState::kFailed;
  std::string text;                  // what changed, or why not; one line
  std::vector<std::string> details;  // more lines about a failure: the agent's own words
  std::vector<std::string> notes;
  std::vector<std::string> changes;
  std::vector<plan::Change> planned;  // before anything was done
  plan::Effect effect = plan::Effect::kNone;
  std::string diff;  // of the configuration, secrets masked
  // plan::file_diff() of the files beside it that are new or other, by their paths.
  std::map<std::string, std::string> file_diffs;
  plan::Facts facts;
  std::optional<plan::Installed> installed;  // Task::kLook, kMeasure and a checked kRollback, where
                                             // an agent is
  unsigned back_to = 0;                      // Task::kRollback: the generation
  std::vector<std::string> told;             // Task::kUpkeep: what the host answered, line by line
  double seconds = 0;
};

// What a plan has seen of a host: a deploy by that plan changes the host only if it is still so.
struct Planned {
  std::string config_sha256;                 // of what lies there; "": nothing
  std::vector<std::string> changes;          // "~ config.alloy"
  std::map<std::string, std::string> files;  // path -> sha256 of what else lies there
  bool operator==(const Planned&) const = default;
};
Planned seen_by(const plan::Facts& facts, const std::vector<plan::Change>& changes);

enum class Task {
  kDeploy,
  kRollback,  // `back_to`; 0: the generation before the present one
  kLook,      // tell, without the host's lock; with `diff` how the configurations differ, too
  kMeasure,   // the same with rates, which takes a second on the host
  kUpkeep,    // `upkeep`
};

// What is wanted of one host. The references outlive the run.
struct HostOrder {
  const plan::Wanted& wanted;
  const plan::Release& release;
  plan::Exec exec;
  agent::Secret become_password;
  std::string run;
  std::string who;
  bool check = false;
  bool diff = false;
  // Refused where a running container logs to one that would go. Task::kUpkeep: all of them go.
  bool keeps_listeners = false;
  Task task = Task::kDeploy;
  unsigned back_to = 0;
  std::string upkeep = {};  // a task of plan/upkeep.sh, with its arguments
  bool locks = false;       // Task::kUpkeep: it is done under the host's lock
  // A deploy where hosts differ: the one for the host's architecture counts instead of `wanted` and
  // `release`. Outlive the run.
  const std::vector<plan::Build>* builds = nullptr;
  std::optional<Planned> planned = std::nullopt;
  const plan::Secrets* secrets = nullptr;  // of the configuration, for `diff`; outlives the run
  // Hears what the host is at: "is asked", "gets the agent", then the steps of its own apply.
  std::function<void(std::string_view step)> on_step = nullptr;
};

// One use, one thread. `remote` is connected already.
HostResult run_host(remote::Remote& remote, const HostOrder& order, remote::Mono deadline);

using plan::one_line;
using plan::printable;

}  // namespace fleetctl::command
