// The two formatting languages of Python's strings.
//   %  : "%" ["(" key ")"] flag* [width | "*"] ["." (precision | "*")] [hlL] type, flags "#0- +",
//   types diouxXeEfFgGcrsa%
//   {} : "{" [name ("." attribute | "[" index "]")*] ["!" (r|s|a)] [":" spec] "}"
//   spec := [[fill] (<|>|=|^)] [+|-| ] [z] [#] [0] [width] [,|_] ["." precision] [type]
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/operators.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

constexpr std::size_t kMaxWidth = 1U << 20;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

Outcome<std::size_t> read_number(std::string_view text, std::size_t& at) {
  std::size_t n = 0;
  while (at < text.size() && is_digit(text[at])) {
    n = n * 10 + static_cast<std::size_t>(text[at++] - '0');
    if (n > kMaxWidth) return bad("a width or precision is too large");
  }
  return n;
}

std::string based(std::uint64_t n, unsigned base, bool upper_case) {
  std::string out;
  do {
    const char digit = (upper_case ? "0123456789ABCDEF" : "0123456789abcdef")[n % base];
    out.insert(out.begin(), digit);
    n /= base;
  } while (n != 0);
  return out;
}

// printf for one double; `type` is one of eEfFgG.
std::string c_format(double d, char type, int precision, bool alternate) {
  std::string format = "%";
  if (alternate) format += '#';
  format += ".*";
  format += type;
  std::string out(static_cast<std::size_t>(400 + precision), '\0');
  const int size = std::snprintf(out.data(), out.size(), format.c_str(), precision, d);
  out.resize(static_cast<std::size_t>(std::max(0, size)));
  return out;
}

std::string ascii(const std::string& text) {
  std::string out;
  for (const char32_t c : value::decode_utf8(text)) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    if (c < 0x80) {
      out += static_cast<char>(c);
      continue;
    }
    int digits = 2;
    out += c < 0x100 ? "\\x" : c < 0x10000 ? "\\u" : "\\U";
    if (c >= 0x100) digits = c < 0x10000 ? 4 : 8;
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
      out += kDigits[(c >> static_cast<unsigned>(shift)) & 15U];
    }
  }
  return out;
}

std::string pad(const std::string& text, std::size_t width, char32_t fill, char align) {
  const std::size_t size = value::count_code_points(text);
  if (size >= width) return text;
  const std::size_t missing = width - size;
  std::size_t before = 0;
  if (align == '>') before = missing;
  if (align == '^') before = missing / 2;
  std::string out;
  for (std::size_t i = 0; i < before; ++i) value::append_utf8(out, fill);
  out += text;
  for (std::size_t i = before; i < missing; ++i) value::append_utf8(out, fill);
  return out;
}

std::string grouped(const std::string& digits, char separator, std::size_t every) {
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % every == 0) out += separator;
    out += digits[i];
  }
  return out;
}

struct Percent {
  bool alternate = false;
  bool zero = false;
  bool left = false;
  bool blank = false;
  bool plus = false;
  std::size_t width = 0;
  std::optional<std::size_t> precision;
};

