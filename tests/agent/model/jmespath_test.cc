#include "agent/model/jmespath.h"

#include <catch2/catch.hpp>

#include "agent/base/file.h"

namespace agent::model {
namespace {

std::string text(const Json& value) {
  std::string out;
  REQUIRE(value.append_text(out, 1 << 20));
  return out;
}

// The result's JSON text, or "error: ..." with what is wrong.
std::string search(const std::string& expression, const Json& document) {
  const auto compiled = JmesPath::compile(expression);
  if (!compiled) return "error: " + compiled.error().message;
  const auto result = compiled->search(document);
  return result ? text(*result) : "error: " + result.error().message;
}
std::string search(const std::string& expression, const std::string& document) {
  return search(expression, Json::parse(document).value());
}

TEST_CASE("jmespath: every recorded case gives what the reference gives") {
  const auto read = read_file(SOURCE_DIR "/tests/agent/model/jmespath_vectors.json");
  REQUIRE(read);
  const Json groups = Json::parse(*read).value();
  std::size_t cases = 0;
  for (const Json& group : groups.array()) {
    const Json& document = *group.find("document");
    for (const Json& one : group.find("cases")->array()) {
      ++cases;
      const std::string& expression = one.find("expression")->string();
      const std::string got = search(expression, document);
      INFO(expression << " on " << group.find("name")->string());
      const Json* result = one.find("result");
      if (result == nullptr) {
        CHECK(got.starts_with("error: "));
      } else {
        CHECK(got == text(*result));
      }
    }
  }
  CHECK(cases >= 900);
}

TEST_CASE("jmespath: what the community's edition adds") {
  const std::string document =
      R"({"a": {"x": 1, "y": 2}, "s": "  one,two,three ", "list": [{"k": "p", "n": 1}, {"k": "q", "n": 2}, {"k": "p", "n": 3}, {}]})";
  CHECK(search("a.{all: length($.list), x: x}", document) == R"({"all":4,"x":1})");
  CHECK(search("items(a)", document) == R"([["x",1],["y",2]])");
  CHECK(search("from_items(items(a)) == a", document) == "true");
  CHECK(search("from_items(`[[1, 2]]`)", document).starts_with("error: from_items()"));
  CHECK(search("group_by(list, &k).*.length(@)", document) == "[2,1]");
  CHECK(search("zip(`[1, 2, 3]`, `[\"a\", \"b\"]`)", document) == R"([[1,"a"],[2,"b"]])");
  CHECK(search("split(trim(s), ',')", document) == R"(["one","two","three"])");
  CHECK(search("split(trim(s), ',', `1`)", document) == R"(["one","two,three"])");
  CHECK(search("split('äb', '')", document) == R"(["ä","b"])");
  CHECK(search("trim_left(s)", document) == R"("one,two,three ")");
  CHECK(search("trim_right(s)", document) == R"("  one,two,three")");
  CHECK(search("trim('xxaxx', 'x')", document) == R"("a")");
  CHECK(search("replace(s, 'o', '0', `1`)", document) == R"("  0ne,two,three ")");
  CHECK(search("replace('aaa', 'a', '')", document) == R"("")");
  CHECK(search("pad_left('7', `3`, '0')", document) == R"("007")");
  CHECK(search("pad_right('ä', `3`)", document) == R"("ä  ")");
  CHECK(search("pad_left('7', `3`, 'ab')", document).starts_with("error: "));
  CHECK(search("[upper('ab'), lower('AB')]", document) == R"(["AB","ab"])");
  CHECK(search("[find_first('äbcabc', 'bc'), find_last('äbcabc', 'bc'), find_first('a', 'b')]",
               document) == "[1,4,null]");
  CHECK(search("find_first('abcabc', 'bc', `2`)", document) == "4");
  CHECK(search("'Grüße'[2:4]", document) == R"("üß")");
  CHECK(search("'abc'[::-1]", document) == R"("cba")");
  CHECK(search("'abc'[1:].length(@)", document) == "2");
}

TEST_CASE("jmespath: an error says where and what") {
  CHECK(search("a-b", "{}") ==
        "error: expression \"a-b\": at byte 2: unexpected \"-\"; a name with one is written in "
        "\"quotes\"");
  CHECK(search("lenght(a)", "{}") ==
        "error: expression \"lenght(a)\": at byte 1: there is no function \"lenght\"; did you mean "
        "length?");
  CHECK(search("abs(a, b)", "{}") ==
        "error: expression \"abs(a, b)\": at byte 1: abs() takes 1 argument, not 2");
  CHECK(
      search("sort_by(a, b)", "{}") ==
      "error: expression \"sort_by(a, b)\": at byte 1: sort_by() takes an &expression as argument "
      "2");
  CHECK(search("abs(a)", R"({"a": "x"})") == "error: abs() does not take string as argument 1");
  CHECK(search("a[99999999999999999999]", "{}") ==
        "error: expression \"a[99999999999999999999]\": at byte 3: the number is too large");
}

TEST_CASE("jmespath: an expression that is not UTF-8 is refused") {
  CHECK(search("'\xFF'", "{}").find("not UTF-8") != std::string::npos);
}

TEST_CASE("jmespath: numbers keep what JSON says") {
  const std::string document =
      R"({"big": 9007199254740993, "one": 1.0, "small": 1.5e-9, "u": 18446744073709551615})";
  CHECK(search("big", document) == "9007199254740993");
  CHECK(search("one", document) == "1");
  CHECK(search("small", document) == "1.5e-9");
  CHECK(search("u", document) == "18446744073709552000");
  CHECK(search("one == `1`", document) == "true");
  CHECK(search("to_string(@)", document) ==
        R"("{\"big\":9007199254740993,\"one\":1,\"small\":1.5e-9,\"u\":18446744073709552000}")");
}

TEST_CASE("jmespath: a way of names and indices can be followed without a tree") {
  const auto path = JmesPath::compile("a.\"b c\"[0][-1].d");
  REQUIRE(path);
  REQUIRE(path->path() != nullptr);
  CHECK(*path->path() == JmesPath::Path{"a", "b c", std::int64_t{0}, std::int64_t{-1}, "d"});
  for (const char* other : {"@", "a[*]", "a[]", "a[0:1]", "a || b", "a.*", "a.[b]", "length(a)"})
    CHECK(JmesPath::compile(other)->path() == nullptr);
}

TEST_CASE("jmespath: no expression takes or makes more than it may") {
  // Each stage doubles what the one before made.
  std::string doubling = "@";
  for (int i = 0; i < 40; ++i) doubling += " | [@, @]";
  CHECK(search("to_string(" + doubling + ")", "1").starts_with("error: the expression "));
  CHECK(search("(" + doubling + ") == (" + doubling + ")", "1")
            .starts_with("error: the expression "));
  std::string text = "'0123456789'";
  for (int i = 0; i < 30; ++i) text = "join('', [" + text + ", " + text.substr(0, 12) + "])";
  CHECK_FALSE(search(text, "1").empty());
  CHECK(search("pad_left('', `1e12`)", "1").starts_with("error: the width"));
  CHECK(search(std::string(300, '('), "1").find("nested too deeply") != std::string::npos);
  CHECK(search(std::string(300, '!') + "a", "1").find("nested too deeply") != std::string::npos);
  std::string chain = "a";
  for (int i = 0; i < 300; ++i) chain += ".a";
  CHECK(search(chain, "1").find("nested too deeply") != std::string::npos);
  CHECK(search(std::string(20'000, 'a'), "1").find("too long") != std::string::npos);
  CHECK(search("`" + std::string(100, '[') + std::string(100, ']') + "`", "1")
            .find("nested too deeply") != std::string::npos);
  CHECK(search("[0:-9223372036854775808:-9223372036854775808]", "[1, 2]") == "[1]");
  CHECK(search("[9223372036854775807:-9223372036854775808:-1]", "[1, 2]") == "[2,1]");
}

}  // namespace
}  // namespace agent::model
