// Grammars read here:
//   JSON      RFC 8259, plus NaN, Infinity, -Infinity as Python's json module reads and writes them
//   literal   Python: number | string+ | [a, b] | (a, b) | {k: v} | {a, b} | True | False | None,
//   nested
#include "fleetctl/value/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace fleetctl::value {
namespace {

constexpr int kMaxDepth = 500;

struct Range {
  char32_t from;
  char32_t to;
};
// What str.isprintable() denies beyond ASCII: controls, separators, format characters, surrogates,
// private use.
constexpr std::array kUnprintable{
    Range{0x7f, 0xa0},     Range{0xad, 0xad},       Range{0x378, 0x379},   Range{0x600, 0x605},
    Range{0x61c, 0x61c},   Range{0x6dd, 0x6dd},     Range{0x70f, 0x70f},   Range{0x1680, 0x1680},
    Range{0x180e, 0x180e}, Range{0x2000, 0x200f},   Range{0x2028, 0x202f}, Range{0x205f, 0x206f},
    Range{0x3000, 0x3000}, Range{0xd800, 0xf8ff},   Range{0xfeff, 0xfeff}, Range{0xfff0, 0xfffb},
    Range{0xfffe, 0xffff}, Range{0xe0000, 0x10ffff}};

bool printable(char32_t c) {
  if (c < 0x7f) return c >= 0x20;
  return std::none_of(kUnprintable.begin(), kUnprintable.end(),
                      [c](const Range& r) { return c >= r.from && c <= r.to; });
}

void append_hex(std::string& out, char32_t c, int digits) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
    out += kDigits[(c >> static_cast<unsigned>(shift)) & 15U];
  }
}

// One code point from the front of text[at..]; advances `at`.
char32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  int more = 0;
  char32_t value = 0;
  char32_t least = 0;
  if (first < 0x80) {
    ++at;
    return first;
  }
  if (first >= 0xc2 && first < 0xe0) {
    more = 1;
    value = first & 0x1fU;
    least = 0x80;
  } else if (first >= 0xe0 && first < 0xf0) {
    more = 2;
    value = first & 0x0fU;
    least = 0x800;
  } else if (first >= 0xf0 && first < 0xf5) {
    more = 3;
    value = first & 0x07U;
    least = 0x10000;
  }
  bool good = more > 0 && at + static_cast<std::size_t>(more) < text.size() + 0U;
  if (good) {
    for (int i = 1; i <= more; ++i) {
      const unsigned char next = byte(at + static_cast<std::size_t>(i));
      if ((next & 0xc0U) != 0x80U) {
        good = false;
        break;
      }
      value = (value << 6U) | (next & 0x3fU);
    }
    good = good && value >= least && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
  }
  if (!good) {
    ++at;
    return 0xdc00U + first;
  }
  at += static_cast<std::size_t>(more) + 1;
  return value;
}

class Printer {
 public:
  explicit Printer(std::size_t limit) : limit_(limit) {}
  std::string take() && { return std::move(out_); }

  void str(const Value& v) {
    if (v.is_string()) {
      out_ += v.as_string();
    } else {
      repr(v, 0);
    }
  }
  void repr(const Value& v, int depth) {
    if (out_.size() > limit_) return;
    if (depth > kMaxDepth) {
      out_ += "...";
      return;
    }
    switch (v.kind()) {
      case Kind::kNone:
        out_ += "None";
        return;
      case Kind::kBool:
        out_ += v.as_bool() ? "True" : "False";
        return;
      case Kind::kInt:
        out_ += std::to_string(v.as_int());
        return;
      case Kind::kBigInt:
        out_ += v.as_string();
        return;
      case Kind::kFloat:
        out_ += repr_float(v.as_float());
        return;
      case Kind::kString:
        if (v.has(kMarkup)) {
          out_ += "Markup(" + repr_string(v.as_string()) + ")";
        } else {
          out_ += repr_string(v.as_string());
        }
        return;
      case Kind::kList:
        out_ += '[';
        sequence(v.items(), depth);
        out_ += ']';
        return;
      case Kind::kTuple:
        out_ += '(';
        sequence(v.items(), depth);
        if (v.items().size() == 1) out_ += ',';
        out_ += ')';
        return;
      case Kind::kDict: {
        out_ += '{';
        bool first = true;
        for (const auto& [key, item] : v.as_dict()) {
          if (!first) out_ += ", ";
          first = false;
          repr(key, depth + 1);
          out_ += ": ";
          repr(item, depth + 1);
        }
        out_ += '}';
        return;
      }
      case Kind::kUndefined:
        out_ += "Undefined";
        return;
      case Kind::kObject:
        out_ += v.as_object()->text();
        return;
    }
  }

