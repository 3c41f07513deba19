// Threads that do not get on, and the component that is said to hang for it.
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>

#include "agent/base/file.h"
#include "agent/base/hand_clock.h"
#include "agent/base/pulse.h"
#include "agent/io/file_watch.h"
#include "agent/io/socket.h"
#include "tests/agent/runtime/parts.h"

namespace agent::runtime {
namespace {

using component::LogReceiver;

// Where the threads of a test come to rest.
class Places {
 public:
  explicit Places(Clock& clock) : clock_(clock) {}

  // Hangs, in no wait that is told of, until released.
  void hang() {
    std::unique_lock lock(mutex_);
    ++hanging_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return released_; });
    --hanging_;
    changed_.notify_all();
  }
  // Waits as a component should.
  void wait(const std::stop_token& stop) {
    Mutex mutex;
    Condition never;
    MutexLock lock(mutex);
    bool counted = false;
    clock_.wait(lock, never, kNever, stop, [&] {
      const std::lock_guard own(mutex_);
      if (!std::exchange(counted, true)) ++waiting_;
      changed_.notify_all();
      return false;
    });
    const std::lock_guard own(mutex_);
    --waiting_;
    changed_.notify_all();
  }
  // Until so many threads are there.
  bool reached(int hanging, int waiting) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(1),
                             [&] { return hanging_ == hanging && waiting_ == waiting; });
  }
  void release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  // What became of stages, in order.
  void note(const std::string& what) {
    const std::lock_guard lock(mutex_);
    notes_.push_back(what);
  }
  std::vector<std::string> notes() {
    const std::lock_guard lock(mutex_);
    return std::exchange(notes_, {});
  }

 private:
  Clock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int hanging_ = 0;
  int waiting_ = 0;
  bool released_ = false;
  std::vector<std::string> notes_;
};

struct StageArgs {
  std::vector<std::shared_ptr<LogReceiver>> forward_to;
  std::string run;   // hang, end, send (one batch), or second (a thread that hangs); then it waits
  std::string take;  // of a batch: hang, or wait; else it goes onwards
  static component::Schema<StageArgs> schema() {
    return component::Schema<StageArgs>()
        .optional("forward_to", &StageArgs::forward_to, "To.")
        .optional("run", &StageArgs::run, "What its thread does first.")
        .optional("take", &StageArgs::take, "What becomes of a batch.");
  }
};

class Stage final : public component::Configured<StageArgs>, public component::Worker {
 public:
  Stage(component::Host host, Places& places) : id_(host.id), places_(places) {
    places_.note("made " + id_);
    host.exports({{"receiver", component::capsule<LogReceiver>(inlet_)}});
  }
  ~Stage() override { places_.note("gone " + id_); }
  void flush() override { places_.note("flush " + id_); }
  Result<component::Commit> prepare(StageArgs args) override {
    return component::Commit([this, args] {
      places_.note("set " + id_);
      run_ = args.run;
      inlet_->take = args.take;
      inlet_->onwards.set(args.forward_to);
    });
  }
  Result<> run(std::stop_token stop) override {
    if (run_ == "end") return {};
    if (run_ == "hang") places_.hang();
    if (run_ == "send") {
      model::EntryBatch batch;
      batch.entries.push_back({{}, 0, batch.arena.store("line"), {}, {}});
      if (auto sent = inlet_->onwards.consume(std::move(batch), stop); !sent) return sent;
    }
    std::jthread second;
    if (run_ == "second") {
      second = std::jthread([this, origin = Pulse::origin()] {
        const Pulse pulse(origin);
        places_.hang();
      });
    }
    places_.wait(stop);
    return {};
  }

 private:
  struct Inlet final : LogReceiver {
    explicit Inlet(Places& p) : places(p) {}
    Result<> consume(model::EntryBatch batch, std::stop_token stop) override {
      if (take == "hang") places.hang();
      if (take == "wait") {
        places.wait(stop);
        return fail(ErrorCode::kCancelled, "stopped");
      }
      return onwards.consume(std::move(batch), std::move(stop));
    }
    Places& places;
    std::string take;
    component::LogFanout onwards;
  };

