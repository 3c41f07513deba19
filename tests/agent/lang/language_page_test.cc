// docs/reference/language.md says `> expression` and, on the next line, its value: both must be so.
#include <catch2/catch.hpp>
#include <fstream>

#include "agent/lang/evaluator.h"
#include "agent/lang/parser.h"
#include "tests/support/fake_world.h"

namespace agent::lang {

TEST_CASE("language page: every example has the value it shows, every function an example") {
  FakeWorld world;
  world.variables["HOME"] = "/root";
  const Stdlib stdlib(world, {"v1.0.0", true});
  const Scope scope{stdlib, nullptr, ""};
  std::ifstream page(SOURCE_DIR "/docs/reference/language.md");
  REQUIRE(page);
  std::string text;
  std::string line;
  int examples = 0;
  while (std::getline(page, line)) {
    text += line + "\n";
    if (!line.starts_with("> ")) continue;
    const std::string expression = line.substr(2);
    INFO(expression);
    REQUIRE(std::getline(page, line));
    Diagnostics diagnostics;
    const ParsedExpr parsed = parse_expression(expression, "x", diagnostics);
    REQUIRE_FALSE(diagnostics.has_errors());
    const auto value = evaluate(*parsed.expr, *parsed.source, scope, diagnostics);
    CHECK((value ? value->text() : "error: " + diagnostics.all().at(0).message) == line);
    ++examples;
  }
  CHECK(examples > 30);
  for (const std::string& name : stdlib.names()) {
    INFO(name);
    CHECK(text.find(name) != std::string::npos);
  }
}

}  // namespace agent::lang
