#include "agent/wire/go_template.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>

#include "agent/base/strings.h"
#include "agent/wire/go_functions.h"
#include "agent/wire/json.h"
#include "tests/support/fake_clock.h"

namespace agent::wire {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The members of a JSON object; a number without a point is an int.
class JsonData final : public GoData {
 public:
  JsonData() = default;
  explicit JsonData(const std::string& text) : root_(document_.parse(text)) {}

  GoValue find(std::string_view key, GoScratch& scratch) override {
    if (!root_) return {};
    if (const auto known = values_.find(key); known != values_.end()) return known->second;
    const auto member = root_->find(key);
    if (!member) return {};
    return values_[std::string(key)] = value(*member, scratch);
  }
  void all(std::vector<Pair>& out, GoScratch& scratch) override {
    if (!root_) return;
    for (const auto& [key, member] : root_->members()) out.emplace_back(key, find(key, scratch));
  }

 private:
  static GoValue value(const JsonNode& node, GoScratch& scratch) {
    switch (node.kind()) {
      case JsonNode::Kind::kNull:
        return {};
      case JsonNode::Kind::kBool:
        return GoValue(node.boolean());
      case JsonNode::Kind::kInt:
        return GoValue(node.integer());
      case JsonNode::Kind::kUint:
      case JsonNode::Kind::kDouble:
        return GoValue(node.number());
      case JsonNode::Kind::kString:
        return GoValue(node.string());
      case JsonNode::Kind::kArray: {
        const auto elements = node.elements();
        GoValue* const items = scratch.array<GoValue>(elements.size());
        for (std::size_t i = 0; i < elements.size(); ++i) items[i] = value(elements[i], scratch);
        return {scratch.make(GoList{items, elements.size()}), GoType::kList};
      }
      case JsonNode::Kind::kObject: {
        GoMap* const map = scratch.make(GoMap());
        for (const auto& [key, member] : node.members())
          map->set(key, value(member, scratch), scratch);
        return GoValue(map);
      }
    }
    return {};
  }

  JsonDocument document_;
  std::optional<JsonNode> root_;
  std::map<std::string, GoValue, std::less<>> values_;  // one and the same each time
};

struct Box {
  FakeClock clock;
  GoExecutor executor{clock, find_time_zone("UTC").value()};

  // The output, or "parse: why", or "execute: why".
  std::string run(std::string_view text, const std::string& data = "{}",
                  GoTemplate::Options options = {}) {
    const auto program = GoTemplate::parse(text, options);
    if (!program) return "parse: " + program.error().message;
    JsonData root(data);
    const auto out = executor.execute(*program, root);
    return out ? std::string(*out) : "execute: " + out.error().message;
  }
};

// Where this engine differs from what was recorded with Go 1.19 and sprig 3.2.3, and why.
const std::map<std::string, std::string>& differences() {
  static const std::map<std::string, std::string> all = {
      {"{{ 9223372036854775808 }}", "what no int holds is found when the template is read"},
      {"{{ 18446744073709551615 }}", "the same"},
      {"{{ call .level }}", "there are no function values, so that call is refused at once"},
      {"{{ call }}", "the same"},
      {"{{ initials \"ÄÖü straße\" }}", "goutils takes bytes for letters, and breaks UTF-8"},
      {"{{ initials \"éclair au-lait\" }}", "the same"},
      {"{{ nospace \"ÄÖü straße\" }}", "the same"},
      {"{{ nospace \"éclair au-lait\" }}", "the same"},
  };
  return all;
}

}  // namespace

// tests/fixtures/go_templates/record.go made the golden file with the real engine.
TEST_CASE("go template: does as Go does, template by template") {
  JsonDocument document;
  const std::string text = read_file(SOURCE_DIR "/tests/golden/go_templates.json");
  const auto cases = document.parse(text);
  REQUIRE(cases);
  Box box;
  std::size_t checked = 0;
  std::size_t wrong = 0;
  for (const JsonNode& one : cases->elements()) {
    const std::string input(one.find("template")->string());
    const auto data = one.find("data");
    const auto output = one.find("output");
    std::string got = box.run(input, data ? data->text() : "{}");
    std::string expected;
    if (output) {
      expected = std::string(output->string());
      got = to_valid_utf8(got);
    } else {
      expected = std::string(one.find("error")->string());
      got = got.substr(0, got.find(':'));
    }
    ++checked;
    const auto known = differences().find(input);
    if (known != differences().end()) {
      if (got == expected) FAIL_CHECK(input << " is no difference any more");
      continue;
    }
    if (got != expected && ++wrong <= 400)
      FAIL_CHECK(input << "\n  expected: " << json_string(expected)
                       << "\n  got:      " << json_string(got) << "\n  "
                       << (output ? "" : std::string(one.find("message")->string())));
  }
  CHECK(checked > 4000);
  CHECK(wrong == 0);
}