Outcome<std::string> percent_one(Interpreter& in, const Percent& p, char type, const Value& v) {
  TEMPLATE_CHECK(in.require(v));
  std::string body;
  std::string sign;
  const auto need_number = [&]() -> Outcome<> {
    if (v.is_number()) return {};
    return bad(std::string("%") + type + " format: a real number is required, not " +
               std::string(value::type_name(v)));
  };
  switch (type) {
    case 's':
    case 'r':
    case 'a': {
      if (type == 's') {
        TEMPLATE_TRY(text, in.text_of(v));
        body = std::move(text);
      } else {
        body = value::repr(v);
        if (type == 'a') body = ascii(body);
      }
      if (p.precision) {
        const std::u32string points = value::decode_utf8(body);
        body = value::encode_utf8(std::u32string_view(points).substr(0, *p.precision));
      }
      return p.left ? pad(body, p.width, ' ', '<') : pad(body, p.width, ' ', '>');
    }
    case 'c': {
      if (v.is_string() && value::count_code_points(v.as_string()) == 1) {
        body = v.as_string();
      } else if (v.is_int() && v.as_int() >= 0 && v.as_int() < 0x110000) {
        value::append_utf8(body, static_cast<char32_t>(v.as_int()));
      } else {
        return bad("%c requires int or char");
      }
      return p.left ? pad(body, p.width, ' ', '<') : pad(body, p.width, ' ', '>');
    }
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o': {
      TEMPLATE_CHECK(need_number());
      if (v.kind() == value::Kind::kBigInt && (type == 'd' || type == 'i' || type == 'u')) {
        body = v.as_string();
      } else {
        if (v.is_float() && (type == 'x' || type == 'X' || type == 'o')) {
          return bad(std::string("%") + type + " format: an integer is required, not float");
        }
        const double real = value::number_of(v);
        if (!(std::fabs(real) < 9.2e18)) return bad("a number is too large to be formatted");
        const std::int64_t n = v.is_float() ? static_cast<std::int64_t>(real)
                                            : (v.is_bool() ? (v.as_bool() ? 1 : 0) : v.as_int());
        const std::uint64_t magnitude =
            n < 0 ? ~static_cast<std::uint64_t>(n) + 1 : static_cast<std::uint64_t>(n);
        if (n < 0) sign = "-";
        if (type == 'x' || type == 'X') {
          body = based(magnitude, 16, type == 'X');
          if (p.alternate) sign += type == 'x' ? "0x" : "0X";
        } else if (type == 'o') {
          body = based(magnitude, 8, false);
          if (p.alternate) sign += "0o";
        } else {
          body = std::to_string(magnitude);
        }
      }
      if (!body.empty() && body[0] == '-') {
        sign = "-";
        body.erase(0, 1);
      }
      if (p.precision && body.size() < *p.precision) {
        body.insert(0, *p.precision - body.size(), '0');
      }
      break;
    }
    default: {
      TEMPLATE_CHECK(need_number());
      const double real = value::number_of(v);
      if (p.precision && *p.precision > 2000) return bad("a precision is too large");
      const int precision = static_cast<int>(p.precision.value_or(6));
      body = std::isfinite(real) ? c_format(real, type, precision, p.alternate)
                                 : value::repr_float(real);
      if (!body.empty() && body[0] == '-') {
        sign = "-";
        body.erase(0, 1);
      }
      break;
    }
  }
  if (sign.empty() || sign[0] != '-') {
    if (p.plus) {
      sign.insert(0, "+");
    } else if (p.blank) {
      sign.insert(0, " ");
    }
  }
  if (p.zero && !p.left && sign.size() + body.size() < p.width) {
    body.insert(0, p.width - sign.size() - body.size(), '0');
  }
  return pad(sign + body, p.width, ' ', p.left ? '<' : '>');
}

struct Spec {
  char32_t fill = ' ';
  char align = 0;
  char sign = 0;  // + - or a blank where one is written
  bool alternate = false;
  bool zero = false;
  std::size_t width = 0;
  char group = 0;
  std::optional<std::size_t> precision;
  char type = 0;
};

