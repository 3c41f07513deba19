#include "agent/lang/parser.h"

#include <catch2/catch.hpp>

#include "agent/lang/lexer.h"

namespace agent::lang {
namespace {

// The tree with its structure in parentheses: "(1 + (2 * 3))".
std::string shape(const Source& source, const Expr& e) {
  const auto child = [&](std::size_t i) { return shape(source, *e.children[i]); };
  const auto joined = [&](std::size_t from) {
    std::string out;
    for (std::size_t i = from; i < e.children.size(); ++i) {
      if (i > from) out += ", ";
      if (e.kind == Expr::Kind::kObject) out += std::string(e.keys[i].name) + " = ";
      out += child(i);
    }
    return out;
  };
  switch (e.kind) {
    case Expr::Kind::kLiteral:
      return e.value.text();
    case Expr::Kind::kIdentifier:
      return std::string(e.name);
    case Expr::Kind::kList:
      return "[" + joined(0) + "]";
    case Expr::Kind::kObject:
      return "{" + joined(0) + "}";
    case Expr::Kind::kAccess:
      return child(0) + "." + std::string(e.name);
    case Expr::Kind::kIndex:
      return child(0) + "[" + child(1) + "]";
    case Expr::Kind::kCall:
      return child(0) + "(" + joined(1) + ")";
    case Expr::Kind::kUnary:
      return "(" + std::string(source.text(e.mark)) + child(0) + ")";
    case Expr::Kind::kBinary:
      return "(" + child(0) + " " + std::string(source.text(e.mark)) + " " + child(1) + ")";
    case Expr::Kind::kParen:
      return child(0);
  }
  return "";
}

std::string shape(std::string_view text) {
  Diagnostics diagnostics;
  const ParsedExpr parsed = parse_expression(text, "x", diagnostics);
  if (!diagnostics.empty()) return "error: " + diagnostics.all()[0].message;
  return shape(*parsed.source, *parsed.expr);
}

// "line:column message" of each diagnostic.
std::vector<std::string> errors(std::string_view text) {
  Diagnostics diagnostics;
  const File file = parse(text, "x.alloy", diagnostics);
  std::vector<std::string> out;
  for (const Diagnostic& d : diagnostics.all())
    out.push_back(std::to_string(d.span.begin.line) + ":" + std::to_string(d.span.begin.column) +
                  " " + d.message);
  return out;
}

using Errors = std::vector<std::string>;

}  // namespace

TEST_CASE("parser: precedence and associativity") {
  const std::pair<const char*, const char*> table[] = {
      {"1 + 2 * 3", "(1 + (2 * 3))"},
      {"1 - 2 - 3", "((1 - 2) - 3)"},
      {"(1 - 2) * 3", "((1 - 2) * 3)"},
      {"2 ^ 3 ^ 4", "(2 ^ (3 ^ 4))"},
      {"-2 ^ 2", "((-2) ^ 2)"},
      {"2 ^ -1", "(2 ^ (-1))"},
      {"2 ^ 3 * 4", "((2 ^ 3) * 4)"},
      {"2 * 3 ^ 4", "(2 * (3 ^ 4))"},
      {"!a == b", "((!a) == b)"},
      {"!!a", "(!(!a))"},
      {"a || b && c", "(a || (b && c))"},
      {"a && b || c && d", "((a && b) || (c && d))"},
      {"1 < 2 == true", "((1 < 2) == true)"},
      {"a == b != c", "((a == b) != c)"},
      {"1 + 2 < 3 % 4", "((1 + 2) < (3 % 4))"},
      {"-a.b[0]", "(-a.b[0])"},
      {"a.b.c(1, x)[2].d", "a.b.c(1, x)[2].d"},
      {"f()", "f()"},
      {"f(1,)", "f(1)"},
      {"[]", "[]"},
      {"[1, 2,]", "[1, 2]"},
      {"{}", "{}"},
      {"{ a = 1, \"b c\" = [2] }", "{a = 1, b c = [2]}"},
      {"1 +\n2", "(1 + 2)"},
      {"f(\n1,\n2,\n)", "f(1, 2)"},
  };
  for (const auto& [source, tree] : table) {
    INFO(source);
    CHECK(shape(source) == tree);
  }
}

TEST_CASE("parser: numbers are read as Go's ParseInt with base 0 reads them") {
  const std::pair<const char*, Value> table[] = {
      {"0", 0},
      {"7", 7},
      {"010", 8},
      {"08", 8.0},
      {"9223372036854775807", INT64_MAX},
      {"9223372036854775808", std::uint64_t{9223372036854775808U}},
      {"18446744073709551615", UINT64_MAX},
      {"18446744073709551616", 18446744073709551616.0},
      {".5", 0.5},
      {"5.", 5.0},
      {"1e3", 1000.0},
      {"1e-999", 0.0},
  };
  for (const auto& [source, value] : table) {
    INFO(source);
    Diagnostics diagnostics;
    const ParsedExpr parsed = parse_expression(source, "x", diagnostics);
    CHECK(diagnostics.empty());
    CHECK(parsed.expr->value == value);
    CHECK(parsed.expr->value.kind() == value.kind());
  }
  CHECK(shape("1e999") == "error: the number 1e999 is out of range");
}

TEST_CASE(
    "parser: a string key keeps its escapes, the empty one its quotes, a backtick one its text") {
  Diagnostics diagnostics;
  const ParsedExpr parsed = parse_expression(R"({"a\n" = 1, "" = 2, `c` = 3})", "x", diagnostics);
  REQUIRE(diagnostics.empty());
  CHECK(parsed.expr->keys[0].name == "a\\n");
  CHECK(parsed.expr->keys[1].name == "\"\"");
  CHECK(parsed.expr->keys[2].name == "c");
}

TEST_CASE("parser: blocks and attributes with their places") {
  Diagnostics diagnostics;
  const File file =
      parse("a = 1\nloki . write \"x\" {\n  endpoint { url = \"u\" }\n  e \"\" {}\n}\n", "x.alloy",
            diagnostics);
  REQUIRE(diagnostics.empty());
  REQUIRE(file.body.size() == 2);
  CHECK(file.body[0].name == "a");
  CHECK(file.source->span(file.body[0].value->range).begin.text() == "x.alloy:1:5");
  const BlockNode& block = *file.body[1].block;
  CHECK(block.name == "loki.write");
  CHECK(block.label == "x");
  CHECK(file.source->text(block.header()) == "loki . write \"x\"");
  CHECK(file.source->text(block.close) == "}");
  CHECK(file.source->position(block.close.begin).line == 5);
  REQUIRE(block.body.size() == 2);
  CHECK(block.body[0].block->body[0].name == "url");
  CHECK(block.body[1].block->label.empty());
}

TEST_CASE("parser: what is refused, and where") {
  const std::pair<const char*, Errors> table[] = {
      {"a = 1 b = 2", {"1:7 expected end of line, got identifier"}},
      {"b\n{\n}",
       {"1:2 expected attribute assignment or block body, got end of line",
        "2:1 expected identifier, got \"{\""}},
      {"a.b = 1", {"1:1 attribute names may only consist of a single identifier with no \".\""}},
      {"a \"l\" = 1", {"1:3 attribute names may not have labels"}},
      {"a `l` {}", {"1:3 a block label must be in double quotes"}},
      {"a \"b-c\" {}", {"1:3 the block label \"b-c\" is not a valid identifier"}},
      {"a \"1\" {}", {"1:3 the block label \"1\" is not a valid identifier"}},
      {"a.b 1", {"1:5 expected block body, got number"}},
      {"a.\"b\" {}", {"1:3 expected identifier, got string"}},
      {"1 = a", {"1:1 expected identifier, got number"}},
      {"a = ", {"1:5 expected expression, got end of file"}},
      {"a = )", {"1:5 expected expression, got \")\""}},
      {"a = [1 2]", {"1:8 missing ',' in expression list"}},
      {"a = [\n  1,\n  2\n]\nb = 1", {"3:4 missing ',' in expression list"}},
      {"a = f(\n  1\n)", {"2:4 missing ',' in expression list"}},
      {"a = {b: 1}", {"1:7 illegal character ':'"}},
      {"a = {b}", {"1:7 expected \"=\", got \"}\""}},
      {"a = {1 = 2}", {"1:6 expected field name (string or identifier), got number"}},
      {"a = {b = }", {"1:10 expected expression, got \"}\""}},
      {"a = {b = 1 c = 2}", {"1:12 missing ',' in field list"}},
      {"a = b.\"c\"", {"1:7 expected identifier, got string"}},
      {"a = b[1", {"1:8 expected \"]\", got end of line"}},
      {"a = (1", {"1:7 expected \")\", got end of line"}},
      {"a {\n b = 1\n", {"3:1 expected \"}\", got end of file"}},
      {"a {}\n}", {"2:1 expected identifier, got \"}\""}},
      {"a = b {\n c = 1\n}", {"1:5 cannot use a block as an expression"}},
      {"a = b.c \"d\" {\n c = 1\n}\ne = $",
       {"4:5 illegal character '$'", "1:5 cannot use a block as an expression"}},
      {"a = 1\n+ 2", {"2:1 expected identifier, got \"+\""}},
      {"a = true ? 1", {"1:10 illegal character '?'"}},
  };
  for (const auto& [source, expected] : table) {
    INFO(source);
    CHECK(errors(source) == expected);
  }
}

TEST_CASE("parser: all errors of a file in one pass, one a line") {
  CHECK(errors("a {\n"
               "  b = [1, 2\n"
               "  c = 3\n"
               "  d = = 4\n"
               "  rule { x = ) ) }\n"
               "  e = 5\n"
               "}\n"
               "f 7\n"
               "g = 1\n") == Errors{"2:12 expected \"]\", got end of line",
                                    "4:7 expected expression, got \"=\"",
                                    "5:14 expected expression, got \")\"",
                                    "8:3 expected attribute assignment or block body, got number"});
}

TEST_CASE("parser: an object over lines without commas is understood, with a warning") {
  Diagnostics diagnostics;
  const File file = parse("a = {\n  b = 1\n  c = 2,\n  d = 3\n}\n", "x", diagnostics);
  CHECK_FALSE(diagnostics.has_errors());
  REQUIRE(diagnostics.all().size() == 1);
  CHECK(diagnostics.all()[0].severity == Severity::kWarning);
  CHECK(diagnostics.all()[0].message == "missing ',' in field list");
  CHECK(shape(*file.source, *file.body[0].value) == "{b = 1, c = 2, d = 3}");
}

TEST_CASE("parser: what stands where an expression is wrong makes no further errors") {
  Diagnostics diagnostics;
  const File file = parse("a = 10h\nb = )\nc = [1, ]\n1\nd = {e = *}\n", "x", diagnostics);
  REQUIRE(diagnostics.all().size() == 4);
  REQUIRE(file.body.size() == 4);
  CHECK(file.body[0].value->value.is_placeholder());
  CHECK(file.body[1].value->value.is_placeholder());
  CHECK(file.body[2].value->kind == Expr::Kind::kList);
  CHECK(file.body[3].value->children[0]->value.is_placeholder());
}

TEST_CASE("parser: hints") {
  const std::pair<const char*, const char*> table[] = {
      {"a = [\n 1\n]", "over several lines, the last item needs a comma as well"},
      {"a\n{\n}", "the \"{\" of a block must be on the same line as its name"},
      {"a = {\"b\": 1}", "a key and its value are joined by ="},
      {"a {\n", "\"}\" would close the one opened on line 1"},
      {"a = b.\"c\"", "a key in quotes is written [\"key\"]"},
      {"a = 10s", "a number with a unit is a string, like \"10s\" or \"1MiB\""},
      {"a = [10s]", "a number with a unit is a string, like \"10s\" or \"1MiB\""},
      {"a = 1 b = 2", "each statement has a line of its own"},
      {"url \"http://x\"\nb = 1", "an attribute is written url = value"},
      {"a \"b\"\n{\n}", "the \"{\" must be on the same line"},
  };
  for (const auto& [source, hint] : table) {
    INFO(source);
    Diagnostics diagnostics;
    const File file = parse(source, "x", diagnostics);
    REQUIRE_FALSE(diagnostics.empty());
    CHECK(diagnostics.all()[0].hint == hint);
  }
}

TEST_CASE("parser: nesting is bounded whatever it is made of") {
  const auto nested = [](std::string_view open, std::string_view core, std::string_view close,
                         int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += open;
    out += core;
    for (int i = 0; i < n; ++i) out += close;
    return out;
  };
  for (const auto& [open, core, close] :
       std::initializer_list<std::array<const char*, 3>>{{"[", "1", "]"},
                                                         {"(", "1", ")"},
                                                         {"{a = ", "1", "}"},
                                                         {"f(", "1", ")"},
                                                         {"a[", "1", "]"},
                                                         {"-", "1", ""},
                                                         {"!", "true", ""},
                                                         {"2 ^ ", "1", ""},
                                                         {"", "1", " + 1"},
                                                         {"", "a", ".b"},
                                                         {"", "a", "()"},
                                                         {"", "a", "[0]"}}) {
    INFO(open << core << close);
    CHECK(shape(nested(open, core, close, 200)).substr(0, 6) != "error:");
    const std::string deep = shape(nested(open, core, close, 100000));
    CHECK(deep.substr(0, 6) == "error:");
  }
  CHECK(errors(nested("b {\n", "", "}\n", 200)).empty());
  CHECK(errors(nested("b {\n", "", "}\n", 50000)) == Errors{"258:1 nested more than 256 deep"});
}

TEST_CASE("parser: a file that is too large is refused unread") {
  CHECK(errors(std::string(Source::kMaxBytes + 1, ' ')) ==
        Errors{"1:1 the file is larger than 4 MiB"});
}

TEST_CASE("parser: hostile texts do not take long") {
  // Each of these once through would take minutes if anything were quadratic.
  const auto repeated = [](std::string_view piece) {
    std::string out;
    while (out.size() < 1'000'000) out += piece;
    return out;
  };
  for (const char* piece :
       {"a", "{", "[", "\"", "`", "/*", "a.", "a = [\n", "a {\n", ",", "a = b {\n", "\"\\\n",
        "a = {b\n", "f(", "x \"", "} ", "a = 1 //\n", "\n", "a = (1 + \n"}) {
    INFO(piece);
    CHECK(errors(repeated(piece)).size() <= ErrorPerLine::kMaxErrors * 2 + 1);
  }
}

}  // namespace agent::lang
