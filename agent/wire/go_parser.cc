// The grammar is in go_template.h.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "agent/base/strings.h"
#include "agent/base/unicode.h"
#include "agent/wire/go_program.h"

namespace agent::wire {
namespace {

constexpr int kMaxDepth = 100;  // of blocks and of parentheses
constexpr std::string_view kSpaces = " \t\r\n";

enum class Kind {
  kText,
  kOpen,   // {{
  kClose,  // }}
  kSpace,
  kPipe,
  kAssign,   // =
  kDeclare,  // :=
  kComma,
  kLeft,
  kRight,
  kDot,
  kField,
  kVariable,
  kWord,  // a function, true, false, nil, or a keyword
  kString,
  kRaw,
  kChar,
  kNumber,
  kOther,
  kEnd
};

struct Token {
  Kind kind = Kind::kEnd;
  std::size_t at = 0;
  std::string_view text;
};

struct Failure {
  std::size_t at = 0;
  std::string message;
};

bool is_word(char32_t c) { return c == '_' || is_letter(c) || is_digit(c); }
bool is_blank(char c) { return kSpaces.find(c) != std::string_view::npos; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  // False when something is wrong: then failure() says what, and the tokens before it are there.
  bool run(std::vector<Token>& out) {
    while (true) {
      const std::size_t open = std::min(text_.find("{{", i_), text_.size());
      std::string_view before = text_.substr(i_, open - i_);
      const bool trims =
          open + 3 < text_.size() && text_[open + 2] == '-' && is_blank(text_[open + 3]);
      if (trims) before = before.substr(0, before.find_last_not_of(kSpaces) + 1);
      if (!before.empty()) out.push_back({Kind::kText, i_, before});
      i_ = open;
      if (open == text_.size()) {
        out.push_back({Kind::kEnd, i_, {}});
        return true;
      }
      const std::size_t inside = open + (trims ? 3 : 2);
      const std::size_t star = trims ? inside + 1 : inside;
      if (text_.substr(std::min(star, text_.size())).starts_with("/*")) {
        if (!comment(star)) return false;
        continue;
      }
      out.push_back({Kind::kOpen, open, text_.substr(open, 2)});
      i_ = inside;
      if (!action(out)) return false;
    }
  }
  Failure failure() const { return failure_; }

 private:
  bool fail(std::size_t at, std::string message) {
    failure_ = {at, std::move(message)};
    return false;
  }

  // Whether an action ends here, and with how many bytes; what it trims behind it is skipped.
  bool close() {
    const std::string_view rest = text_.substr(i_);
    if (rest.starts_with("}}")) {
      i_ += 2;
      return true;
    }
    if (rest.size() >= 4 && is_blank(rest[0]) && rest.substr(1).starts_with("-}}")) {
      i_ = std::min(text_.find_first_not_of(kSpaces, i_ + 4), text_.size());
      return true;
    }
    return false;
  }
  bool at_close() const {
    const std::string_view rest = text_.substr(i_);
    return rest.starts_with("}}") ||
           (rest.size() >= 4 && is_blank(rest[0]) && rest.substr(1).starts_with("-}}"));
  }

  bool comment(std::size_t star) {
    const std::size_t end = text_.find("*/", star + 2);
    if (end == std::string_view::npos) return fail(star, "the comment does not end");
    i_ = end + 2;
    if (!close()) return fail(i_, "the comment must end right before }}");
    return true;
  }

  // What may stand behind a name.
  bool at_terminator() const {
    if (i_ >= text_.size()) return true;
    return is_blank(text_[i_]) || std::string_view(".,|:)(").find(text_[i_]) != std::string::npos ||
           text_.substr(i_).starts_with("}}");
  }

  void skip_word() {
    while (i_ < text_.size()) {
      const CodePoint c = decode_utf8(text_.substr(i_));
      if (!c.valid || !is_word(c.value)) return;
      i_ += c.length;
    }
  }

  bool accept(std::string_view any) {
    if (i_ >= text_.size() || any.find(text_[i_]) == std::string_view::npos) return false;
    ++i_;
    return true;
  }

  bool number(std::size_t start) {
    accept("+-");
    std::string_view digits = "0123456789_";
    if (accept("0")) {
      if (accept("xX")) {
        digits = "0123456789abcdefABCDEF_";
      } else if (accept("oO")) {
        digits = "01234567_";
      } else if (accept("bB")) {
        digits = "01_";
      }
    }
    while (accept(digits)) {
    }
    if (accept("."))
      while (accept(digits)) {
      }
    if (digits.size() == 11 && accept("eE")) {
      accept("+-");
      while (accept("0123456789_")) {
      }
    }
    if (digits.size() == 23 && accept("pP")) {
      accept("+-");
      while (accept("0123456789_")) {
      }
    }
    if (i_ < text_.size() && (text_[i_] == 'i' || text_[i_] == '+' || text_[i_] == '-'))
      return fail(start, "complex numbers are not supported");
    if (i_ < text_.size()) {
      const CodePoint c = decode_utf8(text_.substr(i_));
      if (is_word(c.value))
        return fail(start, "bad number " + json_string(text_.substr(start, i_ + c.length - start)));
    }
    return true;
  }

  bool quoted(std::size_t start, char quote) {
    for (++i_; i_ < text_.size() && text_[i_] != '\n'; ++i_) {
      if (text_[i_] == quote) {
        ++i_;
        return true;
      }
      if (text_[i_] == '\\' && i_ + 1 < text_.size() && text_[i_ + 1] != '\n') ++i_;
    }
    return fail(start, quote == '"' ? "the string does not end" : "the character does not end");
  }

  // The tokens of an action, its end included.
  bool action(std::vector<Token>& out) {
    const std::size_t opened = i_;
    int parentheses = 0;
    const auto put = [&](Kind kind, std::size_t start) {
      out.push_back({kind, start, text_.substr(start, i_ - start)});
    };
    while (true) {
      const std::size_t start = i_;
      if (at_close()) {
        if (parentheses > 0) return fail(start, "a parenthesis does not close");
        close();
        out.push_back({Kind::kClose, start, "}}"});
        return true;
      }
      if (i_ >= text_.size()) return fail(opened - 2, "the action does not end: }} is missing");
      const char c = text_[i_];
      if (is_blank(c)) {
        while (i_ < text_.size() && is_blank(text_[i_]) && !at_close()) ++i_;
        put(Kind::kSpace, start);
        continue;
      }
      if (c == '"') {
        if (!quoted(start, '"')) return false;
        put(Kind::kString, start);
        continue;
      }
      if (c == '\'') {
        if (!quoted(start, '\'')) return false;
        put(Kind::kChar, start);
        continue;
      }
      if (c == '`') {
        const std::size_t end = text_.find('`', i_ + 1);
        if (end == std::string_view::npos) return fail(start, "the raw string does not end");
        i_ = end + 1;
        put(Kind::kRaw, start);
        continue;
      }
      const bool digit_behind =
          i_ + 1 < text_.size() && text_[i_ + 1] >= '0' && text_[i_ + 1] <= '9';
      if (c == '+' || c == '-' || (c >= '0' && c <= '9') || (c == '.' && digit_behind)) {
        if (!number(start)) return false;
        put(Kind::kNumber, start);
        continue;
      }
      if (c == '.' || c == '$') {
        ++i_;
        const bool bare = at_terminator();
        if (!bare) skip_word();
        if (!at_terminator()) return bad_character();
        put(c == '$' ? Kind::kVariable : bare ? Kind::kDot : Kind::kField, start);
        continue;
      }
      if (c == ':') {
        if (!text_.substr(i_).starts_with(":=")) return fail(start, "expected :=");
        i_ += 2;
        put(Kind::kDeclare, start);
        continue;
      }
      const CodePoint rune = decode_utf8(text_.substr(i_));
      if (rune.valid && is_word(rune.value)) {
        skip_word();
        if (!at_terminator()) return bad_character();
        put(Kind::kWord, start);
        continue;
      }
      Kind kind = Kind::kOther;
      if (c == '=') kind = Kind::kAssign;
      if (c == '|') kind = Kind::kPipe;
      if (c == ',') kind = Kind::kComma;
      if (c == '(') {
        kind = Kind::kLeft;
        ++parentheses;
      }
      if (c == ')') {
        kind = Kind::kRight;
        if (--parentheses < 0) return fail(start, "unexpected )");
      }
      if (rune.value >= 0x80 || c < ' ') return bad_character();
      ++i_;
      put(kind, start);
    }
  }

  bool bad_character() {
    const std::size_t length = decode_utf8(text_.substr(i_)).length;
    return fail(i_, "unexpected character " + json_string(text_.substr(i_, length)));
  }

  std::string_view text_;
  std::size_t i_ = 0;
  Failure failure_;
};

// The value of one character of a Go literal, which may be an escape; advances `i`.
struct Unquoted {
  char32_t value = 0;
  bool byte = false;  // \x41 or \101: a byte, not a code point
};
std::optional<Unquoted> unquote_one(std::string_view text, std::size_t& i, char quote) {
  if (text[i] != '\\') {
    const CodePoint c = decode_utf8(text.substr(i));
    const bool raw_byte = !c.valid;
    const Unquoted out{raw_byte ? static_cast<unsigned char>(text[i]) : c.value, raw_byte};
    i += c.length;
    return out;
  }
  if (++i >= text.size()) return std::nullopt;
  const char c = text[i++];
  const auto digits = [&](std::size_t count, int base) -> std::optional<char32_t> {
    if (i + count > text.size()) return std::nullopt;
    std::uint32_t value = 0;
    const auto [end, error] =
        std::from_chars(text.data() + i, text.data() + i + count, value, base);
    if (error != std::errc() || end != text.data() + i + count) return std::nullopt;
    i += count;
    return value;
  };
  constexpr std::string_view kLetters = "abfnrtv\\";
  constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\";
  if (const std::size_t at = kLetters.find(c); at != std::string_view::npos)
    return Unquoted{static_cast<unsigned char>(kValues[at]), false};
  if (c == quote) return Unquoted{static_cast<unsigned char>(c), false};
  if (c == 'x' || (c >= '0' && c <= '7')) {
    if (c != 'x') --i;
    const auto value = c == 'x' ? digits(2, 16) : digits(3, 8);
    if (!value || *value > 255) return std::nullopt;
    return Unquoted{*value, true};
  }
  if (c == 'u' || c == 'U') {
    const auto value = digits(c == 'u' ? 4 : 8, 16);
    if (!value || *value > 0x10FFFF || (*value >= 0xD800 && *value <= 0xDFFF)) return std::nullopt;
    return Unquoted{*value, false};
  }
  return std::nullopt;
}

std::optional<std::string> unquote(std::string_view token) {
  std::string out;
  if (token.front() == '`') {
    for (const char c : token.substr(1, token.size() - 2))
      if (c != '\r') out += c;
    return out;
  }
  const std::string_view text = token.substr(1, token.size() - 2);
  for (std::size_t i = 0; i < text.size();) {
    const auto c = unquote_one(text, i, '"');
    if (!c) return std::nullopt;
    if (c->byte) {
      out += static_cast<char>(c->value);
    } else {
      append_utf8(out, c->value);
    }
  }
  return out;
}

// False when it is no number of Go's.
bool read_number(std::string_view token, GoTerm& out, std::string& why) {
  std::string text;
  for (const char c : token)
    if (c != '_') text += c;
  const bool negative = text[0] == '-';
  std::string_view digits = text;
  if (negative || text[0] == '+') digits.remove_prefix(1);
  int base = 10;
  std::string_view number = digits;
  if (digits.size() > 1 && digits[0] == '0') {
    const char c = static_cast<char>(digits[1] | 0x20);
    base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
    number.remove_prefix(c == 'x' || c == 'b' || c == 'o' ? 2 : 1);
  }
  if (!go_underscores_fit(token)) return false;
  std::uint64_t magnitude = 0;
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), magnitude, base);
  const bool whole = end == number.data() + number.size() && !number.empty();
  if (whole && error == std::errc()) {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 63;
    if (magnitude > kMost || (magnitude == kMost && !negative)) {
      why = "the number " + std::string(token) + " is too large";
      return false;
    }
    out.is_int = true;
    out.integer =
        negative ? static_cast<std::int64_t>(0 - magnitude) : static_cast<std::int64_t>(magnitude);
    out.number = static_cast<double>(out.integer);
    return true;
  }
  const bool hex = base == 16;
  if (text.find_first_of(hex ? ".pP" : ".eE") == std::string::npos) {
    if (whole) why = "the number " + std::string(token) + " is too large";
    return false;
  }
  if (hex && text.find_first_of("pP") == std::string::npos) return false;
  const std::string_view mantissa = hex ? number : digits;
  const auto [stop, wrong] =
      std::from_chars(mantissa.data(), mantissa.data() + mantissa.size(), out.number,
                      hex ? std::chars_format::hex : std::chars_format::general);
  if (wrong != std::errc() || stop != mantissa.data() + mantissa.size()) return false;
  if (negative) out.number = -out.number;
  out.floats = true;
  if (std::abs(out.number) < 9e18 && std::trunc(out.number) == out.number) {
    out.is_int = true;
    out.integer = static_cast<std::int64_t>(out.number);
  }
  return true;
}