TEST_CASE("go template: what Go has learned since") {
  Box box;
  CHECK(box.run("{{ range 3 }}{{ . }}{{ end }}") == "012");
  CHECK(box.run("{{ range $i := 2 }}{{ $i }}{{ end }}") == "01");
  CHECK(box.run("{{ range 0 }}x{{ else }}none{{ end }}") == "none");
  CHECK(box.run("{{ with .a }}a{{ else with .b }}{{ . }}{{ else }}none{{ end }}",
                R"({"b": "b"})") == "b");
  CHECK(box.run("{{ with .a }}a{{ else with .b }}b{{ else }}none{{ end }}") == "none");
  CHECK(box.run("{{ if 1 }}{{ else with 1 }}{{ end }}") ==
        "parse: line 1, column 19: unexpected {{else with}} in if");
  CHECK(box.run(R"({{ toJson "\b\f" }})") == R"("\b\f")");
  CHECK(box.run(R"({{ sha512sum "" | trunc 16 }})") == "cf83e1357eefb8bd");
}

TEST_CASE("go template: an error says where, and in which function") {
  Box box;
  CHECK(box.run("a\n  {{ foo }}") == "parse: line 2, column 6: there is no function \"foo\"");
  CHECK(box.run("{{ env \"HOME\" }}") ==
        "parse: line 1, column 4: the function \"env\" is not supported: a line must not depend on "
        "the agent's environment; sys.env() of the configuration reads it once");
  CHECK(box.run("{{ if .a }}x") == "parse: line 1, column 13: the template ends before {{end}}");
  CHECK(box.run("é {{ .a") == "parse: line 1, column 3: the action does not end: }} is missing");
  CHECK(box.run("{{ $x }}") == "parse: line 1, column 4: undefined variable $x");
  CHECK(box.run("x {{ .a | ToLower }}") ==
        "execute: line 1, column 11: expected string, got no value");
  CHECK(box.run("{{ upper 5 }}") == "execute: line 1, column 10: expected string, got a number");
  CHECK(box.run("{{ substr 5 2 \"a\" }}") ==
        "execute: line 1, column 4: substr: the range lies outside of the text");
  CHECK(box.run("{{ upper }}") == "execute: line 1, column 4: upper takes 1 argument, got 0");
}

TEST_CASE("go template: every execution ends, whatever it asks for") {
  Box box;
  const auto bounded = [&](std::string_view text) {
    const auto program = GoTemplate::parse(text);
    REQUIRE(program);
    JsonData data;
    const auto out = box.executor.execute(*program, data);
    INFO(text);
    REQUIRE_FALSE(out);
    CHECK(out.error().code == ErrorCode::kExhausted);
  };
  bounded("{{ repeat 1000000000 \"x\" }}");
  bounded("{{ range until 100000000 }}{{ end }}");
  bounded("{{ range 9223372036854775807 }}{{ end }}");
  bounded("{{ seq 1 1 9223372036854775806 }}");
  bounded("{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}");
  bounded("{{ $x := \"x\" }}{{ range 64 }}{{ $x = print $x $x }}{{ end }}");
  bounded("{{ $x := list 1 }}{{ range 64 }}{{ $x = list $x $x }}{{ end }}{{ print $x }}");
  bounded("{{ $x := list 1 }}{{ range 64 }}{{ $x = concat $x $x }}{{ end }}");
  bounded("{{ $d := dict }}{{ $_ := set $d \"a\" $d }}{{ $d }}");
  bounded("{{ range 1000 }}{{ repeat 10000 \"x\" }}{{ end }}");
  bounded("{{ printf \"%1000000d%1000000d%1000000d%1000000d%1000000d\" 1 2 3 4 5 }}");
  bounded("{{ indent 3000 (repeat 3000 \"\\n\") }}");
  bounded("{{ replace \"\" (repeat 3000 \"x\") (repeat 3000 \"y\") }}");
  bounded("{{ $l := until 3000 }}{{ range $l }}{{ $_ := uniq $l }}{{ end }}");
  bounded(
      "{{ range until 400 }}{{ regexMatch (printf \"%d\" .) \"x\" }}{{ range until 3000 }}{{ end "
      "}}{{ end }}");
  bounded("{{ $x := repeat 400000 \"a\" }}{{ trimAll (print (repeat 400000 \"b\") \"a\") $x }}");
  bounded(
      "{{ $x := repeat 2000000 \"a\" }}{{ range 100 }}{{ contains (print $x \"b\") $x }}{{ end }}");
  bounded(
      "{{ $x := repeat 2000000 \"a\" }}{{ $l := list $x $x }}{{ range 10 }}{{ $l = concat $l $l "
      "}}{{ end }}{{ sortAlpha $l }}");
  // Deep through all of its templates, which would be too much for a thread's stack.
  std::string ifs;
  std::string ends;
  for (int i = 0; i < 80; ++i) {
    ifs += "{{ if (((((((((1))))))))) }}";
    ends += "{{ end }}";
  }
  bounded("{{ define \"d\" }}" + ifs + "{{ template \"d\" }}" + ends +
          "{{ end }}{{ template \"d\" }}");
  // Nothing of that stays: the next one runs as ever.
  CHECK(box.run("{{ upper \"fine\" }}") == "FINE");
  CHECK(box.run("{{ $d := dict }}{{ $_ := set $d \"a\" $d }}{{ toJson $d }}|") == "|");
  CHECK(box.run("{{ randAlpha 5000 }}") ==
        "execute: line 1, column 4: randAlpha: more than 4096 random characters");
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += "(";
  CHECK(box.run("{{ " + deep + "1").starts_with("parse: "));
  std::string blocks;
  for (int i = 0; i < 200; ++i) blocks += "{{ if 1 }}";
  CHECK(box.run(blocks).find("nests too deep") != std::string::npos);
}