  const std::string id_;
  Places& places_;
  std::string run_;
  const std::shared_ptr<Inlet> inlet_ = std::make_shared<Inlet>(places_);
};

struct Declared final : component::Configured<StageArgs> {
  explicit Declared(component::Host) {}
  Result<component::Commit> prepare(StageArgs) override {
    return component::Commit([] {});
  }
};

struct Watched {
  TempDir dir;
  HandClock clock;
  Places places{clock};
  model::Interner labels;
  component::Metrics metrics;
  component::Registry registry;
  std::unique_ptr<lang::World> world = unknown_world();
  lang::Stdlib stdlib{*world};
  std::unique_ptr<Runtime> runtime;

  explicit Watched(const std::string& text) {
    component::Declaration stage = component::declare<Declared>("test.stage", "A stage.");
    stage.make = [this](component::Host host) -> std::unique_ptr<component::Component> {
      return std::make_unique<Stage>(std::move(host), places);
    };
    stage.exports = {{"receiver", "LogsReceiver", "In."}};
    registry.add(std::move(stage));
    Runtime::Environment environment{registry,    stdlib,  clock,     labels,
                                     Log::none(), metrics, dir.path()};
    environment.hang_limit = std::chrono::seconds(20);
    runtime = std::make_unique<Runtime>(std::move(environment));
    REQUIRE(runtime->load({{"test.alloy", text}}).ok());
  }
  ~Watched() { places.release(); }

  // Until somebody is unhealthy, at most a minute of this clock. -> after how many seconds
  double until_unhealthy() {
    const Mono begun = clock.mono();
    clock.advance_in_step(
        [&] {
          return !runtime->unhealthy().empty() || clock.mono() - begun > std::chrono::minutes(1);
        },
        std::chrono::seconds(1));
    return std::chrono::duration<double>(clock.mono() - begun).count();
  }
  // Does it on another thread while time goes by: slowly as long as there is a thread of this name,
  // which ends and needs real time for that.
  void do_while_time_passes(const std::function<void()>& what, const std::string& ending) {
    std::atomic<bool> done = false;
    const std::jthread doing([&] {
      what();
      done = true;
    });
    SystemClock real;
    CHECK(clock.advance_in_step(
        [&] {
          // Readers wait for nobody.
          static_cast<void>(runtime->status());
          static_cast<void>(runtime->unhealthy());
          static_cast<void>(runtime->redacted());
          const Mono slowly = real.mono() + std::chrono::milliseconds(500);
          while (lives(ending) && real.mono() < slowly)
            real.sleep_for(std::chrono::milliseconds(5), {});
          return done.load();
        },
        std::chrono::seconds(1)));
  }
  static bool lives(const std::string& thread) {
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      const auto name = read_file(task.path() / "comm", 100);
      if (name && *name == thread + "\n") return true;
    }
    return false;
  }
  // With what it warns of.
  std::vector<std::string> reload(const std::string& text) {
    const LoadReport report = runtime->load({{"test.alloy", text}});
    CHECK(report.ok());
    std::vector<std::string> out;
    for (const auto& d : report.diagnostics.all()) out.push_back(d.message);
    return out;
  }
  double left_behind() const {
    for (const auto& family : metrics.collect())
      if (family.name == "alloy_component_controller_left_behind_components")
        return family.points.at(0).value;
    return -1;
  }
  // So long of this clock, with the runtime looking every second.
  void pass(Duration how_long) {
    const Mono until = clock.mono() + how_long;
    CHECK(clock.advance_in_step([&] { return clock.mono() >= until; }, std::chrono::seconds(1)));
  }
};

