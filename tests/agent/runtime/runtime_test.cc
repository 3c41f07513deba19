#include "agent/runtime/runtime.h"

#include "agent/component/delivers.h"
#include "tests/agent/runtime/parts.h"

namespace agent::runtime {
namespace {

using lang::Value;

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

TEST_CASE("runtime: what gathers before it sends hears of every change that was taken") {
  struct Gathering final : component::Configured<PartArgs>, component::Delivers {
    explicit Gathering(Diary& own) : diary(own) {}
    Result<component::Commit> prepare(PartArgs args) override {
      if (args.text == "wrong") return fail(ErrorCode::kInvalid, "text is wrong");
      return component::Commit([] {});
    }
    void deliver_soon() override { diary.write("soon"); }
    Diary& diary;
  };
  struct Declared final : component::Configured<PartArgs> {
    explicit Declared(component::Host) {}
    Result<component::Commit> prepare(PartArgs) override {
      return component::Commit([] {});
    }
  };
  Fixture f;
  auto kind = component::declare<Declared>("test.gathering", "Gathers.");
  kind.make = [&f](component::Host) -> std::unique_ptr<component::Component> {
    return std::make_unique<Gathering>(f.diary);
  };
  f.registry.add(std::move(kind));
  const std::string steady = "test.gathering \"g\" { }\n";
  REQUIRE(f.load(steady).empty());
  CHECK(f.diary.take() == std::vector<std::string>{"soon"});
  REQUIRE_FALSE(f.load(steady + "test.gathering \"h\" { text = \"wrong\" }").empty());
  CHECK(f.diary.take().empty());
  REQUIRE(f.load("// another text\n" + steady).empty());
  CHECK(f.diary.take() == std::vector<std::string>{"soon"});
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
  CHECK(f.eventually([&] { return f.runtime->waiting().empty(); }));
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
