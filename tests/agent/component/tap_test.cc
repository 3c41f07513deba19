#include "agent/component/tap.h"

#include <catch2/catch.hpp>
#include <thread>

#include "agent/component/receiver.h"
#include "tests/support/fake_clock.h"

namespace agent::component {
namespace {

struct Bench {
  FakeClock clock;
  model::Interner labels;
  Taps taps;
  std::shared_ptr<Tap> tap = taps.of("loki.process.x");

  model::EntryBatch batch(const std::vector<std::string>& lines) {
    model::EntryBatch out;
    for (const std::string& line : lines)
      out.entries.push_back({labels.intern({{"app", "shop"}}), 7, out.arena.store(line)});
    return out;
  }
  std::shared_ptr<Watch> watch(Watch::Options options) const {
    return taps.watch("loki.process.x", std::move(options), clock);
  }
};

std::vector<std::string> lines_of(const Watch::Seen& seen) {
  std::vector<std::string> out;
  for (const Sighting& sighting : seen.sightings) out.push_back(sighting.line);
  return out;
}

}  // namespace

TEST_CASE("tap: nobody looks until somebody does, and none when he left") {
  Bench bench;
  CHECK_FALSE(bench.tap->watched());
  auto watch = bench.watch({});
  CHECK(bench.tap->watched());
  CHECK(bench.taps.of("loki.process.x") == bench.tap);
  CHECK_FALSE(bench.taps.of("loki.process.y")->watched());
  watch.reset();
  CHECK_FALSE(bench.tap->watched());
}

TEST_CASE("tap: a watch of all sees components that come later, each under its id") {
  Bench bench;
  const auto all = bench.taps.watch("", {}, bench.clock);
  const auto later = bench.taps.of("loki.write.y");
  LogFanout fanout(later);
  REQUIRE(fanout.consume(bench.batch({"one"}), {}));
  const auto seen = all->take();
  REQUIRE(seen.sightings.size() == 1);
  CHECK(seen.sightings[0].component == "loki.write.y");
  CHECK(to_json(seen.sightings[0]) ==
        "{\"component\":\"loki.write.y\",\"at\":\"out\",\"time_ns\":\"7\",\"line\":\"one\","
        "\"labels\":{\"app\":\"shop\"}}");
}

TEST_CASE("tap: the ring drops its oldest and says how many") {
  Bench bench;
  Watch::Options options;
  options.per_second = 0;
  options.max_sightings = 2;
  const auto few = bench.watch(options);
  options.max_sightings = 1000;
  options.max_bytes = 4000;
  const auto small = bench.watch(options);
  bench.tap->show("out", bench.batch({"1", "2", "3", "4", "5"}));
  auto seen = few->take();
  CHECK(lines_of(seen) == std::vector<std::string>{"4", "5"});
  CHECK(seen.skipped == 3);
  CHECK(few->take().skipped == 0);
  bench.tap->show("out", bench.batch({std::string(3000, 'a'), std::string(3000, 'b')}));
  seen = small->take();
  CHECK(lines_of(seen) == std::vector<std::string>{std::string(3000, 'b')});
  CHECK(seen.skipped == 6);
  bench.tap->show("out", bench.batch({std::string(5000, 'c')}));
  seen = small->take();
  CHECK(seen.sightings.empty());
  CHECK(seen.skipped == 1);
}

TEST_CASE("tap: a watch takes so many a second, and looks at no more than a hundred times that") {
  Bench bench;
  Watch::Options options;
  options.per_second = 10;
  const auto watch = bench.watch(options);
  bench.tap->show("out", bench.batch(std::vector<std::string>(30, "x")));
  auto seen = watch->take();
  CHECK(seen.sightings.size() == 10);
  CHECK(seen.skipped == 20);
  bench.clock.advance(std::chrono::milliseconds(500));
  bench.tap->show("out", bench.batch(std::vector<std::string>(30, "x")));
  CHECK(watch->take().sightings.size() == 5);

  options.filter = "never";
  const auto filtering = bench.watch(options);
  bench.tap->show("out", bench.batch(std::vector<std::string>(1500, "x")));
  seen = filtering->take();
  CHECK(seen.sightings.empty());
  CHECK(seen.skipped == 500);
}

TEST_CASE("tap: a filter looks at lines and labels, and an entry once seen is followed") {
  Bench bench;
  Watch::Options options;
  options.filter = "order";
  const auto watch = bench.watch(options);
  const model::LabelSet none;
  const model::LabelSet named = bench.labels.intern({{"kind", "order"}});
  const auto show = [&](std::string_view at, std::uint32_t entry, std::string_view line,
                        const model::LabelSet& labels) {
    bench.tap->show({at, entry, line, labels}, [&] {
      Sighting sighting;
      sighting.line = line;
      return sighting;
    });
  };
  show("in", 1, "an order", none);
  show("in", 2, "something else", none);
  show("1.replace", 1, "hidden", none);
  show("1.replace", 2, "hidden, too", none);
  show("out", 0, "by its label", named);
  CHECK(lines_of(watch->take()) == std::vector<std::string>{"an order", "hidden", "by its label"});
}

TEST_CASE("tap: a watch of one point sees those inside of it, too") {
  Bench bench;
  Watch::Options options;
  options.at = "2.match";
  const auto watch = bench.watch(options);
  for (const char* at : {"in", "2.match", "2.match/1.drop", "2.matches", "out"})
    bench.tap->show(at, bench.batch({at}));
  CHECK(lines_of(watch->take()) == std::vector<std::string>{"2.match", "2.match/1.drop"});
}

TEST_CASE("tap: long lines are cut between characters, and what is no UTF-8 is replaced") {
  Bench bench;
  Watch::Options options;
  options.max_line = 4;
  const auto watch = bench.watch(options);
  bench.tap->show("out", bench.batch({"abc\xc3\xa4", "\xff"}));
  const auto seen = watch->take();
  REQUIRE(seen.sightings.size() == 2);
  CHECK(seen.sightings[0].line == "abc");
  CHECK(seen.sightings[0].cut);
  CHECK(to_json(seen.sightings[1]).find("\"line\":\"\xef\xbf\xbd\"") != std::string::npos);
}

TEST_CASE("tap: of samples their number, or each of them") {
  Bench bench;
  const auto number = bench.watch({});
  Watch::Options options;
  options.series = true;
  const auto each = bench.watch(options);
  model::SampleBatch batch;
  batch.samples.push_back({bench.labels.intern({{"__name__", "up"}}), 3, 1});
  batch.samples.push_back({bench.labels.intern({{"__name__", "down"}}), 3, 0});
  bench.tap->show("out", batch);
  auto seen = number->take();
  REQUIRE(seen.sightings.size() == 1);
  CHECK(to_json(seen.sightings[0]) ==
        "{\"component\":\"loki.process.x\",\"at\":\"out\",\"samples\":2}");
  seen = each->take();
  REQUIRE(seen.sightings.size() == 2);
  CHECK(to_json(seen.sightings[0]) ==
        "{\"component\":\"loki.process.x\",\"at\":\"out\",\"time_ns\":\"3000000\",\"value\":\"1\","
        "\"labels\":{\"__name__\":\"up\"}}");
}

TEST_CASE("tap: who watches comes and goes while entries flow") {
  Bench bench;
  std::jthread flow([&](const std::stop_token& stop) {
    while (!stop.stop_requested())
      if (bench.tap->watched()) bench.tap->show("out", bench.batch({"x"}));
  });
  for (int i = 0; i < 200; ++i) {
    Watch::Options options;
    options.per_second = 0;
    const auto watch = bench.watch(options);
    while (watch->take().sightings.empty()) std::this_thread::yield();
  }
  flow = {};
  CHECK_FALSE(bench.tap->watched());
}

TEST_CASE("tap: watches end when looking is not allowed any more") {
  Bench bench;
  const auto watch = bench.watch({});
  CHECK_FALSE(watch->ended());
  bench.taps.end();
  CHECK(watch->ended());
}

}  // namespace agent::component
