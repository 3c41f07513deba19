#include "agent/lang/lexer.h"

#include <catch2/catch.hpp>

namespace agent::lang {
namespace {

struct Lexed {
  Source source;
  Diagnostics diagnostics;
  Tokens tokens;

  explicit Lexed(std::string_view text) : source(text, "x.alloy") {
    ErrorPerLine errors(source, diagnostics);
    tokens = tokenize(source, errors);
  }
  // "identifier:a \"=\":= number:1 end of line"
  std::string text() const {
    std::string out;
    for (const Token& token : tokens.tokens) {
      if (token.kind == TokenKind::kEnd) break;
      if (!out.empty()) out += ' ';
      if (token.kind == TokenKind::kTerminator) {
        out += ';';
      } else {
        out += source.text(token.range);
      }
    }
    return out;
  }
  std::string error() const {
    if (diagnostics.empty()) return "";
    const Diagnostic& d = diagnostics.all()[0];
    return std::to_string(d.span.begin.line) + ":" + std::to_string(d.span.begin.column) + " " +
           d.message;
  }
};

}  // namespace

TEST_CASE("lexer: a line end ends a statement only after a token that can end one") {
  const std::pair<const char*, const char*> table[] = {
      {"a = 1\nb = 2", "a = 1 ; b = 2 ;"},
      {"a\n", "a ;"},
      {"null\n", "null ;"},
      {"true\n", "true ;"},
      {"1.5\n", "1.5 ;"},
      {"\"s\"\n", "\"s\" ;"},
      {"`s`\n", "`s` ;"},
      {")\n]\n}\n", ") ; ] ; } ;"},
      {"a = \n 1", "a = 1 ;"},
      {"{\n[\n(\n,\n.\n+\n", "{ [ ( , . +"},
      {"1 +\n2", "1 + 2 ;"},
      {"1\n+ 2", "1 ; + 2 ;"},
      {"\n\n\n", ""},
      {"", ""},
  };
  for (const auto& [source, tokens] : table) {
    INFO(source);
    Lexed lexed(source);
    CHECK(lexed.text() == tokens);
    CHECK(lexed.diagnostics.empty());
  }
}

TEST_CASE("lexer: comments are set aside and do not hide the line's end") {
  Lexed lexed("a = 1 // one\nb = /* two */ 2 /* three\n */ c /* four */\n// five");
  CHECK(lexed.text() == "a = 1 ; b = 2 ; c ;");
  REQUIRE(lexed.tokens.comments.size() == 5);
  CHECK(lexed.source.text(lexed.tokens.comments[0].range) == "// one");
  CHECK(lexed.source.text(lexed.tokens.comments[2].range) == "/* three\n */");
  CHECK(lexed.source.text(lexed.tokens.comments[4].range) == "// five");
}

TEST_CASE("lexer: carriage returns are blanks and no part of a comment") {
  Lexed lexed("a = 1 // one\r\nb = 2\r\n");
  CHECK(lexed.text() == "a = 1 ; b = 2 ;");
  CHECK(lexed.source.text(lexed.tokens.comments[0].range) == "// one");
}

TEST_CASE("lexer: kinds") {
  const std::pair<const char*, TokenKind> table[] = {
      {"a", TokenKind::kIdentifier},
      {"_x9", TokenKind::kIdentifier},
      {"größe", TokenKind::kIdentifier},
      {"имя", TokenKind::kIdentifier},
      {"nullx", TokenKind::kIdentifier},
      {"null", TokenKind::kNull},
      {"true", TokenKind::kBool},
      {"false", TokenKind::kBool},
      {"0", TokenKind::kNumber},
      {"010", TokenKind::kNumber},
      {"1.", TokenKind::kFloat},
      {".5", TokenKind::kFloat},
      {"1e3", TokenKind::kFloat},
      {"1.5E-3", TokenKind::kFloat},
      {"\"a\"", TokenKind::kString},
      {"`a`", TokenKind::kString},
      {"==", TokenKind::kEqual},
      {"!=", TokenKind::kNotEqual},
      {"<=", TokenKind::kLessEqual},
      {">=", TokenKind::kGreaterEqual},
      {"<", TokenKind::kLess},
      {">", TokenKind::kGreater},
      {"&&", TokenKind::kAnd},
      {"||", TokenKind::kOr},
      {"!", TokenKind::kNot},
      {"=", TokenKind::kAssign},
      {"^", TokenKind::kPower},
      {"%", TokenKind::kModulo},
      {"/", TokenKind::kDivide},
      {"*", TokenKind::kTimes},
  };
  for (const auto& [source, kind] : table) {
    INFO(source);
    Lexed lexed(source);
    CHECK(lexed.tokens.tokens[0].kind == kind);
    CHECK(lexed.source.text(lexed.tokens.tokens[0].range) == source);
    CHECK(lexed.diagnostics.empty());
  }
}

TEST_CASE("lexer: strings unquote as Go's do") {
  const std::pair<std::string, std::string> table[] = {
      {R"("")", ""},
      {R"("plain")", "plain"},
      {R"("\a\b\f\n\r\t\v\\\"")", "\a\b\f\n\r\t\v\\\""},
      {R"("\101\x41\u0041\U00000041")", "AAAA"},
      {R"("\377\xff")", "\377\xff"},
      {R"("\u00e9\U0001F600")", "\xC3\xA9\xF0\x9F\x98\x80"},
      {"\"tab\there\"", "tab\there"},
      {R"(`\n"raw"\`)", R"(\n"raw"\)"},
      {"`two\r\nlines`", "two\nlines"},
      {"\"alloy\\\\.service\"", "alloy\\.service"},
  };
  for (const auto& [source, value] : table) {
    INFO(source);
    Lexed lexed(source);
    CHECK(lexed.diagnostics.empty());
    CHECK(unquote(source) == value);
  }
}