Outcome<Spec> read_spec(std::string_view text) {
  Spec spec;
  const std::u32string points = value::decode_utf8(text);
  std::size_t skipped = 0;
  const auto is_align = [](char32_t c) { return c == '<' || c == '>' || c == '=' || c == '^'; };
  if (points.size() >= 2 && is_align(points[1])) {
    spec.fill = points[0];
    spec.align = static_cast<char>(points[1]);
    skipped = 2;
  } else if (!points.empty() && is_align(points[0])) {
    spec.align = static_cast<char>(points[0]);
    skipped = 1;
  }
  const std::string rest = value::encode_utf8(std::u32string_view(points).substr(skipped));
  std::size_t at = 0;
  const auto peek = [&] { return at < rest.size() ? rest[at] : '\0'; };
  if (peek() == '+' || peek() == '-' || peek() == ' ')
    spec.sign = rest[at++];
  else
    spec.sign = 0;
  if (peek() == 'z') ++at;
  if (peek() == '#') {
    spec.alternate = true;
    ++at;
  }
  if (peek() == '0' && skipped < 2) {
    spec.zero = spec.align == 0;
    ++at;
    if (spec.zero) spec.align = '=';
    spec.fill = '0';
  }
  TEMPLATE_TRY(width, read_number(rest, at));
  spec.width = width;
  if (peek() == ',' || peek() == '_') spec.group = rest[at++];
  if (peek() == ',' || peek() == '_') {
    return bad(peek() == spec.group
                   ? std::string("Cannot specify '") + spec.group + "' with '" + spec.group + "'."
                   : "Cannot specify both ',' and '_'.");
  }
  if (peek() == '.') {
    ++at;
    if (!is_digit(peek())) return bad("Format specifier missing precision");
    TEMPLATE_TRY(precision, read_number(rest, at));
    if (precision > 2000) return bad("a precision is too large");
    spec.precision = precision;
  }
  if (at < rest.size()) spec.type = rest[at++];
  if (at < rest.size()) return bad("Invalid format specifier");
  const std::string_view ungrouped = spec.group == ',' ? "cnsbox" : "cns";
  if (spec.group != 0 && spec.type != 0 &&
      ungrouped.find(static_cast<char>(spec.type | 0x20)) != std::string_view::npos) {
    return bad(std::string("Cannot specify '") + spec.group + "' with '" + spec.type + "'.");
  }
  return spec;
}

Outcome<std::string> format_number(const Value& v, const Spec& spec) {
  std::string body;
  std::string prefix;
  bool negative = false;
  const bool as_float =
      v.is_float() ||
      (spec.type != 0 && std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos);
  if (!as_float) {
    if (spec.precision) return bad("Precision not allowed in integer format specifier");
    const bool small = v.kind() != value::Kind::kBigInt;
    const std::int64_t n = small ? (v.is_bool() ? (v.as_bool() ? 1 : 0) : v.as_int()) : 0;
    negative = small ? n < 0 : v.as_string()[0] == '-';
    const std::uint64_t magnitude =
        n < 0 ? ~static_cast<std::uint64_t>(n) + 1 : static_cast<std::uint64_t>(n);
    switch (spec.type) {
      case 0:
      case 'd':
      case 'n':
        body = small ? std::to_string(magnitude) : v.as_string().substr(negative ? 1 : 0);
        break;
      case 'x':
      case 'X':
        body = based(magnitude, 16, spec.type == 'X');
        if (spec.alternate) prefix = spec.type == 'x' ? "0x" : "0X";
        break;
      case 'o':
        body = based(magnitude, 8, false);
        if (spec.alternate) prefix = "0o";
        break;
      case 'b':
        body = based(magnitude, 2, false);
        if (spec.alternate) prefix = "0b";
        break;
      case 'c': {
        if (n < 0 || n > 0x10ffff) return bad("%c arg not in range(0x110000)");
        std::string one;
        value::append_utf8(one, static_cast<char32_t>(n));
        return pad(one, spec.width, spec.fill, spec.align == 0 ? '>' : spec.align);
      }
      default:
        return bad(std::string("Unknown format code '") + spec.type + "' for object of type 'int'");
    }
    if (!small && spec.type != 0 && spec.type != 'd')
      return bad("a number is too large to be formatted");
  } else {
    double d = value::number_of(v);
    char type = spec.type;
    if (type == '%') {
      d *= 100;
      type = 'f';
    }
    if (type == 'n') type = 'g';
    negative = std::signbit(d) && !std::isnan(d);
    d = std::fabs(d);
    if (!std::isfinite(d)) {
      body = value::repr_float(d);
      if (type == 'E' || type == 'F' || type == 'G')
        std::transform(body.begin(), body.end(), body.begin(),
                       [](char c) { return static_cast<char>(c - 32); });
    } else if (type == 0) {
      if (spec.precision) {
        // Like g, but scientific one place earlier, and with a point where it is not.
        const int precision = std::max(1, static_cast<int>(*spec.precision));
        body = c_format(d, 'e', precision - 1, spec.alternate);
        const std::size_t e = body.find('e');
        const int exponent = std::atoi(body.c_str() + e + 1);
        if (exponent < -4 || exponent >= precision - 1) {
          std::string digits = body.substr(0, e);
          if (!spec.alternate && digits.find('.') != std::string::npos)
            digits.resize(digits.find_last_not_of('0') + 1);
          if (digits.back() == '.' && !spec.alternate) digits.pop_back();
          body = digits + body.substr(e);
        } else {
          body = c_format(d, 'g', precision, spec.alternate);
          if (body.find('.') == std::string::npos) body += ".0";
        }
      } else {
        body = value::repr_float(d);
      }
    } else if (std::string_view("eEfFgG").find(type) != std::string_view::npos) {
      int precision = static_cast<int>(spec.precision.value_or(6));
      if ((type == 'g' || type == 'G') && precision == 0) precision = 1;
      body = c_format(d, type, precision, spec.alternate);
    } else {
      return bad(std::string("Unknown format code '") + spec.type + "' for object of type 'float'");
    }
    if (spec.type == '%') body += '%';
  }
  std::string sign;
  if (negative) {
    sign = "-";
  } else if (spec.sign == '+' || spec.sign == ' ') {
    sign = std::string(1, spec.sign);
  }
  sign += prefix;
  const char align = spec.align == 0 ? '>' : spec.align;
  if (spec.group != 0) {
    const std::size_t end = body.find_first_not_of("0123456789abcdefABCDEF");
    const std::size_t digits =
        std::min(as_float ? body.find_first_not_of("0123456789") : end, body.size());
    const bool wide = spec.type == 'x' || spec.type == 'X' || spec.type == 'o' || spec.type == 'b';
    std::string whole = body.substr(0, digits);
    const std::string rest = body.substr(digits);
    body = grouped(whole, spec.group, wide ? 4 : 3);
    while (spec.fill == '0' && align == '=' &&
           sign.size() + body.size() + rest.size() < spec.width) {
      body = grouped(whole.insert(0, 1, '0'), spec.group, wide ? 4 : 3);
    }
    body += rest;
  }
  if (align == '=') {
    std::string fill;
    const std::size_t have = sign.size() + body.size();
    for (std::size_t i = have; i < spec.width; ++i) value::append_utf8(fill, spec.fill);
    return sign + fill + body;
  }
  return pad(sign + body, spec.width, spec.fill, align);
}

