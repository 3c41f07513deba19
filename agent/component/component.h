// The contract of a component: what it is given, how it is configured, started, watched and
// stopped.
//
// Life: the constructor gets the Host and publishes the exports that exist without arguments
// (receivers); prepare()+commit with the first arguments; if it is a Worker, run() on a thread of
// its own; prepare()+commit again, concurrently with run(), whenever the arguments change; stop of
// run(); flush(); destruction.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/component/collector.h"
#include "agent/component/metrics.h"
#include "agent/component/schema.h"
#include "agent/lang/body.h"
#include "agent/model/labels.h"

namespace agent::component {

class Tap;

// What a component reports of itself. Thread-safe.
class Health {
 public:
  explicit Health(const Clock& clock) : clock_(clock) {}
  struct State {
    bool healthy = true;
    std::string message;
    std::int64_t since_ns = 0;  // wall time of the last change
  };
  void good(std::string_view message = {}) { set(true, message); }
  void bad(std::string_view message) { set(false, message); }
  State state() const {
    MutexLock lock(mutex_);
    return state_;
  }
  // What it became, oldest first, each with the last message that it had: the newest 16.
  std::vector<State> history() const {
    MutexLock lock(mutex_);
    return history_;
  }

 private:
  void set(bool healthy, std::string_view message);
  const Clock& clock_;
  mutable Mutex mutex_;
  State state_ GUARDED_BY(mutex_);
  std::vector<State> history_ GUARDED_BY(mutex_);
};

// The values that other components may refer to, by export name.
using Exports = std::vector<std::pair<std::string, lang::Value>>;
// Replaces all exports; dependants are re-evaluated when something changed. Any thread. What is
// published inside prepare() holds once that change is committed, and the rest of the new
// configuration is evaluated with it: publish there what follows from the arguments alone (rules),
// in the constructor what exists without arguments (receivers, and empty values for the rest), in
// run() what was found out.
using Publisher = std::function<void(Exports exports)>;

// All that a component may touch. References outlive it.
struct Host {
  std::string id;  // "loki.source.journal.systemd"
  model::Interner& labels;
  Clock& clock;
  Log log;                // carries component_id
  Metrics metrics;        // series carry component_id and component_path
  Collectors collectors;  // an exporter adds itself, a scrape asks them
  Health& health;
  std::filesystem::path data_dir;  // of this component alone; made on first use
  Publisher exports;
  std::shared_ptr<Tap> tap;  // where what flows through it is watched; never null
};

// For the UI and support: name -> text, in order; nested by dots. Never secrets.
class DebugWriter {
 public:
  void value(std::string name, std::string text) {
    rows_.emplace_back(std::move(name), std::move(text));
  }
  const std::vector<std::pair<std::string, std::string>>& rows() const { return rows_; }

 private:
  std::vector<std::pair<std::string, std::string>> rows_;
};

// Puts prepared arguments in force. Cannot fail; called at most once, possibly while run() runs.
using Commit = std::function<void()>;

class Component {
 public:
  virtual ~Component() = default;
  Component() = default;
  Component(const Component&) = delete;
  Component& operator=(const Component&) = delete;

  // First phase of a change: checks the arguments and gets what they need (binds a port, compiles
  // an expression) without changing what runs. Destroying the Commit uncalled gives it back.
  // kUnavailable: the arguments are right, the world does not let us yet; at the first start the
  // runtime then tries again, a reload is refused. Not called concurrently with itself.
  virtual Result<Commit> prepare(const lang::Body& body, lang::Diagnostics& diagnostics) = 0;
  // What it knows of itself now. Any thread.
  virtual void debug_info(DebugWriter&) const {}
  // Called once after every run() of the process or of this component's removal has ended: store
  // what is settled.
  virtual void flush() {}
};

// A component with work of its own: one thread, named after it.
class Worker {
 public:
  virtual ~Worker() = default;
  // Works until the stop; ends within a second of it, or, when it sends to elsewhere, at most 15 s
  // later as long as it gets something delivered. A failure makes the component unhealthy, and
  // run() is called again after a pause that grows from 1 s to 1 min.
  virtual Result<> run(std::stop_token stop) = 0;
};

// A component whose arguments are the struct Args with a schema.
template <class Args>
class Configured : public Component {
 public:
  using Arguments = Args;
  virtual Result<Commit> prepare(Args args) = 0;
  Result<Commit> prepare(const lang::Body& body, lang::Diagnostics& diagnostics) final {
    Args args{};
    lang::Diagnostics own;
    decode(body, args, own);
    const bool wrong = own.has_errors();
    diagnostics.add(std::move(own));
    if (wrong) return fail(ErrorCode::kInvalid, "the arguments are not valid");
    return prepare(std::move(args));
  }
};

struct ExportInfo {
  std::string name;
  std::string type;  // "LogsReceiver", "list(map(string))", "RelabelRules", "string"
  std::string doc;
};

// Everything the rest of the program knows of a kind of component.
struct Declaration {
  std::string name;  // "loki.source.syslog"
  std::string doc;   // one sentence
  std::vector<ExportInfo> exports;
  std::function<std::vector<FieldInfo>()> fields;
  std::function<void(const lang::Body&, lang::Diagnostics&)>
      check;  // decode and validate, nothing else
  std::function<std::unique_ptr<Component>(Host)> make;
};

// C is Configured<Args> with a constructor C(Host).
template <class C>
Declaration declare(std::string name, std::string doc, std::vector<ExportInfo> exports = {}) {
  using Args = typename C::Arguments;
  Declaration d;
  d.name = std::move(name);
  d.doc = std::move(doc);
  d.exports = std::move(exports);
  d.fields = [] { return Args::schema().info(); };
  d.check = [](const lang::Body& body, lang::Diagnostics& diagnostics) {
    Args args{};
    decode(body, args, diagnostics);
  };
  d.make = [](Host host) -> std::unique_ptr<Component> {
    return std::make_unique<C>(std::move(host));
  };
  return d;
}

// The kinds of component this process has. Filled by main, read-only afterwards.
class Registry {
 public:
  void add(Declaration declaration) { all_.push_back(std::move(declaration)); }
  const Declaration* find(std::string_view name) const;
  const std::vector<Declaration>& all() const { return all_; }

 private:
  std::vector<Declaration> all_;
};

}  // namespace agent::component
