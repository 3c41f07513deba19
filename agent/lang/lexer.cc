// Grammar of the tokens (Grafana Alloy, syntax/scanner):
//   identifier = letter { letter | digit }            letter includes _
//   number     = digits [ "." [ digits ] ] [ exponent ] | "." digits [ exponent ]
//   string     = '"' { any but quote, backslash and line end | escape } '"'
//              | "`" { any but "`" } "`"
//   escape     = \a \b \f \n \r \t \v \\ \" | \ooo | \xhh | \uhhhh | \Uhhhhhhhh
//   comment    = "//" to the end of the line | "/*" to the next "*/"
//              | "#" to the end of the line, which is ours and a warning
#include "agent/lang/lexer.h"

#include <algorithm>
#include <cstdio>

#include "agent/base/unicode.h"

namespace agent::lang {
namespace {

bool ends_statement(TokenKind kind) {
  switch (kind) {
    case TokenKind::kIdentifier:
    case TokenKind::kNull:
    case TokenKind::kBool:
    case TokenKind::kNumber:
    case TokenKind::kFloat:
    case TokenKind::kString:
    case TokenKind::kRightParen:
    case TokenKind::kRightBracket:
    case TokenKind::kRightBrace:
      return true;
    default:
      return false;
  }
}

bool is_decimal(char c) { return c >= '0' && c <= '9'; }

int hex_digit(char c) {
  if (is_decimal(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// One escape sequence behind its backslash: how many bytes it takes and what it stands for.
struct Escape {
  enum class Fault { kNone, kUnknown, kCutShort, kNotACharacter };
  Fault fault = Fault::kNone;
  std::size_t length = 1;
  char32_t value = 0;
  bool is_byte = false;  // \ooo and \xhh give one byte, whatever it is
};

Escape read_escape(std::string_view text) {
  Escape escape;
  if (text.empty()) return {Escape::Fault::kCutShort, 0, 0, false};
  std::size_t digits = 0;
  char32_t base = 16;
  switch (text[0]) {
    case 'a':
      escape.value = '\a';
      return escape;
    case 'b':
      escape.value = '\b';
      return escape;
    case 'f':
      escape.value = '\f';
      return escape;
    case 'n':
      escape.value = '\n';
      return escape;
    case 'r':
      escape.value = '\r';
      return escape;
    case 't':
      escape.value = '\t';
      return escape;
    case 'v':
      escape.value = '\v';
      return escape;
    case '\\':
    case '"':
      escape.value = static_cast<unsigned char>(text[0]);
      return escape;
    case 'x':
      digits = 2;
      escape.is_byte = true;
      break;
    case 'u':
      digits = 4;
      break;
    case 'U':
      digits = 8;
      break;
    default:
      if (text[0] < '0' || text[0] > '7') {
        escape.fault = Escape::Fault::kUnknown;
        return escape;
      }
      digits = 3;
      base = 8;
      escape.is_byte = true;
      escape.length = 0;
  }
  for (std::size_t i = 0; i < digits; ++i, ++escape.length) {
    const int digit = escape.length < text.size() ? hex_digit(text[escape.length]) : -1;
    if (digit < 0 || static_cast<char32_t>(digit) >= base) {
      escape.fault = Escape::Fault::kCutShort;
      return escape;
    }
    escape.value = escape.value * base + static_cast<char32_t>(digit);
  }
  const bool surrogate = escape.value >= 0xD800 && escape.value <= 0xDFFF;
  if (escape.is_byte ? escape.value > 0xFF : surrogate || escape.value > 0x10FFFF)
    escape.fault = Escape::Fault::kNotACharacter;
  return escape;
}

class Lexer {
 public:
  Lexer(const Source& source, ErrorPerLine& errors) : text_(source.text()), errors_(errors) {}

  Tokens run() {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    while (at_ < text_.size() && !errors_.full()) step();
    at_ = text_.size();
    terminate(at_);
    push(TokenKind::kEnd, at_);
    return std::move(out_);
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  Range since(std::size_t begin) const {
    return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(at_)};
  }
  void push(TokenKind kind, std::size_t begin) { out_.tokens.push_back({kind, since(begin)}); }
  void terminate(std::size_t at) {
    if (!out_.tokens.empty() && ends_statement(out_.tokens.back().kind))
      out_.tokens.push_back({TokenKind::kTerminator,
                             {static_cast<std::uint32_t>(at),
                              static_cast<std::uint32_t>(std::min(at + 1, text_.size()))}});
  }
  void error(std::size_t begin, std::size_t end, std::string message, std::string hint = {}) {
    errors_.report({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)},
                   std::move(message), std::move(hint));
  }

  void step() {
    const std::size_t begin = at_;
    const char c = text_[at_];
    switch (c) {
      case '\n':
        terminate(begin);
        ++at_;
        return;
      case ' ':
      case '\t':
      case '\r':
        ++at_;
        return;
      case '"':
        return string();
      case '`':
        return raw_string();
      case '#':
        return hash_comment();
      case '/':
        if (peek(1) == '/') return line_comment();
        if (peek(1) == '*') return block_comment();
        return symbol(1, TokenKind::kDivide);
      case '{':
        return symbol(1, TokenKind::kLeftBrace);
      case '}':
        return symbol(1, TokenKind::kRightBrace);
      case '[':
        return symbol(1, TokenKind::kLeftBracket);
      case ']':
        return symbol(1, TokenKind::kRightBracket);
      case '(':
        return symbol(1, TokenKind::kLeftParen);
      case ')':
        return symbol(1, TokenKind::kRightParen);
      case ',':
        return symbol(1, TokenKind::kComma);
      case '.':
        if (is_decimal(peek(1))) return number();
        return symbol(1, TokenKind::kDot);
      case '+':
        return symbol(1, TokenKind::kPlus);
      case '-':
        return symbol(1, TokenKind::kMinus);
      case '*':
        return symbol(1, TokenKind::kTimes);
      case '%':
        return symbol(1, TokenKind::kModulo);
      case '^':
        return symbol(1, TokenKind::kPower);
      case '=':
        return peek(1) == '=' ? symbol(2, TokenKind::kEqual) : symbol(1, TokenKind::kAssign);
      case '!':
        return peek(1) == '=' ? symbol(2, TokenKind::kNotEqual) : symbol(1, TokenKind::kNot);
      case '<':
        return peek(1) == '=' ? symbol(2, TokenKind::kLessEqual) : symbol(1, TokenKind::kLess);
      case '>':
        return peek(1) == '=' ? symbol(2, TokenKind::kGreaterEqual)
                              : symbol(1, TokenKind::kGreater);
      case '|':
        if (peek(1) == '|') return symbol(2, TokenKind::kOr);
        break;
      case '&':
        if (peek(1) == '&') return symbol(2, TokenKind::kAnd);
        break;
      default:
        if (is_decimal(c)) return number();
        if (c == '_' || is_letter(decode_utf8(text_.substr(at_)).value)) return identifier();
    }
    illegal();
  }

  void symbol(std::size_t length, TokenKind kind) {
    const std::size_t begin = at_;
    at_ += length;
    push(kind, begin);
  }

  void illegal() {
    const std::size_t begin = at_;
    const CodePoint c = decode_utf8(text_.substr(at_));
    at_ += c.length;
    push(TokenKind::kIllegal, begin);
    if (!c.valid) return error(begin, at_, "the file is not valid UTF-8");
    if (c.value == 0xFEFF)
      return error(begin, at_, "a byte order mark is allowed at the start of the file only");
    std::string name;
    if (c.value > ' ' && c.value != 0x7F) {
      name = "'" + std::string(text_.substr(begin, c.length)) + "'";
    } else {
      char code[16];
      std::snprintf(code, sizeof code, "U+%04X", static_cast<unsigned>(c.value));
      name = code;
    }
    std::string hint;
    if (c.value == ';') hint = "a statement ends with its line";
    if (c.value == ':') hint = "a key and its value are joined by =";
    if (c.value == '\'' || c.value == 0x201C || c.value == 0x201D || c.value == 0x2018 ||
        c.value == 0x2019)
      hint = "a string is written \"like this\"";
    if (c.value == '|') hint = "did you mean \"||\"?";
    if (c.value == '&') hint = "did you mean \"&&\"?";
    if (c.value == '?')
      hint = "there is no \"?\" operator; coalesce(a, b) gives the first that is not empty";
    if (c.value == '$') hint = "there is no interpolation; join strings with + or string.format";
    error(begin, at_, "illegal character " + name, std::move(hint));
  }

  void skip_line() {
    while (at_ < text_.size() && text_[at_] != '\n') ++at_;
  }

  void identifier() {
    const std::size_t begin = at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '_' || is_decimal(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        ++at_;
        continue;
      }
      if (static_cast<unsigned char>(c) < 0x80) break;
      const CodePoint wide = decode_utf8(text_.substr(at_));
      if (!wide.valid || !(is_letter(wide.value) || is_digit(wide.value))) break;
      at_ += wide.length;
    }
    const std::string_view word = text_.substr(begin, at_ - begin);
    if (word == "null") return push(TokenKind::kNull, begin);
    if (word == "true" || word == "false") return push(TokenKind::kBool, begin);
    push(TokenKind::kIdentifier, begin);
  }

  void number() {
    const std::size_t begin = at_;
    TokenKind kind = TokenKind::kNumber;
    while (is_decimal(peek())) ++at_;
    if (peek() == '.') {
      kind = TokenKind::kFloat;
      ++at_;
      while (is_decimal(peek())) ++at_;
    }
    if (peek() == 'e' || peek() == 'E') {
      kind = TokenKind::kFloat;
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!is_decimal(peek())) error(begin, at_, "the exponent of the number has no digits");
      while (is_decimal(peek())) ++at_;
    }
    push(kind, begin);
  }

  void string() {
    const std::size_t begin = at_++;
    for (;;) {
      // Long stretches without anything special are skipped at once.
      while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' && text_[at_] != '\n' &&
             static_cast<signed char>(text_[at_]) > 0)
        ++at_;
      if (at_ >= text_.size() || text_[at_] == '\n') {
        push(TokenKind::kString, begin);
        return error(begin, at_, "the string is not closed",
                     "a string over several lines is written in `backticks`");
      }
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return push(TokenKind::kString, begin);
      }
      if (c == '\\') {
        escape();
        continue;
      }
      const CodePoint wide = decode_utf8(text_.substr(at_));
      if (!wide.valid) error(at_, at_ + 1, "the file is not valid UTF-8");
      if (c == '\0') error(at_, at_ + 1, "illegal character U+0000");
      at_ += wide.length;
    }
  }