// Reads replacement fields; `depth` 1 is inside a spec.
class Braces {
 public:
  Braces(Interpreter& in, const Args& args) : in_(in), args_(args) {}

  Outcome<std::string> run(std::string_view format, int depth) {
    if (depth > 1 && format.find_first_of("{}") != std::string_view::npos)
      return bad("Max string recursion exceeded");
    std::string out;
    std::size_t at = 0;
    while (at < format.size()) {
      const char c = format[at];
      if (c == '{' || c == '}') {
        if (at + 1 < format.size() && format[at + 1] == c) {
          out += c;
          at += 2;
          continue;
        }
        if (c == '}') return bad("Single '}' encountered in format string");
        TEMPLATE_CHECK(field(format, at, depth, out));
        if (out.size() > in_.world().limits.output_bytes)
          return bad("the formatted text is too large");
        continue;
      }
      out += c;
      ++at;
    }
    return out;
  }

 private:
  Outcome<> field(std::string_view format, std::size_t& at, int depth, std::string& out) {
    std::size_t end = at + 1;
    int open = 1;
    while (end < format.size() && open > 0) {
      if (format[end] == '{') ++open;
      if (format[end] == '}') --open;
      ++end;
    }
    if (open > 0) return bad("expected '}' before end of string");
    std::string_view body = format.substr(at + 1, end - at - 2);
    at = end;
    std::size_t name_end = body.find_first_of("!:");
    if (const std::size_t bracket = body.find('['); bracket < name_end) {
      const std::size_t close = body.find(']', bracket);
      if (close == std::string_view::npos) return bad("Missing ']' in format string");
      name_end = body.find_first_of("!:", close);
    }
    const std::string_view name = body.substr(0, name_end);
    std::string_view rest = name_end == std::string_view::npos ? "" : body.substr(name_end);
    char conversion = 0;
    if (!rest.empty() && rest[0] == '!') {
      if (rest.size() < 2) return bad("unmatched '{' in format spec");
      conversion = rest[1];
      rest.remove_prefix(2);
    }
    std::string spec;
    if (!rest.empty()) {
      if (rest[0] != ':') return bad("expected ':' after conversion specifier");
      TEMPLATE_TRY(inner, run(rest.substr(1), depth + 1));
      spec = std::move(inner);
    }
    TEMPLATE_TRY(v, look_up(name));
    Value shown = std::move(v);
    if (conversion == 's') {
      TEMPLATE_TRY(text, in_.text_of(shown));
      shown = Value::string(std::move(text));
    } else if (conversion == 'r') {
      shown = Value::string(value::repr(shown));
    } else if (conversion == 'a') {
      shown = Value::string(ascii(value::repr(shown)));
    } else if (conversion != 0) {
      return bad(std::string("Unknown conversion specifier ") + conversion);
    }
    TEMPLATE_TRY(text, format_value(in_, shown, spec));
    out += text;
    return {};
  }