class Parser {
 public:
  Parser(GoProgram& program, GoTemplate::Options options) : program_(program), options_(options) {}

  std::optional<Failure> run() {
    Lexer lexer(program_.source);
    lexed_ = lexer.run(tokens_);
    if (!lexed_) {
      lex_failure_ = lexer.failure();
      tokens_.push_back({Kind::kEnd, lex_failure_.at, {}});
    }
    top_level();
    return std::move(failure_);
  }

 private:
  enum class Ending { kEnd, kElse, kNone };

  bool fail(std::size_t at, std::string message) {
    if (failure_) return false;
    // Where the text could not be read further, that is what is wrong.
    if (!lexed_ && i_ + 1 >= tokens_.size()) {
      failure_ = lex_failure_;
    } else {
      failure_ = Failure{at, std::move(message)};
    }
    return false;
  }
  const Token& peek() const { return tokens_[i_]; }
  const Token& peek_word() {
    while (peek().kind == Kind::kSpace) ++i_;
    return peek();
  }
  Token next() {
    const Token token = tokens_[i_];
    if (i_ + 1 < tokens_.size()) ++i_;
    return token;
  }
  Token next_word() {
    peek_word();
    return next();
  }
  bool unexpected(const Token& token, std::string_view where) {
    if (token.kind == Kind::kEnd)
      return fail(token.at, "the template ends in " + std::string(where));
    return fail(token.at, "unexpected " + json_string(token.text.substr(0, 40)) + " in " +
                              std::string(where));
  }
  bool close(std::string_view where) {
    const Token token = next_word();
    return token.kind == Kind::kClose || unexpected(token, where);
  }

