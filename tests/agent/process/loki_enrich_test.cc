#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/support/component_box.h"
#include "tests/support/log_collector.h"

namespace agent::process {

component::Declaration loki_enrich();

namespace {

lang::Value target(const std::vector<std::pair<std::string, std::string>>& labels) {
  lang::Value::Object object;
  for (const auto& [name, value] : labels) object.emplace_back(name, value);
  return object;
}

struct Bench {
  std::string configure(const lang::Value::List& targets,
                        std::vector<std::pair<std::string, lang::Value>> more = {}) {
    more.emplace_back("forward_to", receivers(out));
    more.emplace_back("targets", targets);
    more.emplace_back("target_match_label", "hostname");
    return component.configure(body_of(std::move(more)));
  }
  std::string labels_of(model::Labels labels) {
    model::EntryBatch batch;
    batch.entries.push_back({box.labels.intern(std::move(labels)), 0, batch.arena.store("line")});
    REQUIRE(box.receiver()->consume(std::move(batch), {}));
    return out->take(1).at(0).labels;
  }

  ComponentBox box{"loki.enrich.x"};
  RunningComponent component{box, loki_enrich()};
  std::shared_ptr<LogCollector> out = std::make_shared<LogCollector>();
};

}  // namespace

TEST_CASE("loki.enrich: entries get the labels of their target") {
  Bench bench;
  const lang::Value::List targets = {
      target({{"hostname", "puck"}, {"env", "prod"}, {"rack", "r1"}, {"empty", ""}}),
      target({{"hostname", "oberon"}, {"env", "lab"}}), target({{"env", "nameless"}})};
  REQUIRE(bench.configure(targets) == "");
  CHECK(bench.labels_of({{"hostname", "puck"}, {"env", "old"}}) ==
        R"({env="prod", hostname="puck", rack="r1"})");
  CHECK(bench.labels_of({{"hostname", "ariel"}}) == R"({hostname="ariel"})");
  CHECK(bench.labels_of({{"app", "x"}}) == R"({app="x"})");

  REQUIRE(bench.configure(targets, {{"logs_match_label", "host"},
                                    {"labels_to_copy", string_list({"rack", "nothing"})}}) == "");
  CHECK(bench.labels_of({{"host", "puck"}}) == R"({host="puck", rack="r1"})");
  CHECK(bench.labels_of({{"hostname", "puck"}}) == R"({hostname="puck"})");
}

TEST_CASE("loki.enrich: new targets take the place of the old ones") {
  Bench bench;
  REQUIRE(bench.configure({target({{"hostname", "puck"}, {"env", "prod"}})}) == "");
  CHECK(bench.labels_of({{"hostname", "puck"}}) == R"({env="prod", hostname="puck"})");
  REQUIRE(bench.configure({target({{"hostname", "puck"}, {"env", "a"}}),
                           target({{"hostname", "puck"}, {"env", "b"}})}) == "");
  CHECK(bench.labels_of({{"hostname", "puck"}}) == R"({env="b", hostname="puck"})");
}

TEST_CASE("loki.enrich: a batch passes as a whole, and undelivered when it is refused") {
  Bench bench;
  REQUIRE(bench.configure({}) == "");
  bench.out->set_mode(LogCollector::Mode::kRefuse);
  bool lost = false;
  model::EntryBatch batch(model::Receipt([&](bool good) { lost = !good; }));
  batch.entries.push_back({bench.box.labels.intern({{"a", "b"}}), 0, batch.arena.store("line")});
  CHECK_FALSE(bench.box.receiver()->consume(std::move(batch), {}));
  CHECK(lost);
}

}  // namespace agent::process
