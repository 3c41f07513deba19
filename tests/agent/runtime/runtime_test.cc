#include "agent/runtime/runtime.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <map>
#include <mutex>

#include "agent/component/receiver.h"
#include "agent/runtime/check.h"
#include "tests/support/temp_dir.h"

namespace agent::runtime {
namespace {

using component::Component;
using component::LogReceiver;
using lang::Value;

// What the test's components did, in order.
struct Diary {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> lines;
  std::map<std::string, bool> blocked;  // prepare() of this id fails with kUnavailable

  void write(const std::string& line) {
    const std::lock_guard lock(mutex);
    lines.push_back(line);
    changed.notify_all();
  }
  bool wait_for(const std::string& line) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), [&] {
      return std::find(lines.begin(), lines.end(), line) != lines.end();
    });
  }
  std::vector<std::string> take() {
    const std::lock_guard lock(mutex);
    return std::exchange(lines, {});
  }
};

struct PartArgs {
  std::vector<std::shared_ptr<LogReceiver>> forward_to;
  std::string text;
  std::string note;  // published by prepare()
  static component::Schema<PartArgs> schema() {
    return component::Schema<PartArgs>()
        .optional("forward_to", &PartArgs::forward_to, "To.")
        .optional("text", &PartArgs::text, "Text.")
        .optional("note", &PartArgs::note, "Exported as note.");
  }
};

class SettlingReceiver final : public LogReceiver {
 public:
  Result<> consume(model::EntryBatch batch, std::stop_token) override {
    batch.settle();
    return {};
  }
};

// A component of the test: exports a receiver and its note, tells the diary what happens to it.
class Part final : public component::Configured<PartArgs>, public component::Worker {
 public:
  Part(component::Host host, Diary& diary) : host_(std::move(host)), diary_(diary) {
    host_.exports({{"receiver", component::capsule<LogReceiver>(receiver_)}, {"note", Value("")}});
  }
  ~Part() override { diary_.write("destroy " + host_.id); }

  Result<component::Commit> prepare(PartArgs args) override {
    {
      const std::lock_guard lock(diary_.mutex);
      if (diary_.blocked[host_.id]) return fail(ErrorCode::kUnavailable, "the port is taken");
    }
    if (args.text == "wrong") return fail(ErrorCode::kInvalid, "text is wrong");
    host_.exports(
        {{"receiver", component::capsule<LogReceiver>(receiver_)}, {"note", Value(args.note)}});
    return component::Commit(
        [this, args] { diary_.write("commit " + host_.id + " " + args.text); });
  }
  Result<> run(std::stop_token stop) override {
    diary_.write("run " + host_.id);
    Mutex mutex;
    Condition never;
    MutexLock lock(mutex);
    never.wait(lock, stop, [] { return false; });
    diary_.write("stop " + host_.id);
    return {};
  }
  void flush() override { diary_.write("flush " + host_.id); }

 private:
  component::Host host_;
  Diary& diary_;
  std::shared_ptr<LogReceiver> receiver_ = std::make_shared<SettlingReceiver>();
};

struct Fixture {
  Diary diary;
  TempDir dir;
  SystemClock clock;
  model::Interner labels;
  component::Metrics metrics;
  component::Registry registry;
  std::unique_ptr<lang::World> world = unknown_world();
  lang::Stdlib stdlib{*world};
  std::unique_ptr<Runtime> runtime;

  Fixture() {
    component::Declaration part = component::declare<PartWithDiary>("test.part", "A part.");
    part.make = [this](component::Host host) -> std::unique_ptr<Component> {
      return std::make_unique<Part>(std::move(host), diary);
    };
    part.exports = {{"receiver", "LogsReceiver", "In."}, {"note", "string", "Note."}};
    registry.add(std::move(part));
    runtime = std::make_unique<Runtime>(
        Runtime::Environment{registry, stdlib, clock, labels, Log::none(), metrics, dir.path()});
  }