  void escape() {
    const std::size_t begin = at_++;
    const Escape escape = read_escape(text_.substr(at_));
    const std::size_t end = std::min(at_ + std::max<std::size_t>(escape.length, 1), text_.size());
    const std::string shown(text_.substr(begin, end - begin));
    switch (escape.fault) {
      case Escape::Fault::kNone:
        at_ += escape.length;
        return;
      case Escape::Fault::kUnknown:
        // What follows the backslash is looked at again: it may be the line's end.
        return error(begin, end, "unknown escape sequence " + shown,
                     peek() == '\'' ? "' needs no escape"
                                    : "a backslash is written \\\\, or use a `raw string`");
      case Escape::Fault::kCutShort:
        at_ += escape.length;
        return error(begin, end, "the escape sequence " + shown + " is cut short");
      case Escape::Fault::kNotACharacter:
        at_ += escape.length;
        return error(begin, end, "the escape sequence " + shown + " is not a character");
    }
  }

  void raw_string() {
    const std::size_t begin = at_++;
    const std::size_t close = text_.find('`', at_);
    at_ = close == std::string_view::npos ? text_.size() : close + 1;
    push(TokenKind::kString, begin);
    if (close == std::string_view::npos)
      return error(begin, begin + 1, "the raw string is not closed");
    check_bytes(begin + 1, close);
  }

