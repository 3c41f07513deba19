#include "agent/wire/logfmt.h"

#include <catch2/catch.hpp>
#include <string>

namespace agent::wire {
namespace {

using namespace std::string_literals;

// "key=value|key=value", and "!" at the end when it failed.
std::string read(const std::string& text) {
  LogfmtReader reader(text);
  std::string out;
  while (reader.next()) {
    if (!out.empty()) out += '|';
    out.append(reader.key()).append("=").append(reader.value());
  }
  CHECK_FALSE(reader.next());
  if (reader.failed()) out += '!';
  return out;
}

}  // namespace

TEST_CASE("logfmt: each text gives what go-logfmt 0.5 gives") {
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {" ", ""},
      {"a", "a="},
      {"a=1", "a=1"},
      {"a=1 b=2", "a=1|b=2"},
      {"  a=1\011b=2  ", "a=1|b=2"},
      {"a= b=2", "a=|b=2"},
      {"a=", "a="},
      {"a=\"\"", "a="},
      {"a=\"x y\"", "a=x y"},
      {"a=\"x\\\"y\"", "a=x\"y"},
      {"a=\"\\n\\t\\\\\\/\\b\\f\\r\\'\"", "a=\012\011\\/\010\014\015'"},
      {"a=\"\\u00e9\\u4e16\"", "a=\303\251\344\270\226"},
      {"a=\"\\ud83d\\ude00\"", "a=\360\237\230\200"},
      {"a=\"\\ud83d x\"", "a=\357\277\275 x"},
      {"a=\"\\ude00\"", "a=\357\277\275"},
      {"a=\"\\u12\"", "!"},
      {"a=\"\\x\"", "!"},
      {"a=\"open", "!"},
      {"a=\"open\\", "!"},
      {"a=\"x\"b=1", "a=x|b=1"},
      {"a=x\"y", "!"},
      {"a=x=y", "!"},
      {"=x", "!"},
      {"a==", "!"},
      {"\"a\"=1", "!"},
      {"a\"b=1", "!"},
      {"a b c", "a=|b=|c="},
      {"a=1 a=2", "a=1|a=2"},
      {"\303\251=1", "\303\251=1"},
      {"\377=1", "!"},
      {"a\377", "!"},
      {"\357\277\275=1", "!"},
      {"a=\377", "a=\377"},
      {"a=\"\377\\n\"", "a=\357\277\275\012"},
      {"a=\"\001\"", "a=\001"},
      {"a=\"\001\\n\"", "!"},
      {"a='x y'", "a='x|y'="},
      {"a.b-c/d=1", "a.b-c/d=1"},
      {"a=1\012b=2", "a=1|b=2"},
      {"a=\"x\012y\"", "!"},
      {"a=1\012b=\"", "a=1!"},
      {"a={}[]:,", "a={}[]:,"},
      {"a=1 \000 b"s, "a=1|b="},
      {"a=\"\011\"", "a=\011"},
      {"level=info ts=2024-01-01T00:00:00Z msg=\"a b\" err=null",
       "level=info|ts=2024-01-01T00:00:00Z|msg=a b|err=null"},
      {"a=\"x\\u0000y\"", "a=x\000y"s},
  };
  for (const auto& [text, expected] : cases) {
    INFO(text);
    CHECK(read(text) == expected);
  }
}

TEST_CASE("logfmt: a value with escapes is the reader's own") {
  LogfmtReader reader(R"(a="plain" b="with \"n\"" c=1)");
  REQUIRE(reader.next());
  CHECK_FALSE(reader.is_copy());
  REQUIRE(reader.next());
  CHECK(reader.is_copy());
  CHECK(reader.value() == "with \"n\"");
  REQUIRE(reader.next());
  CHECK_FALSE(reader.is_copy());
}

}  // namespace agent::wire