TEST_CASE("go template: times are those of the clock and of the zone given") {
  Box box;  // 2023-11-14T22:13:20Z
  CHECK(box.run("{{ now | date \"2006-01-02 15:04:05\" }}") == "2023-11-14 22:13:20");
  CHECK(box.run("{{ now.Unix }} {{ ago 1699999940 }} {{ now | durationRound }}") ==
        "1700000000 1m0s 0s");
  CHECK(box.run("{{ now }}") == "2023-11-14 22:13:20 +0000 UTC");
  GoExecutor berlin(box.clock, find_time_zone("Europe/Berlin").value());
  JsonData data;
  const auto out =
      berlin.execute(*GoTemplate::parse("{{ now | htmlDate }} {{ date \"15:04 MST\" now }} "
                                        "{{ toDate \"2006-01-02\" \"2024-07-01\" | unixEpoch }}"),
                     data);
  REQUIRE(out);
  CHECK(*out == "2023-11-14 23:13 CET 1719784800");
}

TEST_CASE("go template: the first execution is as good as any") {
  CHECK(Box().run("{{ list }}") == "[]");
  CHECK(Box().run("{{ list | toJson }} {{ rest list | toJson }}") == "[] null");
  CHECK(Box().run("{{ dict }} {{ until 0 }} {{ concat }}") == "map[] [] []");
}

TEST_CASE("go template: without a zone it is the machine's") {
  const FakeClock clock;
  JsonData data;
  const auto program = GoTemplate::parse("{{ date `15:04 MST -0700` 0 }}");
  for (const std::string zone : {"Asia/Tokyo", ":Asia/Tokyo"}) {
    setenv("TZ", zone.c_str(), 1);
    GoExecutor executor(clock);
    CHECK(executor.execute(*program, data).value_or("failed") == "09:00 JST +0900");
  }
  setenv("TZ", "No/Where", 1);
  GoExecutor executor(clock);
  CHECK(executor.execute(*program, data).value_or("failed") == "00:00 UTC +0000");
  unsetenv("TZ");
}

TEST_CASE("go template: times at the ends of what there is") {
  Box box;
  for (const std::string zone : {"UTC", "Europe/Berlin", "America/New_York"}) {
    CHECK(box.run("{{ date_in_zone \"2006\" 9223372036854775807 \"" + zone + "\" | len }}") == "5");
    CHECK(box.run("{{ date_in_zone \"2006\" -9223372036854775808 \"" + zone + "\" | len }}") ==
          "6");
  }
  CHECK(box.run("{{ $t := now }}{{ range 3000 }}{{ $t = dateModify \"2562047h\" $t }}{{ end }}"
                "{{ $t.UnixNano }}") == "execute: line 1, column 79: the time is out of range");
}

TEST_CASE("go template: calls with parentheses, where they are allowed") {
  Box box;
  const GoTemplate::Options calls{true};
  CHECK(box.run("{{ .a | contains(\"b\") }}", R"({"a": "abc"})", calls) == "true");
  CHECK(box.run("{{ replace(\"a\", \"x\", .a) | upper }}", R"({"a": "abc"})", calls) == "XBC");
  CHECK(box.run("{{ list() | len }}", "{}", calls) == "0");
  CHECK(box.run("{{ eq (upper(.a)) \"ABC\" }}", R"({"a": "abc"})", calls) == "true");
  CHECK(box.run("{{ upper(.a }}", "{}", calls).starts_with("parse: "));
  CHECK(box.run("{{ upper(.a) \"b\" }}", "{}", calls).starts_with("parse: "));
  CHECK(box.run("{{ .a | contains(\"b\") }}") ==
        "parse: line 1, column 17: unexpected \"(\" in an operand");
}

TEST_CASE("go template: knows whether fields are read") {
  CHECK(GoTemplate::parse("{{ .a }}")->reads_fields());
  CHECK(GoTemplate::parse("{{ $.a }}")->reads_fields());
  CHECK_FALSE(GoTemplate::parse("{{ . }} {{ len \"x\" }}")->reads_fields());
}

TEST_CASE("go template: the reference page names every function") {
  const std::string page = read_file(SOURCE_DIR "/docs/reference/templates.md");
  for (const auto& family :
       {go_core_functions(), go_text_functions(), go_number_functions(), go_collection_functions(),
        go_encoding_functions(), go_time_functions()})
    for (const GoFunction& function : family) {
      INFO(function.name);
      CHECK(page.find("`" + std::string(function.name) + "`") != std::string::npos);
    }
}

}  // namespace agent::wire