  void hash_comment() {
    errors_.warn({static_cast<std::uint32_t>(at_), static_cast<std::uint32_t>(at_ + 1)},
                 "Grafana Alloy refuses # for a comment",
                 "a comment starts with //; fmt writes it");
    line_comment();
  }

  void line_comment() {
    const std::size_t begin = at_;
    skip_line();
    std::size_t end = at_;
    while (end > begin && text_[end - 1] == '\r') --end;
    out_.comments.push_back({{static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)}});
    check_bytes(begin, end);
  }

  void block_comment() {
    const std::size_t begin = at_;
    const std::size_t close = text_.find("*/", at_ + 2);
    at_ = close == std::string_view::npos ? text_.size() : close + 2;
    if (close == std::string_view::npos)
      return error(begin, begin + 2, "the comment is not closed");
    out_.comments.push_back({since(begin)});
    // A comment over several lines ends a statement as its line end would.
    const std::size_t line_end = text_.substr(0, close).find('\n', begin);
    if (line_end != std::string_view::npos) terminate(line_end);
    check_bytes(begin, at_);
  }

  void check_bytes(std::size_t begin, std::size_t end) {
    while (begin < end) {
      if (static_cast<signed char>(text_[begin]) > 0) {
        ++begin;
        continue;
      }
      const CodePoint c = decode_utf8(text_.substr(begin, end - begin));
      if (!c.valid) return error(begin, begin + 1, "the file is not valid UTF-8");
      if (c.value == 0) return error(begin, begin + 1, "illegal character U+0000");
      begin += c.length;
    }
  }

  std::string_view text_;
  ErrorPerLine& errors_;
  std::size_t at_ = 0;
  Tokens out_;
};

}  // namespace

