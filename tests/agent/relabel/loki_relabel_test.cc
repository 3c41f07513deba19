#include <catch2/catch.hpp>

#include "agent/component/relabel_args.h"
#include "tests/support/component_box.h"
#include "tests/support/log_collector.h"

namespace agent::relabel {

component::Declaration loki_relabel();

namespace {

using component::LogReceiver;

lang::Body rule(std::vector<std::pair<std::string, lang::Value>> attributes) {
  return body_of(std::move(attributes));
}

model::EntryBatch batch_of(ComponentBox& box, const std::vector<model::Labels>& labels,
                           model::Receipt receipt = {}) {
  model::EntryBatch batch(std::move(receipt));
  for (std::size_t i = 0; i < labels.size(); ++i)
    batch.entries.push_back({box.labels.intern(labels[i]),
                             static_cast<std::int64_t>(i),
                             batch.arena.store("line"),
                             {}});
  return batch;
}

}  // namespace

TEST_CASE(
    "loki.relabel: entries are relabelled, dropped by rule and dropped without labels, and "
    "counted") {
  ComponentBox box("loki.relabel.x");
  RunningComponent component(box, loki_relabel());
  const auto out = std::make_shared<LogCollector>();
  REQUIRE(
      component.configure(body_of({{"forward_to", receivers(out)}},
                                  {{"rule", rule({{"source_labels", lang::Value::List{"level"}},
                                                  {"regex", "debug"},
                                                  {"action", "drop"}})},
                                   {"rule", rule({{"regex", "secret"}, {"action", "labeldrop"}})},
                                   {"rule", rule({{"source_labels", lang::Value::List{"a"}},
                                                  {"regex", "(.+)"},
                                                  {"target_label", "b"}})}})) == "");
  const auto receiver = box.receiver();
  int settled = 0;
  const auto receipt = [&] { return model::Receipt([&](bool ok) { settled += ok ? 1 : 100; }); };
  REQUIRE(receiver->consume(
      batch_of(box, {{{"a", "1"}}, {{"level", "debug"}}, {{"secret", "x"}}, {{"a", "1"}}},
               receipt()),
      {}));
  CHECK(out->seen() == std::vector<LogCollector::Line>{{R"({a="1", b="1"})", 0, "line"},
                                                       {R"({a="1", b="1"})", 3, "line"}});
  CHECK(settled == 1);
  REQUIRE(receiver->consume(batch_of(box, {{{"level", "debug"}}}, receipt()), {}));
  CHECK(settled == 2);
  CHECK(box.metric("loki_relabel_entries_processed") == 5);
  CHECK(box.metric("loki_relabel_entries_written") == 2);
  CHECK(box.metric("loki_relabel_entries_dropped_total", {{"reason", "rule"}}) == 2);
  CHECK(box.metric("loki_relabel_entries_dropped_total", {{"reason", "no_labels"}}) == 1);
  CHECK(box.metric("loki_relabel_cache_misses") == 3);
  CHECK(box.metric("loki_relabel_cache_hits") == 2);
  CHECK(box.metric("loki_relabel_cache_size") == 3);
}

TEST_CASE("loki.relabel: a batch that the receiver refuses is not settled") {
  ComponentBox box("loki.relabel.x");
  RunningComponent component(box, loki_relabel());
  const auto out = std::make_shared<LogCollector>();
  REQUIRE(component.configure(body_of({{"forward_to", receivers(out)}})) == "");
  out->set_mode(LogCollector::Mode::kRefuse);
  bool lost = false;
  const auto passed = box.receiver()->consume(
      batch_of(box, {{{"a", "1"}}}, model::Receipt([&](bool ok) { lost = !ok; })), {});
  CHECK_FALSE(passed);
  CHECK(lost);
  CHECK(box.metric("loki_relabel_entries_processed") == 0);
}

TEST_CASE("loki.relabel: rules are exported, and change for dependants only when they change") {
  ComponentBox box("loki.relabel.x");
  RunningComponent component(box, loki_relabel());
  const lang::Body one = body_of({{"forward_to", lang::Value::List{}}},
                                 {{"rule", rule({{"target_label", "a"}, {"replacement", "x"}})}});
  REQUIRE(component.configure(one) == "");
  const lang::Value first = box.exported("rules");
  REQUIRE(first.kind() == lang::Value::Kind::kCapsule);
  REQUIRE(component.configure(one) == "");
  CHECK(box.exported("rules") == first);
  REQUIRE(component.configure(body_of({{"forward_to", lang::Value::List{}}})) == "");
  CHECK_FALSE(box.exported("rules") == first);
}

TEST_CASE("loki.relabel: a cache without room is refused") {
  ComponentBox box("loki.relabel.x");
  RunningComponent component(box, loki_relabel());
  CHECK(
      component.configure(body_of({{"forward_to", lang::Value::List{}}, {"max_cache_size", 0}})) ==
      "max_cache_size must be greater than 0");
}

TEST_CASE("loki.relabel: who watches sees what each rule makes of the labels") {
  ComponentBox box("loki.relabel.x");
  RunningComponent component(box, loki_relabel());
  const auto out = std::make_shared<LogCollector>();
  REQUIRE(component.configure(body_of(
              {{"forward_to", receivers(out)}},
              {{"rule", rule({{"source_labels", lang::Value::List{"a"}}, {"target_label", "b"}})},
               {"rule", rule({{"source_labels", lang::Value::List{"b"}},
                              {"regex", "2"},
                              {"action", "drop"}})}})) == "");
  SystemClock clock;
  const auto watch = box.taps.watch("loki.relabel.x", {}, clock);
  REQUIRE(box.receiver()->consume(batch_of(box, {{{"a", "1"}}, {{"a", "2"}}}), {}));
  std::vector<std::string> seen;
  for (const auto& one : watch->take().sightings) {
    std::string text = one.at;
    for (const auto& [name, value] : one.labels) text += " " + name + "=" + value;
    seen.push_back(one.dropped.empty() ? text : text + " dropped");
  }
  CHECK(seen == std::vector<std::string>{"in a=1", "rule.1 a=1 b=1", "rule.2 a=1 b=1", "in a=2",
                                         "rule.1 a=2 b=2", "rule.2 a=2 b=2 dropped",
                                         "out a=1 b=1"});
}

}  // namespace agent::relabel