  Outcome<Value> look_up(std::string_view name) {
    const std::size_t end = std::min(name.find_first_of(".["), name.size());
    const std::string first(name.substr(0, end));
    Value v;
    const bool numeric = std::all_of(first.begin(), first.end(), is_digit);
    if (numeric) {
      if (first.size() > 6) return bad("Too many decimal digits in format string");
      (first.empty() ? automatic_ : manual_) = true;
      if (automatic_ && manual_)
        return bad("cannot switch between manual and automatic field numbering");
      const std::size_t index =
          first.empty() ? next_++ : static_cast<std::size_t>(std::stoul(first));
      if (index >= args_.positional.size()) {
        return bad("Replacement index " + std::to_string(index) +
                   " out of range for positional args tuple");
      }
      v = args_.positional[index];
    } else {
      bool known = false;
      for (const auto& [key, named] : args_.named) {
        if (key == first) {
          v = named;
          known = true;
        }
      }
      if (!known) return bad("KeyError: " + value::repr_string(first));
    }
    std::string_view rest = name.substr(end);
    while (!rest.empty()) {
      if (rest[0] == '.') {
        const std::size_t stop = std::min(rest.find_first_of(".[", 1), rest.size());
        const std::string attribute(rest.substr(1, stop - 1));
        if (v.is_dict() && !has_method(v, attribute)) {
          return bad("'dict' object has no attribute '" + attribute + "'");
        }
        TEMPLATE_TRY(next, in_.attribute(v, attribute));
        v = std::move(next);
        rest.remove_prefix(stop);
      } else if (rest[0] == '[') {
        const std::size_t close = rest.find(']');
        if (close == std::string_view::npos) return bad("Missing ']' in format string");
        const std::string key(rest.substr(1, close - 1));
        const bool index =
            !key.empty() && key.size() < 10 && std::all_of(key.begin(), key.end(), is_digit);
        TEMPLATE_TRY(next,
                     in_.item(v, index ? Value::integer(std::stoll(key)) : Value::string(key)));
        v = std::move(next);
        rest.remove_prefix(close + 1);
      } else {
        return bad("Only '.' or '[' may follow ']' in format field specifier");
      }
    }
    return v;
  }

  Interpreter& in_;
  const Args& args_;
  std::size_t next_ = 0;
  bool automatic_ = false;
  bool manual_ = false;
};

}  // namespace

std::string fixed(double number, int digits) { return c_format(number, 'f', digits, false); }