  // "" or the messages, joined.
  std::string load(const std::string& text) {
    const LoadReport report = runtime->load({{"test.alloy", text}});
    std::string out;
    for (const auto& d : report.diagnostics.all())
      if (d.severity == lang::Severity::kError) out += d.span.begin.text() + " " + d.message + "\n";
    return out;
  }
  std::string message_of(const std::string& id) const {
    for (const auto& status : runtime->status())
      if (status.id == id) return status.healthy ? "" : status.message;
    return "(none)";
  }

 private:
  // Only its schema is used.
  struct PartWithDiary final : component::Configured<PartArgs> {
    explicit PartWithDiary(component::Host) {}
    Result<component::Commit> prepare(PartArgs) override {
      return component::Commit([] {});
    }
  };
};

constexpr char kChain[] = R"(
test.part "a" { forward_to = [test.part.b.receiver] }
test.part "b" { forward_to = [test.part.c.receiver] }
test.part "c" { text = "end" }
)";

}  // namespace

TEST_CASE("runtime: receivers are in force before those who send to them, and stop after them") {
  Fixture f;
  REQUIRE(f.load(kChain).empty());
  for (const char* id : {"a", "b", "c"})
    REQUIRE(f.diary.wait_for(std::string("run test.part.") + id));
  auto lines = f.diary.take();
  lines.resize(3);
  CHECK(lines == std::vector<std::string>{"commit test.part.c end", "commit test.part.b ",
                                          "commit test.part.a "});
  f.runtime->stop();
  lines = f.diary.take();
  lines.resize(3);
  CHECK(lines ==
        std::vector<std::string>{"stop test.part.a", "stop test.part.b", "stop test.part.c"});
}

TEST_CASE("runtime: a reload touches only what differs") {
  Fixture f;
  REQUIRE(f.load(kChain).empty());
  for (const char* id : {"a", "b", "c"})
    REQUIRE(f.diary.wait_for(std::string("run test.part.") + id));
  f.diary.take();
  REQUIRE(f.load(std::string(kChain) + "\n// a comment\n").empty());
  CHECK(f.diary.take().empty());
  REQUIRE(f.load(R"(
test.part "a" { forward_to = [test.part.c.receiver] }
test.part "c" { text = "other" }
)")
              .empty());
  CHECK(f.diary.take() == std::vector<std::string>{"stop test.part.b", "commit test.part.c other",
                                                   "commit test.part.a ", "flush test.part.b",
                                                   "destroy test.part.b"});
}

