#include "agent/discovery/target_groups.h"

#include <catch2/catch.hpp>

namespace agent::discovery {
namespace {

std::string read(const std::string& text, ListFormat format) {
  const auto targets = parse_target_groups(text, format, {"__meta_from", "x"});
  if (!targets) return targets.error().message;
  std::string out;
  for (const auto& target : *targets) out += model::labels_text(target) + "\n";
  return out;
}
std::string json(const std::string& text) { return read(text, ListFormat::kJson); }
std::string yaml(const std::string& text) { return read(text, ListFormat::kYaml); }

}  // namespace

TEST_CASE("target groups: each address gets the labels of its group") {
  const std::string expected =
      "{__address__=\"a:1\", __meta_from=\"x\", job=\"j\"}\n"
      "{__address__=\"b:2\", __meta_from=\"x\", job=\"j\"}\n{__address__=\"c\", "
      "__meta_from=\"x\"}\n";
  CHECK(json(R"([{"targets":["a:1","b:2"],"labels":{"job":"j","empty":""}},{"targets":["c"]}])") ==
        expected);
  CHECK(yaml("- targets: [a:1, 'b:2']\n  labels: {job: j}\n- targets:\n  - c\n") == expected);
}

TEST_CASE("target groups: in YAML a label's value is what is written") {
  CHECK(yaml("- targets: [1.10]\n  labels: {v: 1.10, w: 0x10, y: yes, t: true, n: ~, q: '~'}\n") ==
        "{__address__=\"1.10\", __meta_from=\"x\", q=\"~\", t=\"true\", v=\"1.10\", w=\"0x10\", "
        "y=\"yes\"}\n");
  CHECK(
      yaml("- &g\n  targets: [a]\n  labels: &l {x: '1'}\n- <<: *g\n  labels: {<<: *l, z: '2'}\n") ==
      "{__address__=\"a\", __meta_from=\"x\", x=\"1\"}\n"
      "{__address__=\"a\", __meta_from=\"x\", x=\"1\", z=\"2\"}\n");
}

TEST_CASE("target groups: nothing is nothing") {
  CHECK(json("[]").empty());
  CHECK(json("null").empty());
  CHECK(json(R"([{"targets":[]},{"labels":{"a":"b"}},{"targets":null,"labels":null}])").empty());
  CHECK(yaml("").empty());
}

TEST_CASE("target groups: what is not as it should be is told with its place") {
  CHECK(json("{}") == "expected a list of groups, got object");
  CHECK(json(R"([{"targets":["a"]}, null])") == "group 2: expected an object, got null");
  CHECK(json(R"([{"target":["a"]}])") == "group 1: unknown field \"target\"");
  CHECK(json(R"([{"targets":"a"}])") == "group 1: targets must be a list of strings");
  CHECK(json(R"([{"targets":[1]}])") == "group 1: targets must be a list of strings");
  CHECK(json(R"([{"targets":[],"labels":{"a":1}}])") == "group 1: label \"a\" must be a string");
  CHECK(json(R"([{"targets":[],"labels":{"":"x"}}])") == "group 1: label \"\" is not valid");
  CHECK(json(R"([{"targets":[],"labels":["x"]}])") ==
        "group 1: labels must be an object of strings");
  CHECK_FALSE(json("[").empty());
  CHECK(yaml("- targets: [a\n") == "invalid YAML in line 2: end of sequence flow not found");
  CHECK(yaml("- targets: [\xff]\n") == "group 1: targets must be a list of strings");
}

TEST_CASE("target groups: a list has bounds") {
  std::string many = "[{\"targets\":[";
  for (std::size_t i = 0; i <= kMaxTargets; ++i) many += "\"a\",";
  many.back() = ']';
  CHECK(json(many + "}]") == "group 1: more targets than 100000");
  CHECK(json(std::string(kMaxJsonList + 1, ' ')) == "more bytes than 16777216");
  CHECK(yaml(std::string(kMaxYamlList + 1, ' ')) == "more bytes than 2097152");
  std::string bomb = "- &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'j'; ++c) {
    bomb += std::string("- &") + c + " [";
    for (int i = 0; i < 10; ++i) bomb += std::string("*") + static_cast<char>(c - 1) + ",";
    bomb.back() = ']';
    bomb += "\n";
  }
  CHECK_FALSE(yaml(bomb).empty());
  CHECK(yaml(std::string(1'000'000, '[')) == "nested too deep");
}

}  // namespace agent::discovery
