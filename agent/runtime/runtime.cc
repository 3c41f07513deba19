#include "agent/runtime/runtime.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <thread>

#include "agent/base/pulse.h"
#include "agent/component/decode.h"
#include "agent/component/delivers.h"
#include "agent/component/receiver.h"
#include "agent/runtime/evaluate.h"
#include "agent/runtime/modules.h"
#include "agent/runtime/redact.h"
#include "agent/runtime/remotecfg.h"

namespace agent::runtime {
namespace {

using component::Component;
using component::Exports;
using component::Health;

constexpr auto kBeat = std::chrono::seconds(1);
constexpr auto kFirstRetry = std::chrono::seconds(1);
constexpr auto kLastRetry = std::chrono::minutes(1);
// A component that failed counts as well again when it has run this long.
constexpr auto kSteady = std::chrono::seconds(5);
// How long a component that is to stop is waited for: while its threads get on, and when one of
// them has not moved for so long and waits for nothing. What sends to elsewhere may take 15 s.
constexpr auto kStopLimit = std::chrono::seconds(17);
constexpr auto kStopPatience = std::chrono::seconds(3);
constexpr auto kLastPatience = std::chrono::seconds(10);  // when all others have stopped
constexpr char kNotKnownYet[] =
    "refers to what is not known yet: what a module or a foreach holds, or a component that cannot "
    "be made yet";
constexpr char kLeftBehind[] =
    "it was removed while a thread of it hangs; what it holds is kept until that has ended";
constexpr char kPredecessor[] =
    "an earlier component of this name was removed while a thread of it hangs; this one begins "
    "when "
    "that has ended";
constexpr char kHeldOff[] =
    "a thread hangs in it: its new arguments are taken when that gets on, the old ones are in "
    "force";

// 15 characters are all that a thread's name may have: the most telling end of the id.
void name_thread(const std::string& id) {
  const std::string name = id.size() <= 15 ? id : id.substr(id.size() - 15);
  ::pthread_setname_np(::pthread_self(), name.c_str());
}

// The way into a component: who is inside is seen to be there.
template <class Batch>
class Entrance final : public component::Receiver<Batch> {
 public:
  Entrance(std::shared_ptr<component::Receiver<Batch>> receiver, std::shared_ptr<Pulses> pulses,
           Part part)
      : receiver_(std::move(receiver)), pulses_(std::move(pulses)), part_(part) {}
  Result<> consume(Batch batch, std::stop_token stop) override {
    const Pulse::Visit visit(*pulses_, part_);
    return receiver_->consume(std::move(batch), std::move(stop));
  }

 private:
  const std::shared_ptr<component::Receiver<Batch>> receiver_;
  const std::shared_ptr<Pulses> pulses_;
  const Part part_;
};

// The entrances of one component. A receiver that is published again has the one that it had.
// Thread-safe.
class Entrances {
 public:
  Entrances(std::shared_ptr<Pulses> pulses, Part part) : pulses_(std::move(pulses)), part_(part) {}
  void put_before(Exports& exports) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    for (auto& [name, value] : exports) {
      put_before<model::EntryBatch>(value);
      put_before<model::SampleBatch>(value);
    }
  }

 private:
  template <class Batch>
  void put_before(lang::Value& value) REQUIRES(mutex_) {
    using Receiver = component::Receiver<Batch>;
    if (value.kind() != lang::Value::Kind::kCapsule ||
        value.capsule().type != component::CapsuleName<Receiver>::kName)
      return;
    auto receiver = std::static_pointer_cast<Receiver>(value.capsule().object);
    std::weak_ptr<void>& known = known_[receiver.get()];
    auto entrance = std::static_pointer_cast<Receiver>(known.lock());
    if (entrance == nullptr)
      entrance = std::make_shared<Entrance<Batch>>(std::move(receiver), pulses_, part_);
    known = entrance;
    value = component::capsule<Receiver>(std::move(entrance));
  }

  const std::shared_ptr<Pulses> pulses_;
  const Part part_;
  Mutex mutex_;
  std::map<const void*, std::weak_ptr<void>> known_ GUARDED_BY(mutex_);  // by receiver
};

}  // namespace

// One component with all that belongs to it. `component` is used under the graph's mutex, but for
// run() on its own thread and debug_info(); it is null while an earlier one of its name is left
// behind.
struct Instance {
  Instance(std::string i, const component::Declaration& d, const Clock& clock, Part p)
      : id(std::move(i)),
        declaration(d),
        part(p),
        reported(clock),
        evaluation(clock),
        running(clock),
        moving(clock) {}

  const std::string id;
  const component::Declaration& declaration;
  const Part part;
  Health reported;    // by the component itself
  Health evaluation;  // of its arguments
  Health running;     // of run()
  Health moving;      // of the threads in it
  std::shared_ptr<Component> component;

  // Under the graph's mutex.
  std::shared_ptr<const lang::Body> arguments = std::make_shared<const lang::Body>();
  bool configured = false;  // some arguments are in force
  bool outdated = false;    // those in force are not `arguments`
  std::optional<Mono> retry_at;
  Duration retry_pause = kFirstRetry;
  std::stop_source stop;
  std::thread thread;
  std::atomic<std::int64_t> running_since{
      0};  // nanoseconds of the monotonic clock; 0: not in run()

