#include "fleetctl/inventory/yaml_reader.h"

#include <catch2/catch.hpp>

#include "fleetctl/value/text.h"
#include "fleetctl/vault/vault.h"

using fleetctl::inventory::read_yaml;
using fleetctl::inventory::resolve_scalar;
namespace value = fleetctl::value;

namespace {
std::string read(const std::string& text) {
  std::vector<std::string> warnings;
  const auto document = read_yaml(text, "vars.yml", warnings);
  std::string out = document ? value::repr(*document) : "error: " + document.error().message;
  for (const std::string& warning : warnings) out += "\nwarning: " + warning;
  return out;
}
std::string scalar(const std::string& text) { return value::repr(resolve_scalar(text)); }
}  // namespace

TEST_CASE("yaml: unquoted scalars follow YAML 1.1") {
  for (const char* text : {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}) {
    INFO(text);
    CHECK(scalar(text) == "True");
  }
  for (const char* text : {"no", "No", "NO", "false", "off", "OFF"}) CHECK(scalar(text) == "False");
  for (const char* text : {"y", "n", "Y", "yEs", "tRUE", "0o14", "1e3", "08", "-.5", "0x", "1.2.3",
                           "12:60", "+", "-", ".", "1:2:3:4:5:6:7", "2024-13-01", "12e03"}) {
    INFO(text);
    CHECK(scalar(text) == "'" + std::string(text) + "'");
  }
  for (const char* text : {"", "~", "null", "Null", "NULL"}) CHECK(scalar(text) == "None");
  CHECK(scalar("0644") == "420");
  CHECK(scalar("-0x1F") == "-31");
  CHECK(scalar("0b101") == "5");
  CHECK(scalar("1_000") == "1000");
  CHECK(scalar("12:30") == "750");
  CHECK(scalar("-1:30") == "-90");
  CHECK(scalar("+5") == "5");
  CHECK(scalar("123456789012345678901234567890") == "123456789012345678901234567890");
  CHECK(scalar("0xffffffffffffffffff") == "4722366482869645213695");
  CHECK(scalar("1.10") == "1.1");
  CHECK(scalar("1.0e+3") == "1000.0");
  CHECK(scalar(".5") == "0.5");
  CHECK(scalar("1.") == "1.0");
  CHECK(scalar("-.inf") == "-inf");
  CHECK(scalar(".NaN") == "nan");
  CHECK(scalar("1:30.5") == "90.5");
  CHECK(scalar("2024-01-02") == "'2024-01-02'");
  CHECK(scalar("2001-12-14t21:59:43.10-05:00") == "'2001-12-14 21:59:43.100000-05:00'");
}

TEST_CASE("yaml: quoted scalars are text") {
  CHECK(read("a: 'yes'\nb: \"5\"\nc: |\n  no\n") == "{'a': 'yes', 'b': '5', 'c': 'no\\n'}");
}

TEST_CASE("yaml: merge keys lie below the map's own keys") {
  CHECK(read("b: &b {x: 1, y: 2}\nc: {<<: *b, y: 3}\n") ==
        "{'b': {'x': 1, 'y': 2}, 'c': {'x': 1, 'y': 3}}");
  CHECK(read("a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}\n") ==
        "{'a': {'x': 1}, 'b': {'x': 2, 'y': 2}, 'c': {'x': 1, 'y': 2}}");
  CHECK(read("'<<': 1\n") == "{'<<': 1}");
  CHECK_THAT(read("<<: 5\n"), Catch::Contains("<< needs a map"));
}

TEST_CASE("yaml: of equal keys the last wins, with a warning") {
  CHECK(read("a: 1\nb: 2\na: 3\n") ==
        "{'a': 3, 'b': 2}\nwarning: vars.yml:3:1: the key 'a' is written twice in this map; the "
        "last one wins");
}

TEST_CASE("yaml: an unquoted template is an error that says to quote it") {
  CHECK_THAT(read("a: 1\nb: {{ name }}\n"),
             Catch::StartsWith("error: vars.yml:2:4: ") && Catch::Contains("has to be quoted"));
  CHECK_THAT(read("b: {{ name }}/x\n"),
             Catch::StartsWith("error: vars.yml:1:") && Catch::Contains("has to be quoted"));
  CHECK_THAT(read("? [a, b]\n: 1\n"), Catch::Contains("cannot be the key"));
}

TEST_CASE("yaml: every value knows its line and column") {
  std::vector<std::string> warnings;
  const auto document = read_yaml("a:\n  - x\n  -   y: 5\n", "vars.yml", warnings);
  REQUIRE(document);
  const value::Value& item = document->get("a")->items()[1];
  CHECK(item.get("y")->mark()->line == 3);
  CHECK(item.get("y")->mark()->column == 10);
  CHECK(item.get("y")->mark()->file == "vars.yml");
}