 private:
  void sequence(const std::vector<Value>& items, int depth) {
    bool first = true;
    for (const Value& item : items) {
      if (!first) out_ += ", ";
      first = false;
      repr(item, depth + 1);
      if (out_.size() > limit_) return;
    }
  }
  std::string out_;
  std::size_t limit_;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// 0x, 0o, 0b digits as an integer; nullopt beyond 64 bits.
std::optional<Value> based_integer(std::string_view digits, int base) {
  std::uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty()) {
    return std::nullopt;
  }
  return Value::integer_text(std::to_string(number));
}

class LiteralParser {
 public:
  LiteralParser(std::string_view text, bool json_names) : text_(text), json_names_(json_names) {}

  std::optional<Value> whole() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    auto v = value(0);
    if (!v) return std::nullopt;
    skip();
    if (peek() == ',') {  // `1, 2` is a tuple
      std::vector<Value> items{std::move(*v)};
      while (peek() == ',') {
        ++at_;
        skip();
        if (at_ == text_.size()) break;
        auto item = value(0);
        if (!item) return std::nullopt;
        items.push_back(std::move(*item));
        skip();
      }
      v = Value::tuple(std::move(items));
    }
    if (at_ != text_.size()) return std::nullopt;
    return v;
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
        ++at_;
      } else {
        return;
      }
    }
  }

  std::optional<Value> value(int depth) {
    if (depth > 100) return std::nullopt;
    skip();
    const char c = peek();
    if (c == '[' || c == '(') return sequence(c == '[' ? ']' : ')', depth);
    if (c == '{') return braces(depth);
    if (c == '+' || c == '-') return signed_number(depth);
    if (is_digit(c) || c == '.') return number();
    if (c == '"' || c == '\'') return strings();
    std::size_t end = at_;
    while (end < text_.size() && is_word(text_[end])) ++end;
    const std::string_view word = text_.substr(at_, end - at_);
    if (end < text_.size() && (text_[end] == '"' || text_[end] == '\'') && word.size() <= 1) {
      return strings();
    }
    at_ = end;
    if (word == "True" || (json_names_ && word == "true")) return Value::boolean(true);
    if (word == "False" || (json_names_ && word == "false")) return Value::boolean(false);
    if (word == "None" || (json_names_ && word == "null")) return Value::none();
    return std::nullopt;
  }

  std::optional<Value> signed_number(int depth) {
    const bool negative = peek() == '-';
    ++at_;
    skip();
    if (peek() == '+' || peek() == '-') return std::nullopt;  // one sign: --1 is a text
    auto v = value(depth + 1);
    if (!v || !v->is_number() || v->is_bool()) return std::nullopt;
    if (!negative) return v;
    if (v->is_float()) return Value::real(-v->as_float());
    const std::string digits = str(*v);
    return Value::integer_text(digits[0] == '-' ? digits.substr(1) : "-" + digits);
  }

  // Python numbers: 1_000, 0x1f, 0o17, 0b1, 1.5, .5, 1e3; `012` is not one.
  std::optional<Value> number() {
    if (peek() == '0' && at_ + 1 < text_.size()) {
      const char kind = text_[at_ + 1];
      int base = 0;
      if (kind == 'x' || kind == 'X') base = 16;
      if (kind == 'o' || kind == 'O') base = 8;
      if (kind == 'b' || kind == 'B') base = 2;
      if (base != 0) {
        at_ += 2;
        std::string digits;
        while (hex_digit(peek()) >= 0 || peek() == '_') {
          if (peek() != '_') digits += peek();
          ++at_;
        }
        if (is_word(peek())) return std::nullopt;
        return based_integer(digits, base);
      }
    }
    std::string digits;
    bool real = false;
    bool last_digit = false;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (is_digit(c)) {
        digits += c;
        last_digit = true;
      } else if (c == '_' && last_digit && at_ + 1 < text_.size() && is_digit(text_[at_ + 1])) {
        last_digit = false;
      } else if (c == '.' && !real) {
        real = true;
        digits += c;
        last_digit = false;
      } else if ((c == 'e' || c == 'E') && !digits.empty()) {
        std::size_t next = at_ + 1;
        if (next < text_.size() && (text_[next] == '+' || text_[next] == '-')) ++next;
        if (next >= text_.size() || !is_digit(text_[next])) return std::nullopt;
        digits.append(text_.substr(at_, next - at_));
        while (next < text_.size() && is_digit(text_[next])) digits += text_[next++];
        at_ = next;
        real = true;
        break;
      } else {
        break;
      }
      ++at_;
    }
    if (is_word(peek()) || digits == "." || digits.size() > 4300) return std::nullopt;
    if (real) return Value::real(std::strtod(digits.c_str(), nullptr));
    if (digits.size() > 1 && digits[0] == '0' &&
        digits.find_first_not_of('0') != std::string::npos) {
      return std::nullopt;
    }
    return Value::integer_text(digits);
  }

  std::optional<Value> strings() {
    std::string all;
    while (true) {
      bool raw = false;
      if (is_word(peek())) {
        const char prefix = peek();
        if (prefix != 'r' && prefix != 'R' && prefix != 'u' && prefix != 'U') return std::nullopt;
        raw = prefix == 'r' || prefix == 'R';
        ++at_;
      }
      if (!one_string(all, raw)) return std::nullopt;
      skip();
      if (peek() != '"' && peek() != '\'') return Value::string(std::move(all));
    }
  }

  bool one_string(std::string& out, bool raw) {
    const char quote = peek();
    if (quote != '"' && quote != '\'') return false;
    const std::string three(3, quote);
    const bool triple = text_.substr(at_, 3) == three;
    at_ += triple ? 3 : 1;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (triple ? text_.substr(at_, 3) == three : c == quote) {
        at_ += triple ? 3 : 1;
        return true;
      }
      if (c == '\n' && !triple) return false;
      ++at_;
      if (c != '\\') {
        out += c;
      } else if (raw) {
        out += c;
        if (at_ < text_.size()) out += text_[at_++];
      } else if (!escape(out)) {
        return false;
      }
    }
    return false;
  }

  bool escape(std::string& out) {
    if (at_ >= text_.size()) return false;
    const char c = text_[at_++];
    static constexpr std::string_view kFrom = "abfnrtv\\'\"";
    static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\'\"";
    if (const auto i = kFrom.find(c); i != std::string_view::npos) {
      out += kTo[i];
      return true;
    }
    if (c == '\n') return true;
    int digits = 0;
    if (c == 'x') digits = 2;
    if (c == 'u') digits = 4;
    if (c == 'U') digits = 8;
    if (digits > 0) {
      char32_t code = 0;
      for (int i = 0; i < digits; ++i) {
        const int d = hex_digit(peek());
        if (d < 0) return false;
        code = code * 16 + static_cast<char32_t>(d);
        ++at_;
      }
      if (code > 0x10ffff) return false;
      append_utf8(out, code);
      return true;
    }
    if (c >= '0' && c <= '7') {
      char32_t code = static_cast<char32_t>(c - '0');
      for (int i = 0; i < 2 && peek() >= '0' && peek() <= '7'; ++i) {
        code = code * 8 + static_cast<char32_t>(peek() - '0');
        ++at_;
      }
      append_utf8(out, code);
      return true;
    }
    out += '\\';
    out += c;
    return true;
  }

  std::optional<Value> sequence(char close, int depth) {
    ++at_;
    std::vector<Value> items;
    bool comma = false;
    while (true) {
      skip();
      if (peek() == close && at_ < text_.size()) break;
      auto item = value(depth + 1);
      if (!item) return std::nullopt;
      items.push_back(std::move(*item));
      skip();
      if (peek() == ',') {
        comma = true;
        ++at_;
      } else if (peek() != close) {
        return std::nullopt;
      }
    }
    ++at_;
    if (close == ']') return Value::list(std::move(items));
    if (items.size() == 1 && !comma) return std::move(items[0]);
    return Value::tuple(std::move(items));
  }

  std::optional<Value> braces(int depth) {
    ++at_;
    Dict dict;
    std::vector<Value> set;
    while (true) {
      skip();
      if (at_ >= text_.size()) return std::nullopt;
      if (peek() == '}') break;
      auto key = value(depth + 1);
      if (!key || !hashable(*key)) return std::nullopt;
      skip();
      if (peek() == ':' && set.empty()) {
        ++at_;
        auto item = value(depth + 1);
        if (!item) return std::nullopt;
        dict.set(std::move(*key), std::move(*item));
      } else if (dict.empty()) {
        const bool there =
            std::any_of(set.begin(), set.end(), [&key](const Value& v) { return equal(v, *key); });
        if (!there) set.push_back(std::move(*key));
      } else {
        return std::nullopt;
      }
      skip();
      if (peek() == ',') {
        ++at_;
      } else if (peek() != '}') {
        return std::nullopt;
      }
    }
    ++at_;
    if (!set.empty()) return Value::list(std::move(set));
    return Value::dict(std::move(dict));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool json_names_;
};

