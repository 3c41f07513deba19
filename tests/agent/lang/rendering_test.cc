#include "agent/lang/rendering.h"

#include <catch2/catch.hpp>

namespace agent::lang {
namespace {

std::string rendered(std::string_view text, Range range, std::string hint = {}) {
  const auto source = std::make_shared<const Source>(text, "c.alloy");
  Diagnostics diagnostics;
  diagnostics.error(source->span(range), "bad", std::move(hint));
  return render(diagnostics, source);
}

}  // namespace

TEST_CASE("rendering: place, line, caret and hint") {
  CHECK(rendered("a = 1\nbb = foo\n", {11, 14}, "did you mean \"fob\"?") ==
        "c.alloy:2:6: error: bad\n"
        "   2 | bb = foo\n"
        "     |      ^~~\n"
        "hint: did you mean \"fob\"?\n");
}

TEST_CASE("rendering: tabs and wide characters do not move the caret") {
  CHECK(rendered("\ta =\tb\n", {5, 6}) ==
        "c.alloy:1:6: error: bad\n"
        "   1 |     a = b\n"
        "     |         ^\n");
  CHECK(rendered("\t\"größe\" x", {11, 12}) ==
        "c.alloy:1:12: error: bad\n"
        "   1 |     \"größe\" x\n"
        "     |             ^\n");
}

TEST_CASE("rendering: characters of two columns and of none") {
  CHECK(rendered("\"日本e\u0301\" x", {12, 13}) ==
        "c.alloy:1:13: error: bad\n"
        "   1 | \"日本e\u0301\" x\n"
        "     |         ^\n");
}

TEST_CASE("rendering: at a line's end, over lines, and in an empty file") {
  CHECK(rendered("ab\n", {2, 3}) == "c.alloy:1:3: error: bad\n   1 | ab\n     |   ^\n");
  CHECK(rendered("a [\n1\n]", {2, 8}) == "c.alloy:1:3: error: bad\n   1 | a [\n     |   ^\n");
  CHECK(rendered("abc\n1\n", {1, 6}) == "c.alloy:1:2: error: bad\n   1 | abc\n     |  ^~\n");
  CHECK(rendered("", {0, 0}) == "c.alloy:1:1: error: bad\n   1 | \n     | ^\n");
}

TEST_CASE("rendering: of a very long line the part around the caret") {
  const std::string text = std::string(1000, 'a') + "X" + std::string(1000, 'b');
  const std::string out = rendered(text, {1000, 1001});
  CHECK(out.size() < 600);
  const std::size_t line = out.find("| ") + 2;
  const std::size_t caret_line = out.find("| ", line) + 2;
  const std::size_t column = out.find('^') - caret_line;
  CHECK(out[line + column] == 'X');
}

TEST_CASE("rendering: control characters are not sent to the terminal") {
  CHECK(rendered("a\x1b[31m\xff", {0, 1}).find('\x1b') == std::string::npos);
}

TEST_CASE("rendering: without a place or a source") {
  Diagnostics diagnostics;
  diagnostics.error({}, "nowhere");
  diagnostics.warning({}, "careful");
  diagnostics.error({}, "again");
  CHECK(render(diagnostics, FindSource()) ==
        "error: nowhere\nwarning: careful\nerror: again\n2 errors\n");
}

TEST_CASE("rendering: JSON for machines") {
  const Source source("a = b\n", "x\".alloy");
  Diagnostics diagnostics;
  diagnostics.error(source.span({4, 5}), "no \"b\"", "c?");
  diagnostics.warning({}, "careful");
  CHECK(
      render_json(diagnostics) ==
      "[\n"
      R"({"severity":"error","message":"no \"b\"","hint":"c?","file":"x\".alloy","line":1,"column":5,)"
      R"("offset":4,"end_line":1,"end_column":6,"end_offset":5})"
      ",\n"
      R"({"severity":"warning","message":"careful"})"
      "\n]\n");
  CHECK(render_json(Diagnostics()) == "[\n]\n");
}

}  // namespace agent::lang
