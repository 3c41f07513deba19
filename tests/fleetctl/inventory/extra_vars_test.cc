#include "fleetctl/inventory/extra_vars.h"

#include <catch2/catch.hpp>

#include "fleetctl/value/text.h"

using namespace fleetctl;

namespace {

agent::Result<std::string> no_password(std::string_view) {
  return agent::fail(agent::ErrorCode::kNotFound, "no password");
}

std::string parsed(const std::string& text) {
  auto values = inventory::parse_key_values(text);
  return values ? value::repr(value::Value::dict(std::move(*values)))
                : "error: " + values.error().message;
}
}  // namespace

TEST_CASE("extra vars: key=value stays text") {
  CHECK(parsed("a=1 b='two words' c=\"x\"") == "{'a': '1', 'b': 'two words', 'c': 'x'}");
  CHECK(parsed("a={{ b + c }} d=1") == "{'a': '{{ b + c }}', 'd': '1'}");
  CHECK(parsed("a=x=y") == "{'a': 'x=y'}");
  CHECK(parsed("a=l1\\nl2") == "{'a': 'l1\\nl2'}");
  CHECK_THAT(parsed("a='x"), Catch::Contains("not closed"));
  CHECK_THAT(parsed("nokey"), Catch::Contains("is not key=value"));
}

TEST_CASE("extra vars: later arguments override, braces are YAML or JSON") {
  std::vector<std::string> warnings;
  inventory::Loader loader(no_password, warnings);
  auto all =
      inventory::read_extra_vars({"a=1 b=2", "{b: [x, 5]}", "{\"c\": true}"}, loader, warnings);
  REQUIRE(all);
  CHECK(value::repr(value::Value::dict(std::move(*all))) == "{'a': '1', 'b': ['x', 5], 'c': True}");
  const auto wrong = inventory::read_extra_vars({"./file"}, loader, warnings);
  REQUIRE_FALSE(wrong);
  CHECK_THAT(wrong.error().message, Catch::Contains("a file is written @./file"));
  CHECK_FALSE(inventory::read_extra_vars({"[1]"}, loader, warnings));
  CHECK_FALSE(inventory::read_extra_vars({"@/nonexistent"}, loader, warnings));
}
