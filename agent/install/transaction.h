// Makes one host what a bundle says, or leaves it as it was:
//
//   look -> compare -> [nothing to do: end] -> user and groups -> validate the staged configuration
//   with the staged binary, as the service user -> save what is there (a generation) -> write ->
//   reload or restart -> ready, healthy and staying so -> a first delivery acknowledged -> commit;
//   any failure after "save" puts the generation back and waits for the old agent, unless the
//   bundle says that it is to stay.
//
// Only a missing user, folders and group memberships are not taken back: they harm nothing and may
// already be in use. What was begun and not ended (power cut, kill -9) is seen by the next run,
// which restarts in any case and goes back to the generation from before the interrupted one if it
// has to.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/install/accounts.h"
#include "agent/install/books.h"
#include "agent/install/bundle.h"
#include "agent/install/system.h"

namespace agent::install {

enum class Outcome {
  kUnchanged,   // everything was as asked for, and ready
  kChanged,     // now it is
  kRefused,     // nothing was changed: the bundle, the configuration or the host will not do
  kRolledBack,  // it did not come up; what was there before is back (and ready, if it was)
  kBroken,      // it did not come up and what was there before did not either
};
std::string_view outcome_name(
    Outcome outcome);  // "unchanged", "changed", "refused", "rolled-back", "broken"

// What must happen to the running agent for a change to take effect.
enum class Effect { kNone, kReload, kRestart };

struct Report {
  Outcome outcome = Outcome::kUnchanged;
  Effect effect = Effect::kNone;
  std::vector<std::string> changes;  // "config.alloy", "user fleet-agent", "release a -> b", ...
  std::vector<std::string> notes;
  std::string error;
  std::vector<std::string> log;  // the agent's own words about the error
  unsigned generation = 0;       // the number of this change

  std::string json(const Bundle& bundle, std::int64_t wall_ns) const;  // one line
};

// What the agent's own metrics tell of log entries, over all of its loki.write.
struct Deliveries {
  bool known = false;
  double sent = 0;     // acknowledged by a receiver
  double dropped = 0;  // refused by it for good, or too old, too many, ...
  double queued = 0;
  std::optional<double>
      failing;  // receivers whose last answer was an error; older agents do not tell
};
Deliveries read_deliveries(std::string_view metrics_page);

// One use, one thread. All references outlive it.
class Transaction {
 public:
  using Progress = std::function<void(std::string_view step)>;
  Transaction(System& system, Clock& clock, const Bundle& bundle, Progress progress);
  Report run();

 private:
  // What is on the host before anything is done.
  struct Present {
    Accounts accounts;
    std::vector<SavedFile>
        files;  // those of the bundle, then those that an earlier bundle had and this one has not
    std::string release;
    std::string pid;  // of the agent
    bool enabled = false;
    bool active = false;
    bool ready = false;
    bool healthy = false;
    std::optional<Applied> applied;
    std::optional<Underway> underway;
  };

  Result<> look();
  Result<> look_for_leftovers();
  void compare();
  void note_change(std::string what, Effect effect);
  Result<> prepare();
  bool changes_beside_config() const;  // other files of its folder come or change
  Result<> validate();
  Result<> save();
  Result<> install();
  Result<> activate();
  Result<> wait_until_good(Effect effect, bool delivery);
  Deliveries deliveries();
  void note_deliveries();
  Result<> wait_for_delivery(Mono settled);
  void tell_of_illness(const std::string& what);
  Result<> commit();
  void leave(Error why);
  void roll_back(Error why);
  Result<> restore();
  Result<> put_back(const SavedFile& file);

  Result<> write_files();
  Result<> point_to(const std::string& release);
  Result<> systemctl(const std::vector<std::string>& words, Duration limit);
  Result<> asks(const char* path);
  std::string show(const char* properties);  // of the unit, separated by commas
  std::string main_pid();
  bool unit_is_known();
  std::vector<std::string> journal();
  Report refuse(Error error);

  System& system_;
  Clock& clock_;
  const Bundle& bundle_;
  Progress progress_;
  Books books_;
  Present present_;
  std::optional<Generation> interrupted_;  // what was there before a change that did not end
  Generation before_;
  Report report_;
  bool unit_changes_ = false;
  bool agent_touched_ = false;  // a reload or restart was tried
  bool refused_by_agent_ =
      false;  // a reload that the running agent would not take: it still runs the old one
  Deliveries before_change_;
  bool delivered_ = false;  // the agent from before the change did, just now
  bool judged_ = true;      // ill, or delivering nothing, the agent is taken back, if need be
  std::int64_t began_ = 0;  // wall clock, ns
};

}  // namespace agent::install
