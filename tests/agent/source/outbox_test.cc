#include "agent/source/outbox.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "tests/support/component_box.h"
#include "tests/support/log_collector.h"

namespace agent::source {
namespace {

using Mode = LogCollector::Mode;

// One life of an outbox in a box, whose folder stays.
struct Life {
  ComponentBox& box;
  std::shared_ptr<LogCollector> receiver = std::make_shared<LogCollector>();
  component::LogFanout fanout;
  component::Host host = box.host();
  std::shared_ptr<Outbox> outbox =
      Outbox::make(host, fanout, "box", host.metrics.counter("sent_total", "Sent."));
  std::jthread thread;

  explicit Life(ComponentBox& b, bool on_disk = true, std::uint64_t max_bytes = 64U << 20)
      : box(b) {
    fanout.set({receiver});
    outbox->configure({on_disk, {max_bytes, Duration::zero(), true}});
  }
  ~Life() {
    stop();
    outbox->close();
  }
  void start() {
    thread = std::jthread([this](const std::stop_token& stop) { outbox->run(stop); });
  }
  void stop() {
    thread.request_stop();
    if (thread.joinable()) thread.join();
  }
  model::EntryBatch batch(const std::string& line, std::size_t copies = 1) {
    model::EntryBatch out;
    for (std::size_t i = 0; i < copies; ++i) {
      model::Entry entry;
      entry.labels = box.labels.intern({{"job", "x"}});
      entry.time_ns = ++time;
      entry.line = out.arena.store(line);
      out.entries.push_back(std::move(entry));
    }
    return out;
  }
  Result<> accept(const std::string& line) { return outbox->accept(batch(line), false, {}); }
  // The disk has everything that waits.
  bool wait_on_disk(std::size_t entries) {
    return eventually([&] {
      return box.metric("box_queue_entries") == static_cast<double>(entries) &&
             box.metric("box_queue_bytes") > 0 && outbox->entries() == entries && all_saved();
    });
  }
  bool all_saved() {
    component::DebugWriter rows;
    outbox->debug_info(rows);
    for (const auto& [name, value] : rows.rows())
      if (name == "queue.bytes_in_memory") return value == "0";
    return false;
  }
  template <class Condition>
  static bool eventually(Condition condition) {
    SystemClock clock;
    for (int i = 0; i < 3000; ++i) {
      if (condition()) return true;
      clock.sleep_for(std::chrono::milliseconds(10), {});
    }
    return false;
  }
  std::int64_t time = 0;
};

std::vector<std::string> lines(const LogCollector& receiver) {
  std::vector<std::string> out;
  for (const auto& line : receiver.seen()) out.push_back(line.text);
  return out;
}

}  // namespace

TEST_CASE("outbox: what is delivered in time is never written") {
  ComponentBox box("loki.source.syslog.x");
  Life life(box);
  life.start();
  for (int i = 0; i < 50; ++i) REQUIRE(life.accept("line " + std::to_string(i)));
  REQUIRE(life.receiver->wait_for(50));
  life.stop();
  CHECK(box.metric("box_queue_bytes") == 0);
  CHECK(box.metric("box_queue_entries") == 0);
  CHECK(box.metric("sent_total") == 50);
}

TEST_CASE("outbox: what waits is on disk soon, and is passed on by the next life, once") {
  ComponentBox box("loki.source.syslog.x");
  {
    Life life(box);
    life.receiver->set_mode(Mode::kHold);
    life.start();
    bool safe = false;
    auto batch = life.batch("one");
    batch.add_receipt(model::Receipt([&](bool settled) { safe = settled; }));
    REQUIRE(life.outbox->accept(std::move(batch), false, {}));
    REQUIRE(life.accept("two"));
    REQUIRE(life.wait_on_disk(2));
    CHECK(Life::eventually([&] { return safe; }));
    life.receiver->settle_held();
    REQUIRE(life.accept("three"));
    REQUIRE(life.wait_on_disk(1));
    life.stop();
    life.outbox->flush();
    life.outbox->close();  // the held batch is lost with the process
  }
  Life life(box);
  life.start();
  REQUIRE(life.accept("four"));
  REQUIRE(life.receiver->wait_for(2));
  CHECK(Life::eventually([&] { return life.outbox->entries() == 0; }));
  const auto seen = lines(*life.receiver);
  CHECK(std::set<std::string>(seen.begin(), seen.end()) == std::set<std::string>{"three", "four"});
  CHECK(seen.size() == 2);
}

TEST_CASE("outbox: beyond its memory it goes on on disk, and keeps the order") {
  ComponentBox box("loki.source.syslog.x");
  Life life(box);
  life.start();
  life.receiver->set_mode(Mode::kRefuse);
  std::vector<std::string> all;
  std::stop_source never;
  const std::string filling(100'000, 'x');
  for (int i = 0; i < 300; ++i) {  // three times what memory takes
    all.push_back(filling + std::to_string(i));
    REQUIRE(life.outbox->accept(life.batch(all.back()), true, never.get_token()));
  }
  CHECK(life.outbox->entries() == 300);
  life.receiver->set_mode(Mode::kSettle);
  REQUIRE(life.receiver->wait_for(300));
  CHECK(lines(*life.receiver) == all);
  CHECK(Life::eventually([&] { return life.outbox->entries() == 0; }));
}

TEST_CASE("outbox: what comes back undelivered is passed on again") {
  ComponentBox box("loki.source.syslog.x");
  for (const bool on_disk : {true, false}) {
    Life life(box, on_disk);
    life.receiver->set_mode(Mode::kHold);
    life.start();
    REQUIRE(life.accept("one"));
    REQUIRE(life.accept("two"));
    REQUIRE(life.receiver->wait_for(2));
    if (on_disk) REQUIRE(life.wait_on_disk(2));
    life.receiver->clear();
    life.receiver->set_mode(Mode::kSettle);
    life.receiver->lose_held();
    REQUIRE(life.receiver->wait_for(2));
    const auto seen = lines(*life.receiver);
    CHECK(std::set<std::string>(seen.begin(), seen.end()) == std::set<std::string>{"one", "two"});
    CHECK(Life::eventually([&] { return life.outbox->entries() == 0; }));
  }
}

TEST_CASE("outbox: without a disk it keeps what memory takes, and then makes others wait") {
  ComponentBox box("loki.source.syslog.x");
  std::filesystem::create_directories(box.data_dir);
  std::ofstream(box.data_dir / "queue") << "a file in the folder's place";
  Life life(box);
  life.receiver->set_mode(Mode::kHold);
  life.start();
  const std::string filling(500'000, 'x');
  std::size_t taken = 0;
  Result<> last;
  while (taken < 100 && (last = life.accept(filling))) ++taken;
  REQUIRE_FALSE(last);
  CHECK(last.error().code == ErrorCode::kExhausted);
  CHECK(taken == 16);
  CHECK(Life::eventually([&] { return box.metric("box_queue_failures_total") > 0; }));
  CHECK(box.logged().find("the queue on disk cannot be written") != std::string::npos);
  // The disk comes back.
  std::filesystem::remove(box.data_dir / "queue");
  std::stop_source never;
  REQUIRE(life.outbox->accept(life.batch("after"), true, never.get_token()));
  life.receiver->set_mode(Mode::kSettle);
  life.receiver->settle_held();
  REQUIRE(life.receiver->wait_for(taken + 1));
  CHECK(life.receiver->seen().back().text == "after");
}

TEST_CASE("outbox: a stop ends a wait for room") {
  ComponentBox box("loki.source.syslog.x");
  Life life(box, false);
  life.receiver->set_mode(Mode::kHold);
  life.start();
  const std::string filling(1'000'000, 'x');
  while (life.accept(filling)) {
  }
  std::stop_source stop;
  Result<> waited;
  std::jthread waiting(
      [&] { waited = life.outbox->accept(life.batch(filling), true, stop.get_token()); });
  stop.request_stop();
  waiting.join();
  REQUIRE_FALSE(waited);
  CHECK(waited.error().code == ErrorCode::kCancelled);
}

TEST_CASE("outbox: the budget drops the oldest and counts it") {
  ComponentBox box("loki.source.syslog.x");
  Life life(box, true, 1U << 20);
  life.receiver->set_mode(Mode::kRefuse);
  life.start();
  std::minstd_rand random(1);
  for (int i = 0; i < 200; ++i) {
    std::string line(100'000, ' ');  // that does not pack
    for (char& c : line) c = static_cast<char>(random());
    std::stop_source never;
    REQUIRE(life.outbox->accept(life.batch(line), true, never.get_token()));
  }
  CHECK(Life::eventually([&] { return box.metric("box_queue_dropped_entries_total") > 50; }));
  life.receiver->set_mode(Mode::kSettle);
  CHECK(Life::eventually([&] { return life.outbox->entries() == 0; }));
  CHECK(Life::eventually([&] {
    return static_cast<double>(life.receiver->seen().size()) +
               box.metric("box_queue_dropped_entries_total") >=
           200;
  }));
}

TEST_CASE("outbox: a large batch is divided, and its owner hears when all of it is safe") {
  ComponentBox box("loki.source.syslog.x");
  Life life(box, false);
  life.receiver->set_mode(Mode::kHold);
  life.start();
  bool safe = false;
  auto batch = life.batch(std::string(1000, 'x'), 5000);
  batch.add_receipt(model::Receipt([&](bool settled) { safe = settled; }));
  REQUIRE(life.outbox->accept(std::move(batch), false, {}));
  REQUIRE(life.receiver->wait_for(5000));
  CHECK(life.receiver->calls() == 5);
  CHECK_FALSE(safe);
  life.receiver->settle_held();
  CHECK(safe);
}

TEST_CASE("outbox: what lies on disk is passed on also when nothing new goes there") {
  ComponentBox box("loki.source.syslog.x");
  {
    Life life(box);
    life.receiver->set_mode(Mode::kRefuse);
    life.start();
    REQUIRE(life.accept("old"));
  }
  Life life(box, false);
  life.start();
  REQUIRE(life.receiver->wait_for(1));
  CHECK(lines(*life.receiver) == std::vector<std::string>{"old"});
}

}  // namespace agent::source