using Unhealthy = std::vector<std::pair<std::string, std::string>>;
const char* const kLeft =
    "it was removed while a thread of it hangs; what it holds is kept until that has ended";
const char* const kOwn = "it hangs: a thread in it has not moved for 20 s and waits for nothing";

}  // namespace

TEST_CASE("hang: a thread that does not move makes its component unhealthy within 30 s") {
  Watched w(R"(
test.stage "stuck" { run = "hang" }
test.stage "fine" { }
)");
  REQUIRE(w.places.reached(1, 1));
  CHECK(w.until_unhealthy() <= 25);
  CHECK(w.runtime->unhealthy() == Unhealthy{{"test.stage.stuck", kOwn}});

  // It recovers by itself.
  w.places.release();
  REQUIRE(w.places.reached(0, 2));
  w.pass(std::chrono::seconds(2));
  CHECK(w.runtime->unhealthy().empty());
  w.pass(std::chrono::minutes(2));
  CHECK(w.runtime->unhealthy().empty());
}

TEST_CASE("hang: who holds the batch is named, not who sent it") {
  Watched w(R"(
test.stage "source" {
  run = "send"
  forward_to = [test.stage.first.receiver]
}
test.stage "first" { forward_to = [test.stage.second.receiver] }
test.stage "second" {
  take = "hang"
  forward_to = [test.stage.end.receiver]
}
test.stage "end" { }
)");
  REQUIRE(w.places.reached(1, 3));
  CHECK(w.until_unhealthy() <= 25);
  CHECK(w.runtime->unhealthy() ==
        Unhealthy{{"test.stage.second",
                   "it hangs: the thread of test.stage.source in it has not moved for 20 s and "
                   "waits for nothing"}});
  w.places.release();
  REQUIRE(w.places.reached(0, 4));
  w.pass(std::chrono::seconds(2));
  CHECK(w.runtime->unhealthy().empty());
}

TEST_CASE("hang: who waits for room behind a blocked sink does not hang, nor does the sink") {
  Watched w(R"(
test.stage "source" {
  run = "send"
  forward_to = [test.stage.first.receiver]
}
test.stage "first" { forward_to = [test.stage.full.receiver] }
test.stage "full" { take = "wait" }
)");
  REQUIRE(w.places.reached(0, 3));
  w.pass(std::chrono::minutes(2));
  CHECK(w.runtime->unhealthy().empty());
}

TEST_CASE("hang: a second thread of a component counts as its own") {
  Watched w(R"(test.stage "a" { run = "second" })");
  REQUIRE(w.places.reached(1, 1));
  CHECK(w.until_unhealthy() <= 25);
  CHECK(w.runtime->unhealthy() == Unhealthy{{"test.stage.a", kOwn}});
}

TEST_CASE("hang: a thread that is nobody's is noticed inside of a component") {
  Watched w(R"(test.stage "a" { take = "hang" })");
  REQUIRE(w.places.reached(0, 1));
  const auto exports = w.runtime->status().at(0).exports;
  const std::jthread sender([&] {
    model::EntryBatch batch;
    static_cast<void>(std::static_pointer_cast<LogReceiver>(exports.at(0).second.capsule().object)
                          ->consume(std::move(batch), {}));
  });
  REQUIRE(w.places.reached(1, 1));
  CHECK(w.until_unhealthy() <= 25);
  CHECK(w.runtime->unhealthy() == Unhealthy{{"test.stage.a", kOwn}});
  w.places.release();
}

TEST_CASE("hang: work that ends by itself is no health") {
  Watched w(R"(test.stage "a" { run = "end" })");
  SystemClock real;
  const Mono limit = real.mono() + std::chrono::minutes(1);
  while (w.runtime->unhealthy().empty() && real.mono() < limit)
    real.sleep_for(std::chrono::milliseconds(5), {});
  CHECK(w.runtime->unhealthy() == Unhealthy{{"test.stage.a", "its work ended by itself"}});
}

