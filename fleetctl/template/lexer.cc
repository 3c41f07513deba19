// The grammar of template text, outermost first. `-` removes white space on its side of the tag,
// `+` protects it from trim_blocks and lstrip_blocks.
//   template  := (data | comment | variable | block | raw | line statement | line comment)*
//   comment   := "{#" [-+] anything [-+] "#}" [newline if trim_blocks]
//   variable  := "{{" [-+] token* [-] "}}"
//   block     := "{%" [-+] token* [-+] "%}" [newline if trim_blocks]
//   raw       := "{%" [-+] "raw" [-] "%}" anything "{%" [-+] "endraw" [-+] "%}" [newline if
//   trim_blocks] line statement := start of line, blanks, prefix, token*, end of line; line comment
//   := prefix ... end of line
// Where several tags start at one position the longest opening wins. An end tag inside open
// brackets is not one.
#include "fleetctl/template/lexer.h"

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdlib>
#include <cwctype>

#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

using value::Value;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
int digit_of(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

// Letters of any script may be names; curly quotes and the like may not.
bool is_identifier(std::string_view word) {
  if (std::all_of(word.begin(), word.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
    return true;
  }
  const locale_t unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (unicode == nullptr) return true;
  const std::u32string points = value::decode_utf8(word);
  const bool good = std::all_of(points.begin(), points.end(), [unicode](char32_t c) {
    return c < 0x80 || iswalpha_l(static_cast<wint_t>(c), unicode) != 0;
  });
  freelocale(unicode);
  return good;
}

std::string with_newlines(std::string_view text, std::string_view newline) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
    if (text[i] == '\r' || text[i] == '\n') {
      out += newline;
    } else {
      out += text[i];
    }
  }
  return out;
}

enum class Opening { kNone, kRaw, kVariable, kBlock, kComment, kLineStatement, kLineComment };

