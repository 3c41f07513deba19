// What the commands that reach hosts share: every selected host, side by side, each to its own end.
#pragma once

#include <atomic>
#include <functional>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/host_run.h"
#include "fleetctl/command/reach.h"
#include "fleetctl/command/rolling.h"
#include "fleetctl/command/style.h"

namespace fleetctl::command {

class Progress;

inline constexpr int kSchema = 1;  // of what --format json prints

struct RunOptions {
  bool json = false;       // --format json, jsonl: one object per line
  bool events = false;     // --format jsonl: and what happens on the way
  bool quiet = false;      // --quiet: no progress, no lines of hosts that are unchanged
  unsigned verbose = 0;    // -v: every step of every host; -vv, -vvv: and what libssh says
  bool exit_code = false;  // --exit-code: 2 when there are changes
  bool limited =
      false;         // --limit was given; without it, several hosts are asked about on a terminal
  bool yes = false;  // --yes: do not ask
  Colors colors = Colors::kAuto;  // --color
  bool color = false;             // what that comes to, for standard output
  unsigned forks = 64;            // hosts at a time
  Rolling rolling;
  ReachOptions reach;
  bool ask_password = false;                               // -k
  agent::Duration host_limit = std::chrono::seconds(300);  // for one host, from connect to report
  std::optional<agent::Duration> total_limit;              // --total-timeout
  std::optional<agent::Mono> until;                        // what that comes to
  std::string who;                                         // operator@machine
  std::string run;  // names this run in messages and on the hosts
};

// Makes the connection to a host; tests give one that only prints.
using Reacher = std::function<agent::Result<Reached>(const Host& host)>;
// The random word of a connection.
using NonceSource = std::function<std::string()>;

struct World {
  const Reacher& reacher;
  const NonceSource& nonces;
  agent::Clock& clock;
  Progress* progress = nullptr;  // none: nothing is shown on the way
};

// Connects, talks and closes. `order` gets what belongs to the connection: exec, password, run,
// who; its lock follows from its task. Any thread.
// `after` gets the connection while it still stands.
using After = std::function<void(remote::Remote& remote, HostResult& result)>;
HostResult visit(const Host& host, HostOrder order, const RunOptions& options, const World& world,
                 const After& after = {});

// What is on the host and how its agent is, without its lock. `task`: kLook or kMeasure.
HostResult look_at(const Host& host, const RunOptions& options, const World& world,
                   Task task = Task::kLook, const After& after = {});

// A task of plan/upkeep.sh, "history 20", with or without the host's lock. What it told is in
// `told`. With releases, by architecture, the host tells whether it has its own, or the room for
// it.
HostResult look_after(const Host& host, std::string upkeep, bool locks, const RunOptions& options,
                      const World& world, std::map<std::string, std::string> releases = {});

enum class Sequence {
  kAsTheyEnd,
  kAsListed,  // a host's result waits for those before it
};
// How a run went over its hosts.
struct Course {
  std::vector<std::string> untouched;  // hosts that were not begun, in their order
  bool too_many_failures = false;      // why not
  bool out_of_time = false;            // or this; else `stop` was set
};
// Calls `work` for each host, options.forks at a time, and `report` with each result, one at a
// time; batch after batch where options.rolling says so, each announced on `err`. No host is begun
// once `stop` is set, too many ended badly, or one of the canary did.
// `doing` is for the progress: "deploying".
Course over_hosts(const Fleet& fleet, const RunOptions& options, const World& world,
                  std::string_view doing, const std::atomic<bool>& stop, Sequence sequence,
                  const std::function<HostResult(const Host&)>& work,
                  const std::function<void(const Host&, const HostResult&)>& report,
                  std::ostream& err);

// How the hosts ended, and what that means for the exit status.
class Tally {
 public:
  void add(HostState state) { ++counts_[state]; }
  int count(HostState state) const;
  std::size_t failures() const;
  // The worst one wins: stopped, put back, then failed, then locked, then not reached, then changes
  // where they count.
  ExitCode exit_code(const Course& course, bool changes_count) const;
  const std::map<HostState, int>& counts() const { return counts_; }
  // "3 hosts: 1 unchanged, 2 failed", in the words of `name`
  std::string text(std::size_t hosts, std::size_t left_out,
                   std::string_view (*name)(HostState)) const;

 private:
  std::map<HostState, int> counts_;
};

std::string_view state_name(HostState state);
Tone tone_of(HostState state);
bool is_well(HostState state);  // nothing that a run has to be stopped for, or repeated
// Whether --quiet leaves the host's line out.
bool is_left_out(const HostResult& result, const RunOptions& options);
std::size_t widest_name(const Fleet& fleet);

// How a run ended, at its end: what was not touched, of many hosts those that ended badly once more
// as a table, and the counts.
struct Ending {
  Course course;
  Tally tally;
  std::vector<std::vector<std::string>> bad;  // host, word, why
  double seconds = 0;
  void add(const Host& host, const HostResult& result, std::string_view word);
};
using StateName = std::string_view (*)(HostState);
std::string text_of(const Ending& ending, const Fleet& fleet, const RunOptions& options,
                    StateName name);
// {"type": "summary", ...}, see docs/deploy.md; a line.
std::string json_of(const Ending& ending, const Fleet& fleet, const RunOptions& options,
                    StateName name, const std::string& summary);
// The one that the options ask for, with the counts as the summary.
std::string last_words(const Ending& ending, const Fleet& fleet, const RunOptions& options,
                       StateName name);
double seconds_since(const agent::Clock& clock, agent::Mono start);
// "    detail" and "    note: note" lines.
std::string text_below(const HostResult& result);

// Warnings and problems of the tree. False when nothing may be touched.
bool report_tree(const Fleet& fleet, std::ostream& err);
// What was loaded, its warnings told. nullopt, with the reason told: nothing may be touched.
std::optional<Fleet> usable(agent::Result<Fleet> loaded, std::ostream& err);

// -k: asks for the password to log in with, once. False: there was no answer.
bool ask_login_password(RunOptions& options);

inline constexpr std::string_view kNoFurtherHost =
    "No further host is begun; those at work are finished. Once more ends at once.\n";
// A command in the real world: asks for sudo's password where it must, connects by SSH or locally,
// fills in options.who and run, and lets Ctrl-C stop it: once, no further host is begun; twice, at
// once.
ExitCode in_the_world(
    RunOptions& options, bool ask_become_password,
    const std::function<ExitCode(const World&, const std::atomic<bool>& stop)>& body,
    std::string_view said_on_stop = kNoFurtherHost);
// The same for the fleet's hosts as they are: nothing is rendered.
ExitCode with_hosts(
    FleetOptions fleet_options, RunOptions& options, bool ask_become_password,
    const std::function<ExitCode(const Fleet&, const World&, const std::atomic<bool>& stop)>& body);
// Asks on a terminal before what cannot be taken back; elsewhere --yes has to be given.
bool confirmed(const RunOptions& options, std::string_view question, std::ostream& err);
// Asks on a terminal before several hosts are changed that no --limit names. True: go on.
bool may_change(const RunOptions& options, std::size_t hosts, std::string_view question);

}  // namespace fleetctl::command