  void top_level() {
    variables_ = {"$"};
    while (!failure_ && peek().kind != Kind::kEnd) {
      if (peek().kind == Kind::kOpen) {
        const std::size_t start = i_;
        next();
        if (peek_word().kind == Kind::kWord && peek().text == "define") {
          next();
          define();
          continue;
        }
        i_ = start;
      }
      Ending ending = Ending::kNone;
      const std::size_t at = peek().at;
      if (!item(program_.root, ending)) return;
      if (ending != Ending::kNone) {
        fail(at, ending == Ending::kEnd ? "unexpected {{end}}" : "unexpected {{else}}");
        return;
      }
    }
    if (!lexed_) fail(0, "");
  }

  bool name(std::string& out, std::string_view where) {
    const Token token = next_word();
    if (token.kind != Kind::kString && token.kind != Kind::kRaw) return unexpected(token, where);
    auto text = unquote(token.text);
    if (!text) return fail(token.at, "the string has an unknown escape");
    out = std::move(*text);
    return true;
  }

  bool add_template(const std::string& called, std::size_t at, std::vector<GoNode> body) {
    const auto empty = [](const std::vector<GoNode>& nodes) {
      return std::all_of(nodes.begin(), nodes.end(), [](const GoNode& node) {
        return node.kind == GoNode::Kind::kText &&
               node.text.find_first_not_of(" \t\r\n\v\f") == std::string::npos;
      });
    };
    const auto known = program_.defined.find(called);
    if (known == program_.defined.end() || empty(known->second)) {
      program_.defined[called] = std::move(body);
      return true;
    }
    return empty(body) || fail(at, "the template " + json_string(called) + " is defined twice");
  }