class Lexer {
 public:
  Lexer(std::string_view source, const Settings& settings) : settings_(settings) {
    text_ = with_newlines(source, "\n");
    if (!settings.keep_trailing_newline && !text_.empty() && text_.back() == '\n') text_.pop_back();
    openings_ = {{settings_.variable_start, Opening::kVariable},
                 {settings_.comment_start, Opening::kComment},
                 {settings_.block_start, Opening::kBlock}};
    std::stable_sort(openings_.begin(), openings_.end(),
                     [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  }

  Outcome<> run() {
    while (at_ < text_.size()) TEMPLATE_CHECK(root());
    locate(at_);
    push(TokenKind::kEof, "");
    return {};
  }

  std::vector<Token> tokens;
  const std::string& text() const { return text_; }

 private:
  // Lines and columns are found by walking forward; positions only grow, except for the look-back
  // of one tag.
  void locate(std::size_t position) {
    if (position < counted_) {
      counted_ = 0;
      line_ = 1;
      line_start_ = 0;
    }
    for (; counted_ < position; ++counted_) {
      if (text_[counted_] == '\n') {
        ++line_;
        line_start_ = counted_ + 1;
      }
    }
    token_line_ = line_;
    token_column_ = static_cast<int>(position - line_start_) + 1;
  }
  Token& push(TokenKind kind, std::string text) {
    Token token;
    token.kind = kind;
    token.line = token_line_;
    token.column = token_column_;
    token.text = std::move(text);
    tokens.push_back(std::move(token));
    return tokens.back();
  }
  tl::unexpected<std::shared_ptr<Problem>> error(std::size_t position, std::string message) {
    locate(std::min(position, text_.size()));
    auto p = std::make_shared<Problem>();
    p->kind = ProblemKind::kSyntax;
    p->message = std::move(message);
    p->place.line = token_line_;
    p->place.column = token_column_;
    return pass_on(std::move(p));
  }

  bool starts(std::size_t position, std::string_view what) const {
    return text_.compare(position, what.size(), what) == 0;
  }
  std::size_t skip_space(std::size_t position) const {
    while (position < text_.size() && is_space(text_[position])) ++position;
    return position;
  }

  // `raw` tag at `position`? Returns its end or 0; sets the sign.
  std::size_t match_raw(std::size_t position, char& sign) const {
    if (!starts(position, settings_.block_start)) return 0;
    std::size_t p = position + settings_.block_start.size();
    sign = '\0';
    if (p < text_.size() && (text_[p] == '-' || text_[p] == '+')) sign = text_[p++];
    p = skip_space(p);
    if (!starts(p, "raw")) return 0;
    p = skip_space(p + 3);
    if (p < text_.size() && text_[p] == '-' && starts(p + 1, settings_.block_end)) {
      return skip_space(p + 1 + settings_.block_end.size());
    }
    return starts(p, settings_.block_end) ? p + settings_.block_end.size() : 0;
  }

  // The end tag of a block or comment at `position`: its end or 0.
  std::size_t match_end(std::size_t position, std::string_view end, bool trim) const {
    if (position >= text_.size()) return 0;
    const char c = text_[position];
    if (c == '+' && starts(position + 1, end)) return position + 1 + end.size();
    if (c == '-' && starts(position + 1, end)) return skip_space(position + 1 + end.size());
    if (!starts(position, end)) return 0;
    std::size_t p = position + end.size();
    if (trim && p < text_.size() && text_[p] == '\n') ++p;
    return p;
  }

  Opening opening_at(std::size_t p, std::size_t& length) const {
    char sign = '\0';
    if (match_raw(p, sign) != 0) return Opening::kRaw;
    Opening found = Opening::kNone;
    length = 0;
    for (const auto& [text, kind] : openings_) {
      if (!text.empty() && starts(p, text)) {
        found = kind;
        length = text.size();
        break;
      }
    }
    std::size_t longest = length;  // of the opening itself, without the blanks before it
    const bool at_line_start = p == 0 || text_[p - 1] == '\n';
    const auto try_line = [&](const std::string& prefix, Opening kind, bool allowed) {
      if (prefix.empty() || !allowed || prefix.size() <= longest) return;
      std::size_t q = p;
      while (q < text_.size() && text_[q] != '\n' && is_space(text_[q])) ++q;
      if (starts(q, prefix)) {
        found = kind;
        longest = prefix.size();
        length = q - p + prefix.size();
      }
    };
    try_line(settings_.line_statement_prefix, Opening::kLineStatement, at_line_start);
    const bool after_text = p > 0 && !is_space(text_[p - 1]);
    try_line(settings_.line_comment_prefix, Opening::kLineComment, at_line_start || after_text);
    return found;
  }

  // Emits text_[at_, end) as data, shortened at its end as the sign of the tag that follows and
  // lstrip_blocks ask.
  void data(std::size_t end, char sign, bool variable) {
    std::size_t stop = end;
    if (sign == '-') {
      while (stop > at_ && is_space(text_[stop - 1])) --stop;
    } else if (sign != '+' && settings_.lstrip_blocks && !variable) {
      std::size_t start = end;
      while (start > at_ && text_[start - 1] != '\n') --start;
      const bool from_line_start = start > at_ || at_ == 0 || text_[at_ - 1] == '\n';
      const bool blank = std::all_of(text_.begin() + static_cast<std::ptrdiff_t>(start),
                                     text_.begin() + static_cast<std::ptrdiff_t>(end), is_space);
      if (from_line_start && blank && start < end) stop = start;
    }
    if (stop > at_) {
      locate(at_);
      push(TokenKind::kData, with_newlines(std::string_view(text_).substr(at_, stop - at_),
                                           settings_.newline_sequence));
    }
  }

  char sign_at(std::size_t position) const {
    if (position < text_.size() && (text_[position] == '-' || text_[position] == '+')) {
      return text_[position];
    }
    return '\0';
  }

  Outcome<> root() {
    std::size_t p = at_;
    std::size_t length = 0;
    Opening kind = Opening::kNone;
    const bool lines =
        !settings_.line_statement_prefix.empty() || !settings_.line_comment_prefix.empty();
    std::string firsts;
    for (const auto& [text, opening] : openings_) {
      if (!text.empty()) firsts += text[0];
    }
    for (; p < text_.size(); ++p) {
      if (!lines) {
        p = text_.find_first_of(firsts, p);
        if (p == std::string::npos) break;
      }
      kind = opening_at(p, length);
      if (kind != Opening::kNone) break;
    }
    if (kind == Opening::kNone) {
      data(text_.size(), '+', true);
      at_ = text_.size();
      return {};
    }
    switch (kind) {
      case Opening::kRaw:
        return raw(p);
      case Opening::kComment:
        return comment(p, p + length);
      case Opening::kLineComment: {
        data(p, '\0', false);
        const std::size_t end = text_.find('\n', p + length);
        at_ = end == std::string::npos ? text_.size() : end;
        return {};
      }
      case Opening::kLineStatement:
        data(p, '\0', false);
        locate(p);
        push(TokenKind::kBlockBegin, "");
        at_ = p + length;
        if (sign_at(at_) != '\0') ++at_;
        return code(Opening::kLineStatement);
      default: {
        const bool variable = kind == Opening::kVariable;
        const char sign = sign_at(p + length);
        data(p, sign, variable);
        locate(p);
        push(variable ? TokenKind::kVariableBegin : TokenKind::kBlockBegin, "");
        at_ = p + length + (sign != '\0' ? 1 : 0);
        return code(kind);
      }
    }
  }

  Outcome<> comment(std::size_t start, std::size_t inside) {
    data(start, sign_at(inside), false);
    std::size_t p = inside + (sign_at(inside) != '\0' ? 1 : 0);
    for (; p < text_.size(); ++p) {
      if (const std::size_t end = match_end(p, settings_.comment_end, settings_.trim_blocks)) {
        at_ = end;
        return {};
      }
    }
    return error(start, "Missing end of comment tag");
  }

  Outcome<> raw(std::size_t start) {
    char sign = '\0';
    const std::size_t inside = match_raw(start, sign);
    data(start, sign, false);
    at_ = inside;
    for (std::size_t p = inside; p < text_.size(); ++p) {
      p = text_.find(settings_.block_start, p);
      if (p == std::string::npos) break;
      std::size_t q = p + settings_.block_start.size();
      const char end_sign = sign_at(q);
      q = skip_space(q + (end_sign != '\0' ? 1 : 0));
      if (!starts(q, "endraw")) continue;
      q = skip_space(q + 6);
      const std::size_t end = match_end(q, settings_.block_end, settings_.trim_blocks);
      if (end == 0) continue;
      data(p, end_sign, false);
      at_ = end;
      return {};
    }
    return error(start, "Missing end of raw directive");
  }

  // Tokens of an expression or statement up to the end of its tag.
  Outcome<> code(Opening kind) {
    const std::size_t begin = at_;
    std::string open;
    while (true) {
      if (open.empty()) {
        if (const std::size_t end = end_of_code(kind); end != std::string::npos) {
          locate(at_);
          push(kind == Opening::kVariable ? TokenKind::kVariableEnd : TokenKind::kBlockEnd, "");
          at_ = end;
          return {};
        }
      }
      if (at_ >= text_.size()) {
        return error(begin, kind == Opening::kVariable
                                ? "the expression is not closed by '" + settings_.variable_end + "'"
                                : "the tag is not closed by '" + settings_.block_end + "'");
      }
      const char c = text_[at_];
      if (is_space(c)) {
        ++at_;
      } else if (is_digit(c)) {
        TEMPLATE_CHECK(number());
      } else if (is_word(c)) {
        const std::size_t from = at_;
        while (at_ < text_.size() && is_word(text_[at_])) ++at_;
        locate(from);
        std::string word = text_.substr(from, at_ - from);
        if (!is_identifier(word))
          return error(from, "Invalid character in identifier '" + word + "'");
        push(TokenKind::kName, std::move(word));
      } else if (c == '\'' || c == '"') {
        TEMPLATE_CHECK(string());
      } else {
        TEMPLATE_CHECK(op(open));
      }
      if (tokens.size() > 2'000'000) return error(at_, "the template is too large");
    }
  }

  // npos when the code does not end here.
  std::size_t end_of_code(Opening kind) const {
    if (kind == Opening::kLineStatement) {
      std::size_t p = at_;
      std::size_t after = std::string::npos;
      while (p < text_.size() && is_space(text_[p])) {
        ++p;
        if (text_[p - 1] == '\n') after = p;
      }
      return p >= text_.size() ? p : after;
    }
    if (kind == Opening::kVariable) {
      if (at_ < text_.size() && text_[at_] == '-' && starts(at_ + 1, settings_.variable_end)) {
        return skip_space(at_ + 1 + settings_.variable_end.size());
      }
      return at_ < text_.size() && starts(at_, settings_.variable_end)
                 ? at_ + settings_.variable_end.size()
                 : std::string::npos;
    }
    const std::size_t end = match_end(at_, settings_.block_end, settings_.trim_blocks);
    return end == 0 ? std::string::npos : end;
  }

  std::size_t digits(std::size_t p, int base, std::string& out) const {
    while (p < text_.size()) {
      if (digit_of(text_[p]) < base) {
        out += text_[p++];
      } else if (text_[p] == '_' && p + 1 < text_.size() && digit_of(text_[p + 1]) < base) {
        ++p;
      } else {
        break;
      }
    }
    return p;
  }

  Outcome<> number() {
    const std::size_t from = at_;
    locate(from);
    const bool after_dot = from > 0 && text_[from - 1] == '.';
    if (text_[from] == '0' && from + 1 < text_.size()) {
      int base = 0;
      const char kind = text_[from + 1];
      if (kind == 'x' || kind == 'X') base = 16;
      if (kind == 'o' || kind == 'O') base = 8;
      if (kind == 'b' || kind == 'B') base = 2;
      std::string based;
      const std::size_t first = from + 2 < text_.size() && text_[from + 2] == '_' ? 3 : 2;
      const std::size_t end = base != 0 ? digits(from + first, base, based) : from;
      if (!based.empty()) {
        if (based.size() > 64) return error(from, "the number is too large");
        const auto parsed = value::parse_literal((base == 16  ? "0x"
                                                  : base == 8 ? "0o"
                                                              : "0b") +
                                                 based);
        if (!parsed) return error(from, "the number is too large");
        push(TokenKind::kInteger, based).number = *parsed;
        at_ = end;
        return {};
      }
    }
    std::string whole;
    std::size_t p = digits(from, 10, whole);
    if (!after_dot) {
      std::string real = whole;
      std::size_t q = p;
      bool is_real = false;
      if (q + 1 < text_.size() && text_[q] == '.' && is_digit(text_[q + 1])) {
        real += '.';
        q = digits(q + 1, 10, real);
        is_real = true;
      }
      if (q < text_.size() && (text_[q] == 'e' || text_[q] == 'E')) {
        std::size_t exponent = q + 1;
        std::string sign;
        if (exponent < text_.size() && (text_[exponent] == '+' || text_[exponent] == '-')) {
          sign = text_[exponent++];
        }
        if (exponent < text_.size() && is_digit(text_[exponent])) {
          real += 'e' + sign;
          q = digits(exponent, 10, real);
          is_real = true;
        }
      }
      if (is_real) {
        push(TokenKind::kFloat, real).number = Value::real(std::strtod(real.c_str(), nullptr));
        at_ = q;
        return {};
      }
    }
    if (whole.size() > 1 && whole[0] == '0') {  // 0012 is the number 0, then whatever follows
      whole = "0";
      p = from + 1;
      while (p < text_.size() && (text_[p] == '0' || text_[p] == '_')) ++p;
    }
    if (whole.size() > 4300) return error(from, "the number is too large");
    push(TokenKind::kInteger, whole).number = Value::integer_text(whole);
    at_ = p;
    return {};
  }

  Outcome<> string() {
    const std::size_t from = at_;
    const char quote = text_[from];
    std::size_t p = from + 1;
    while (p < text_.size() && text_[p] != quote) p += text_[p] == '\\' ? 2 : 1;
    if (p >= text_.size()) return error(from, "a string is not closed");
    std::string raw = with_newlines(std::string_view(text_).substr(from + 1, p - from - 1),
                                    settings_.newline_sequence);
    std::string plain;
    TEMPLATE_CHECK(unescape(raw, from, plain));
    locate(from);
    Token& token = push(TokenKind::kString, std::move(plain));
    token.from = from;
    token.to = p + 1;
    at_ = p + 1;
    return {};
  }

  Outcome<> unescape(const std::string& raw, std::size_t from, std::string& out) {
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '\\' || i + 1 >= raw.size()) {
        out += raw[i];
        continue;
      }
      const char c = raw[++i];
      static constexpr std::string_view kFrom = "abfnrtv\\'\"";
      static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\'\"";
      int count = 0;
      if (c == 'x') count = 2;
      if (c == 'u') count = 4;
      if (c == 'U') count = 8;
      if (const auto k = kFrom.find(c); k != std::string_view::npos) {
        out += kTo[k];
      } else if (c == '\n') {
        continue;
      } else if (count > 0) {
        char32_t code = 0;
        for (int d = 0; d < count; ++d) {
          const int digit = i + 1 < raw.size() ? digit_of(raw[i + 1]) : 99;
          if (digit > 15) return error(from, std::string("truncated \\") + c + " escape");
          code = code * 16 + static_cast<char32_t>(digit);
          ++i;
        }
        if (code > 0x10ffff) return error(from, "illegal Unicode character");
        value::append_utf8(out, code);
      } else if (c >= '0' && c <= '7') {
        char32_t code = static_cast<char32_t>(c - '0');
        for (int d = 0; d < 2 && i + 1 < raw.size() && raw[i + 1] >= '0' && raw[i + 1] <= '7';
             ++d) {
          code = code * 8 + static_cast<char32_t>(raw[++i] - '0');
        }
        value::append_utf8(out, code);
      } else if (c == 'N') {
        return error(from, "\\N{...} escapes are not supported; write the character itself");
      } else {
        out += '\\';
        out += c;
      }
    }
    return {};
  }