  Mutex end_mutex;
  Condition end;
  bool ended GUARDED_BY(end_mutex) = true;  // the thread has nothing more to do

  void start(Clock& clock, const Log& log, const std::shared_ptr<Pulses>& pulses);
  // Whether the thread ends until then.
  bool ends(Clock& clock, Mono until) EXCLUDES(end_mutex) {
    MutexLock lock(end_mutex);
    return clock.wait(lock, end, until, {}, [&]() NO_THREAD_SAFETY_ANALYSIS { return ended; });
  }
  bool hangs() const { return !moving.state().healthy; }
  std::array<const Health*, 4> healths() const {
    return {&moving, &running, &evaluation, &reported};
  }
  // After its thread has ended.
  void finish() {
    if (thread.joinable()) thread.join();
    if (component != nullptr) component->flush();
  }

 private:
  void work(component::Worker& worker, Clock& clock, const Log& log, const std::stop_token& token);
};

// What readers see: they wait for no change that is under way, nor for a component.
struct View {
  struct Shown {
    std::shared_ptr<Instance> instance;
    std::shared_ptr<Component> component;
    std::shared_ptr<const lang::Body> arguments;
    bool configured = false;
  };
  std::shared_ptr<const Graph> graph;  // null: nothing was loaded
  std::vector<Shown> nodes;            // in order of the graph
  std::vector<std::string> left_behind;
  std::shared_ptr<const std::vector<std::string>> settings_secrets;  // of what configures the agent
  bool may_watch = false;                                            // livedebugging is enabled
  // Why the last rebuild() failed; "" when something was installed since.
  std::string rebuild_problem;
};

void Instance::start(Clock& clock, const Log& log, const std::shared_ptr<Pulses>& pulses) {
  auto* worker = dynamic_cast<component::Worker*>(component.get());
  if (worker == nullptr || thread.joinable()) return;
  stop = std::stop_source();
  {
    MutexLock lock(end_mutex);
    ended = false;
  }
  thread = std::thread([this, worker, &clock, own_log = log.with("component_id", id), pulses,
                        token = stop.get_token()] {
    name_thread(id);
    {
      const Pulse pulse({pulses.get(), part});
      work(*worker, clock, own_log, token);
    }
    MutexLock lock(end_mutex);
    ended = true;
    end.notify_all();
  });
}

void Instance::work(component::Worker& worker, Clock& clock, const Log& log,
                    const std::stop_token& token) {
  Duration pause = kFirstRetry;
  while (!token.stop_requested()) {
    const Mono begun = clock.mono();
    running_since = begun.time_since_epoch().count();
    const Result<> result = worker.run(token);
    running_since = 0;
    if (token.stop_requested()) return;
    const std::string problem = result ? "its work ended by itself" : result.error().message;
    running.bad(problem);
    log.error("component failed, it is started again", {{"err", problem}});
    if (clock.mono() - begun > kLastRetry) pause = kFirstRetry;
    if (!clock.sleep_for(pause, token)) return;
    pause = std::min<Duration>(pause * 2, kLastRetry);
  }
}

class Runtime::Impl {
 public:
  explicit Impl(Environment environment)
      : env_(std::move(environment)),
        modules_(env_.clock, env_.log, env_.data_dir / "modules", [this] { rebuild(); }),
        remote_(env_.clock, env_.log, env_.metrics, env_.data_dir, env_.version,
                [this](const std::string& text, const std::stop_token& abandoned) {
                  return take_remote(text, abandoned);
                }) {
    beat_ = env_.clock.mono();
    evaluator_ = std::jthread([this](const std::stop_token& stop) { follow_exports(stop); });
  }

  ~Impl() {
    stop();
    std::vector<std::shared_ptr<Instance>> left;
    {
      MutexLock lock(mutex_);
      left = std::move(left_behind_);
    }
    for (const auto& instance : left) instance->finish();
  }

  LoadReport load(std::vector<SourceText> texts) {
    MutexLock loading(load_mutex_);
    LoadReport report = install(texts, !loaded());
    if (report.ok()) texts_ = std::move(texts);
    return report;
  }