  // A body with variables of its own, up to {{end}}.
  bool definition(std::vector<GoNode>& body, std::string_view where) {
    std::vector<std::string> outer = std::exchange(variables_, {"$"});
    const int ranges = std::exchange(ranges_, 0);
    Ending ending = Ending::kNone;
    const bool good =
        items(body, ending) &&
        (ending == Ending::kEnd || fail(peek().at, "unexpected {{else}} in " + std::string(where)));
    variables_ = std::move(outer);
    ranges_ = ranges;
    return good;
  }

  bool define() {
    std::string called;
    const std::size_t at = peek().at;
    std::vector<GoNode> body;
    return name(called, "define") && close("define") && definition(body, "define") &&
           add_template(called, at, std::move(body));
  }

  bool items(std::vector<GoNode>& out, Ending& ending) {
    if (++depth_ > kMaxDepth) return fail(peek().at, "the template nests too deep");
    ending = Ending::kNone;
    while (peek_word().kind != Kind::kEnd) {
      if (!item(out, ending)) return false;
      if (ending != Ending::kNone) {
        --depth_;
        return true;
      }
    }
    return fail(peek().at, "the template ends before {{end}}");
  }

  bool item(std::vector<GoNode>& out, Ending& ending) {
    const Token token = next_word();
    if (token.kind == Kind::kText) {
      GoNode node;
      node.at = token.at;
      node.text = std::string(token.text);
      out.push_back(std::move(node));
      return true;
    }
    if (token.kind != Kind::kOpen) return unexpected(token, "the template");
    return action(out, ending, token.at);
  }

