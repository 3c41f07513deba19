#include "agent/lang/evaluator.h"

#include <catch2/catch.hpp>
#include <map>

#include "agent/lang/parser.h"
#include "agent/lang/rendering.h"
#include "tests/support/fake_world.h"

namespace agent::lang {
namespace {

// Components by dotted name; the longest one that fits counts.
struct Components final : Resolver {
  std::map<std::string, Value> all;

  std::optional<Found> resolve(std::span<const std::string_view> names) const override {
    std::string name;
    std::optional<Found> found;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (i > 0) name += '.';
      name += names[i];
      const auto at = all.find(name);
      if (at != all.end()) found = Found{at->second, i + 1};
    }
    return found;
  }
  std::vector<std::string> known() const override {
    std::vector<std::string> out;
    for (const auto& [name, value] : all) out.push_back(name);
    return out;
  }
};

struct Language {
  FakeWorld world;
  Stdlib stdlib{world};
  Components components;

  Language() {
    const Capsule receiver{"LogsReceiver", std::make_shared<int>(1)};
    components.all["loki.write.default"] = Value(Value::Object{{"receiver", Value(receiver)}});
    components.all["local.file.key"] = Value(Value::Object{{"content", Value(Secret("s3cret"))}});
    components.all["discovery.docker.d"] = Value(Value::Object{
        {"targets", Value(Value::List{Value(Value::Object{{"__address__", "h:1"}})})}});
    components.all["later"] = Value(Placeholder{});
    components.all["typed"] =
        Value(Value::Object{{"receiver", Value(Placeholder{"LogsReceiver"})}});
    components.all["big"] = Value(std::uint64_t{3});
  }

  std::string operator()(std::string_view text) const {
    Diagnostics diagnostics;
    const ParsedExpr parsed = parse_expression(text, "x", diagnostics);
    if (diagnostics.has_errors()) return "parse error: " + diagnostics.all()[0].message;
    const Scope scope{stdlib, &components, ""};
    const auto value = evaluate(*parsed.expr, *parsed.source, scope, diagnostics);
    if (value.has_value() == diagnostics.has_errors()) return "value and diagnostics disagree";
    if (value) return value->text();
    std::string out;
    for (const Diagnostic& d : diagnostics.all()) {
      if (!out.empty()) out += " | ";
      out += std::to_string(d.span.begin.column) + "-" + std::to_string(d.span.end.column) + " " +
             d.message;
      if (!d.hint.empty()) out += " (" + d.hint + ")";
    }
    return out;
  }
};

using Table = std::vector<std::pair<const char*, const char*>>;

void check(const Table& table) {
  const Language language;
  for (const auto& [source, expected] : table) {
    INFO(source);
    CHECK(language(source) == expected);
  }
}

}  // namespace

TEST_CASE("evaluator: arithmetic") {
  check({
      {"1 + 2 * 3", "7"},
      {"(1 + 2) * 3", "9"},
      {"7 / 2", "3"},
      {"-7 / 2", "-3"},
      {"7 % 3", "1"},
      {"-7 % 3", "-1"},
      {"7.0 / 2", "3.5"},
      {"7.5 % 2", "1.5"},
      {"2 ^ 10", "1024"},
      {"-2 ^ 2", "4"},
      {"2 ^ 3 ^ 2", "512"},
      {"2 ^ -1", "0.5"},
      {"2 ^ 0.5 > 1.41", "true"},
      {"4 ^ 0.5", "2"},
      {"010 + 1", "9"},
      {"1 + 1.5", "2.5"},
      {"- 5", "-5"},
      {"--5", "5"},
      {"9223372036854775807 + 1", "-9223372036854775808"},
      {"-9223372036854775807 - 2", "9223372036854775807"},
      {"(-9223372036854775807 - 1) / -1", "-9223372036854775808"},
      {"(-9223372036854775807 - 1) % -1", "0"},
      {"18446744073709551615 - 0", "-1"},
      {"18446744073709551615 - 18446744073709551614", "1"},
      {"18446744073709551615 + 1.0", "1.8446744073709552e+19"},
      {"2 ^ 64", "0"},
  });
}

TEST_CASE("evaluator: a number family that mixes with a wider one becomes that") {
  // uint with uint stays uint, with int becomes int, anything with float becomes float.
  check({{"big + big", "6"},
         {"big - 4", "-1"},
         {"big / 2", "1"},
         {"-big", "-3"},
         {"big == 3", "true"},
         {"big < 3.5", "true"},
         {"string.format(\"%T %T %T\", big, big + 1, big + 1.0)", "\"uint int float64\""}});
}