  // `patient`: what the world does not let start yet is tried again, not an error. So it always is
  // for what the server of remotecfg sent.
  LoadReport install(const std::vector<SourceText>& texts, bool patient) REQUIRES(load_mutex_) {
    LoadReport report;
    const ExportsOf exports_of = [this](const Node& node) {
      Exports exports = this->exports_of(node.id, false);
      return exports.empty() ? placeholder_exports(node) : exports;
    };
    std::optional<std::string_view> remote;
    if (remote_text_) remote = *remote_text_;
    const Importer importer =
        [this, remote](const Import& import,
                       lang::Diagnostics& diagnostics) -> Result<std::optional<ImportedModule>> {
      if (import.kind != kRemotecfg) return modules_.fetch(import, diagnostics);
      RemotecfgArgs args;
      component::decode(import.arguments, args, diagnostics);
      if (!remote || args.url.empty()) return std::optional<ImportedModule>();
      return std::optional(
          ImportedModule{{{std::string(kRemotecfg), std::string(*remote)}}, import.module_path});
    };
    auto next = std::make_shared<const Graph>(
        build_graph(texts, {env_.registry, env_.stdlib, exports_of, importer}, report.diagnostics));
    report.sources = next->sources();
    if (report.diagnostics.has_errors()) return finish(std::move(report));

    MutexLock lock(mutex_);
    if (stopped_) {
      report.diagnostics.error({}, "the agent is stopping");
      return report;
    }
    look_after_left_behind();
    Instances instances;
    std::vector<std::pair<Instance*, component::Commit>> commits;
    std::vector<std::pair<Instance*, std::shared_ptr<const lang::Body>>> bodies;
    // Their arguments cannot be taken yet, and why.
    std::vector<std::pair<Instance*, std::string>> waiting;
    const ExportsOf staged = [this](const Node& node) { return this->staged_exports_of(node); };
    Values values(*next, env_.stdlib, staged);
    for (const Node& node : next->nodes) {
      const auto it = instances_.find(node.id);
      std::shared_ptr<Instance> instance =
          it != instances_.end() && &it->second->declaration == node.declaration
              ? it->second
              : std::make_shared<Instance>(node.id, *node.declaration, env_.clock, ++parts_);
      if (instance->component == nullptr && !is_left_behind(node.id))
        make_component(*instance, *next, node);
      instances.emplace(node.id, instance);
    }
    for (const Node& node : next->nodes) {
      Instance& instance = *instances.at(node.id);
      const std::size_t errors_before = error_count(report.diagnostics);
      bodies.emplace_back(
          &instance, std::make_shared<const lang::Body>(values.body(node, report.diagnostics)));
      const lang::Body& body = *bodies.back().second;
      if (error_count(report.diagnostics) > errors_before) continue;
      if (component::has_placeholder(body)) {
        instance.evaluation.bad(kNotKnownYet);
        continue;
      }
      // The same values, maybe at other places.
      if (is_in_force(instance, body)) continue;
      if (const char* reason = may_not_change(instance)) {
        report.diagnostics.warning(node.header(), node.id + ": " + reason);
        waiting.emplace_back(&instance, reason);
        continue;
      }
      lang::Diagnostics own;
      auto commit = prepare(instance, body, own);
      report.diagnostics.add(Values::told_of(*next, node, std::move(own)));
      if (commit) {
        commits.emplace_back(&instance, std::move(*commit));
      } else if ((patient || from_remotecfg(node)) && commit.error().code != ErrorCode::kInvalid) {
        waiting.emplace_back(&instance, commit.error().message);
      } else if (error_count(report.diagnostics) == errors_before) {
        report.diagnostics.error(node.header(), node.id + ": " + commit.error().message);
      }
    }
    values.check_members(report.diagnostics);
    std::vector<std::string> secrets;
    const lang::Body remotecfg = decode_settings(*next, values, report, secrets);
    component::Commit settings = [] {};
    if (env_.take_settings && !report.diagnostics.has_errors()) {
      auto taken = env_.take_settings(report.settings);
      if (taken) {
        settings = std::move(*taken);
      } else {
        report.diagnostics.error({}, taken.error().message);
      }
    }
    if (report.diagnostics.has_errors()) {
      commits.clear();
      instances.clear();
      discard_staged();
      return finish(std::move(report));
    }

    if (env_.review) {
      std::vector<const lang::Body*> all;
      for (const auto& [instance, body] : bodies) all.push_back(body.get());
      env_.review(*next, all, report.diagnostics);
    }

    // From here on nothing can fail. What goes stops first, sources before what they feed.
    std::vector<std::shared_ptr<Instance>> removed;
    if (graph_ != nullptr) {
      for (auto it = graph_->nodes.rbegin(); it != graph_->nodes.rend(); ++it) {
        const auto kept = instances.find(it->id);
        const auto& old = instances_.at(it->id);
        if (kept == instances.end() || kept->second != old) removed.push_back(old);
      }
    }
    const std::vector<std::shared_ptr<Instance>> left =
        stop_threads(removed, env_.clock.mono() + kStopLimit);
    // Receivers before those who send to them.
    for (auto& [instance, body] : bodies) instance->arguments = std::move(body);
    for (auto& [instance, commit] : commits) commit_to(*instance, commit);
    publish_staged();
    settings();
    for (auto& [instance, reason] : waiting) {
      instance->outdated = true;
      instance->evaluation.bad(reason);
      instance->retry_at = env_.clock.mono() + instance->retry_pause;
      env_.log.with("component_id", instance->id)
          .warn("component cannot start yet, it is tried again", {{"err", reason}});
    }
    leave_behind(left);
    for (const auto& instance : removed)
      if (std::find(left.begin(), left.end(), instance) == left.end()) instance->finish();
    instances_ = std::move(instances);
    graph_ = std::move(next);
    rebuild_problem_.clear();  // what modules hold now runs
    settings_secrets_ = std::make_shared<const std::vector<std::string>>(std::move(secrets));
    may_watch_ = report.settings.livedebugging.enabled;
    show();
    if (!may_watch_) env_.taps.end();
    for (const Node& node : graph_->nodes) {
      Instance& instance = *instances_.at(node.id);
      if (!instance.configured) continue;
      instance.start(env_.clock, env_.log, pulses_);
      auto* delivers = dynamic_cast<component::Delivers*>(instance.component.get());
      if (delivers != nullptr) delivers->deliver_soon();
    }
    forget_exports_of(removed);
    modules_.forget_unused();
    if (!component::has_placeholder(remotecfg)) {
      if (report.settings.remotecfg.url.empty()) remote_text_.reset();
      remote_.follow(report.settings.remotecfg, remotecfg);
    }
    report.diagnostics.sort();
    return report;
  }

