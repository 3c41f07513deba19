// string.format: Go's fmt.Sprintf over the language's values. A number arrives as int, uint or
// float64, a list as
// []interface {}, an object as map[string]interface {}; what does not fit its verb is shown as Go
// shows it.
//   directive = "%" { flag } [ width ] [ "." precision ] [ "[" index "]" ] verb     flag = + - #
//   space 0
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>

#include "agent/base/strings.h"
#include "agent/base/unicode.h"
#include "agent/lang/functions.h"
#include "agent/lang/operators.h"
#include "agent/lang/stdlib.h"

namespace agent::lang {
namespace {

using Kind = Value::Kind;

constexpr int kMaxWidth = 1'000'000;  // Go's own bound

struct Flags {
  bool plus = false;
  bool minus = false;
  bool sharp = false;
  bool space = false;
  bool zero = false;
  int width = -1;  // -1: none
  int precision = -1;
};

bool holds_secret(const Value& value) {
  switch (value.kind()) {
    case Kind::kSecret:
      return true;
    case Kind::kList:
      return std::any_of(value.list().begin(), value.list().end(), holds_secret);
    case Kind::kObject:
      return std::any_of(value.object().begin(), value.object().end(),
                         [](const Value::Member& m) { return holds_secret(m.second); });
    default:
      return false;
  }
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kNull:
      return "<nil>";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kUint:
      return "uint";
    case Kind::kFloat:
      return "float64";
    case Kind::kString:
      return "string";
    case Kind::kList:
      return "[]interface {}";
    case Kind::kObject:
      return "map[string]interface {}";
    case Kind::kCapsule:
      return value.capsule().type;
    default:
      return value.kind_name();
  }
}

// Whether strconv.Quote leaves it as it is: letters and symbols, no blanks, no format characters,
// no private use.
bool is_graphic(char32_t c) {
  const bool format = c == 0xAD || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
                      (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF0 && c <= 0xFFFB);
  const bool private_use = (c >= 0xE000 && c <= 0xF8FF) || c >= 0xE0000;
  return c >= 0xA1 && !format && !private_use && !is_space(c);
}

// As strconv.Quote; with `ascii` as QuoteToASCII.
std::string quote(std::string_view text, char mark, bool ascii) {
  std::string out(1, mark);
  char code[16];
  while (!text.empty()) {
    const CodePoint c = decode_utf8(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    const std::string_view bytes = text.substr(0, c.length);
    text.remove_prefix(c.length);
    if (!c.valid) {
      std::snprintf(code, sizeof code, "\\x%02x", byte);
      out += code;
    } else if (c.value == static_cast<unsigned char>(mark) || c.value == '\\') {
      out += '\\';
      out += bytes;
    } else if (c.value >= ' ' && c.value < 0x7F) {
      out += bytes;
    } else if (c.value < ' ' || c.value == 0x7F) {
      static constexpr std::string_view kShort = "abtnvfr";
      if (c.value >= 7 && c.value <= 13) {
        out += '\\';
        out += kShort[c.value - 7];
      } else {
        std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned>(c.value));
        out += code;
      }
    } else if (!ascii && is_graphic(c.value)) {
      out += bytes;
    } else {
      std::snprintf(code, sizeof code, c.value > 0xFFFF ? "\\U%08x" : "\\u%04x",
                    static_cast<unsigned>(c.value));
      out += code;
    }
  }
  return out += mark;
}

class Formatter {
 public:
  explicit Formatter(const Arguments& arguments) : arguments_(arguments) {}