TEST_CASE("evaluator: comparisons") {
  check({
      {"1 == 1.0", "true"},
      {"1 != 2", "true"},
      {"1 == \"1\"", "false"},
      {"null == null", "true"},
      {"null == false", "false"},
      {"[1, {a = 2}] == [1.0, {a = 2}]", "true"},
      {"{a = 1, b = 2} == {b = 2, a = 1}", "true"},
      {"{a = 1} == {a = 1, b = 2}", "false"},
      {"env == env", "false"},
      {"env != env", "true"},
      {"1 < 2", "true"},
      {"2 <= 2.0", "true"},
      {"\"a\" < \"b\"", "true"},
      {"\"b\" >= \"a\"", "true"},
      {"18446744073709551615 > -1", "true"},
      {"18446744073709551615 == -1", "false"},
      {"loki.write.default.receiver == loki.write.default.receiver", "true"},
  });
}

TEST_CASE("evaluator: logic has no short circuit") {
  check({
      {"true && false || true", "true"},
      {"!true", "false"},
      {"true || 1", "9-10 1 should be bool, got number"},
      {"false && \"x\"", "10-13 \"x\" should be bool, got string"},
      {"!1", "2-3 1 should be bool, got number"},
  });
}

TEST_CASE("evaluator: operands of the wrong kind") {
  check({
      {"1 + \"a\"", "5-8 \"a\" should be number, got string"},
      {"\"a\" + 1", "7-8 1 should be string, got number"},
      {"true + 1", "1-5 true should be number or string, got bool"},
      {"[1] + [2]", "1-4 [1] should be number or string, got list"},
      {"\"a\" - \"b\"", "1-4 \"a\" should be number, got string"},
      {"1 < \"a\"", "5-8 \"a\" should be number, got string"},
      {"true < false", "1-5 true should be number or string, got bool"},
      {"-\"a\"", "2-5 \"a\" should be number, got string"},
      {"1 / 0", "5-6 0 is zero: division by zero"},
      {"1 % 0", "5-6 0 is zero: division by zero"},
      {"1.5 / 0.0", "7-10 0.0 is zero: division by zero"},
      {"null + 1", "1-5 null should be number or string, got null"},
  });
}

TEST_CASE("evaluator: secrets stay secret") {
  check({
      {"local.file.key.content", "(secret)"},
      {"\"a\" + local.file.key.content", "(secret)"},
      {"local.file.key.content + local.file.key.content", "(secret)"},
      {"convert.nonsensitive(\"a\" + local.file.key.content)", "\"as3cret\""},
      {"nonsensitive(local.file.key.content)", "\"s3cret\""},
      {"convert.nonsensitive(\"plain\")", "\"plain\""},
      {"local.file.key.content == \"s3cret\"", "true"},
      {"local.file.key.content != \"other\"", "true"},
      {"coalesce(\"\", local.file.key.content)", "(secret)"},
      {"string.to_upper(local.file.key.content)",
       "1-40 string.to_upper: argument 1 should be string, got secret; convert.nonsensitive would "
       "show it"},
      {"string.format(\"%v\", [local.file.key.content])",
       "1-46 string.format: argument 2 should be string, got secret; convert.nonsensitive would "
       "show it"},
      {"encoding.to_json({a = local.file.key.content})",
       "1-47 encoding.to_json: a secret cannot be JSON"},
      {"local.file.key.content < \"a\"",
       "1-23 local.file.key.content should be number or string, got secret"},
  });
}

TEST_CASE("evaluator: access and index") {
  check({
      {"{a = 1}.a", "1"},
      {"{a = {b = [5, 6]}}.a.b[1]", "6"},
      {"{a = 1}[\"a\"]", "1"},
      {"{a = 1}[\"b\"]", "null"},
      {"[1, 2, 3][1]", "2"},
      {"[1, 2, 3][1.9]", "2"},
      {"{a = 1, a = 2}.a", "2"},
      {"{alpha = 1}.alpa",
       "13-17 field \"alpa\" does not exist in {alpha = 1} (did you mean \"alpha\"?)"},
      {"[1][1]", "5-6 index 1 is out of range of a list of 1"},
      {"[1][-1]", "5-7 index -1 is out of range of a list of 1"},
      {"[1][\"a\"]", "5-8 \"a\" should be number, got string"},
      {"{a = 1}[0]", "9-10 0 should be string, got number"},
      {"\"abc\"[0]", "1-6 \"abc\" should be list or object, got string"},
      {"\"abc\".x", "7-8 cannot access field \"x\" on a value of type string"},
      {"null.x", "6-7 cannot access field \"x\" on a value of type null"},
      {"[1][18446744073709551615]", "5-25 index -1 is out of range of a list of 1"},
  });
}