class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : text_(text) {}

  agent::Result<Value> whole() {
    Value v;
    space();
    if (!value(v, 0)) return error();
    space();
    if (at_ != text_.size()) {
      what_ = "extra data after the value";
      return error();
    }
    return v;
  }

 private:
  tl::unexpected<agent::Error> error() const {
    std::size_t line = 1;
    std::size_t start = 0;
    const std::size_t end = std::min(at_, text_.size());
    for (std::size_t i = 0; i < end; ++i) {
      if (text_[i] == '\n') {
        ++line;
        start = i + 1;
      }
    }
    return agent::fail(agent::ErrorCode::kInvalid,
                       "JSON line " + std::to_string(line) + " column " +
                           std::to_string(end - start + 1) + ": " + what_);
  }
  bool bad(std::string what) {
    what_ = std::move(what);
    return false;
  }
  void space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  bool word(std::string_view name) {
    if (text_.substr(at_, name.size()) != name) return false;
    at_ += name.size();
    return true;
  }

  bool value(Value& out, int depth) {
    if (depth > kMaxDepth) return bad("nested too deeply");
    if (at_ >= text_.size()) return bad("a value is missing");
    switch (text_[at_]) {
      case '{':
        return object(out, depth);
      case '[':
        return array(out, depth);
      case '"': {
        std::string s;
        if (!string(s)) return false;
        out = Value::string(std::move(s));
        return true;
      }
      default:
        break;
    }
    if (word("true")) {
      out = Value::boolean(true);
    } else if (word("false")) {
      out = Value::boolean(false);
    } else if (word("null")) {
      out = Value::none();
    } else if (word("NaN")) {
      out = Value::real(std::numeric_limits<double>::quiet_NaN());
    } else if (word("Infinity")) {
      out = Value::real(std::numeric_limits<double>::infinity());
    } else if (word("-Infinity")) {
      out = Value::real(-std::numeric_limits<double>::infinity());
    } else {
      return number(out);
    }
    return true;
  }

  bool number(Value& out) {
    const std::size_t start = at_;
    bool real = false;
    if (at_ < text_.size() && text_[at_] == '-') ++at_;
    const std::size_t digits = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    if (at_ == digits) {
      at_ = start;
      return bad("a value is missing");
    }
    if (text_[digits] == '0' && at_ - digits > 1) {
      at_ = digits + 1;
      return bad("a number starts with 0");
    }
    if (at_ + 1 < text_.size() && text_[at_] == '.' && is_digit(text_[at_ + 1])) {
      real = true;
      ++at_;
      while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      std::size_t next = at_ + 1;
      if (next < text_.size() && (text_[next] == '+' || text_[next] == '-')) ++next;
      if (next < text_.size() && is_digit(text_[next])) {
        real = true;
        while (next < text_.size() && is_digit(text_[next])) ++next;
        at_ = next;
      }
    }
    const std::string text(text_.substr(start, at_ - start));
    out = real ? Value::real(std::strtod(text.c_str(), nullptr)) : Value::integer_text(text);
    return true;
  }

  bool four_digits(char32_t& code) {
    if (at_ + 4 > text_.size()) return bad("a \\u escape needs four digits");
    code = 0;
    for (int i = 0; i < 4; ++i) {
      const int d = hex_digit(text_[at_]);
      if (d < 0) return bad("a \\u escape needs four digits");
      code = code * 16 + static_cast<char32_t>(d);
      ++at_;
    }
    return true;
  }

  bool string(std::string& out) {
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) return bad("a control character in a string");
      ++at_;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (at_ >= text_.size()) break;
      const char e = text_[at_++];
      static constexpr std::string_view kFrom = "\"\\/bfnrt";
      static constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
      if (const auto i = kFrom.find(e); i != std::string_view::npos) {
        out += kTo[i];
        continue;
      }
      if (e != 'u') {
        --at_;
        return bad("an unknown escape in a string");
      }
      char32_t code = 0;
      if (!four_digits(code)) return false;
      if (code >= 0xd800 && code < 0xdc00 && text_.substr(at_, 2) == "\\u") {
        const std::size_t back = at_;
        at_ += 2;
        char32_t low = 0;
        if (!four_digits(low)) return false;
        if (low >= 0xdc00 && low < 0xe000) {
          code = 0x10000 + ((code - 0xd800) << 10U) + (low - 0xdc00);
        } else {
          at_ = back;
        }
      }
      append_utf8(out, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
    }
    return bad("a string does not end");
  }

  bool array(Value& out, int depth) {
    ++at_;
    std::vector<Value> items;
    space();
    if (at_ < text_.size() && text_[at_] == ']') {
      ++at_;
      out = Value::list();
      return true;
    }
    while (true) {
      space();
      items.emplace_back();
      if (!value(items.back(), depth + 1)) return false;
      space();
      if (at_ >= text_.size()) return bad("a list does not end");
      if (text_[at_] == ']') break;
      if (text_[at_] != ',') return bad("expected , or ]");
      ++at_;
    }
    ++at_;
    out = Value::list(std::move(items));
    return true;
  }

  bool object(Value& out, int depth) {
    ++at_;
    Dict dict;
    space();
    if (at_ < text_.size() && text_[at_] == '}') {
      ++at_;
      out = Value::dict();
      return true;
    }
    while (true) {
      space();
      if (at_ >= text_.size() || text_[at_] != '"') return bad("expected a key in quotes");
      std::string key;
      if (!string(key)) return false;
      space();
      if (at_ >= text_.size() || text_[at_] != ':') return bad("expected :");
      ++at_;
      space();
      Value item;
      if (!value(item, depth + 1)) return false;
      dict.set(key, std::move(item));
      space();
      if (at_ >= text_.size()) return bad("an object does not end");
      if (text_[at_] == '}') break;
      if (text_[at_] != ',') return bad("expected , or }");
      ++at_;
    }
    ++at_;
    out = Value::dict(std::move(dict));
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string what_;
};

