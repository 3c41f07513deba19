// loki.source.docker against a daemon that fails in ways a real one cannot be asked for.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "agent/base/file.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_dockerd.h"
#include "tests/support/log_collector.h"

namespace agent::source {

component::Declaration loki_source_docker();

namespace {

constexpr std::int64_t kBase = 1'795'254'494'000'000'000;

struct Bed {
  Bed() : docker(std::make_unique<FakeDockerd>(socket())), out(std::make_shared<LogCollector>()) {}
  ~Bed() { stop(); }
  std::string socket() const { return (box.dir / "docker.sock").string(); }
  void start(const std::vector<std::string>& ids, const std::string& interval = "1m") {
    component = std::make_unique<RunningComponent>(box, loki_source_docker());
    REQUIRE(component->configure(arguments(ids, interval)) == "");
    component->start();
  }
  lang::Body arguments(const std::vector<std::string>& ids,
                       const std::string& interval = "1m") const {
    lang::Value::List targets;
    for (const std::string& id : ids)
      targets.push_back(lang::Value::Object{{"__meta_docker_container_id", id}, {"c", id}});
    return body_of({{"host", "unix://" + socket()},
                    {"targets", targets},
                    {"refresh_interval", interval},
                    {"legacy_positions_file", legacy_file},
                    {"forward_to", receivers(out)}});
  }
  void stop() {
    if (!component) return;
    component->shut_down();
    component.reset();
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> all;
    for (const LogCollector::Line& entry : out->seen()) all.push_back(entry.text);
    return all;
  }