TEST_CASE("evaluator: names of components") {
  check({
      {"loki.write.default.receiver", "capsule(\"LogsReceiver\")"},
      {"[loki.write.default.receiver]", "[capsule(\"LogsReceiver\")]"},
      {"discovery.docker.d.targets[0].__address__", "\"h:1\""},
      {"discovery.docker.d.targets[0][\"__address__\"]", "\"h:1\""},
      {"(discovery.docker.d).targets[0]", "{\"__address__\" = \"h:1\"}"},
      {"loki.write.default.reciever",
       "20-28 field \"reciever\" does not exist in loki.write.default (did you mean "
       "\"receiver\"?)"},
      {"loki.write.defualt.receiver",
       "1-28 component \"loki.write.defualt.receiver\" does not exist or is out of scope (did you "
       "mean \"loki.write.default\"?)"},
      {"nothing.like.it", "1-16 component \"nothing.like.it\" does not exist or is out of scope"},
      {"coalese", "1-8 identifier \"coalese\" does not exist (did you mean \"coalesce\"?)"},
      {"True", "1-5 identifier \"True\" does not exist (did you mean \"true\"?)"},
      {"loki.write.default.receiver.x",
       "29-30 cannot access field \"x\" on a value of type capsule"},
  });
}

TEST_CASE("evaluator: a component shadows the standard library") {
  Language language;
  language.components.all["env"] = Value("mine");
  CHECK(language("env") == "\"mine\"");
}

TEST_CASE("evaluator: calls") {
  check({
      {"string.format(\"%s\", \"x\")", "\"x\""},
      {"string.join(string.split(\"a,b\", \",\"), \"-\")", "\"a-b\""},
      {"\"x\"()", "1-4 \"x\" should be function, got string"},
      {"string(\"x\")", "1-7 string should be function, got object"},
      {"env", "function(env)"},
  });
}

TEST_CASE("evaluator: whatever is done with a placeholder is unknown as well") {
  check({
      {"later", "unknown()"},
      {"later.a.b[0](1)", "unknown()"},
      {"later + 1", "unknown()"},
      {"!later", "unknown()"},
      {"-later", "unknown()"},
      {"later == 1", "unknown()"},
      {"later && true", "unknown()"},
      {"[1, 2][later]", "unknown()"},
      {"[later, 1]", "[unknown(), 1]"},
      {"{a = later}", "{\"a\" = unknown()}"},
      {"array.concat([1], later)", "unknown()"},
      {"string.join([later], \",\")", "unknown()"},
      {"typed.receiver", "unknown(LogsReceiver)"},
      {"typed.recever",
       "7-14 field \"recever\" does not exist in typed (did you mean \"receiver\"?)"},
  });
}

TEST_CASE("evaluator: what depends on another machine is unknown here") {
  FakeWorld elsewhere;
  elsewhere.is_known = false;
  const Stdlib stdlib(elsewhere);
  const Scope scope{stdlib, nullptr, ""};
  for (const char* text : {"sys.env(\"A\")", "env(\"A\")", "constants.hostname", "constants.arch",
                           "\"http://\" + coalesce(sys.env(\"A\"), \"x\")"}) {
    INFO(text);
    Diagnostics diagnostics;
    const ParsedExpr parsed = parse_expression(text, "x", diagnostics);
    const auto value = evaluate(*parsed.expr, *parsed.source, scope, diagnostics);
    REQUIRE(value.has_value());
    CHECK(value->is_placeholder());
  }
}

TEST_CASE("evaluator: one expression may have many errors") {
  check({{"[1 + \"a\", !2, nope]",
          "6-9 \"a\" should be number, got string | 12-13 2 should be bool, got number | "
          "15-19 identifier \"nope\" does not exist"}});
}

