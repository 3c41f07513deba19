// Threads that do not get on, and the component that is said to hang for it.
#include <condition_variable>
#include <mutex>
#include <thread>

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

 private:
  Clock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int hanging_ = 0;
  int waiting_ = 0;
  bool released_ = false;
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
  Stage(component::Host host, Places& places) : places_(places) {
    host.exports({{"receiver", component::capsule<LogReceiver>(inlet_)}});
  }
  Result<component::Commit> prepare(StageArgs args) override {
    return component::Commit([this, args] {
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
  // So long of this clock, with the runtime looking every second.
  void pass(Duration how_long) {
    const Mono until = clock.mono() + how_long;
    CHECK(clock.advance_in_step([&] { return clock.mono() >= until; }, std::chrono::seconds(1)));
  }
};

using Unhealthy = std::vector<std::pair<std::string, std::string>>;
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