TEST_CASE(
    "runtime: a configuration that cannot start leaves the running one untouched and says why") {
  Fixture f;
  REQUIRE(f.load(kChain).empty());
  for (const char* id : {"a", "b", "c"})
    REQUIRE(f.diary.wait_for(std::string("run test.part.") + id));
  f.diary.take();

  SECTION("syntax") { CHECK(f.load("test.part \"a\" {").find("test.alloy:1:") == 0); }
  SECTION("an argument") {
    CHECK(f.load("test.part \"a\" { text = [] }") == "test.alloy:1:24 expected string, got list\n");
  }
  SECTION("a component that refuses its arguments") {
    CHECK(f.load(R"(test.part "c" { text = "new" }
test.part "a" { text = "wrong" })") == "test.alloy:2:1 test.part.a: text is wrong\n");
  }
  SECTION("the world") {
    {
      const std::lock_guard lock(f.diary.mutex);
      f.diary.blocked["test.part.new"] = true;
    }
    CHECK(f.load(std::string(kChain) + "test.part \"new\" { }") ==
          "test.alloy:5:1 test.part.new: the port is taken\n");
    CHECK(f.diary.take() == std::vector<std::string>{"destroy test.part.new"});
  }
  SECTION("a cycle") {
    CHECK(f.load(R"(test.part "a" { forward_to = [test.part.b.receiver] }
test.part "b" { forward_to = [test.part.a.receiver] })")
              .find("test.part.a -> test.part.b -> test.part.a") != std::string::npos);
  }
  CHECK(f.diary.take().empty());
  CHECK(f.runtime->component_count() == 3);
  CHECK(f.runtime->unhealthy().empty());
}

TEST_CASE(
    "runtime: at the first load the world may keep a component waiting; it starts when it can") {
  Fixture f;
  {
    const std::lock_guard lock(f.diary.mutex);
    f.diary.blocked["test.part.b"] = true;
  }
  REQUIRE(f.load(kChain).empty());
  REQUIRE(f.diary.wait_for("run test.part.a"));
  CHECK(f.message_of("test.part.b") == "the port is taken");
  using Waiting = std::vector<std::pair<std::string, std::string>>;
  CHECK(f.runtime->waiting() == Waiting{{"test.part.b", "the port is taken"}});
  {
    const std::lock_guard lock(f.diary.mutex);
    f.diary.blocked["test.part.b"] = false;
  }
  CHECK(f.diary.wait_for("run test.part.b"));
  CHECK(f.runtime->waiting().empty());
  CHECK(f.message_of("test.part.b").empty());
}

TEST_CASE(
    "runtime: what prepare publishes reaches dependants in the same load, and later changes "
    "ripple") {
  Fixture f;
  REQUIRE(f.load(R"(test.part "a" { text = test.part.b.note }
test.part "b" { note = "first" })")
              .empty());
  CHECK(f.diary.wait_for("commit test.part.a first"));
  auto lines = f.diary.take();
  CHECK(std::count(lines.begin(), lines.end(), "commit test.part.a ") == 0);
  REQUIRE(f.load(R"(test.part "a" { text = test.part.b.note }
test.part "b" { note = "second" })")
              .empty());
  CHECK(f.diary.wait_for("commit test.part.a second"));
}

TEST_CASE("runtime: status knows arguments, exports and who refers to whom") {
  Fixture f;
  REQUIRE(f.load(kChain).empty());
  const auto status = f.runtime->status();
  REQUIRE(status.size() == 3);
  CHECK(status[0].id == "test.part.c");
  CHECK(status[0].referenced_by == std::vector<std::string>{"test.part.b"});
  CHECK(status[0].arguments.find("text")->value == Value("end"));
  CHECK(status[0].exports.size() == 2);
  CHECK(status[1].references == std::vector<std::string>{"test.part.c"});
  CHECK(status[0].place == "test.alloy:4:1");
}

TEST_CASE("runtime: a refused block does not make what refers to it wrong") {
  Fixture f;
  CHECK(f.load("test.part \"a\" { forward_to = [nothing.x.receiver] }\nnothing \"x\" { }\n") ==
        "test.alloy:2:1 unknown component \"nothing\"\n");
}

TEST_CASE("check: every error of a file is found without running it") {
  Fixture f;
  const CheckReport report = check({{"t", R"(a = 1
test.part { }
test.part "x" { txt = 1 }
test.part "x" { }
test.part "y" { forward_to = [test.part.x.note] }
test.part "z" { forward_to = [test.part.nope.receiver] }
logging { level = "loud" }
)"}},
                                   f.registry, *f.world);
  std::vector<std::string> messages;
  for (const auto& d : report.diagnostics.all())
    messages.push_back(std::to_string(d.span.begin.line) + " " + d.message);
  CHECK(messages == std::vector<std::string>{
                        "1 attribute \"a\" is not allowed here",
                        "2 component \"test.part\" must have a label",
                        "3 unrecognized attribute name \"txt\"",
                        "4 component \"test.part.x\" already declared at t:3:1",
                        "5 expected LogsReceiver, got string",
                        "6 component \"test.part.nope.receiver\" does not exist or is out of scope",
                        "7 unrecognized log level \"loud\""});
}

}  // namespace agent::runtime