TEST_CASE("yaml: tags of Ansible and of YAML 1.1") {
  std::vector<std::string> warnings;
  const auto document = read_yaml(
      "a: !unsafe '{{ x }}'\nb: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  00\nc: !!str 5\n"
      "d: !!binary aGk=\ne: !!set {x, y}\nf: !!omap [{k: 1}]\n",
      "vars.yml", warnings);
  REQUIRE(document);
  CHECK(document->get("a")->has(value::kUnsafe));
  CHECK(document->get("a")->as_string() == "{{ x }}");
  REQUIRE(document->get("b")->is_object());
  CHECK(document->get("b")->as_object()->type_name() == "AnsibleVaultEncryptedUnicode");
  CHECK(document->get("c")->as_string() == "5");
  CHECK(document->get("d")->as_string() == "hi");
  CHECK(value::repr(*document->get("e")) == "['x', 'y']");
  CHECK(value::repr(*document->get("f")) == "[('k', 1)]");
  CHECK_THAT(read("a: !foo 1\n"), Catch::Contains("vars.yml:1:4: the tag !foo is not known"));
}

TEST_CASE("yaml: JSON is read as JSON") {
  CHECK(read("{\"a\": 1e3, \"b\": true, \"c\": null}") == "{'a': 1000.0, 'b': True, 'c': None}");
  CHECK(read("{a: yes}") == "{'a': True}");
  std::vector<std::string> warnings;
  const auto vaulted = read_yaml("{\"a\": {\"__ansible_vault\": \"x\"}}", "f", warnings);
  REQUIRE(vaulted);
  CHECK(vaulted->get("a")->is_object());
}

TEST_CASE("yaml: empty documents, several documents, broken ones") {
  CHECK(read("") == "None");
  CHECK(read("# nothing\n---\n") == "None");
  CHECK_THAT(read("a: 1\n---\nb: 2\n"),
             Catch::StartsWith("error: vars.yml:2:1: it holds more than one"));
  CHECK_THAT(read("a: [1\n"), Catch::StartsWith("error: vars.yml:"));
  CHECK_THAT(read("a: \xff\n"), Catch::StartsWith("error: vars.yml:1:4: it is not UTF-8"));
  CHECK_THAT(read("a: 1\r\nb: \xc3\xa9\xe9\n"),
             Catch::StartsWith("error: vars.yml:2:5: it is not UTF-8"));
}

TEST_CASE("yaml: control characters are refused, with their place") {
  for (const std::string& bad : {std::string(1, '\0'), std::string("\x1b"), std::string("\x7f"),
                                 std::string("\xc2\x80"), std::string("\xef\xbf\xbf")}) {
    CHECK_THAT(read("a: 1\nb: \xc3\xa9" + bad + "x\n"),
               Catch::StartsWith("error: vars.yml:2:5: YAML holds no control characters"));
  }
  CHECK(read("a: x\ty\r\n") == "{'a': 'x\\ty'}");
  CHECK(read("a: \"x\\x1b\\0\"\n") == "{'a': 'x\\x1b\\x00'}");
  CHECK(read("a: \xc3\xa9\xef\xbb\xbf\xf0\x9f\x98\x80\n") ==
        "{'a': '\xc3\xa9\\ufeff\xf0\x9f\x98\x80'}");
}

TEST_CASE("yaml: documents that explode are refused") {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) laughs += (k == 0 ? "" : ", ") + below + " ";
    laughs += "]\n";
  }
  CHECK_THAT(read(laughs), Catch::Contains("too large once its aliases are expanded"));
  CHECK_THAT(read(std::string(100000, '[')), Catch::StartsWith("error: "));
  CHECK_THAT(read("a: &a [*a]\n"), Catch::StartsWith("error: "));
}

TEST_CASE("yaml: blocks with a tag in a list, which the library alone would lose") {
  CHECK(read("a:\n- !!str |\n  x\n  y\n- &b >-\n  1\n- *b\n") == "{'a': ['x\\ny\\n', '1', '1']}");
  CHECK(read("- - !!str |2-\n      x\n  - !!str |\n    # no comment\n    - !!str |\n") ==
        "[['  x', '# no comment\\n- !!str |\\n']]");
  CHECK(read("- a: !!str |\n    x\n") == "[{'a': 'x\\n'}]");
  CHECK(read("t: |\n  - !!str |\n   x\n") == "{'t': '- !!str |\\n x\\n'}");
  CHECK(read("a: \"\\N\\_\"\n") == "{'a': '\\x85\\xa0'}");
}