class JsonWriter {
 public:
  explicit JsonWriter(const JsonFormat& format) : format_(format) {}

  bool write(const Value& v, int depth) {
    if (depth > kMaxDepth) return bad("nested too deeply");
    if (out_.size() > (256U << 20)) return bad("larger than 256 MiB");
    switch (v.kind()) {
      case Kind::kNone:
        out_ += "null";
        return true;
      case Kind::kBool:
        out_ += v.as_bool() ? "true" : "false";
        return true;
      case Kind::kInt:
      case Kind::kBigInt:
        out_ += str(v);
        return true;
      case Kind::kFloat:
        out_ += float_text(v.as_float());
        return true;
      case Kind::kString:
        string(v.as_string());
        return true;
      case Kind::kList:
      case Kind::kTuple: {
        if (v.items().empty()) {
          out_ += "[]";
          return true;
        }
        out_ += '[';
        bool first = true;
        for (const Value& item : v.items()) {
          separate(first, depth + 1);
          if (!write(item, depth + 1)) return false;
        }
        newline(depth);
        out_ += ']';
        return true;
      }
      case Kind::kDict:
        return dict(v, depth);
      default:
        return bad("Object of type " + std::string(type_name(v)) + " is not JSON serializable");
    }
  }
  std::string out_;
  std::string what_;

