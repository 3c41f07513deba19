// A running configuration: makes the components, keeps their arguments up to date when exports
// change, starts, watches and stops them.
//
// Two-phase changes: load() builds and prepares the whole new graph beside the running one (reads
// its text, decodes every argument, binds its ports); only when all of it can start is it swapped
// in. Otherwise what runs stays as it is. The same happens by itself when a module's text, what a
// foreach goes over, or what the server of remotecfg sends is another.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/component/component.h"
#include "agent/component/tap.h"
#include "agent/lang/diagnostic.h"
#include "agent/lang/stdlib.h"
#include "agent/runtime/graph.h"
#include "agent/runtime/settings.h"

namespace agent::runtime {

// What there is to know of one component. A copy.
struct ComponentStatus {
  std::string id;      // "loki.source.journal.systemd"; with the path of its module before it
  std::string module;  // "" for the configuration's own, or "shop.a"
  std::string name;    // "loki.source.journal"
  std::string label;   // "systemd"
  std::string place;   // file:line:column
  bool healthy = true;
  std::string message;
  std::int64_t since_ns = 0;  // wall time of the last change of health; 0: never changed
  std::vector<component::Health::State> history;  // turns of its health, oldest first
  std::vector<std::string> references;            // ids that it depends on
  std::vector<std::string> referenced_by;         // ids that depend on it
  lang::Body arguments;
  component::Exports exports;
  std::vector<std::pair<std::string, std::string>> debug_info;
};

// The texts of what runs, modules' and the server's among them, as redact() shows them to others;
// and what may not be shown: every secret string known, in no order.
struct RedactedTexts {
  std::vector<SourceText> texts;
  std::vector<std::string> secrets;
};

// What load() found. Without errors the configuration runs.
struct LoadReport {
  lang::Diagnostics diagnostics;
  std::vector<std::shared_ptr<const lang::Source>> sources;  // to render the diagnostics with
  Settings settings;
  bool ok() const { return !diagnostics.has_errors(); }
};

// Prepares what a configuration says about the agent itself; its error refuses the configuration
// like that of a component.
using TakeSettings = std::function<Result<component::Commit>(const Settings& settings)>;

// Thread-safe. References given to the constructor outlive it.
class Runtime {
 public:
  struct Environment {
    const component::Registry& registry;
    const lang::Stdlib& stdlib;
    Clock& clock;
    model::Interner& labels;
    Log log;
    component::Metrics metrics;
    std::filesystem::path data_dir;  // a component's own folder is data_dir/<id>
    Review review = {};              // adds its warnings to what load() reports
    component::Taps taps = {};       // of the components
    TakeSettings take_settings = {};
    std::string version = {};  // told to the server of remotecfg; "": no server is asked
    // A component in which a thread has not moved for so long (agent/base/pulse.h) is unhealthy;
    // zero: nobody looks, as where time is not the real one.
    Duration hang_limit = Duration::zero();
  };
  explicit Runtime(Environment environment);
  ~Runtime();  // stop(); waits for what is left behind, however long that takes

  // The first configuration, or a new one. At the first load a component whose arguments are right
  // but which the world does not let start (a port in use) is unhealthy and tried again; in a
  // reload it is an error like any other.
  LoadReport load(std::vector<SourceText> texts);

  // Stops sources first, then what they fed, so that what was read can still be delivered; lets
  // components store their positions. Nothing runs afterwards but what left_behind() counts.
  void stop();

  bool loaded() const;  // a configuration runs
  std::size_t component_count() const;
  // Components that were removed or stopped while a thread of theirs hangs. What that may use is
  // kept until it ends.
  std::size_t left_behind() const;
  std::vector<ComponentStatus> status() const;  // in order of the graph
  RedactedTexts redacted() const;
  // Unhealthy components with their messages.
  std::vector<std::pair<std::string, std::string>> unhealthy() const;
  // Components that could not start yet and are tried again, with the reason.
  std::vector<std::pair<std::string, std::string>> waiting() const;
  // The exporters of what runs.
  const component::Collectors& collectors() const;
  // Looks at what flows through a component, for as long as livedebugging { enabled = true } holds.
  // kNotFound: there is no such component; kPermission: it does not hold.
  Result<std::shared_ptr<component::Watch>> watch(const std::string& id,
                                                  component::Watch::Options options) const;
  // When the runtime's own thread was last seen alive; it shows itself every second.
  Mono last_beat() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agent::runtime
