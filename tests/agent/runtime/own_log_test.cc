#include "agent/runtime/own_log.h"

#include <catch2/catch.hpp>

#include "tests/support/log_collector.h"

namespace agent::runtime {
namespace {

struct Bench {
  SystemClock clock;
  model::Interner labels;
  component::Metrics metrics;
  Mutex mutex;
  std::string screen GUARDED_BY(mutex);
  OwnLog own{clock, labels, metrics, [this](std::string_view line) {
               MutexLock lock(mutex);
               screen += line;
             }};
  Log log{clock, own.sink()};
  std::shared_ptr<LogCollector> out = std::make_shared<LogCollector>();

  double metric(std::string_view name) const {
    double sum = 0;
    for (const auto& family : metrics.collect())
      if (family.name == name)
        for (const auto& point : family.points) sum += point.value;
    return sum;
  }
  bool reaches(std::string_view name, double value) {
    for (int i = 0; i < 6000 && metric(name) < value; ++i)
      clock.sleep_for(std::chrono::milliseconds(10), {});
    return metric(name) == value;
  }
};

// Does not return before the stop.
class Stuck final : public component::LogReceiver {
 public:
  Result<> consume(model::EntryBatch, std::stop_token stop) override {
    SystemClock clock;
    while (clock.sleep_for(std::chrono::minutes(1), stop)) {
    }
    return fail(ErrorCode::kCancelled, "stopped");
  }
};

// Logs about what it gets.
class Talkative final : public component::LogReceiver {
 public:
  explicit Talkative(Log log) : log_(std::move(log)) {}
  Result<> consume(model::EntryBatch batch, std::stop_token) override {
    log_.info("got lines");
    batch.settle();
    return {};
  }

 private:
  Log log_;
};

}  // namespace

TEST_CASE("own log: lines go to the screen and to the receivers, as long as there are any") {
  Bench bench;
  bench.log.info("before");
  bench.own.send_to({bench.out});
  bench.log.with("component_id", "a.b").warn("trouble", {{"count", 3}});
  REQUIRE(bench.out->wait_for(1));
  const auto seen = bench.out->seen();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].labels == "{component=\"alloy\"}");
  CHECK(seen[0].time_ns > 0);
  CHECK(seen[0].text.ends_with(" level=warn component_id=a.b msg=trouble count=3"));
  bench.own.send_to({});
  bench.log.info("after");
  bench.own.send_to({bench.out});
  bench.log.set_json(true);
  bench.log.info("again");
  REQUIRE(bench.out->wait_for(2));
  CHECK(bench.out->seen()[1].text.ends_with("\"level\":\"info\",\"msg\":\"again\"}"));
  MutexLock lock(bench.mutex);
  for (const char* word : {"before", "trouble", "after", "again"})
    CHECK(bench.screen.find(word) != std::string::npos);
}

TEST_CASE("own log: nothing waits for a receiver that takes nothing, and what is lost is counted") {
  Bench bench;
  bench.own.send_to({std::make_shared<Stuck>()});
  const std::string kib(1024, 'x');
  for (std::size_t i = 0; i < 3 * OwnLog::kMostLines; ++i) bench.log.info("m", {{"text", kib}});
  CHECK(bench.metric("logging_dropped_lines_total") >= OwnLog::kMostLines);
  bench.own.stop();
  bench.log.info("goes on");
  MutexLock lock(bench.mutex);
  CHECK(bench.screen.find("goes on") != std::string::npos);
}

TEST_CASE("own log: a receiver that logs about the log's lines makes no loop") {
  Bench bench;
  bench.own.send_to({std::make_shared<Talkative>(bench.log), bench.out});
  bench.log.info("one");
  REQUIRE(bench.reaches("logging_sent_lines_total", 1));
  bench.log.info("two");
  REQUIRE(bench.reaches("logging_sent_lines_total", 2));
  CHECK(bench.out->seen().size() == 2);
}

}  // namespace agent::runtime