  Outcome<> op(std::string& open) {
    static constexpr std::array<std::string_view, 6> kDouble{"//", "**", "==", "!=", ">=", "<="};
    static constexpr std::string_view kSingle = "+-/*%~[](){}><=.:|,;";
    const std::size_t from = at_;
    std::string text;
    for (const std::string_view two : kDouble) {
      if (starts(at_, two)) text = two;
    }
    if (text.empty()) {
      const char c = text_[at_];
      if (kSingle.find(c) == std::string_view::npos) {
        return error(
            at_, "unexpected char " + value::repr_string(std::string_view(text_).substr(at_, 1)));
      }
      text = std::string(1, c);
      if (c == '{' || c == '(' || c == '[') {
        open += c == '{' ? '}' : c == '(' ? ')' : ']';
      } else if (c == '}' || c == ')' || c == ']') {
        if (open.empty()) return error(at_, "unexpected '" + text + "'");
        if (open.back() != c) {
          return error(at_, "unexpected '" + text + "', expected '" + open.back() + "'");
        }
        open.pop_back();
      }
    }
    locate(from);
    at_ += text.size();
    push(TokenKind::kOperator, std::move(text));
    return {};
  }

  const Settings& settings_;
  std::string text_;
  std::vector<std::pair<std::string, Opening>> openings_;
  std::size_t at_ = 0;
  std::size_t counted_ = 0;
  std::size_t line_start_ = 0;
  int line_ = 1;
  int token_line_ = 1;
  int token_column_ = 1;
};

}  // namespace