  bool action(std::vector<GoNode>& out, Ending& ending, std::size_t at) {
    const Token token = peek_word();
    GoNode node;
    node.at = at;
    const auto is = [&](std::string_view word) {
      return token.kind == Kind::kWord && token.text == word;
    };
    if (is("end")) {
      next();
      ending = Ending::kEnd;
      return close("end");
    }
    if (is("else")) {
      next();
      ending = Ending::kElse;
      const Token& behind = peek_word();
      if (behind.kind == Kind::kWord && (behind.text == "if" || behind.text == "with")) return true;
      return close("else");
    }
    if (is("if") || is("with") || is("range")) {
      next();
      node.kind = is("if")     ? GoNode::Kind::kIf
                  : is("with") ? GoNode::Kind::kWith
                               : GoNode::Kind::kRange;
      if (!control(node, token.text)) return false;
    } else if (is("break") || is("continue")) {
      next();
      node.kind = is("break") ? GoNode::Kind::kBreak : GoNode::Kind::kContinue;
      if (!close(token.text)) return false;
      if (ranges_ == 0)
        return fail(token.at, "{{" + std::string(token.text) + "}} outside of {{range}}");
    } else if (is("template")) {
      next();
      node.kind = GoNode::Kind::kTemplate;
      if (!name(node.text, "template")) return false;
      if (peek_word().kind == Kind::kClose) {
        next();
      } else {
        node.pipeline = std::make_unique<GoPipeline>();
        if (!pipeline(*node.pipeline, "template", Kind::kClose)) return false;
      }
    } else if (is("block")) {
      next();
      node.kind = GoNode::Kind::kTemplate;
      node.pipeline = std::make_unique<GoPipeline>();
      std::vector<GoNode> body;
      if (!name(node.text, "block") || !pipeline(*node.pipeline, "block", Kind::kClose) ||
          !definition(body, "block") || !add_template(node.text, token.at, std::move(body)))
        return false;
    } else {
      node.kind = GoNode::Kind::kAction;
      node.pipeline = std::make_unique<GoPipeline>();
      if (!pipeline(*node.pipeline, "an action", Kind::kClose)) return false;
    }
    out.push_back(std::move(node));
    return true;
  }

  bool control(GoNode& node, std::string_view word) {
    const std::size_t variables = variables_.size();
    node.pipeline = std::make_unique<GoPipeline>();
    if (!pipeline(*node.pipeline, word, Kind::kClose)) return false;
    const bool ranges = node.kind == GoNode::Kind::kRange;
    ranges_ += ranges ? 1 : 0;
    Ending ending = Ending::kNone;
    if (!items(node.body, ending)) return false;
    ranges_ -= ranges ? 1 : 0;
    if (ending == Ending::kElse) {
      // After {{else if}} the word is still to be read, and its {{end}} ends both.
      const Token token = peek_word();
      if (token.kind == Kind::kWord && (token.text == "if" || token.text == "with")) {
        if (token.text != word)
          return fail(token.at, "unexpected {{else " + std::string(token.text) + "}} in " +
                                    std::string(word));
        next();
        if (++depth_ > kMaxDepth) return fail(token.at, "the template nests too deep");
        GoNode inner;
        inner.kind = node.kind;
        inner.at = token.at;
        if (!control(inner, word)) return false;
        --depth_;
        node.otherwise.push_back(std::move(inner));
      } else {
        if (!items(node.otherwise, ending)) return false;
        if (ending != Ending::kEnd) return fail(peek().at, "expected {{end}}, found {{else}}");
      }
    }
    variables_.resize(variables);
    return true;
  }

