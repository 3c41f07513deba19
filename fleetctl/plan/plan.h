// What would change on a host, and why it cannot, if it cannot. Pure: facts in, plan out.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "fleetctl/plan/diff.h"
#include "fleetctl/plan/facts.h"

namespace fleetctl::plan {

// A build of the agent for hosts (packaging/bundle.sh makes it).
struct Release {
  std::string id;  // the first 16 hex digits of sha256
  std::string sha256;
  std::string architecture;
  std::string glibc;                           // the oldest that will do, "2.36"
  std::shared_ptr<const std::string> archive;  // tar.gz
  std::size_t unpacked = 0;                    // bytes
  std::string version = {};                    // "0.3.1"; "": not known
};

struct WantedFile {
  std::string path;
  std::string mode;   // "0640"
  std::string group;  // who may read it; "" leaves it alone
  std::string bytes;
  Secrets secrets = {};     // in it; not those of the configuration
  std::string source = {};  // the file here that it comes from, as it is shown
};

enum class Restart { kWhenNeeded, kAlways, kNever };

// When a host takes a change for good; what is unset is as `fleet-agent apply` has it.
struct Gate {
  std::optional<agent::Duration> grace;    // how long the agent must stay ready and healthy
  std::optional<agent::Duration> timeout;  // to become so, in whole seconds
  bool delivery = true;                    // a delivery has to arrive
};

struct Wanted {
  std::vector<WantedFile> files;    // the configuration first
  std::vector<std::string> groups;  // joined where they exist
  std::string release;              // Release::id
  // By architecture, where it is not known yet which it is: instead of `release`.
  std::map<std::string, std::string> releases = {};
  Restart restart = Restart::kWhenNeeded;
  bool rolls_back = true;  // no: what does not come up stays, for somebody to look at
  bool again = false;      // the release is sent even where it is, and its agent restarted
  Gate gate = {};
};

// What a host of one architecture gets.
struct Build {
  Wanted wanted;
  Release release;
};
// The one for hosts that say they are `architecture`. An error, for the person, names what there
// is.
agent::Result<const Build*> build_for(const std::vector<Build>& builds,
                                      std::string_view architecture);

enum class Effect { kNone, kReload, kRestart };
std::string_view effect_name(Effect effect);  // "none", "reload", "restart"

struct Change {
  char sign = '~';   // + new, ~ different, - goes
  std::string what;  // shown_name() of a file, "group docker", "release 0123456789abcdef"
  Effect effect = Effect::kNone;
  std::string path = {};   // of the file, if it is of one
  std::string drift = {};  // what was done to that on the host since: "edited", "removed"
};

struct Plan {
  std::string refusal;  // why this host cannot be served; "" when it can
  std::vector<Change> changes;
  std::vector<std::string> notes;
  bool send_release = false;
  bool config_differs = false;
  std::vector<std::string> other_files;  // paths, beside configuration and unit: new, or differ

  bool empty() const { return changes.empty(); }
  Effect effect() const;  // the strongest
};

Plan make_plan(const Facts& facts, const Wanted& wanted, const Release& release);

// "config.alloy, group docker (restart)"; "" for an empty plan.
std::string summary(const Plan& plan);

// What a file is called where its folder goes without saying, as agent/install does:
// "config.alloy", "fleet-agent.service.d/limits.conf". No two files have one name.
std::string shown_name(std::string_view path);
// How what lies there may be reached otherwise than it should: "666 ops:ops"; "" when it is so.
std::string other_access(const InstalledFile& now, const WantedFile& file);

inline constexpr const char* kConfigPath = "/etc/fleet-agent/config.alloy";
inline constexpr const char* kUnitPath = "/etc/systemd/system/fleet-agent.service";
// The files that every host gets.
std::vector<WantedFile> standard_files(std::string config, std::string unit);

}  // namespace fleetctl::plan