Outcome<std::string> percent_format(Interpreter& in, std::string_view format,
                                    const std::vector<Value>& positional,
                                    const value::Dict* named) {
  std::string out;
  std::size_t used = 0;
  bool used_named = false;
  for (std::size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%') {
      out += format[at];
      continue;
    }
    ++at;
    Percent p;
    std::optional<Value> v;
    if (at < format.size() && format[at] == '(') {
      const std::size_t close = format.find(')', at);
      if (close == std::string_view::npos) return bad("incomplete format key");
      if (named == nullptr) return bad("format requires a mapping");
      const std::string key(format.substr(at + 1, close - at - 1));
      const Value* found = named->find(key);
      if (found == nullptr) return bad("KeyError: " + value::repr_string(key));
      v = *found;
      used_named = true;
      at = close + 1;
    }
    for (; at < format.size(); ++at) {
      const char c = format[at];
      if (c == '#')
        p.alternate = true;
      else if (c == '0')
        p.zero = true;
      else if (c == '-')
        p.left = true;
      else if (c == ' ')
        p.blank = true;
      else if (c == '+')
        p.plus = true;
      else
        break;
    }
    const auto star_or_number = [&]() -> Outcome<std::size_t> {
      if (at < format.size() && format[at] == '*') {
        ++at;
        if (used >= positional.size()) return bad("not enough arguments for format string");
        const Value& w = positional[used++];
        if (!w.is_int()) return bad("* wants int");
        if (w.as_int() < 0) p.left = true;
        const std::uint64_t n = static_cast<std::uint64_t>(std::llabs(w.as_int()));
        if (n > kMaxWidth) return bad("a width or precision is too large");
        return static_cast<std::size_t>(n);
      }
      return read_number(format, at);
    };
    TEMPLATE_TRY(width, star_or_number());
    p.width = width;
    if (at < format.size() && format[at] == '.') {
      ++at;
      TEMPLATE_TRY(precision, star_or_number());
      p.precision = precision;
    }
    while (at < format.size() && (format[at] == 'h' || format[at] == 'l' || format[at] == 'L'))
      ++at;
    if (at >= format.size()) return bad("incomplete format");
    const char type = format[at];
    if (type == '%') {
      out += '%';
      continue;
    }
    if (std::string_view("diouxXeEfFgGcrsa").find(type) == std::string_view::npos) {
      return bad("unsupported format character '" + std::string(1, type) + "' (0x" +
                 based(static_cast<unsigned char>(type), 16, false) + ") at index " +
                 std::to_string(at));
    }
    if (!v) {
      if (used >= positional.size()) return bad("not enough arguments for format string");
      v = positional[used++];
    }
    TEMPLATE_TRY(text, percent_one(in, p, type == 'u' ? 'd' : type, *v));
    out += text;
    if (out.size() > in.world().limits.output_bytes) return bad("the formatted text is too large");
  }
  if (used < positional.size() && !used_named && named == nullptr) {
    return bad("not all arguments converted during string formatting");
  }
  return out;
}

Outcome<std::string> percent_format(Interpreter& in, std::string_view format, const Value& args) {
  if (args.is_tuple()) return percent_format(in, format, args.items(), nullptr);
  if (args.is_dict()) return percent_format(in, format, {args}, &args.as_dict());
  // A list counts as a mapping that need not be used.
  const value::Dict none;
  return percent_format(in, format, std::vector<Value>{args}, args.is_list() ? &none : nullptr);
}

Outcome<std::string> brace_format(Interpreter& in, std::string_view format, const Args& args) {
  return Braces(in, args).run(format, 0);
}

Outcome<std::string> format_value(Interpreter& in, const Value& v, std::string_view text) {
  if (text.empty()) return in.text_of(v);
  TEMPLATE_CHECK(in.require(v));
  TEMPLATE_TRY(spec, read_spec(text));
  if (v.is_number()) return format_number(v, spec);
  if (!v.is_string()) {
    return bad("unsupported format string passed to " + std::string(value::type_name(v)) +
               ".__format__");
  }
  if (spec.type != 0 && spec.type != 's') {
    return bad(std::string("Unknown format code '") + spec.type + "' for object of type 'str'");
  }
  if (spec.sign != 0) {
    return bad((spec.sign == ' ' ? "Space" : "Sign") +
               std::string(" not allowed in string format specifier"));
  }
  if (spec.alternate) return bad("Alternate form (#) not allowed in string format specifier");
  if (spec.group != 0) return bad(std::string("Cannot specify '") + spec.group + "' with 's'.");
  if (spec.align == '=' && !spec.zero) {
    return bad("'=' alignment not allowed in string format specifier");
  }
  std::string body = v.as_string();
  if (spec.precision) {
    const std::u32string points = value::decode_utf8(body);
    body = value::encode_utf8(std::u32string_view(points).substr(0, *spec.precision));
  }
  return pad(body, spec.width, spec.fill, spec.align == 0 || spec.align == '=' ? '<' : spec.align);
}

}  // namespace fleetctl::template_