std::string_view token_name(TokenKind kind) {
  switch (kind) {
    case TokenKind::kEnd:
      return "end of file";
    case TokenKind::kTerminator:
      return "end of line";
    case TokenKind::kIllegal:
      return "illegal character";
    case TokenKind::kIdentifier:
      return "identifier";
    case TokenKind::kNull:
      return "null";
    case TokenKind::kBool:
      return "bool";
    case TokenKind::kNumber:
    case TokenKind::kFloat:
      return "number";
    case TokenKind::kString:
      return "string";
    case TokenKind::kLeftBrace:
      return "\"{\"";
    case TokenKind::kRightBrace:
      return "\"}\"";
    case TokenKind::kLeftBracket:
      return "\"[\"";
    case TokenKind::kRightBracket:
      return "\"]\"";
    case TokenKind::kLeftParen:
      return "\"(\"";
    case TokenKind::kRightParen:
      return "\")\"";
    case TokenKind::kComma:
      return "\",\"";
    case TokenKind::kDot:
      return "\".\"";
    case TokenKind::kAssign:
      return "\"=\"";
    case TokenKind::kOr:
      return "\"||\"";
    case TokenKind::kAnd:
      return "\"&&\"";
    case TokenKind::kNot:
      return "\"!\"";
    case TokenKind::kEqual:
      return "\"==\"";
    case TokenKind::kNotEqual:
      return "\"!=\"";
    case TokenKind::kLess:
      return "\"<\"";
    case TokenKind::kLessEqual:
      return "\"<=\"";
    case TokenKind::kGreater:
      return "\">\"";
    case TokenKind::kGreaterEqual:
      return "\">=\"";
    case TokenKind::kPlus:
      return "\"+\"";
    case TokenKind::kMinus:
      return "\"-\"";
    case TokenKind::kTimes:
      return "\"*\"";
    case TokenKind::kDivide:
      return "\"/\"";
    case TokenKind::kModulo:
      return "\"%\"";
    case TokenKind::kPower:
      return "\"^\"";
  }
  return "token";
}

void ErrorPerLine::report(Range range, std::string message, std::string hint) {
  const int line = source_.line(range.begin);
  const auto at = std::lower_bound(lines_.begin(), lines_.end(), line);
  if (full() || (at != lines_.end() && *at == line)) return;
  lines_.insert(at, line);
  diagnostics_.error(source_.span(range), std::move(message), std::move(hint));
  if (full()) diagnostics_.error(source_.span(range), "too many errors; the rest is not shown");
}

void ErrorPerLine::warn(Range range, std::string message, std::string hint) {
  if (warnings_++ < kMaxErrors)
    diagnostics_.warning(source_.span(range), std::move(message), std::move(hint));
}

Tokens tokenize(const Source& source, ErrorPerLine& errors) { return Lexer(source, errors).run(); }

bool is_identifier(std::string_view text) {
  if (text.empty() || text == "null" || text == "true" || text == "false") return false;
  for (bool first = true; !text.empty(); first = false) {
    const CodePoint c = decode_utf8(text);
    const bool fits =
        c.valid && (c.value == '_' || is_letter(c.value) || (!first && is_digit(c.value)));
    if (!fits) return false;
    text.remove_prefix(c.length);
  }
  return true;
}

std::string unquote(std::string_view token) {
  std::string out;
  if (token.size() < 2) return out;
  const char quote = token[0];
  token = token.substr(1, token.size() - 2);
  out.reserve(token.size());
  if (quote == '`') {
    for (char c : token)
      if (c != '\r') out.push_back(c);
    return out;
  }
  while (!token.empty()) {
    const std::size_t plain = std::min(token.find('\\'), token.size());
    out += token.substr(0, plain);
    token.remove_prefix(plain);
    if (token.empty()) break;
    token.remove_prefix(1);
    const Escape escape = read_escape(token);
    if (escape.is_byte) {
      out.push_back(static_cast<char>(escape.value));
    } else {
      append_utf8(out, escape.value);
    }
    token.remove_prefix(std::min(std::max<std::size_t>(escape.length, 1), token.size()));
  }
  return out;
}

}  // namespace agent::lang
