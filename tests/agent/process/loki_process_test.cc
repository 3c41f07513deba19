#include <catch2/catch.hpp>
#include <future>
#include <optional>
#include <thread>

#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/log_collector.h"

namespace agent::process {

component::Declaration loki_process();

namespace {

using namespace std::chrono_literals;

lang::Body multiline(const std::shared_ptr<LogCollector>& out) {
  return body_of({{"forward_to", receivers(out)}},
                 {{"stage.multiline", body_of({{"firstline", "^\\S"}})}});
}

lang::Body limit(const std::shared_ptr<LogCollector>& out) {
  return body_of({{"forward_to", receivers(out)}},
                 {{"stage.limit", body_of({{"rate", 1.0}, {"burst", 2}})}});
}

struct Bench {
  FakeClock clock;
  ComponentBox box{"loki.process.x", clock};
  RunningComponent component{box, loki_process()};
  std::shared_ptr<LogCollector> out = std::make_shared<LogCollector>();

  // Pushes lines; `delivered` gets what becomes of them.
  Result<> push(const std::vector<std::string>& lines, std::optional<bool>& delivered,
                const std::stop_token& stop = {}) {
    model::EntryBatch batch(model::Receipt([&](bool good) { delivered = good; }));
    for (const std::string& line : lines)
      batch.entries.push_back({box.labels.intern({{"app", "x"}}), 0, batch.arena.store(line)});
    return box.receiver()->consume(std::move(batch), stop);
  }
  double metric(std::string_view name) const { return box.metric(name); }
};

}  // namespace

TEST_CASE("loki.process: a block in the making is not delivered until it went on") {
  Bench bench;
  REQUIRE(bench.component.configure(multiline(bench.out)) == "");
  bench.component.start();
  std::optional<bool> first;
  std::optional<bool> second;
  REQUIRE(bench.push({"a", " b"}, first));
  CHECK(!first);
  CHECK(bench.metric("loki_process_held_lines") == 2);
  REQUIRE(bench.push({" c", "d"}, second));
  CHECK(first == true);
  CHECK(!second);
  REQUIRE(bench.clock.advance_until([&] { return bench.out->seen().size() == 2; }));
  CHECK(bench.out->take_text(2) == std::vector<std::string>{"a\n b\n c", "d"});
  CHECK(second == true);
  CHECK(bench.metric("loki_process_received_lines_total") == 4);
  CHECK(bench.metric("loki_process_sent_lines_total") == 2);
  CHECK(bench.metric("loki_process_joined_lines_total") == 2);
  CHECK(bench.metric("loki_process_held_lines") == 0);
}

TEST_CASE("loki.process: at a stop a block goes on; without a taker its source reads it again") {
  Bench bench;
  REQUIRE(bench.component.configure(multiline(bench.out)) == "");
  const bool taken = GENERATE(true, false);
  if (!taken) bench.out->set_mode(LogCollector::Mode::kRefuse);
  std::optional<bool> delivered;
  bench.component.start();
  REQUIRE(bench.push({"a", " b"}, delivered));
  bench.component.shut_down();
  CHECK(delivered == taken);
  CHECK(bench.out->seen().size() == (taken ? 1 : 0));
  CHECK(bench.metric("loki_process_held_lines") == 0);
}

TEST_CASE("loki.process: a block of very long lines does not grow without end") {
  Bench bench;
  REQUIRE(bench.component.configure(multiline(bench.out)) == "");
  std::optional<bool> delivered;
  const std::string part = " " + std::string(600 * 1024, 'x');
  REQUIRE(bench.push({"a", part, part, " b"}, delivered));
  CHECK(bench.out->take_text(1).at(0).size() == 3 + 2 * part.size());
  CHECK(bench.metric("loki_process_multiline_early_blocks_total") == 1);
  CHECK(bench.metric("loki_process_held_lines") == 1);
  CHECK(!delivered);
}

TEST_CASE("loki.process: once it has ended nothing is kept back any more") {
  Bench bench;
  REQUIRE(bench.component.configure(multiline(bench.out)) == "");
  bench.component.start();
  bench.component.shut_down();
  std::optional<bool> delivered;
  REQUIRE(bench.push({"a", " b"}, delivered));
  CHECK(delivered == true);
  CHECK(bench.out->take_text(1) == std::vector<std::string>{"a\n b"});
}

TEST_CASE("loki.process: new arguments let a block go on to the new receivers") {
  Bench bench;
  REQUIRE(bench.component.configure(multiline(bench.out)) == "");
  bench.component.start();
  std::optional<bool> delivered;
  REQUIRE(bench.push({"a", " b"}, delivered));
  const auto next = std::make_shared<LogCollector>();
  REQUIRE(bench.component.configure(multiline(next)) == "");
  CHECK(next->take_text(1) == std::vector<std::string>{"a\n b"});
  CHECK(bench.out->seen().empty());
  bench.component.stop();
  CHECK(delivered == true);
}

TEST_CASE("loki.process: stage.limit lets its source wait") {
  Bench bench;
  REQUIRE(bench.component.configure(limit(bench.out)) == "");
  std::optional<bool> delivered;
  auto pushed = std::async(std::launch::async, [&] {
    return bench.push({"1", "2", "3", "4"}, delivered).has_value();
  });
  const auto asleep = [&] {
    while (bench.clock.sleepers() == 0) std::this_thread::yield();
  };
  CHECK(bench.out->take_text(2) == std::vector<std::string>{"1", "2"});
  asleep();
  bench.clock.advance(900ms);
  CHECK(bench.out->seen().empty());
  bench.clock.advance(200ms);
  CHECK(bench.out->take_text(1) == std::vector<std::string>{"3"});
  CHECK(!delivered);
  asleep();
  bench.clock.advance(1s);
  CHECK(bench.out->take_text(1) == std::vector<std::string>{"4"});
  CHECK(pushed.get());
  CHECK(delivered == true);
  CHECK(bench.metric("loki_process_sent_lines_total") == 4);
}

TEST_CASE("loki.process: a stop or new arguments end the wait of stage.limit") {
  Bench bench;
  REQUIRE(bench.component.configure(limit(bench.out)) == "");
  std::optional<bool> delivered;
  std::stop_source stop;
  std::vector<std::string> lines(1000, "line");
  auto pushed = std::async(std::launch::async, [&] {
    return bench.push(lines, delivered, stop.get_token()).has_value();
  });
  REQUIRE(bench.out->wait_for(2));
  SECTION("a stop") { stop.request_stop(); }
  SECTION("new arguments") { REQUIRE(bench.component.configure(limit(bench.out)) == ""); }
  CHECK(pushed.get());
  CHECK(bench.out->seen().size() == 1000);
  CHECK(delivered == true);
}

TEST_CASE("loki.process: what a stage has counted stays when the stage goes") {
  Bench bench;
  const auto drop = [&](const char* reason) {
    return body_of(
        {{"forward_to", receivers(bench.out)}},
        {{"stage.drop", body_of({{"expression", "a"}, {"drop_counter_reason", reason}})}});
  };
  const auto dropped = [&](const std::string& reason) {
    for (const auto& family : bench.box.metrics.collect())
      if (family.name == "loki_process_dropped_lines_total")
        for (const auto& point : family.points)
          for (const auto& label : point.labels)
            if (label == model::Label{"reason", reason}) return point.value;
    return -1.0;
  };
  REQUIRE(bench.component.configure(drop("first")) == "");
  bench.component.start();
  std::optional<bool> delivered;
  REQUIRE(bench.push({"a", "a"}, delivered));
  CHECK(dropped("first") == 2);
  REQUIRE(bench.component.configure(drop("second")) == "");
  REQUIRE(bench.push({"a"}, delivered));
  CHECK(dropped("first") == 2);
  CHECK(dropped("second") == 1);
  REQUIRE(bench.component.configure(body_of({{"forward_to", receivers(bench.out)}}, {})) == "");
  CHECK(dropped("first") == 2);
  REQUIRE(bench.component.configure(drop("first")) == "");
  REQUIRE(bench.push({"a"}, delivered));
  CHECK(dropped("first") == 3);
  CHECK(dropped("second") == 1);
}

TEST_CASE("loki.process: custom metrics start from zero when the arguments change") {
  Bench bench;
  const auto counting = [&](const char* max_idle) {
    return body_of(
        {{"forward_to", receivers(bench.out)}},
        {{"stage.metrics",
          body_of({}, {{"metric.counter", body_of({{"name", "lines_total"},
                                                   {"action", "inc"},
                                                   {"match_all", true},
                                                   {"max_idle_duration", max_idle}})}})}});
  };
  REQUIRE(bench.component.configure(counting("60s")) == "");
  std::optional<bool> delivered;
  REQUIRE(bench.push({"a", "b"}, delivered));
  CHECK(bench.metric("loki_process_custom_lines_total") == 2);
  REQUIRE(bench.component.configure(counting("61s")) == "");
  CHECK(bench.metric("loki_process_custom_lines_total") == 0);
  REQUIRE(bench.push({"a"}, delivered));
  CHECK(bench.metric("loki_process_custom_lines_total") == 1);
}

TEST_CASE("loki.process: who watches sees what each stage makes of an entry, inner ones too") {
  Bench bench;
  const auto stages = body_of(
      {{"forward_to", receivers(bench.out)}},
      {{"stage.regex", body_of({{"expression", "level=(?P<level>\\w+)"}})},
       {"stage.labels", body_of({{"values", lang::Value::Object{{"level", lang::Value("")}}}})},
       {"stage.match", body_of({{"selector", "{level=\"debug\"}"}},
                               {{"stage.drop", body_of({{"expression", "."},
                                                        {"drop_counter_reason", "noise"}})}})},
       {"stage.multiline", body_of({{"firstline", "^\\S"}})}});
  REQUIRE(bench.component.configure(stages) == "");
  std::optional<bool> delivered;
  REQUIRE(bench.push({"nobody looks level=info"}, delivered));
  const auto watch = bench.box.taps.watch("loki.process.x", {}, bench.clock);
  REQUIRE(bench.push({"a level=info", "b level=debug"}, delivered));
  std::vector<std::string> seen;
  for (const auto& one : watch->take().sightings) {
    std::string text = one.at + " " + std::to_string(one.entry) + " " + one.line;
    for (const auto& [name, value] : one.labels)
      if (name == "level") text += " {" + value + "}";
    for (const auto& [name, value] : one.extracted) text += " " + name + "=" + value;
    if (!one.dropped.empty()) text += " dropped: " + one.dropped;
    if (one.held) text += " held";
    seen.push_back(text);
  }
  // The line that the stage held before anybody looked leaves with the first of a new block.
  CHECK(seen == std::vector<std::string>{
                    "in 1 a level=info",
                    "in 2 b level=debug",
                    "1.regex 1 a level=info level=info",
                    "1.regex 2 b level=debug level=debug",
                    "2.labels 1 a level=info {info} level=info",
                    "2.labels 2 b level=debug {debug} level=debug",
                    "3.match/1.drop 2 b level=debug {debug} level=debug dropped: noise",
                    "3.match 1 a level=info {info} level=info",
                    "4.multiline 3 nobody looks level=info {info} level=info",
                    "4.multiline 1 a level=info {info} held",
                    "out 3 nobody looks level=info {info} level=info",
                });
}

}  // namespace agent::process