 private:
  static std::string float_text(double d) {
    if (std::isnan(d)) return "NaN";
    if (std::isinf(d)) return d > 0 ? "Infinity" : "-Infinity";
    return repr_float(d);
  }
  bool bad(std::string what) {
    what_ = std::move(what);
    return false;
  }
  void newline(int depth) {
    if (!format_.indent) return;
    out_ += '\n';
    out_.append(
        static_cast<std::size_t>(std::max(0, *format_.indent)) * static_cast<std::size_t>(depth),
        ' ');
  }
  void separate(bool& first, int depth) {
    if (!first) out_ += format_.item_separator;
    first = false;
    newline(depth);
  }
  bool dict(const Value& v, int depth) {
    if (v.as_dict().empty()) {
      out_ += "{}";
      return true;
    }
    std::vector<const Dict::Item*> order;
    for (const auto& item : v.as_dict()) order.push_back(&item);
    if (format_.sort_keys) {
      bool sortable = true;
      std::stable_sort(order.begin(), order.end(), [&](const auto* a, const auto* b) {
        const auto less = compare(a->first, b->first);
        if (!less) {  // still a strict weak order: mixed kinds go by kind
          sortable = false;
          return a->first.kind() < b->first.kind();
        }
        return *less == std::partial_ordering::less;
      });
      if (!sortable) return bad("the keys of a dict are of different types and cannot be sorted");
    }
    out_ += '{';
    bool first = true;
    for (const auto* item : order) {
      separate(first, depth + 1);
      const Value& key = item->first;
      switch (key.kind()) {
        case Kind::kString:
          string(key.as_string());
          break;
        case Kind::kNone:
          out_ += "\"null\"";
          break;
        case Kind::kBool:
          out_ += key.as_bool() ? "\"true\"" : "\"false\"";
          break;
        case Kind::kInt:
        case Kind::kBigInt:
          out_ += '"' + str(key) + '"';
          break;
        case Kind::kFloat:
          out_ += '"' + float_text(key.as_float()) + '"';
          break;
        default:
          return bad("keys must be str, int, float, bool or None, not " +
                     std::string(type_name(key)));
      }
      out_ += format_.key_separator;
      if (!write(item->second, depth + 1)) return false;
    }
    newline(depth);
    out_ += '}';
    return true;
  }