TEST_CASE("hang: a reload goes on without what hangs, and its name begins anew when that ended") {
  Watched w(R"(
test.stage "stuck" { run = "hang" }
test.stage "fine" { }
)");
  REQUIRE(w.places.reached(1, 1));
  w.places.notes();
  CHECK(w.left_behind() == 0);
  const char* const without = R"(
test.stage "fine" { forward_to = [test.stage.more.receiver] }
test.stage "more" { }
)";
  w.do_while_time_passes([&] { CHECK(w.reload(without).empty()); }, "nobody");
  CHECK(w.places.notes() == std::vector<std::string>{"made test.stage.more", "set test.stage.more",
                                                     "set test.stage.fine"});
  REQUIRE(w.places.reached(1, 2));
  CHECK(w.runtime->component_count() == 2);
  CHECK(w.left_behind() == 1);
  CHECK(w.runtime->left_behind() == 1);
  CHECK(w.runtime->unhealthy() == Unhealthy{{"test.stage.stuck", kLeft}});

  // Two of this name would share a place on disk.
  const char* const again = R"(
test.stage "fine" { forward_to = [test.stage.stuck.receiver] }
test.stage "stuck" { }
)";
  const std::string held =
      "an earlier component of this name was removed while a thread of it hangs; this one begins "
      "when that has ended";
  CHECK(w.reload(again) == std::vector<std::string>{"test.stage.stuck: " + held});
  CHECK(w.runtime->waiting() == Unhealthy{{"test.stage.stuck", held}});
  CHECK(w.runtime->unhealthy().size() == 3);  // also the earlier one, and what refers to it
  w.pass(std::chrono::seconds(10));
  CHECK(w.places.notes() ==
        std::vector<std::string>{"flush test.stage.more", "gone test.stage.more"});

  w.places.release();
  REQUIRE(w.places.reached(0, 1));
  CHECK(w.clock.advance_until([&] { return w.runtime->unhealthy().empty(); },
                              std::chrono::seconds(1)));
  CHECK(w.places.notes() ==
        std::vector<std::string>{"flush test.stage.stuck", "gone test.stage.stuck",
                                 "made test.stage.stuck", "set test.stage.stuck",
                                 "set test.stage.fine"});
  CHECK(w.places.reached(0, 2));
  CHECK(w.left_behind() == 0);
  CHECK(w.runtime->waiting().empty());
}

TEST_CASE("hang: new arguments wait until the component gets on, and hold up nothing else") {
  Watched w(R"(
test.stage "stuck" { run = "hang" }
test.stage "fine" { }
)");
  REQUIRE(w.places.reached(1, 1));
  CHECK(w.until_unhealthy() <= 25);
  w.places.notes();
  CHECK(w.reload(R"(
test.stage "stuck" {
  run = "hang"
  forward_to = [test.stage.fine.receiver]
}
test.stage "fine" { take = "other" }
)") == std::vector<std::string>{"test.stage.stuck: a thread hangs in it: its new arguments are "
                                "taken when that gets on, the old ones are in force"});
  w.pass(std::chrono::seconds(10));
  CHECK(w.places.notes() == std::vector<std::string>{"set test.stage.fine"});
  CHECK(w.runtime->unhealthy() == Unhealthy{{"test.stage.stuck", kOwn}});
  CHECK(w.runtime->waiting().empty());  // the old ones are in force

  w.places.release();
  REQUIRE(w.places.reached(0, 2));
  CHECK(w.clock.advance_until([&] { return w.runtime->unhealthy().empty(); },
                              std::chrono::seconds(1)));
  CHECK(w.places.notes() == std::vector<std::string>{"set test.stage.stuck"});
}