Outcome<std::vector<Token>> lex(std::string_view source, const Settings& settings) {
  Lexer lexer(source, settings);
  TEMPLATE_CHECK(lexer.run());
  return std::move(lexer.tokens);
}

std::string double_backslashes(std::string_view source, const Settings& settings) {
  if (source.find('\\') == std::string_view::npos ||
      source.find(settings.variable_start) == std::string_view::npos) {
    return std::string(source);
  }
  Settings keep = settings;
  keep.keep_trailing_newline = true;
  Lexer lexer(source, keep);
  if (!lexer.run()) return std::string(source);  // the parser will say what is wrong with it
  std::string out;
  std::size_t done = 0;
  bool variable = false;
  for (const Token& token : lexer.tokens) {
    if (token.kind == TokenKind::kVariableBegin) variable = true;
    if (token.kind == TokenKind::kVariableEnd) variable = false;
    if (!variable || token.kind != TokenKind::kString) continue;
    out.append(lexer.text(), done, token.from - done);
    for (std::size_t i = token.from; i < token.to; ++i) {
      out += lexer.text()[i];
      if (lexer.text()[i] == '\\') out += '\\';
    }
    done = token.to;
  }
  out.append(lexer.text(), done);
  return out;
}

}  // namespace fleetctl::template_