  void string(const std::string& text) {
    out_ += '"';
    std::size_t at = 0;
    while (at < text.size()) {
      const std::size_t start = at;
      char32_t c = next_code_point(text, at);
      const bool broken = c >= 0xdc80 && c <= 0xdcff;  // a byte that is not UTF-8
      if (broken) c = 0xfffd;
      static constexpr std::string_view kFrom = "\"\\\b\f\n\r\t";
      static constexpr std::string_view kTo = "\"\\bfnrt";
      if (c < 0x80 && kFrom.find(static_cast<char>(c)) != std::string_view::npos) {
        out_ += '\\';
        out_ += kTo[kFrom.find(static_cast<char>(c))];
      } else if (c < 0x20) {
        out_ += "\\u";
        append_hex(out_, c, 4);
      } else if (broken && !format_.ascii) {
        append_utf8(out_, c);
      } else if (c <= 0x7f || !format_.ascii) {
        out_.append(text, start, at - start);
      } else if (c > 0xffff) {
        out_ += "\\u";
        append_hex(out_, 0xd800 + ((c - 0x10000) >> 10U), 4);
        out_ += "\\u";
        append_hex(out_, 0xdc00 + ((c - 0x10000) & 0x3ffU), 4);
      } else {
        out_ += "\\u";
        append_hex(out_, c, 4);
      }
    }
    out_ += '"';
  }

