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
  CHECK(tolerated({}, 10, false) == std::nullopt);
  CHECK(tolerated({}, 10, true) == 0U);
  Rolling rolling;
  rolling.max_fail = parse_amount("20%").value();
  CHECK(tolerated(rolling, 10, true) == 2U);
}

TEST_CASE("unfinished: remembers who did not end well, over runs and over a kill") {
  const agent::TempDir folder;
  const agent::SteppingClock clock;
  const auto file = folder.path() / "state/fleetctl/x.json";
  CHECK_FALSE(read_unfinished(file)->has_value());
  using Hosts = std::map<std::string, std::string>;
  {
    Unfinished book(file, clock);
    REQUIRE(book.begin("r1", {"ariel", "oberon", "puck"}));
    CHECK(read_unfinished(file)->value() ==
          Hosts{{"ariel", "not begun"}, {"oberon", "not begun"}, {"puck", "not begun"}});
    REQUIRE(book.ended("puck", HostState::kChanged));
    REQUIRE(book.ended("oberon", HostState::kRolledBack));
    REQUIRE(book.save());
  }
  CHECK(read_unfinished(file)->value() == Hosts{{"ariel", "not begun"}, {"oberon", "rolled back"}});
  {
    Unfinished other(file, clock);  // for another host: what is there stays
    REQUIRE(other.begin("r2", {"titania"}));
    REQUIRE(other.ended("titania", HostState::kUnchanged));
    REQUIRE(other.save());
  }
  CHECK(read_unfinished(file)->value().size() == 2);
  CHECK(agent::read_file(file)->find("\"run\": \"r2\"") != std::string::npos);
  std::ofstream(file) << "[1]";
  CHECK_FALSE(read_unfinished(file));
  Unfinished third(file, clock);
  CHECK_FALSE(third.begin("r3", {"puck"}));
}

}  // namespace fleetctl::command
