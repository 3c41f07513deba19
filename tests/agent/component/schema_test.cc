#include "agent/component/schema.h"

#include <catch2/catch.hpp>

#include "agent/component/component.h"

namespace agent::component {
namespace {

struct InnerArgs {
  std::string address;
  std::int64_t limit = 8192;
  static Schema<InnerArgs> schema() {
    return Schema<InnerArgs>()
        .required("address", &InnerArgs::address, "Where.")
        .optional("limit", &InnerArgs::limit, "How much.");
  }
};

struct OuterArgs {
  std::vector<std::shared_ptr<LogReceiver>> forward_to;
  Duration wait = std::chrono::seconds(5);
  StringMap labels;
  std::vector<InnerArgs> listeners;
  std::optional<InnerArgs> single;
  static Schema<OuterArgs> schema() {
    return Schema<OuterArgs>()
        .required("forward_to", &OuterArgs::forward_to, "To.")
        .optional("wait", &OuterArgs::wait, "Time.")
        .optional("labels", &OuterArgs::labels, "Labels.")
        .block("listener", &OuterArgs::listeners, "Listeners.")
        .block("single", &OuterArgs::single, "One.");
  }
};

lang::Attribute attribute(std::string name, lang::Value value) {
  return {std::move(name), std::move(value), {}, {}};
}

std::vector<std::string> messages(const lang::Diagnostics& diagnostics) {
  std::vector<std::string> out;
  for (const auto& d : diagnostics.all())
    out.push_back(d.message + (d.hint.empty() ? "" : " | " + d.hint));
  return out;
}

}  // namespace

TEST_CASE("schema: values decode with the language's conversions and keep defaults") {
  lang::Body inner;
  inner.attributes = {attribute("address", 514)};
  lang::Body body;
  body.attributes = {attribute("forward_to", lang::Value::List{}), attribute("wait", "250ms"),
                     attribute("labels", lang::Value::Object{{"a", 1}})};
  body.blocks = {{"listener", "", inner, {}}, {"listener", "", inner, {}}};
  OuterArgs args;
  lang::Diagnostics diagnostics;
  decode(body, args, diagnostics);
  CHECK(messages(diagnostics).empty());
  CHECK(args.wait == std::chrono::milliseconds(250));
  CHECK(args.labels == StringMap{{"a", "1"}});
  REQUIRE(args.listeners.size() == 2);
  CHECK(args.listeners[0].address == "514");
  CHECK(args.listeners[0].limit == 8192);
  CHECK_FALSE(args.single.has_value());
}

TEST_CASE("schema: every error of a body is reported, with a suggestion") {
  lang::Body body;
  body.attributes = {attribute("forwrd_to", lang::Value::List{}), attribute("wait", true),
                     attribute("listener", 1)};
  body.blocks = {{"single", "", {}, {}}, {"single", "", {}, {}}};
  OuterArgs args;
  lang::Diagnostics diagnostics;
  decode(body, args, diagnostics);
  CHECK(
      messages(diagnostics) ==
      std::vector<std::string>{
          R"(unrecognized attribute name "forwrd_to" | did you mean "forward_to"?)",
          R"(unrecognized attribute name "listener" | "listener" is a block: write listener { ... })",
          R"(block "single" may only be specified once)",
          R"(missing required attribute "forward_to")", "expected duration, got bool true",
          R"(missing required attribute "address")", R"(missing required attribute "address")"});
}

TEST_CASE("schema: placeholders are checked by type") {
  lang::Body body;
  body.attributes = {
      attribute("forward_to", lang::Value::List{lang::Value(lang::Placeholder{"LogsReceiver"})})};
  OuterArgs args;
  lang::Diagnostics diagnostics;
  decode(body, args, diagnostics);
  CHECK(messages(diagnostics).empty());
  body.attributes = {
      attribute("forward_to", lang::Value::List{lang::Value(lang::Placeholder{"RelabelRules"})})};
  decode(body, args, diagnostics);
  CHECK(messages(diagnostics) ==
        std::vector<std::string>{"expected LogsReceiver, got RelabelRules"});
}

TEST_CASE("schema: the tables know types and defaults") {
  const auto info = OuterArgs::schema().info();
  REQUIRE(info.size() == 5);
  CHECK(info[0].type == "list(LogsReceiver)");
  CHECK(info[0].required);
  CHECK(info[1].default_value == "\"5s\"");
  CHECK(info[3].repeated);
  CHECK(info[3].fields.at(1).default_value == "8192");
}

TEST_CASE("metrics: series live as long as their handles and carry the common labels") {
  Metrics metrics;
  const Metrics own = metrics.with({{"component_id", "x"}});
  Counter counter = own.counter("a_total", "Help.", {{"k", "v"}});
  counter->increment();
  own.counter("a_total", "Help.", {{"k", "v"}})->add(2);
  auto families = metrics.collect();
  REQUIRE(families.size() == 1);
  CHECK(families[0].points.at(0).value == 3);
  CHECK(families[0].points[0].labels == model::Labels{{"component_id", "x"}, {"k", "v"}});
  counter.reset();
  CHECK(metrics.collect().empty());
}

}  // namespace agent::component