TEST_CASE("evaluator: a body keeps order, places and what could be evaluated") {
  Diagnostics diagnostics;
  const File file = parse(
      "a = 1 + 1\n"
      "b = 1 + \"x\"\n"
      "stage.docker { }\n"
      "stage.json \"l\" {\n"
      "  c = \"d\"\n"
      "}\n"
      "a = 3\n",
      "x.alloy", diagnostics);
  REQUIRE_FALSE(diagnostics.has_errors());
  const Language language;
  const Scope scope{language.stdlib, &language.components, ""};
  const Body body = evaluate(file.body, *file.source, scope, diagnostics);
  REQUIRE(body.attributes.size() == 2);
  CHECK(body.attributes[0].value == Value(2));
  CHECK(body.attributes[0].name_span.begin.text() == "x.alloy:1:1");
  CHECK(body.attributes[0].value_span.begin.text() == "x.alloy:1:5");
  CHECK(body.attributes[1].value.is_placeholder());
  REQUIRE(body.blocks.size() == 2);
  CHECK(body.blocks[0].name == "stage.docker");
  CHECK(body.blocks[1].label == "l");
  CHECK(body.blocks[1].span.begin.text() == "x.alloy:4:1");
  CHECK(body.blocks[1].body.find("c")->value == Value("d"));
  REQUIRE(diagnostics.all().size() == 2);
  CHECK(diagnostics.all()[0].message == "\"x\" should be number, got string");
  CHECK(diagnostics.all()[1].message == "attribute \"a\" may only be provided once");
  CHECK(diagnostics.all()[1].span.begin.line == 7);
}

TEST_CASE("evaluator: references with their places, as deep as they lie") {
  Diagnostics diagnostics;
  const File file = parse(
      "a = [x.y.z, f(b.c[d.e][\"k\"].g)]\n"
      "blk {\n"
      "  c = {k = -(loki.write.default.receiver) + 1}\n"
      "}\n",
      "x.alloy", diagnostics);
  REQUIRE_FALSE(diagnostics.has_errors());
  std::vector<std::string> found;
  for (const Reference& reference : references(file.body))
    found.push_back(file.source->position(reference.range.begin).text() + " " + reference.text());
  CHECK(found == std::vector<std::string>{"x.alloy:1:6 x.y.z", "x.alloy:1:13 f", "x.alloy:1:15 b.c",
                                          "x.alloy:1:19 d.e",
                                          "x.alloy:3:14 loki.write.default.receiver"});
}

TEST_CASE("evaluator: hostile texts do not take long") {
  // Each of these would take minutes if anything were quadratic.
  const auto repeated = [](std::string_view piece) {
    std::string out;
    while (out.size() < 1'000'000) out += piece;
    return out;
  };
  const Language language;
  const Scope scope{language.stdlib, &language.components, ""};
  for (const std::string& text :
       {"a = [" + repeated("nope, ") + "]", repeated("b { a = nope }\n"),
        repeated("b { a = coalese }\n"), "a = {" + repeated("k = 1, ") + "}",
        "a = {" + repeated("\"k\" = 1 + \"x\", ") + "}", repeated("b { a = later.x.y.z }\n"),
        "a = [" + repeated("x[0].a.a.a.a.a.a.a.a.a.a.a.a.a, ") + "]",
        "a = string.join([" + repeated("\"a\", ") + "], \",\")",
        "a = encoding.from_yaml(`" + repeated("a: &a [b]\n") + "`)",
        "a = encoding.from_yaml(`" + repeated("- {a: b, c: [d]}\n") + "`)",
        "a = encoding.from_json(`[" + repeated("{\"a\":1},") + "1]`)",
        "a = json_path(`[" + repeated("{\"a\":[1]},") + "1]`, \"$..[?(@.a)]..a\")",
        "a = string.format(\"" + repeated("%[1]d") + "\", 1)"}) {
    INFO(text.substr(0, 60));
    Diagnostics diagnostics;
    const File file = parse(text, "x", diagnostics);
    CHECK_FALSE(diagnostics.has_errors());
    const Body body = evaluate(file.body, *file.source, scope, diagnostics);
    CHECK(body.attributes.size() + body.blocks.size() > 0);
    CHECK(diagnostics.all().size() <= 1000);
    CHECK(render(diagnostics, file.source).size() < 1'000'000);
  }
}

TEST_CASE("evaluator: ten thousand lines") {
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    text += "loki.process \"p" + std::to_string(i) +
            "\" {\n  forward_to = [loki.write.default.receiver]\n  stage.match {\n"
            "    selector = \"{a=\\\"b\\\"}\" + string.format(\"%d\", 1 + 2)\n"
            "    stage.labels {\n      values = { a = \"b\", c = \"d\" }\n    }\n  }\n}\n\n";
  }
  Diagnostics diagnostics;
  const File file = parse(text, "x", diagnostics);
  const Language language;
  const Scope scope{language.stdlib, &language.components, ""};
  const Body body = evaluate(file.body, *file.source, scope, diagnostics);
  CHECK(diagnostics.empty());
  REQUIRE(body.blocks.size() == 1000);
  CHECK(body.blocks[999].body.blocks[0].body.find("selector")->value == Value("{a=\"b\"}3"));
  CHECK(references(file.body).size() == 2000);
}

}  // namespace agent::lang