TEST_CASE("hang: a source that hangs in another component is left behind, not that one") {
  Watched w(R"(
test.stage "source" {
  run = "send"
  forward_to = [test.stage.end.receiver]
}
test.stage "end" { take = "hang" }
)");
  REQUIRE(w.places.reached(1, 1));
  w.places.notes();
  w.do_while_time_passes([&] { CHECK(w.reload("test.stage \"other\" { }").empty()); },
                         "test.stage.end");
  // Its batch is in what the other exported, which outlives it.
  CHECK(w.places.notes() == std::vector<std::string>{"made test.stage.other",
                                                     "set test.stage.other", "flush test.stage.end",
                                                     "gone test.stage.end"});
  CHECK(w.runtime->unhealthy() == Unhealthy{{"test.stage.source", kLeft}});
  w.places.release();
  CHECK(w.clock.advance_until([&] { return w.runtime->unhealthy().empty(); },
                              std::chrono::seconds(1)));
  CHECK(w.places.notes() ==
        std::vector<std::string>{"flush test.stage.source", "gone test.stage.source"});
}

TEST_CASE("hang: a stop ends all others in time, and frees nothing that a thread may use") {
  Watched w(R"(
test.stage "stuck" {
  run = "hang"
  forward_to = [test.stage.end.receiver]
}
test.stage "end" { }
)");
  REQUIRE(w.places.reached(1, 1));
  w.places.notes();
  w.do_while_time_passes([&] { w.runtime->stop(); }, "test.stage.end");
  CHECK(w.runtime->left_behind() == 1);
  CHECK(w.places.notes() == std::vector<std::string>{"flush test.stage.end"});
  // Whoever takes all away waits for it.
  const std::jthread later([&] { w.places.release(); });
  w.runtime.reset();
  const auto notes = w.places.notes();
  REQUIRE(notes.size() == 3);
  CHECK(notes[0] == "flush test.stage.stuck");
}

TEST_CASE("hang: a thread that waits for files or sockets is not still") {
  Pulses pulses;
  io::FileWatch files;
  auto sockets = io::Poller::create();
  REQUIRE(sockets);
  const bool of_files = GENERATE(true, false);
  const std::jthread waiting([&](const std::stop_token& stop) {
    const Pulse pulse({&pulses, 1});
    while (!stop.stop_requested()) {
      if (of_files) {
        files.wait(std::chrono::hours(1), stop);
      } else {
        sockets->wait(std::chrono::hours(1), stop);
      }
    }
  });
  SystemClock real;
  const Mono limit = real.mono() + std::chrono::minutes(1);
  int in_a_row = 0;  // looks that found nothing: it has come to its wait
  while (in_a_row < 50 && real.mono() < limit) {
    const bool still = !pulses.look(std::chrono::hours(1), std::chrono::seconds(1)).empty();
    in_a_row = still ? 0 : in_a_row + 1;
    real.sleep_for(std::chrono::milliseconds(1), {});
  }
  CHECK(in_a_row == 50);
}

TEST_CASE("hang: a thread is still from its last move on, wherever it is, unless it waits") {
  Pulses pulses;
  {
    const Pulse pulse({&pulses, 7});
    const Duration limit = std::chrono::seconds(20);
    const Duration look = std::chrono::seconds(10);
    CHECK(pulses.look(look, limit).empty());
    CHECK(pulses.look(look, limit).size() == 1);
    Pulse::beat();
    CHECK(pulses.look(look, limit).empty());
    {
      const Pulse::Visit visit(pulses, 8);
      CHECK(pulses.look(look, limit).empty());
      CHECK(pulses.look(look, limit).empty());
      const auto there = pulses.look(look, limit);
      REQUIRE(there.size() == 1);
      CHECK(there[0].part == 8);
      CHECK(there[0].home == 7);
      const Pulse::Wait waiting;
      CHECK(pulses.look(look, limit).empty());
      CHECK(pulses.look(10 * limit, limit).empty());
    }
    CHECK(pulses.look(look, limit).empty());
  }
  CHECK(pulses.look(std::chrono::hours(1), std::chrono::seconds(1)).empty());
}

}  // namespace agent::runtime