  ComponentBox box{"loki.source.docker.x"};
  std::unique_ptr<FakeDockerd> docker;
  std::shared_ptr<LogCollector> out;
  std::unique_ptr<RunningComponent> component;
  std::string legacy_file;
};

std::vector<FakeDockerd::Message> numbered(int from, int to) {
  std::vector<FakeDockerd::Message> out;
  // Every third shares the time of the one before it.
  for (int i = from; i <= to; ++i)
    out.push_back(
        {1 + i % 2, kBase + (i - (i % 3 == 0 ? 2 : 0)) * 1'000'000, std::to_string(i) + "\n"});
  return out;
}

std::vector<std::string> numbers(int from, int to) {
  std::vector<std::string> out;
  for (int i = from; i <= to; ++i) out.push_back(std::to_string(i));
  return out;
}

}  // namespace

TEST_CASE("loki.source.docker: streams that break in the middle of a frame give each line once") {
  Bed bed;
  bed.docker->set("a", {true, numbered(1, 300), 0, ""});
  bed.docker->cut_logs_after(1777);
  bed.start({"a"});
  CHECK(bed.out->wait_for(30));
  bed.docker->cut_logs_after(5000);
  CHECK(bed.out->wait_for(60));
  bed.docker->cut_logs_after(0);
  REQUIRE(bed.out->wait_for(300));
  for (int round = 0; round < 5; ++round) {
    bed.docker->reset_all();
    bed.docker->write("a", numbered(301 + round * 10, 310 + round * 10));
    REQUIRE(bed.out->wait_for(static_cast<std::size_t>(310 + round * 10)));
  }
  CHECK(bed.lines() == numbers(1, 350));
}

TEST_CASE(
    "loki.source.docker: a line that comes late, after a younger one of the other stream, is not "
    "lost") {
  Bed bed;
  bed.docker->set("a", {true, {{1, kBase, "out 1\n"}, {1, kBase + 900, "out 2\n"}}, 0, ""});
  bed.start({"a"});
  REQUIRE(bed.out->wait_for(2));
  bed.stop();
  bed.docker->write("a", {{2, kBase + 400, "err 1\n"}, {1, kBase + 1000, "out 3\n"}});
  bed.start({"a"});
  REQUIRE(bed.out->wait_for(4));
  CHECK(bed.lines() == std::vector<std::string>{"out 1", "out 2", "err 1", "out 3"});
}

TEST_CASE(
    "loki.source.docker: the first start goes on behind Promtail's positions, no other does") {
  const auto log = [](const std::string& name) {
    return std::vector<FakeDockerd::Message>{{1, kBase - 1, name + " old\n"},
                                             {2, kBase - 1, name + " old error\n"},
                                             {1, kBase, name + " seen\n"},
                                             {2, kBase + 1'500'000'000, name + " new\n"}};
  };
  Bed bed;
  bed.docker->set("a", {true, log("a"), 0, ""});
  bed.docker->set("b", {true, log("b"), 0, ""});
  const std::string file = (bed.box.dir / "promtail.yaml").string();
  const auto promtail_says = [&](const std::string& positions) {
    REQUIRE(write_file_atomic(file, "positions:\n" + positions));
  };
  promtail_says("  cursor-a: \"" + std::to_string(kBase / 1'000'000'000) +
                "\"\n  cursor-b: what\n  /var/log/x: \"3\"\n");
  bed.legacy_file = file;
  bed.start({"a"});
  REQUIRE(bed.out->wait_for(2));
  CHECK(bed.lines() == std::vector<std::string>{"a seen", "a new"});
  CHECK(bed.out->seen()[0].time_ns == kBase);
  bed.stop();
  // What Promtail noted later is not this agent's.
  promtail_says("  cursor-b: \"" + std::to_string(kBase / 1'000'000'000) + "\"\n");
  bed.start({"a", "b"});
  REQUIRE(bed.out->wait_for(6));
  auto lines = bed.lines();
  lines.erase(lines.begin(), lines.begin() + 2);
  std::sort(lines.begin(), lines.end());
  CHECK(lines == std::vector<std::string>{"b new", "b old", "b old error", "b seen"});
}

TEST_CASE(
    "loki.source.docker: equal lines of one time stay apart, in order, and keep their times") {
  Bed bed;
  const FakeDockerd::Message same{1, kBase, "same\n"};
  bed.docker->set("a", {true, {same, same, same}, 0, ""});
  bed.start({"a"});
  REQUIRE(bed.out->wait_for(3));
  bed.stop();
  bed.docker->write("a", {same, same});
  bed.start({"a"});
  REQUIRE(bed.out->wait_for(5));
  std::vector<std::int64_t> times;
  for (const LogCollector::Line& entry : bed.out->seen()) times.push_back(entry.time_ns - kBase);
  CHECK(times == std::vector<std::int64_t>{0, 1, 2, 3, 4});
}

TEST_CASE(
    "loki.source.docker: a log that cannot be read is reported once and not asked for again") {
  Bed bed;
  bed.docker->set(
      "none",
      {true, {}, 500, R"({"message":"configured logging driver does not support reading"})"});
  bed.docker->set("a", {true, {}, 0, ""});
  bed.start({"none", "a"});
  for (int i = 1; i <= 20; ++i) {
    bed.docker->write("a", {{1, kBase + i, std::to_string(i) + "\n"}});
    REQUIRE(bed.out->wait_for(static_cast<std::size_t>(i)));
  }
  CHECK(bed.docker->requests("/containers/none/logs") == 1);
}

TEST_CASE("loki.source.docker: without events it looks at stopped containers from time to time") {
  Bed bed;
  bed.docker->refuse_events(403);
  bed.docker->set("a", {false, {{1, kBase, "one\n"}}, 0, ""});
  bed.start({"a"}, "1s");
  REQUIRE(bed.out->wait_for(1));
  bed.docker->set("a", {true, {{1, kBase, "one\n"}, {1, kBase + 1, "two\n"}}, 0, ""});
  CHECK(bed.out->wait_for(2, std::chrono::seconds(5)));
  CHECK(bed.lines() == std::vector<std::string>{"one", "two"});
  CHECK(bed.box.health.state().healthy);
}

TEST_CASE("loki.source.docker: a hanging inspection holds up nothing else") {
  Bed bed;
  bed.docker->set("a", {true, {{1, kBase, "one\n"}}, 0, ""});
  bed.start({"a"});
  REQUIRE(bed.out->wait_for(1));
  bed.docker->hang_inspections(true);
  bed.docker->set("b", {true, {}, 0, ""});
  REQUIRE(bed.component->configure(bed.arguments({"a", "b"})) == "");
  bed.docker->write("a", {{1, kBase + 1, "two\n"}});
  CHECK(bed.out->wait_for(2, std::chrono::seconds(2)));
}

TEST_CASE("loki.source.docker: at rest it asks the daemon nothing") {
  Bed bed;
  std::vector<std::string> ids;
  for (int i = 0; i < 20; ++i) {
    ids.push_back("c" + std::to_string(i));
    bed.docker->set(ids.back(), {i % 2 == 0, {{1, kBase, "x\n"}}, 0, ""});
  }
  bed.start(ids);
  REQUIRE(bed.out->wait_for(20));
  CHECK_FALSE(bed.out->wait_for(21, std::chrono::milliseconds(500)));
  const std::size_t before = bed.docker->requests("/");
  CHECK_FALSE(bed.out->wait_for(21, std::chrono::milliseconds(1500)));
  CHECK(bed.docker->requests("/") == before);
  // Each container: one inspection, one stream; beside them the events and one list.
  CHECK(before == 42);
}

TEST_CASE("loki.source.docker: a removed container is forgotten, a stopped one is not") {
  Bed bed;
  bed.docker->set("a", {true, {{1, kBase, "one\n"}}, 0, ""});
  bed.docker->set("b", {true, {{1, kBase, "uno\n"}}, 0, ""});
  bed.start({"a", "b"});
  REQUIRE(bed.out->wait_for(2));
  bed.docker->stop("a");
  bed.docker->event("die", "a");
  bed.docker->remove("b");
  bed.docker->write("a", {{1, kBase + 5, "two\n"}});
  bed.docker->event("start", "a");
  REQUIRE(bed.out->wait_for(3));
  bed.docker->event("start", "a");
  CHECK_FALSE(bed.out->wait_for(4, std::chrono::milliseconds(300)));
  CHECK(bed.lines().back() == "two");
  bed.stop();
  const std::string stored = read_file(bed.box.dir / "data" / "positions").value_or("");
  CHECK(stored.find(" a ") != std::string::npos);
  CHECK(stored.find(" b ") == std::string::npos);
}

}  // namespace agent::source