  bool pipeline(GoPipeline& out, std::string_view where, Kind end) {
    if (++depth_ > kMaxDepth) return fail(peek().at, "the template nests too deep");
    out.at = peek_word().at;
    if (!declarations(out, where)) return false;
    while (true) {
      const Token token = peek_word();
      if (token.kind == end) {
        next();
        break;
      }
      switch (token.kind) {
        case Kind::kWord:
        case Kind::kDot:
        case Kind::kField:
        case Kind::kVariable:
        case Kind::kString:
        case Kind::kRaw:
        case Kind::kChar:
        case Kind::kNumber:
        case Kind::kLeft:
          out.commands.emplace_back();
          if (!command(out.commands.back())) return false;
          break;
        default:
          return unexpected(token, where);
      }
    }
    --depth_;
    if (out.commands.empty()) return fail(out.at, "a value is missing in " + std::string(where));
    for (std::size_t i = 1; i < out.commands.size(); ++i) {
      const GoTerm& first = out.commands[i].terms.front();
      if (first.kind == GoTerm::Kind::kDot || first.kind == GoTerm::Kind::kNil ||
          first.kind == GoTerm::Kind::kBool || first.kind == GoTerm::Kind::kNumber ||
          first.kind == GoTerm::Kind::kString)
        return fail(first.at, "what stands behind | must be a function");
    }
    return true;
  }

  bool declarations(GoPipeline& out, std::string_view where) {
    while (peek_word().kind == Kind::kVariable) {
      const std::size_t start = i_;
      const Token variable = next();
      const Token& behind = peek_word();
      if (behind.kind == Kind::kAssign || behind.kind == Kind::kDeclare) {
        out.assigns = behind.kind == Kind::kAssign;
        next();
        return declare(out, variable);
      }
      if (behind.kind != Kind::kComma) {
        i_ = start;
        return true;
      }
      next();
      if (!declare(out, variable)) return false;
      if (where != "range" || out.variables.size() > 1)
        return fail(variable.at, "too many variables in " + std::string(where));
      const Kind kind = peek_word().kind;
      if (kind != Kind::kVariable && kind != Kind::kClose)
        return fail(peek().at, "range can only set variables");
    }
    return true;
  }

  bool declare(GoPipeline& out, const Token& variable) {
    out.variables.emplace_back(variable.text);
    variables_.emplace_back(variable.text);
    return true;
  }

  bool command(GoCommand& out) {
    while (true) {
      peek_word();
      if (is_operand(peek().kind)) {
        out.terms.emplace_back();
        if (!operand(out.terms.back())) return false;
        if (options_.calls && peek().kind == Kind::kLeft &&
            out.terms.back().kind == GoTerm::Kind::kFunction && out.terms.size() == 1) {
          if (!call_arguments(out)) return false;
          if (peek_word().kind == Kind::kPipe) next();
          return true;
        }
      }
      const Token token = peek();
      if (token.kind == Kind::kSpace) {
        next();
        continue;
      }
      if (token.kind == Kind::kPipe) {
        next();
      } else if (token.kind != Kind::kClose && token.kind != Kind::kRight) {
        return unexpected(token, "an operand");
      }
      if (out.terms.empty()) return fail(token.at, "the command is empty");
      return true;
    }
  }

  // `( a, b )` behind a function's name.
  bool call_arguments(GoCommand& out) {
    next();
    if (peek_word().kind == Kind::kRight) {
      next();
      return true;
    }
    while (true) {
      peek_word();
      if (!is_operand(peek().kind)) return unexpected(peek(), "arguments");
      out.terms.emplace_back();
      if (!operand(out.terms.back())) return false;
      const Token token = next_word();
      if (token.kind == Kind::kRight) return true;
      if (token.kind != Kind::kComma) return unexpected(token, "arguments");
    }
  }

  static bool is_operand(Kind kind) {
    return kind == Kind::kWord || kind == Kind::kDot || kind == Kind::kField ||
           kind == Kind::kVariable || kind == Kind::kString || kind == Kind::kRaw ||
           kind == Kind::kChar || kind == Kind::kNumber || kind == Kind::kLeft;
  }

