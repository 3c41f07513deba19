#include "fleetctl/command/rolling.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "agent/base/file.h"
#include "fleetctl/command/unfinished.h"
#include "tests/support/stepping_clock.h"
#include "tests/support/temp_dir.h"

namespace fleetctl::command {
namespace {

// "c0 1 | 2 3 | 4": batches of host numbers, the canary's with a c.
std::string text_of(const std::vector<Batch>& batches) {
  std::string out;
  for (const Batch& batch : batches) {
    out += out.empty() ? "" : " |";
    out += batch.canary ? " c" : "";
    for (const std::size_t host : batch.hosts) out += " " + std::to_string(host);
  }
  return out;
}

Rolling serial(const std::string& text) {
  Rolling rolling;
  rolling.serial = *parse_batches(text);
  return rolling;
}

}  // namespace

TEST_CASE("rolling: amounts") {
  CHECK(parse_amount("3")->of(10) == 3);
  CHECK(parse_amount("30%")->of(10) == 3);
  CHECK(parse_amount("25%")->of(10) == 2);
  CHECK(parse_amount("0")->of(10) == 0);
  for (const char* bad : {"", "%", "-1", "3x", "101%", "99999999999", "3%%", "a"}) {
    INFO(bad);
    CHECK_FALSE(parse_amount(bad));
  }
  for (const char* bad : {"", "1,", "0", "1,0%,2", "1;2"}) {
    INFO(bad);
    CHECK_FALSE(parse_batches(bad));
  }
}

TEST_CASE("rolling: batches keep the order, the last size repeats, and none is empty") {
  CHECK(text_of(batches_of(5, {}, {})) == " 0 1 2 3 4");
  CHECK(text_of(batches_of(5, {}, serial("2"))) == " 0 1 | 2 3 | 4");
  CHECK(text_of(batches_of(10, {}, serial("1, 30%, 100%"))) == " 0 | 1 2 3 | 4 5 6 7 8 9");
  CHECK(text_of(batches_of(3, {}, serial("10%"))) == " 0 | 1 | 2");
  CHECK(text_of(batches_of(0, {}, serial("2"))).empty());
}

TEST_CASE("rolling: the canary goes first, by name or by number") {
  CHECK(text_of(batches_of(4, {2}, {})) == " c 2 | 0 1 3");
  Rolling rolling = serial("2");
  rolling.canary = parse_amount("25%").value();
  CHECK(text_of(batches_of(4, {}, rolling)) == " c 0 | 1 2 | 3");
  CHECK(text_of(batches_of(4, {1, 3}, rolling)) == " c 1 3 | 0 2");
  rolling.canary = parse_amount("1%").value();
  CHECK(text_of(batches_of(2, {}, rolling)) == " c 0 | 1");
  CHECK(text_of(batches_of(0, {}, rolling)).empty());
}

TEST_CASE("rolling: without --max-fail nothing may fail between batches, and all may in one") {
  const Batch five{{0, 1, 2, 3, 4}, false};
  CHECK_FALSE(too_much({}, five, {10, 10, 0, false}));
  CHECK_FALSE(too_much({}, five, {10, 0, 0, true}));
  CHECK(too_much({}, five, {10, 1, 0, true}));
  Rolling rolling;
  rolling.max_fail = parse_amount("20%").value();
  CHECK_FALSE(too_much(rolling, five, {10, 2, 0, true}));
  CHECK(too_much(rolling, five, {10, 3, 2, true}));
  CHECK(too_much(rolling, {{0}, true}, {10, 1, 0, true}));
}

TEST_CASE("rolling: a playbook's max_fail_percentage counts in each batch, more than it stops") {
  Rolling rolling;
  rolling.max_fail_percentage = 40;
  const Batch five{{0, 1, 2, 3, 4}, false};
  CHECK_FALSE(too_much(rolling, five, {10, 2, 0, true}));
  CHECK(too_much(rolling, five, {10, 3, 0, true}));
  CHECK_FALSE(too_much(rolling, five, {10, 4, 2, true}));  // two of them in the batch before
  CHECK(too_much(rolling, five, {10, 5, 2, true}));
  CHECK(too_much(rolling, {{0}, true}, {10, 1, 0, true}));
}

TEST_CASE("rolling: what a play says of batches, and what the operator says instead") {
  using value::Value;
  const Value none;
  const auto serial_of = [&](Value said) { return rolling_of_play(said, none).value().serial; };
  CHECK(rolling_of_play(none, none).value() == Rolling());
  CHECK(serial_of(Value::integer(5)) == *parse_batches("5"));
  CHECK(serial_of(Value::string("30%")) == *parse_batches("30%"));
  CHECK(serial_of(Value::list({Value::integer(1), Value::string("30%"), Value::integer(0)})) ==
        *parse_batches("1,30%,100%"));
  for (const char* share : {"12.5", "12.5%", " 12.5 "})
    CHECK(rolling_of_play(none, Value::string(share)).value().max_fail_percentage == 12.5);
  for (const char* bad : {"", "some", "-1", "1 of 3", "nan"}) {
    INFO(bad);
    CHECK_FALSE(rolling_of_play(none, Value::string(bad)));
    CHECK_FALSE(rolling_of_play(Value::string(bad), none));
  }
  CHECK_FALSE(rolling_of_play(none, Value::integer(101)));

  const auto playbook = rolling_of_play(Value::integer(5), Value::integer(10));
  CHECK(settled({}, playbook).value() == *playbook);
  Rolling said = serial("2");
  CHECK(settled(said, playbook).value().serial == *parse_batches("2"));
  CHECK(settled(said, playbook).value().max_fail_percentage == 10);
  const agent::Result<Rolling> unclear = agent::fail(agent::ErrorCode::kInvalid, "two plays");
  CHECK_FALSE(settled(said, unclear));
  said.max_fail = parse_amount("1").value();
  CHECK(settled(said, unclear).value() == said);
  CHECK(settled(said, playbook).value() == said);
}

TEST_CASE("unfinished: remembers who did not end well, over runs and over a kill") {
  const agent::TempDir folder;
  const agent::SteppingClock clock;
  const auto file = folder.path() / "state/fleetctl/x.json";
  CHECK(read_unfinished(file)->runs.empty());
  using Hosts = std::map<std::string, UnfinishedHost>;
  {
    Unfinished book(file, clock);
    REQUIRE(book.begin("r1", {"ariel", "oberon", "puck"}));
    CHECK(read_unfinished(file)->hosts == Hosts{{"ariel", {"not begun", {"r1"}}},
                                                {"oberon", {"not begun", {"r1"}}},
                                                {"puck", {"not begun", {"r1"}}}});
    REQUIRE(book.ended("puck", HostState::kChanged));
    REQUIRE(book.ended("oberon", HostState::kRolledBack));
    REQUIRE(book.save());
  }
  const Hosts left{{"ariel", {"not begun", {"r1"}}}, {"oberon", {"rolled back", {"r1"}}}};
  CHECK(read_unfinished(file)->hosts == left);
  {
    Unfinished other(file, clock);  // for another host: what is there stays
    REQUIRE(other.begin("r2", {"titania"}));
    REQUIRE(other.ended("titania", HostState::kUnchanged));
    REQUIRE(other.save());
  }
  CHECK(read_unfinished(file)->hosts == left);
  CHECK(read_unfinished(file)->runs == std::vector<std::string>{"r1", "r2"});
  std::ofstream(file) << "[1]";
  CHECK_FALSE(read_unfinished(file));
  Unfinished third(file, clock);
  CHECK_FALSE(third.begin("r3", {"puck"}));
}

TEST_CASE("unfinished: of one run, by its name, its end or as the last one") {
  const agent::TempDir folder;
  const agent::SteppingClock clock;
  const auto file = folder.path() / "x.json";
  const auto run = [&](const std::string& name, const std::map<std::string, HostState>& ends) {
    Unfinished book(file, clock);
    std::vector<std::string> hosts;
    for (const auto& [host, state] : ends) hosts.push_back(host);
    REQUIRE(book.begin(name, hosts));
    for (const auto& [host, state] : ends) REQUIRE(book.ended(host, state));
    REQUIRE(book.save());
  };
  const auto hosts = [&](const std::string& id) {
    return hosts_of_run(read_unfinished(file).value(), id);
  };
  using Names = std::set<std::string>;
  constexpr auto kBad = HostState::kUnreachable;
  run("t1-aaaa", {{"ariel", kBad}, {"oberon", kBad}, {"puck", HostState::kChanged}});
  run("t2-bbbb", {{"ariel", kBad}});
  CHECK(hosts("t1-aaaa").value() == Names{"ariel", "oberon"});
  CHECK(hosts("bbbb").value() == Names{"ariel"});
  CHECK(hosts("").value() == Names{"ariel"});
  CHECK(hosts("cccc").error().message ==
        "no run cccc of this tree is known here, known are: t2-bbbb, t1-aaaa");
  run("t3-aaaa", {{"ariel", HostState::kUnchanged}});  // well at last: for the runs before, too
  CHECK(hosts("t1-aaaa").value() == Names{"oberon"});
  CHECK(hosts("bbbb").value().empty());
  CHECK(hosts("aaaa").error().message ==
        "aaaa is the end of several runs: t3-aaaa, t2-bbbb, t1-aaaa");

  // Runs are forgotten, hosts are not.
  for (int i = 0; i < 20; ++i) run("u-" + std::to_string(i), {{"titania", kBad}});
  CHECK(read_unfinished(file)->runs.size() == 20);
  CHECK_FALSE(hosts("t1-aaaa"));
  CHECK(read_unfinished(file)->hosts.at("oberon") == UnfinishedHost{"unreachable", {}});

  std::ofstream(file) << R"({"schema": 1, "run": "t0-9999", "hosts": {"puck": "failed"}})";
  CHECK(hosts("")->empty());
  CHECK(read_unfinished(file)->hosts.at("puck").how == "failed");
}

}  // namespace fleetctl::command