  // What modules hold, or what a foreach goes over, is another.
  void rebuild() {
    MutexLock loading(load_mutex_);
    if (texts_.empty()) return;
    std::string problem = first_error(install(texts_, true));
    if (problem.empty()) return;
    env_.log.error("modules have changed and cannot run, what ran before goes on",
                   {{"err", problem}});
    MutexLock lock(mutex_);
    rebuild_problem_ = std::move(problem);
    show();
  }

  // What the server of remotecfg sent takes the place of what it sent before.
  Result<> take_remote(const std::string& text, const std::stop_token& abandoned) {
    MutexLock loading(load_mutex_);
    if (abandoned.stop_requested()) return fail(ErrorCode::kCancelled, "nobody asks for it now");
    std::optional<std::string> before = std::exchange(remote_text_, text);
    const LoadReport report = install(texts_, true);
    if (report.ok()) return {};
    remote_text_ = std::move(before);
    return fail(ErrorCode::kInvalid, first_error(report));
  }

  void stop() {
    remote_.request_stop();
    modules_.stop();  // also the fetching of what the server's text imports
    remote_.stop();
    evaluator_.request_stop();
    if (evaluator_.joinable()) evaluator_.join();
    MutexLock lock(mutex_);
    if (stopped_) return;
    stopped_ = true;
    if (graph_ == nullptr) return;
    // Layer by layer, sources first: what a source has read still gets through what it feeds.
    const auto& nodes = graph_->nodes;
    std::vector<std::size_t> layer(nodes.size(),
                                   0);  // longest way from a node that nobody refers to
    std::size_t layers = 1;
    for (std::size_t i = nodes.size(); i-- > 0;) {
      for (std::size_t d : nodes[i].dependencies) {
        layer[d] = std::max(layer[d], layer[i] + 1);
        layers = std::max(layers, layer[d] + 1);
      }
    }
    // Those at the end stop together: what they take to send the rest does not add up.
    for (std::size_t i = 0; i < nodes.size(); ++i)
      if (nodes[i].dependencies.empty()) layer[i] = layers - 1;
    const Mono begun = env_.clock.mono();
    std::vector<std::shared_ptr<Instance>> left;
    for (std::size_t l = 0; l < layers; ++l) {
      std::vector<std::shared_ptr<Instance>> ending;
      for (std::size_t i = 0; i < nodes.size(); ++i)
        if (layer[i] == l) ending.push_back(instances_.at(nodes[i].id));
      for (auto& instance : stop_threads(ending, env_.clock.mono() + kStopLimit))
        left.push_back(std::move(instance));
    }
    // The others have stopped: there may be time left for those.
    std::erase_if(left, [&](const std::shared_ptr<Instance>& instance) NO_THREAD_SAFETY_ANALYSIS {
      return ends(*instance, begun + kStopLimit, kLastPatience);
    });
    leave_behind(left);
    for (const Node& node : nodes) {
      const auto& instance = instances_.at(node.id);
      if (std::find(left.begin(), left.end(), instance) == left.end()) instance->finish();
    }
    look_after_left_behind();
    show();
  }

  bool loaded() const { return view()->graph != nullptr; }
  std::size_t component_count() const { return view()->nodes.size(); }
  std::size_t left_behind() const { return view()->left_behind.size(); }
  const component::Collectors& collectors() const { return collectors_; }

  Result<std::shared_ptr<component::Watch>> watch(const std::string& id,
                                                  component::Watch::Options options) const {
    const auto before = view();
    const auto forbidden = [] {
      return fail(ErrorCode::kPermission,
                  "the configuration does not allow it: livedebugging { enabled = true } does");
    };
    if (!before->may_watch) return forbidden();
    if (std::none_of(before->nodes.begin(), before->nodes.end(),
                     [&](const View::Shown& shown) { return shown.instance->id == id; }))
      return fail(ErrorCode::kNotFound, "there is no component " + id);
    auto watch = env_.taps.watch(id, std::move(options), env_.clock);
    // A reload may have ended all watches just before.
    if (!view()->may_watch) return forbidden();
    return watch;
  }

  Mono last_beat() const {
    MutexLock lock(exports_mutex_);
    return beat_;
  }