  std::string run(std::string_view format) {
    std::size_t next = 1;  // argument 0 is the format
    bool reordered = false;
    while (!format.empty() && out_.size() <= kMaxTextBytes) {
      const std::size_t plain = std::min(format.find('%'), format.size());
      out_ += format.substr(0, plain);
      format.remove_prefix(plain);
      if (format.empty()) break;
      format.remove_prefix(1);
      directive(format, next, reordered);
    }
    if (!reordered && next < arguments_.size()) {
      flags_ = {};
      go_syntax_ = false;
      out_ += "%!(EXTRA ";
      for (std::size_t i = next; i < arguments_.size(); ++i) {
        if (i > next) out_ += ", ";
        if (arguments_[i].is_null()) {
          out_ += "<nil>";
        } else {
          out_ += type_name(arguments_[i]);
          out_ += '=';
          value(arguments_[i], 'v', 0);
        }
      }
      out_ += ')';
    }
    return std::move(out_);
  }

 private:
  static int number(std::string_view& text, bool& too_large) {
    int value = 0;
    while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
      value = value * 10 + (text[0] - '0');
      text.remove_prefix(1);
      if (value > kMaxWidth) {
        too_large = true;
        value = kMaxWidth;
      }
    }
    return value;
  }

  // [3] in front of a verb or a star. false: malformed.
  bool argument_index(std::string_view& text, std::size_t& next, bool& reordered, bool& used) {
    if (text.empty() || text[0] != '[') return true;
    reordered = true;
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) {
      text.remove_prefix(1);
      return false;
    }
    std::size_t index = 0;
    const char* const end = text.data() + close;
    const auto read = std::from_chars(text.data() + 1, end, index);
    text.remove_prefix(close + 1);
    if (read.ec != std::errc() || read.ptr != end || index < 1 || index >= arguments_.size())
      return false;
    next = index;
    used = true;
    return true;
  }

  // A star's argument.
  bool star(std::string_view& text, std::size_t& next, int& value) {
    if (text.empty() || text[0] != '*') return false;
    text.remove_prefix(1);
    value = INT32_MIN;  // bad
    if (next < arguments_.size()) {
      const Value& argument = arguments_[next++];
      if (argument.kind() == Kind::kInt && argument.integer() >= -kMaxWidth &&
          argument.integer() <= kMaxWidth)
        value = static_cast<int>(argument.integer());
    }
    return true;
  }

  void directive(std::string_view& text, std::size_t& next, bool& reordered) {
    flags_ = {};
    reordered = false;
    for (; !text.empty(); text.remove_prefix(1)) {
      const char c = text[0];
      if (c == '+')
        flags_.plus = true;
      else if (c == '-')
        flags_.minus = true;
      else if (c == '#')
        flags_.sharp = true;
      else if (c == ' ')
        flags_.space = true;
      else if (c == '0')
        flags_.zero = true;
      else
        break;
    }
    if (flags_.minus) flags_.zero = false;
    bool index_used = false;
    bool good_index = argument_index(text, next, reordered, index_used);
    int starred = 0;
    if (star(text, next, starred)) {
      if (starred == INT32_MIN) {
        out_ += "%!(BADWIDTH)";
      } else {
        flags_.width = std::abs(starred);
        if (starred < 0) {
          flags_.minus = true;
          flags_.zero = false;
        }
      }
      index_used = false;
    } else if (!text.empty() && text[0] >= '0' && text[0] <= '9') {
      bool too_large = false;
      flags_.width = number(text, too_large);
      if (too_large) {
        out_ += "%!(BADWIDTH)";
        flags_.width = -1;
      }
      if (index_used) good_index = false;
    }
    if (!text.empty() && text[0] == '.') {
      text.remove_prefix(1);
      if (index_used) good_index = false;
      good_index = argument_index(text, next, reordered, index_used) && good_index;
      if (star(text, next, starred)) {
        if (starred == INT32_MIN) {
          out_ += "%!(BADPREC)";
        } else if (starred >= 0) {
          flags_.precision = starred;
        }
        index_used = false;
      } else {
        bool too_large = false;
        flags_.precision = number(text, too_large);
        if (too_large) {
          out_ += "%!(BADPREC)";
          flags_.precision = -1;
        }
      }
    }
    if (!index_used) good_index = argument_index(text, next, reordered, index_used) && good_index;
    if (text.empty()) {
      out_ += "%!(NOVERB)";
      return;
    }
    const CodePoint verb = decode_utf8(text);
    text.remove_prefix(verb.length);
    go_syntax_ = verb.value == 'v' && flags_.sharp;
    if (verb.value == 'v') flags_.sharp = flags_.plus = false;
    if (verb.value == '%') {
      out_ += '%';
    } else if (!good_index) {
      bad("BADINDEX", verb.value);
    } else if (next >= arguments_.size()) {
      bad("MISSING", verb.value);
    } else {
      value(arguments_[next++], verb.value, 0);
    }
  }

  void bad(std::string_view what, char32_t verb) {
    out_ += "%!";
    append_utf8(out_, verb);
    out_ += '(';
    out_ += what;
    out_ += ')';
  }

  void bad_verb(const Value& of, char32_t verb, int depth) {
    out_ += "%!";
    append_utf8(out_, verb);
    out_ += '(';
    if (of.is_null()) {
      out_ += "<nil>";
    } else {
      out_ += type_name(of);
      out_ += '=';
      value(of, 'v', depth);
    }
    out_ += ')';
  }

  void pad(std::string_view text, bool zeros_allowed = true) {
    const std::size_t width = flags_.width < 0 ? 0 : static_cast<std::size_t>(flags_.width);
    const std::size_t length = count_code_points(text);
    const std::size_t missing = width > length ? width - length : 0;
    if (!flags_.minus) out_.append(missing, flags_.zero && zeros_allowed ? '0' : ' ');
    out_ += text;
    if (flags_.minus) out_.append(missing, ' ');
  }

  void value(const Value& v, char32_t verb, int depth) {
    if (verb == 'T' && depth == 0) return pad(type_name(v), false);
    if (v.is_null()) {
      if (verb == 'v' || depth > 0) return depth > 0 ? void(out_ += "<nil>") : pad("<nil>");
      return bad_verb(v, verb, depth);
    }
    if (out_.size() > kMaxTextBytes) return;
    switch (v.kind()) {
      case Kind::kBool:
        if (verb == 't' || verb == 'v') return pad(v.boolean() ? "true" : "false");
        return bad_verb(v, verb, depth);
      case Kind::kInt: {
        const std::int64_t i = v.integer();
        const auto bits = static_cast<std::uint64_t>(i);
        return integer(v, i < 0 ? 0 - bits : bits, i < 0, verb, depth);
      }
      case Kind::kUint:
        if (verb == 'v' && go_syntax_) return pad(go_hex(v.unsigned_integer()));
        return integer(v, v.unsigned_integer(), false, verb, depth);
      case Kind::kFloat:
        return floating(v, verb, depth);
      case Kind::kString:
        return string(v, verb, depth);
      case Kind::kList:
        return list(v, verb, depth);
      case Kind::kObject:
        return object(v, verb, depth);
      case Kind::kCapsule:
      case Kind::kFunction:
        out_ += v.text();
        return;
      default:
        return bad_verb(v, verb, depth);
    }
  }

  void integer(const Value& v, std::uint64_t magnitude, bool negative, char32_t verb, int depth) {
    unsigned base = 10;
    bool upper = false;
    switch (verb) {
      case 'v':
      case 'd':
        break;
      case 'b':
        base = 2;
        break;
      case 'o':
      case 'O':
        base = 8;
        break;
      case 'x':
        base = 16;
        break;
      case 'X':
        base = 16;
        upper = true;
        break;
      case 'c': {
        std::string text;
        append_utf8(text, character(magnitude, negative));
        return pad(text);
      }
      case 'q': {
        std::string text;
        append_utf8(text, character(magnitude, negative));
        return pad(quote(text, '\'', flags_.plus));
      }
      case 'U': {
        char code[32];
        const auto digits = static_cast<std::size_t>(std::clamp(flags_.precision, 4, 20));
        std::snprintf(code, sizeof code, "%llX", static_cast<unsigned long long>(magnitude));
        std::string text(code);
        if (text.size() < digits) text.insert(0, digits - text.size(), '0');
        text.insert(0, "U+");
        if (flags_.sharp && magnitude <= 0x10FFFF) {
          text += " '";
          append_utf8(text, static_cast<char32_t>(magnitude));
          text += "'";
        }
        return pad(text, false);
      }
      default:
        return bad_verb(v, verb, depth);
    }
    // A precision of 0 prints no 0.
    if (flags_.precision == 0 && magnitude == 0) {
      out_.append(static_cast<std::size_t>(std::max(flags_.width, 0)), ' ');
      return;
    }
    std::string digits;
    const char* const alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    for (std::uint64_t rest = magnitude; rest != 0; rest /= base) digits += alphabet[rest % base];
    if (digits.empty()) digits = "0";
    std::size_t least = flags_.precision < 0 ? 0 : static_cast<std::size_t>(flags_.precision);
    if (flags_.precision < 0 && flags_.zero && flags_.width > 0) {
      least = static_cast<std::size_t>(flags_.width);
      if (negative || flags_.plus || flags_.space) --least;
    }
    if (digits.size() < least) digits.append(least - digits.size(), '0');
    if (flags_.sharp) {
      if (base == 2) digits += "b0";
      if (base == 8 && digits.back() != '0') digits += '0';
      if (base == 16) digits += upper ? "X0" : "x0";
    }
    if (verb == 'O') digits += "o0";
    if (negative) {
      digits += '-';
    } else if (flags_.plus) {
      digits += '+';
    } else if (flags_.space) {
      digits += ' ';
    }
    std::reverse(digits.begin(), digits.end());
    pad(digits, false);
  }

  static char32_t character(std::uint64_t magnitude, bool negative) {
    const bool fits =
        !negative && magnitude <= 0x10FFFF && !(magnitude >= 0xD800 && magnitude <= 0xDFFF);
    return fits ? static_cast<char32_t>(magnitude) : 0xFFFD;
  }

  static std::string go_hex(std::uint64_t u) {
    char text[32];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(u));
    return text;
  }

  void floating(const Value& v, char32_t verb, int depth) {
    const double d = v.floating();
    int precision = flags_.precision;
    std::string text;  // without a sign
    switch (verb) {
      case 'v':
      case 'g':
      case 'G':
        text = precision < 0 ? shortest(std::abs(d)) : printed('g', precision, d);
        break;
      case 'e':
      case 'E':
        text = printed('e', precision < 0 ? 6 : precision, d);
        break;
      case 'f':
      case 'F':
        text = printed('f', precision < 0 ? 6 : precision, d);
        break;
      default:
        return bad_verb(v, verb, depth);
    }
    if (verb == 'E' || verb == 'G')
      std::transform(text.begin(), text.end(), text.begin(),
                     [](char c) { return c == 'e' ? 'E' : c; });
    if (std::isnan(d)) {
      return pad((flags_.plus ? "+" : flags_.space ? " " : "") + std::string("NaN"), false);
    }
    std::string sign = std::signbit(d) ? "-" : flags_.plus ? "+" : flags_.space ? " " : "";
    if (std::isinf(d)) {
      return pad((sign.empty() ? "+" : sign) + "Inf", false);
    }
    const std::size_t width = flags_.width < 0 ? 0 : static_cast<std::size_t>(flags_.width);
    if (!sign.empty() && flags_.zero && width > text.size() + 1) {
      text.insert(0, width - text.size() - 1, '0');
      out_ += sign + text;
      return;
    }
    pad(sign + text);
  }

  static std::string printed(char verb, int precision, double d) {
    const char format[] = {'%', '.', '*', verb, '\0'};
    char small[64];
    d = std::abs(d);
    const int length = std::snprintf(small, sizeof small, format, precision, d);
    if (length < static_cast<int>(sizeof small)) return small;
    std::string out(static_cast<std::size_t>(length) + 1, '\0');
    std::snprintf(out.data(), out.size(), format, precision, d);
    out.resize(static_cast<std::size_t>(length));
    return out;
  }

  // Go's %g without a precision: the fewest digits; an exponent below 1e-4 and from 1e6 on.
  static std::string shortest(double d) {
    char buffer[64];
    const auto written =
        std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::scientific);
    std::string text(buffer, written.ptr);
    const std::size_t e = text.find('e');
    if (e == std::string::npos) return text;
    const int exponent = std::atoi(text.c_str() + e + 1);
    if (exponent < -4 || exponent >= 6) return text;
    return number_text(Value(d));
  }

  void string(const Value& v, char32_t verb, int depth) {
    std::string_view text = v.string();
    if (verb == 'v' && go_syntax_) verb = 'q';
    if (verb != 's' && verb != 'v' && verb != 'q' && verb != 'x' && verb != 'X')
      return bad_verb(v, verb, depth);
    if (verb == 'x' || verb == 'X') {
      if (flags_.precision >= 0) text = text.substr(0, static_cast<std::size_t>(flags_.precision));
      std::string out;
      const char* const alphabet = verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
      const char* const prefix = verb == 'X' ? "0X" : "0x";
      if (flags_.sharp && !text.empty()) out += prefix;
      for (std::size_t i = 0; i < text.size(); ++i) {
        if (i > 0 && flags_.space) {
          out += ' ';
          if (flags_.sharp) out += prefix;
        }
        out += alphabet[static_cast<unsigned char>(text[i]) >> 4];
        out += alphabet[static_cast<unsigned char>(text[i]) & 15];
      }
      return pad(out);
    }
    if (flags_.precision >= 0) {
      std::string_view rest = text;
      for (int i = 0; i < flags_.precision && !rest.empty(); ++i)
        rest.remove_prefix(decode_utf8(rest).length);
      text.remove_suffix(rest.size());
    }
    if (verb == 'q') return pad(quote(text, '"', flags_.plus));
    pad(text);
  }

  void list(const Value& v, char32_t verb, int depth) {
    const bool go_syntax = verb == 'v' && go_syntax_;
    out_ += go_syntax ? "[]interface {}{" : "[";
    bool first = true;
    for (const Value& item : v.list()) {
      if (!first) out_ += go_syntax ? ", " : " ";
      first = false;
      if (depth < kMaxValueDepth) value(item, verb, depth + 1);
    }
    out_ += go_syntax ? '}' : ']';
  }

  void object(const Value& v, char32_t verb, int depth) {
    const bool go_syntax = verb == 'v' && go_syntax_;
    std::map<std::string_view, const Value*> sorted;
    for (const auto& [key, member] : v.object()) sorted.emplace(key, &member);
    out_ += go_syntax ? "map[string]interface {}{" : "map[";
    bool first = true;
    for (const auto& [key, member] : sorted) {
      if (!first) out_ += go_syntax ? ", " : " ";
      first = false;
      value(Value(key), verb, depth + 1);
      out_ += ':';
      if (depth < kMaxValueDepth) value(*member, verb, depth + 1);
    }
    out_ += go_syntax ? '}' : ']';
  }

  const Arguments& arguments_;
  std::string out_;
  Flags flags_;
  bool go_syntax_ = false;  // %#v
};

}  // namespace

Result<Value> string_format(const Arguments& arguments) {
  if (arguments.empty()) return fail(ErrorCode::kInvalid, "expected at least 1 argument, got 0");
  const auto format = text_argument(arguments, 0);
  if (!format) return fail(format.error());
  for (std::size_t i = 1; i < arguments.size(); ++i)
    if (holds_secret(arguments[i])) return wrong_argument(i, "string", Value(Secret()));
  std::string out = Formatter(arguments).run(*format);
  if (out.size() > kMaxTextBytes) return too_large();
  return Value(std::move(out));
}

}  // namespace agent::lang
