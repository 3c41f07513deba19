#include "fleetctl/command/progress.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "agent/base/strings.h"
#include "fleetctl/command/style.h"
#include "tests/support/stepping_clock.h"

namespace fleetctl::command {
namespace {

using std::chrono::seconds;

Picture picture() {
  Picture picture;
  picture.doing = "deploying";
  picture.hosts = 200;
  picture.ended = 100;
  picture.states = {
      {HostState::kUnchanged, 90}, {HostState::kChanged, 9}, {HostState::kUnreachable, 1}};
  picture.at_work = {{"titania.incus", "gets the agent", seconds(62)},
                     {"oberon", "wait\x1b[2J", seconds(3)},
                     {"puck", "connects", seconds(0)}};
  picture.elapsed = seconds(12);
  return picture;
}

HostResult result_of(HostState state, const std::string& text = "") {
  HostResult result;
  result.state = state;
  result.text = text;
  result.seconds = 1.25;
  return result;
}

std::size_t shown(const std::string& line) {
  std::size_t columns = 0;
  bool sequence = false;
  for (const char c : line) {
    if (c == '\x1b') sequence = true;
    if (!sequence) ++columns;
    if (sequence && c == 'm') sequence = false;
  }
  return columns;
}

}  // namespace

TEST_CASE("progress: the block tells counts, time, and who is longest at work") {
  const auto lines = block_of(picture(), {100, 24}, false);
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] ==
        "deploying  [##########----------]  100/200  90 unchanged  9 changed  1 unreachable  12s  "
        "about 12s ");
  CHECK(lines[1] == "  titania.incus  gets the agent 1m02s");
  CHECK(lines[2] == "  oberon         wait?[2J 3s");
  CHECK(lines[3] == "  puck           connects");
}

TEST_CASE("progress: no line reaches the last column, however narrow, and the rows leave room") {
  for (std::size_t columns = 1; columns < 120; ++columns) {
    for (const bool color : {false, true}) {
      for (const std::string& line : block_of(picture(), {columns, 24}, color))
        CHECK(shown(line) <= std::max<std::size_t>(columns - 1, 1));
    }
  }
  CHECK(block_of(picture(), {80, 3}, false).size() == 2);
  CHECK(block_of(picture(), {80, 1}, false).size() == 1);
}

TEST_CASE("progress: in a log, one line") {
  CHECK(line_of(picture()) ==
        "deploying after 12s: 100 of 200 hosts ended, 90 unchanged, 9 changed, 1 unreachable; at "
        "work: titania.incus (gets the agent 1m02s), oberon (wait\x1b[2J 3s), puck (connects "
        "0s)");
}

TEST_CASE("progress: what is printed stands above the block, which is gone at the end") {
  agent::SystemClock clock;
  std::string terminal;  // written with the progress's lock held
  Progress progress({Shape::kBlock, false,
                     [] {
                       return ScreenSize{40, 10};
                     },
                     [&](std::string_view bytes) { terminal += bytes; }, ""},
                    clock);
  progress.begin("deploying", 2);
  progress.step("puck", "connects");
  std::string drawn;
  while (drawn.find("puck") == std::string::npos) progress.above([&] { drawn = terminal; });
  progress.above([&] { terminal += "puck done\n"; });
  progress.ended("puck", result_of(HostState::kChanged));
  progress.end();
  CHECK(drawn.find("\r\n  puck  connects\x1b[K\x1b[J\r\x1b[1A") != std::string::npos);
  CHECK(terminal.find("\r\x1b[Jpuck done\n\rdeploying") != std::string::npos);
  CHECK(terminal.substr(terminal.size() - 4) == "\r\x1b[J");
}

TEST_CASE("progress: every step as it happens, for people and for programs") {
  agent::SteppingClock clock;
  const auto run = [&](Shape shape) {
    std::string written;
    Screen screen;
    screen.shape = shape;
    screen.run = "r1";
    screen.write = [&](std::string_view bytes) { written += bytes; };
    Progress progress(screen, clock);
    progress.begin("deploying", 2);
    progress.step("puck", "wait\x1b[2J");
    progress.ended("puck", result_of(HostState::kChanged));
    progress.ended("ariel", result_of(HostState::kFailed, "config.alloy:88:5: no \xff"));
    progress.end();
    return written;
  };
  CHECK(run(Shape::kNone).empty());
  CHECK(run(Shape::kSteps) == "0.00s puck: wait?[2J\n");
  const std::string written = run(Shape::kEvents);
  const auto lines = agent::split(written, '\n');
  REQUIRE(lines.size() == 5);
  std::vector<nlohmann::json> events;
  for (std::size_t i = 0; i < 4; ++i) {
    events.push_back(nlohmann::json::parse(lines[i]));
    CHECK(events.back()["schema"] == 1);
    CHECK(events.back()["run"] == "r1");
    CHECK(events.back()["ts"].get<std::string>().size() == 24);
  }
  CHECK(events[0]["type"] == "begin");
  CHECK(events[0]["hosts"] == 2);
  CHECK(events[1]["phase"] == "wait?[2J");
  CHECK(events[2]["status"] == "changed");
  CHECK(events[2]["changed"] == true);
  CHECK(events[2]["ms"] == 1250);
  CHECK(events[2]["error"].is_null());
  CHECK(events[3]["error"]["file"] == "config.alloy");
  CHECK(events[3]["error"]["line"] == 88);
  CHECK(events[3]["error"]["code"] == "failed");
}

TEST_CASE("style: a diff's lines, and nothing where no colour is wanted") {
  CHECK(painted_diff("--- a\n+++ b\n@@ -1 +1 @@\n x\n-y\n+z\n", false) ==
        "--- a\n+++ b\n@@ -1 +1 @@\n x\n-y\n+z\n");
  CHECK(painted_diff("@@ 1 @@\n x\n-y\n+z\n", true) ==
        "\x1b[2m@@ 1 @@\x1b[0m\n x\n\x1b[1;31m-y\x1b[0m\n\x1b[32m+z\x1b[0m\n");
  CHECK(wants_color(Colors::kAlways, -1));
  CHECK_FALSE(wants_color(Colors::kNever, -1));
}

}  // namespace fleetctl::command