  std::vector<ComponentStatus> status() const {
    std::vector<ComponentStatus> out;
    const auto view = this->view();
    if (view->graph == nullptr) return out;
    const std::vector<Node>& nodes = view->graph->nodes;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const Node& node = nodes[i];
      const View::Shown& shown = view->nodes[i];
      ComponentStatus status;
      status.id = node.id;
      status.module = view->graph->module_of(node).substr(1);
      status.name = node.declaration->name;
      status.label = node.block->label;
      status.place = node.header().begin.text();
      const Health::State health = worst(*shown.instance);
      status.healthy = health.healthy;
      status.message = health.message;
      status.since_ns = health.since_ns;
      status.history = history_of(*shown.instance);
      for (std::size_t d : node.dependencies) status.references.push_back(nodes[d].id);
      status.arguments = *shown.arguments;
      status.exports = exports_of(node.id, false);
      // What hangs may hold a lock that it answers with.
      if (shown.component != nullptr && !shown.instance->hangs()) {
        component::DebugWriter writer;
        shown.component->debug_info(writer);
        status.debug_info = writer.rows();
      }
      out.push_back(std::move(status));
    }
    for (std::size_t i = 0; i < nodes.size(); ++i)
      for (std::size_t d : nodes[i].dependencies) out[d].referenced_by.push_back(out[i].id);
    return out;
  }

  RedactedTexts redacted() const {
    RedactedTexts out;
    const auto view = this->view();
    if (view->graph == nullptr) return out;
    out.secrets = *view->settings_secrets;
    for (const auto& file : view->graph->files)
      out.texts.push_back({file->source->name(), redact(*file, env_.registry, out.secrets)});
    for (const View::Shown& shown : view->nodes) {
      collect_secrets(*shown.arguments, shown.instance->declaration.fields(), out.secrets);
      collect_secrets(exports_of(shown.instance->id, false), out.secrets);
    }
    return out;
  }

  std::vector<std::pair<std::string, std::string>> unhealthy() const {
    std::vector<std::pair<std::string, std::string>> out;
    const auto view = this->view();
    for (const View::Shown& shown : view->nodes) {
      const Health::State health = worst(*shown.instance);
      if (!health.healthy) out.emplace_back(shown.instance->id, health.message);
    }
    for (const std::string& id : view->left_behind) out.emplace_back(id, kLeftBehind);
    if (!view->rebuild_problem.empty()) out.emplace_back("modules", view->rebuild_problem);
    if (std::string problem = remote_.problem(); view->graph != nullptr && !problem.empty())
      out.emplace_back(kRemotecfg, std::move(problem));
    return out;
  }

  std::vector<std::pair<std::string, std::string>> waiting() const {
    std::vector<std::pair<std::string, std::string>> out;
    for (const View::Shown& shown : view()->nodes)
      if (!shown.configured)
        out.emplace_back(shown.instance->id, shown.instance->evaluation.state().message);
    return out;
  }

 private:
  using Instances = std::map<std::string, std::shared_ptr<Instance>, std::less<>>;

  static std::size_t error_count(const lang::Diagnostics& diagnostics) {
    return static_cast<std::size_t>(std::count_if(
        diagnostics.all().begin(), diagnostics.all().end(),
        [](const lang::Diagnostic& d) { return d.severity == lang::Severity::kError; }));
  }

  // Whoever reloads the local configuration can do nothing about it.
  static bool from_remotecfg(const Node& node) {
    return node.id.starts_with(std::string(kRemotecfg) + "/");
  }

  // "" when there is none.
  static std::string first_error(const LoadReport& report) {
    for (const lang::Diagnostic& d : report.diagnostics.all())
      if (d.severity == lang::Severity::kError) return d.span.begin.text() + ": " + d.message;
    return {};
  }

  static LoadReport finish(LoadReport report) {
    report.diagnostics.sort();
    return report;
  }

  static Health::State worst(const Instance& instance) {
    for (const Health* health : instance.healths()) {
      const Health::State state = health->state();
      if (!state.healthy) return state;
    }
    return instance.reported.state();
  }

  // Of all that its health depends on.
  static std::vector<Health::State> history_of(const Instance& instance) {
    std::vector<Health::State> out;
    for (const Health* health : instance.healths())
      for (Health::State& state : health->history()) out.push_back(std::move(state));
    std::stable_sort(out.begin(), out.end(), [](const Health::State& a, const Health::State& b) {
      return a.since_ns < b.since_ns;
    });
    return out;
  }

  std::shared_ptr<const View> view() const EXCLUDES(view_mutex_) {
    MutexLock lock(view_mutex_);
    return view_;
  }

  // What there is now, to readers.
  void show() REQUIRES(mutex_) {
    auto next = std::make_shared<View>();
    next->graph = graph_;
    if (graph_ != nullptr) {
      for (const Node& node : graph_->nodes) {
        const auto& instance = instances_.at(node.id);
        next->nodes.push_back(
            {instance, instance->component, instance->arguments, instance->configured});
      }
    }
    for (const auto& instance : left_behind_) next->left_behind.push_back(instance->id);
    next->settings_secrets = settings_secrets_;
    next->may_watch = may_watch_;
    next->rebuild_problem = rebuild_problem_;
    std::shared_ptr<const View> before = std::move(next);  // goes without the lock
    MutexLock lock(view_mutex_);
    before.swap(view_);
  }

  void make_component(Instance& instance, const Graph& graph, const Node& node) REQUIRES(mutex_) {
    auto entrances = std::make_shared<Entrances>(pulses_, instance.part);
    const std::string path = graph.module_of(node);
    const std::string local = node.declaration->name + "." + node.block->label;
    component::Host host{node.id,
                         env_.labels,
                         env_.clock,
                         env_.log.with("component_path", path).with("component_id", local),
                         env_.metrics.with({{"component_id", local}, {"component_path", path}}),
                         collectors_,
                         instance.reported,
                         env_.data_dir / node.id,
                         [this, id = node.id, part = instance.part, entrances](Exports exports) {
                           entrances->put_before(exports);
                           publish(id, part, std::move(exports));
                         },
                         env_.taps.of(node.id)};
    instance.component = node.declaration->make(std::move(host));
  }

  static bool is_in_force(const Instance& instance, const lang::Body& body) {
    return instance.configured && !instance.outdated && *instance.arguments == body;
  }

  // Why the component cannot take other arguments now; null when it can. One that hangs may hold a
  // lock that it would need for them.
  static const char* may_not_change(const Instance& instance) {
    if (instance.component == nullptr) return kPredecessor;
    return instance.hangs() ? kHeldOff : nullptr;
  }

  // Asks the threads to stop, and waits. -> whose thread has not ended
  std::vector<std::shared_ptr<Instance>> stop_threads(
      const std::vector<std::shared_ptr<Instance>>& ending, Mono until) REQUIRES(mutex_) {
    for (const auto& instance : ending) instance->stop.request_stop();
    std::vector<std::shared_ptr<Instance>> left;
    for (const auto& instance : ending)
      if (!ends(*instance, until, kStopPatience)) left.push_back(instance);
    return left;
  }

  bool ends(Instance& instance, Mono until, Duration patience) REQUIRES(mutex_) {
    if (env_.hang_limit == Duration::zero()) return instance.ends(env_.clock, kNever);
    for (;;) {
      const Mono now = env_.clock.mono();
      if (instance.ends(env_.clock, std::min<Mono>(now + kBeat, until))) return true;
      const Mono later = env_.clock.mono();
      if (later >= until) return false;
      for (const Pulses::Hang& hang :
           pulses_->look(std::min<Duration>(later - now, 2 * kBeat), patience))
        if (hang.home == instance.part) return false;
    }
  }

  // Keeps all that their threads may use, until they end.
  void leave_behind(const std::vector<std::shared_ptr<Instance>>& left) REQUIRES(mutex_) {
    for (const auto& instance : left) {
      {
        MutexLock lock(exports_mutex_);
        unheard_.insert(instance->part);
      }
      env_.log.with("component_id", instance->id)
          .error("component does not stop, its thread is left behind", {{"err", kLeftBehind}});
      left_behind_.push_back(instance);
    }
    left_behind_count_->set(static_cast<double>(left_behind_.size()));
  }

  void look_after_left_behind() REQUIRES(mutex_) {
    const auto gone = std::stable_partition(left_behind_.begin(), left_behind_.end(),
                                            [&](const std::shared_ptr<Instance>& instance) {
                                              return !instance->ends(env_.clock, env_.clock.mono());
                                            });
    if (gone == left_behind_.end()) return;
    for (auto it = gone; it != left_behind_.end(); ++it) {
      (*it)->finish();
      env_.log.with("component_id", (*it)->id)
          .info("the thread of a removed component that hung has ended");
      MutexLock lock(exports_mutex_);
      unheard_.erase((*it)->part);
    }
    left_behind_.erase(gone, left_behind_.end());
    left_behind_count_->set(static_cast<double>(left_behind_.size()));
    show();
  }

  bool is_left_behind(std::string_view id) const REQUIRES(mutex_) {
    return std::any_of(left_behind_.begin(), left_behind_.end(),
                       [&](const auto& instance) { return instance->id == id; });
  }

  Result<component::Commit> prepare(Instance& instance, const lang::Body& body,
                                    lang::Diagnostics& diagnostics) {
    {
      MutexLock lock(exports_mutex_);
      staging_ = std::this_thread::get_id();
    }
    auto commit = instance.component->prepare(body, diagnostics);
    MutexLock lock(exports_mutex_);
    staging_ = std::thread::id();
    return commit;
  }

  // Called by components, on any thread, also while the graph's mutex is held. What prepare()
  // publishes is staged: the rest of the new configuration is evaluated with it, and it holds once
  // everything is committed.
  void publish(const std::string& id, Part part, Exports exports) {
    MutexLock lock(exports_mutex_);
    if (unheard_.contains(part)) return;
    if (staging_ == std::this_thread::get_id()) {
      staged_[id] = std::move(exports);
      return;
    }
    publish_locked(id, std::move(exports));
  }

  void publish_locked(const std::string& id, Exports exports) REQUIRES(exports_mutex_) {
    Exports& present = exports_[id];
    if (present == exports) return;
    present = std::move(exports);
    changed_.insert(id);
    wake_.notify_all();
  }

  void publish_staged() {
    MutexLock lock(exports_mutex_);
    for (auto& [id, exports] : std::exchange(staged_, {})) publish_locked(id, std::move(exports));
  }

  // Also what components published that were made for a configuration which is not to be.
  void discard_staged() REQUIRES(mutex_) {
    MutexLock lock(exports_mutex_);
    staged_.clear();
    for (auto it = exports_.begin(); it != exports_.end();)
      it = instances_.contains(it->first) ? std::next(it) : exports_.erase(it);
  }

  // `staged`: as they will be when what is prepared is committed.
  Exports exports_of(const std::string& id, bool staged) const {
    MutexLock lock(exports_mutex_);
    if (staged) {
      if (const auto it = staged_.find(id); it != staged_.end()) return it->second;
    }
    const auto it = exports_.find(id);
    return it == exports_.end() ? Exports() : it->second;
  }

  // Placeholders for what a component would export that cannot be made yet.
  Exports staged_exports_of(const Node& node) const {
    Exports exports = exports_of(node.id, true);
    return exports.empty() ? placeholder_exports(node) : exports;
  }

  // A component that came back under the same id has published anew already.
  void forget_exports_of(const std::vector<std::shared_ptr<Instance>>& removed) REQUIRES(mutex_) {
    MutexLock lock(exports_mutex_);
    for (const auto& instance : removed)
      if (!instances_.contains(instance->id)) exports_.erase(instance->id);
  }

  // -> what remotecfg says
  static lang::Body decode_settings(const Graph& graph, Values& values, LoadReport& report,
                                    std::vector<std::string>& secrets) {
    lang::Body remotecfg;
    for (const SettingsBlock& settings : graph.settings) {
      lang::Body body = values.body(*settings.block, *settings.source, 0, report.diagnostics);
      const SettingsDeclaration& kind = *find_settings(settings.block->name);
      kind.decode(body, report.settings, report.diagnostics);
      collect_secrets(body, kind.fields(), secrets);
      if (settings.block->name == kRemotecfg) remotecfg = std::move(body);
    }
    return remotecfg;
  }

  static void commit_to(Instance& instance, const component::Commit& commit) {
    commit();
    instance.configured = true;
    instance.outdated = false;
    instance.retry_at.reset();
    instance.retry_pause = kFirstRetry;
    instance.evaluation.good();
  }

  void settle_health(Instance& instance) const {
    const std::int64_t since = instance.running_since;
    if (since != 0 && !instance.running.state().healthy &&
        env_.clock.mono().time_since_epoch().count() - since > Duration(kSteady).count())
      instance.running.good();
  }

  // Which components have a thread in them that does not get on.
  void look_for_hangs(Duration passed) REQUIRES(mutex_) {
    std::map<Part, Part> hanging;  // where -> whose thread
    std::map<Part, const std::string*> ids;
    for (const Pulses::Hang& hang : pulses_->look(passed, env_.hang_limit))
      hanging.emplace(hang.part, hang.home);
    if (!hanging.empty())
      for (const auto& [id, instance] : instances_) ids.emplace(instance->part, &id);
    for (const auto& instance : left_behind_) ids.emplace(instance->part, &instance->id);
    for (const auto& [id, instance] : instances_) {
      const bool was_well = instance->moving.state().healthy;
      const auto hang = hanging.find(instance->part);
      if (hang == hanging.end()) {
        if (was_well) continue;
        instance->moving.good();
        env_.log.with("component_id", id).info("component moves again");
        continue;
      }
      const auto home = ids.find(hang->second);
      const std::string whose = hang->second == hang->first || home == ids.end()
                                    ? "a thread"
                                    : "the thread of " + *home->second;
      const std::string problem =
          "it hangs: " + whose + " in it has not moved for " +
          std::to_string(
              std::chrono::duration_cast<std::chrono::seconds>(env_.hang_limit).count()) +
          " s and waits for nothing";
      instance->moving.bad(problem);
      if (was_well) env_.log.with("component_id", id).error("component hangs", {{"err", problem}});
    }
  }

  // Evaluates one component of the running graph again.
  void refresh(const Node& node) REQUIRES(mutex_) {
    Instance& instance = *instances_.at(node.id);
    lang::Diagnostics diagnostics;
    const ExportsOf staged = [this](const Node& other) { return this->staged_exports_of(other); };
    if (instance.component == nullptr && !is_left_behind(node.id)) {
      make_component(instance, *graph_, node);
      show();
    }
    const auto body = std::make_shared<const lang::Body>(
        Values(*graph_, env_.stdlib, staged).body(node, diagnostics));
    const Log log = env_.log.with("component_id", node.id);
    std::string problem;
    if (!diagnostics.has_errors() && component::has_placeholder(*body)) {
      problem = kNotKnownYet;
    } else if (!diagnostics.has_errors()) {
      if (is_in_force(instance, *body)) return;
      if (const char* reason = may_not_change(instance)) {
        instance.outdated = true;
        instance.evaluation.bad(reason);
        instance.retry_at = env_.clock.mono() + kFirstRetry;
        return;
      }
      auto commit = prepare(instance, *body, diagnostics);
      if (commit) {
        instance.arguments = body;
        commit_to(instance, *commit);
        publish_staged();
        instance.start(env_.clock, env_.log, pulses_);
        show();
        return;
      }
      discard_staged();
      problem = commit.error().message;
      // The world may let it start later; what is wrong in itself waits for other arguments.
      if (commit.error().code != ErrorCode::kInvalid) {
        instance.retry_pause = std::min<Duration>(instance.retry_pause * 2, kLastRetry);
        instance.retry_at = env_.clock.mono() + instance.retry_pause;
      }
    }
    for (const lang::Diagnostic& d : diagnostics.all()) {
      if (d.severity != lang::Severity::kError) continue;
      problem = d.span.begin.text() + ": " + d.message;
      break;
    }
    instance.evaluation.bad(problem);
    log.limited(Level::kError, "new arguments are refused, the old ones stay in force",
                {{"err", problem}});
  }

  bool decides_structure(const std::set<std::string>& changed) const {
    MutexLock lock(mutex_);
    if (graph_ == nullptr || stopped_) return false;
    const auto& structural = graph_->structural;
    return std::any_of(changed.begin(), changed.end(),
                       [&](const std::string& id) { return structural.contains(id); });
  }

  // The runtime's own thread: what was published is passed on to whoever refers to it.
  void follow_exports(const std::stop_token& stop) {
    name_thread("runtime");
    Mono looked = env_.clock.mono();
    while (!stop.stop_requested()) {
      std::set<std::string> changed;
      {
        MutexLock lock(exports_mutex_);
        beat_ = env_.clock.mono();
        env_.clock.wait(lock, wake_, beat_ + kBeat, stop,
                        [&]() NO_THREAD_SAFETY_ANALYSIS { return !changed_.empty(); });
        changed = std::exchange(changed_, {});
      }
      if (stop.stop_requested()) return;
      if (decides_structure(changed)) rebuild();
      MutexLock lock(mutex_);
      if (graph_ == nullptr || stopped_) continue;
      if (env_.hang_limit > Duration::zero()) {
        const Mono now = env_.clock.mono();
        // When this thread itself had to stand still, so had the others.
        look_for_hangs(std::min<Duration>(now - std::exchange(looked, now), 2 * kBeat));
      }
      look_after_left_behind();
      const std::vector<Node>& nodes = graph_->nodes;
      for (const Node& node : nodes) {
        Instance& instance = *instances_.at(node.id);
        const bool affected =
            std::any_of(node.dependencies.begin(), node.dependencies.end(),
                        [&](std::size_t d) { return changed.contains(nodes[d].id); });
        settle_health(instance);
        const bool due = instance.retry_at && env_.clock.mono() >= *instance.retry_at;
        if (affected || due) refresh(node);
      }
    }
  }

  Environment env_;
  const component::Collectors collectors_;
  const std::shared_ptr<Pulses> pulses_ = std::make_shared<Pulses>();
  Mutex load_mutex_;  // one load at a time; taken before mutex_
  std::vector<SourceText> texts_ GUARDED_BY(load_mutex_);  // of what runs
  // What the server of remotecfg sent, of what runs.
  std::optional<std::string> remote_text_ GUARDED_BY(load_mutex_);
  mutable Mutex mutex_;  // the graph; taken before exports_mutex_
  std::shared_ptr<const Graph> graph_ GUARDED_BY(mutex_);
  Instances instances_ GUARDED_BY(mutex_);
  // Removed, or stopped, while a thread of theirs hangs.
  std::vector<std::shared_ptr<Instance>> left_behind_ GUARDED_BY(mutex_);
  const component::Gauge left_behind_count_ = env_.metrics.gauge(
      "alloy_component_controller_left_behind_components",
      "Components that were removed while a thread of theirs hangs, which still lives.");
  Part parts_ GUARDED_BY(mutex_) = 0;  // given to instances
  bool stopped_ GUARDED_BY(mutex_) = false;
  // These three as in View.
  std::shared_ptr<const std::vector<std::string>> settings_secrets_ GUARDED_BY(mutex_);
  bool may_watch_ GUARDED_BY(mutex_) = false;
  std::string rebuild_problem_ GUARDED_BY(mutex_);
  mutable Mutex view_mutex_;  // taken last, for moments
  std::shared_ptr<const View> view_ GUARDED_BY(view_mutex_) = std::make_shared<const View>();

  mutable Mutex exports_mutex_;
  Condition wake_;
  std::map<std::string, Exports> exports_ GUARDED_BY(exports_mutex_);
  std::set<std::string> changed_ GUARDED_BY(exports_mutex_);
  std::set<Part> unheard_ GUARDED_BY(exports_mutex_);  // they publish nothing any more
  std::map<std::string, Exports> staged_ GUARDED_BY(exports_mutex_);
  std::thread::id staging_ GUARDED_BY(exports_mutex_);  // the thread that is inside a prepare()
  Mono beat_ GUARDED_BY(exports_mutex_);
  Modules modules_;
  RemoteConfig remote_;
  std::jthread evaluator_;
};

Runtime::Runtime(Environment environment) : impl_(std::make_unique<Impl>(std::move(environment))) {}
Runtime::~Runtime() = default;
LoadReport Runtime::load(std::vector<SourceText> texts) { return impl_->load(std::move(texts)); }
void Runtime::stop() { impl_->stop(); }
bool Runtime::loaded() const { return impl_->loaded(); }
std::vector<ComponentStatus> Runtime::status() const { return impl_->status(); }
RedactedTexts Runtime::redacted() const { return impl_->redacted(); }
std::vector<std::pair<std::string, std::string>> Runtime::unhealthy() const {
  return impl_->unhealthy();
}
std::vector<std::pair<std::string, std::string>> Runtime::waiting() const {
  return impl_->waiting();
}
std::size_t Runtime::component_count() const { return impl_->component_count(); }
std::size_t Runtime::left_behind() const { return impl_->left_behind(); }
const component::Collectors& Runtime::collectors() const { return impl_->collectors(); }
Result<std::shared_ptr<component::Watch>> Runtime::watch(const std::string& id,
                                                         component::Watch::Options options) const {
  return impl_->watch(id, std::move(options));
}
Mono Runtime::last_beat() const { return impl_->last_beat(); }

}  // namespace agent::runtime