TEST_CASE("lexer: # begins a comment, which Alloy refuses: a warning") {
  const Lexed lexed("a = 1 # no\n");
  REQUIRE(lexed.diagnostics.all().size() == 1);
  const Diagnostic& warning = lexed.diagnostics.all()[0];
  CHECK(warning.severity == Severity::kWarning);
  CHECK(warning.span.begin.text() == "x.alloy:1:7");
  CHECK(warning.message == "Grafana Alloy refuses # for a comment");
  CHECK(warning.hint == "a comment starts with //; fmt writes it");
}

TEST_CASE("lexer: errors") {
  const std::pair<std::string, const char*> table[] = {
      {"a = \"open\nb = 1", "1:5 the string is not closed"},
      {"a = `open\nb", "1:5 the raw string is not closed"},
      {"/* open\n", "1:1 the comment is not closed"},
      {R"(a = "it\'s")", "1:8 unknown escape sequence \\'"},
      {R"(a = "\d")", "1:6 unknown escape sequence \\d"},
      {R"(a = "\x4")", "1:6 the escape sequence \\x4 is cut short"},
      {R"(a = "\18")", "1:6 the escape sequence \\1 is cut short"},
      {R"(a = "\477")", "1:6 the escape sequence \\477 is not a character"},
      {R"(a = "\uD800")", "1:6 the escape sequence \\uD800 is not a character"},
      {R"(a = "\U00110000")", "1:6 the escape sequence \\U00110000 is not a character"},
      {"a = 1; b = 2", "1:6 illegal character ';'"},
      {"a = 'x'", "1:5 illegal character '\\''"},
      {"a = b & c", "1:7 illegal character '&'"},
      {"a = b | c", "1:7 illegal character '|'"},
      {"a = b ? c", "1:7 illegal character '?'"},
      {"a = 1e", "1:5 the exponent of the number has no digits"},
      {std::string("a = \0", 5), "1:5 illegal character U+0000"},
      {"a = \xEF\xBB\xBF", "1:5 a byte order mark is allowed at the start of the file only"},
      {"a = \xFF", "1:5 the file is not valid UTF-8"},
      {"a = \"\xFF\"", "1:6 the file is not valid UTF-8"},
      {"a = `\xFF`", "1:6 the file is not valid UTF-8"},
      {"// \xC3\x28", "1:4 the file is not valid UTF-8"},
  };
  for (const auto& [source, message] : table) {
    INFO(source);
    std::string expected = message;
    if (expected.find("'\\''") != std::string::npos) expected = "1:5 illegal character '''";
    CHECK(Lexed(source).error() == expected);
  }
}

TEST_CASE("lexer: one error a line, and the lines after it are still read") {
  Lexed lexed("a = $ $ $\nb = $\nc = 1");
  CHECK(lexed.diagnostics.all().size() == 2);
  CHECK(lexed.diagnostics.all()[1].span.begin.line == 2);
  CHECK(lexed.text().ends_with("c = 1 ;"));
}

TEST_CASE("lexer: the number of errors is bounded") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "$\n";
  CHECK(Lexed(text).diagnostics.all().size() == ErrorPerLine::kMaxErrors + 1);
}

TEST_CASE("lexer: a byte order mark at the start is skipped") {
  Lexed lexed(
      "\xEF\xBB\xBF"
      "a = 1");
  CHECK(lexed.text() == "a = 1 ;");
  CHECK(lexed.diagnostics.empty());
}

TEST_CASE("lexer: identifiers") {
  CHECK(is_identifier("a_1"));
  CHECK(is_identifier("größe"));
  for (const char* text : {"", "1a", "a-b", "a.b", "a b", "true", "null", "\xFF"}) {
    INFO(text);
    CHECK_FALSE(is_identifier(text));
  }
}

TEST_CASE("source: offsets become lines and columns") {
  const Source source("ab\ncd\r\n\nx", "f");
  CHECK(source.line_count() == 4);
  CHECK(source.line_text(2) == "cd");
  CHECK(source.line_text(3).empty());
  CHECK(source.line_text(5).empty());
  CHECK(source.position(4).line == 2);
  CHECK(source.position(4).column == 2);
  CHECK(source.position(8).text() == "f:4:1");
  CHECK(source.position(9).line == 4);
}

}  // namespace agent::lang