  JsonFormat format_;
};

}  // namespace

std::string str(const Value& value, std::size_t limit) {
  Printer printer(limit);
  printer.str(value);
  return std::move(printer).take();
}
std::string repr(const Value& value, std::size_t limit) {
  Printer printer(limit);
  printer.repr(value, 0);
  return std::move(printer).take();
}

std::string repr_string(std::string_view text) {
  const bool apostrophe = text.find('\'') != std::string_view::npos;
  const bool quotes = text.find('"') != std::string_view::npos;
  const char quote = apostrophe && !quotes ? '"' : '\'';
  std::string out(1, quote);
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t start = at;
    const char32_t c = next_code_point(text, at);
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (printable(c)) {
      out.append(text.substr(start, at - start));
    } else if (c < 0x100) {
      out += "\\x";
      append_hex(out, c, 2);
    } else if (c < 0x10000) {
      out += "\\u";
      append_hex(out, c, 4);
    } else {
      out += "\\U";
      append_hex(out, c, 8);
    }
  }
  out += quote;
  return out;
}

std::string repr_float(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  std::array<char, 40> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                                          std::chars_format::scientific);
  std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  std::string out;
  if (text[0] == '-') {
    out = "-";
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  const int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
  std::string digits(1, text[0]);
  if (e > 2) digits += text.substr(2, e - 2);
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1) out += '.' + digits.substr(1);
    out += exponent < 0 ? "e-" : "e+";
    const int size = std::abs(exponent);
    if (size < 10) out += '0';
    return out + std::to_string(size);
  }
  if (exponent < 0) {
    return out + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  }
  if (count <= exponent + 1) {
    return out + digits + std::string(static_cast<std::size_t>(exponent + 1 - count), '0') + ".0";
  }
  const auto whole = static_cast<std::size_t>(exponent + 1);
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::optional<Value> parse_literal(std::string_view text, bool json_names) {
  return LiteralParser(text, json_names).whole();
}

agent::Result<Value> parse_json(std::string_view text) { return JsonParser(text).whole(); }

agent::Result<std::string> to_json(const Value& value, const JsonFormat& format) {
  JsonWriter writer(format);
  if (!writer.write(value, 0)) return agent::fail(agent::ErrorCode::kInvalid, writer.what_);
  return std::move(writer.out_);
}

std::u32string decode_utf8(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  std::size_t at = 0;
  while (at < text.size()) out += next_code_point(text, at);
  return out;
}

void append_utf8(std::string& out, char32_t c) {
  if (c >= 0xdc80 && c <= 0xdcff) {
    out += static_cast<char>(c - 0xdc00);
  } else if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0U | (c >> 6U));
    out += static_cast<char>(0x80U | (c & 0x3fU));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0U | (c >> 12U));
    out += static_cast<char>(0x80U | ((c >> 6U) & 0x3fU));
    out += static_cast<char>(0x80U | (c & 0x3fU));
  } else {
    out += static_cast<char>(0xf0U | (c >> 18U));
    out += static_cast<char>(0x80U | ((c >> 12U) & 0x3fU));
    out += static_cast<char>(0x80U | ((c >> 6U) & 0x3fU));
    out += static_cast<char>(0x80U | (c & 0x3fU));
  }
}

std::string encode_utf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) append_utf8(out, c);
  return out;
}

std::size_t count_code_points(std::string_view text) {
  std::size_t count = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    next_code_point(text, at);
    ++count;
  }
  return count;
}

}  // namespace fleetctl::value