  bool operand(GoTerm& out) {
    if (!term(out)) return false;
    const bool takes_fields =
        out.kind == GoTerm::Kind::kField || out.kind == GoTerm::Kind::kVariable ||
        out.kind == GoTerm::Kind::kFunction || out.kind == GoTerm::Kind::kPipeline;
    while (peek().kind == Kind::kField) {
      if (!takes_fields) return fail(peek().at, "only a value can have fields");
      program_.reads_fields = true;
      out.fields.emplace_back(next().text.substr(1));
    }
    return true;
  }

  bool term(GoTerm& out) {
    const Token token = next();
    out.at = token.at;
    switch (token.kind) {
      case Kind::kDot:
        out.kind = GoTerm::Kind::kDot;
        return true;
      case Kind::kField:
        out.kind = GoTerm::Kind::kField;
        out.fields.emplace_back(token.text.substr(1));
        program_.reads_fields = true;
        return true;
      case Kind::kVariable:
        out.kind = GoTerm::Kind::kVariable;
        out.text = std::string(token.text);
        return std::find(variables_.begin(), variables_.end(), out.text) != variables_.end() ||
               fail(token.at, "undefined variable " + out.text);
      case Kind::kString:
      case Kind::kRaw: {
        out.kind = GoTerm::Kind::kString;
        auto text = unquote(token.text);
        if (!text) return fail(token.at, "the string has an unknown escape");
        out.text = std::move(*text);
        return true;
      }
      case Kind::kChar: {
        out.kind = GoTerm::Kind::kNumber;
        std::size_t i = 1;
        const auto c = token.text[i] == '\'' ? std::nullopt : unquote_one(token.text, i, '\'');
        if (!c || i + 1 != token.text.size())
          return fail(token.at, "malformed character " + std::string(token.text));
        out.is_int = true;
        out.integer = c->value;
        out.number = static_cast<double>(c->value);
        return true;
      }
      case Kind::kNumber: {
        out.kind = GoTerm::Kind::kNumber;
        std::string why = "bad number " + std::string(token.text);
        return read_number(token.text, out, why) || fail(token.at, why);
      }
      case Kind::kLeft:
        out.kind = GoTerm::Kind::kPipeline;
        out.pipeline = std::make_unique<GoPipeline>();
        return pipeline(*out.pipeline, "parentheses", Kind::kRight);
      default:
        return word(out, token);
    }
  }

  bool word(GoTerm& out, const Token& token) {
    if (token.text == "true" || token.text == "false") {
      out.kind = GoTerm::Kind::kBool;
      out.boolean = token.text == "true";
      return true;
    }
    if (token.text == "nil") {
      out.kind = GoTerm::Kind::kNil;
      return true;
    }
    constexpr std::array<std::string_view, 10> kKeywords = {
        "block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"};
    if (std::find(kKeywords.begin(), kKeywords.end(), token.text) != kKeywords.end())
      return unexpected(token, "an action");
    out.kind = GoTerm::Kind::kFunction;
    out.function = find_go_function(token.text);
    if (out.function == nullptr)
      return fail(token.at, "there is no function " + json_string(token.text));
    if (!out.function->refused.empty())
      return fail(token.at, "the function " + json_string(token.text) +
                                " is not supported: " + std::string(out.function->refused));
    return true;
  }

  GoProgram& program_;
  GoTemplate::Options options_;
  std::vector<Token> tokens_;
  std::size_t i_ = 0;
  bool lexed_ = true;
  Failure lex_failure_;
  std::optional<Failure> failure_;
  std::vector<std::string> variables_;
  int ranges_ = 0;
  int depth_ = 0;
};

}  // namespace

std::string GoProgram::place(std::size_t at) const {
  at = std::min(at, source.size());
  const std::string_view before = std::string_view(source).substr(0, at);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t start = before.rfind('\n');
  const std::size_t column =
      count_code_points(start == std::string_view::npos ? before : before.substr(start + 1)) + 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

Result<GoTemplate> GoTemplate::parse(std::string_view text, Options options) {
  auto program = std::make_shared<GoProgram>();
  program->source = std::string(text);
  if (const auto failure = Parser(*program, options).run())
    return fail(ErrorCode::kInvalid, program->place(failure->at) + ": " + failure->message);
  return GoTemplate(std::move(program));
}

bool GoTemplate::reads_fields() const { return program_->reads_fields; }

}  // namespace agent::wire
