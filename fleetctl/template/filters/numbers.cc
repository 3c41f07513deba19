// Filters that make or take numbers and truth values.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/operators.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

// Python's int(text, base): white space around, a sign, single underscores between digits, a prefix
// that fits the base.
std::optional<Value> parse_integer(std::string_view text, int base) {
  text = strip(text);
  std::string sign;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    if (text[0] == '-') sign = "-";
    text.remove_prefix(1);
  }
  if (text.size() > 2 && text[0] == '0') {
    const char kind = static_cast<char>(text[1] | 0x20);
    const int implied = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
    if (implied != 0 && (base == implied || base == 0)) {
      base = implied;
      text.remove_prefix(2);
      if (text[0] == '_') text.remove_prefix(1);
    }
  }
  if (base == 0) {
    if (text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != std::string_view::npos)
      return std::nullopt;
    base = 10;
  }
  std::string digits;
  bool separator = true;
  for (const char c : text) {
    if (c == '_') {
      if (separator) return std::nullopt;
      separator = true;
      continue;
    }
    separator = false;
    digits += c;
  }
  if (digits.empty() || separator) return std::nullopt;
  if (base == 10) {
    if (!std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
      return std::nullopt;
    return digits.size() <= 4300 ? std::optional<Value>(Value::integer_text(sign + digits))
                                 : std::nullopt;
  }
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return Value::integer_text(sign + std::to_string(n));
}

// Python's float(text).
std::optional<double> parse_real(std::string_view raw) {
  const std::string_view text = strip(raw);
  std::string body = lower(text);
  std::string_view word = body;
  if (!word.empty() && (word[0] == '-' || word[0] == '+')) word.remove_prefix(1);
  const double sign = !body.empty() && body[0] == '-' ? -1.0 : 1.0;
  if (word == "inf" || word == "infinity") return sign * HUGE_VAL;
  if (word == "nan") return std::nan("");
  std::string plain;
  bool digit_before = false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const char c = word[i];
    const bool digit = c >= '0' && c <= '9';
    if (c == '_') {
      if (!digit_before || i + 1 >= word.size() || word[i + 1] < '0' || word[i + 1] > '9')
        return std::nullopt;
      digit_before = false;
      continue;
    }
    if (!digit && c != '.' && c != 'e' && c != '-' && c != '+') return std::nullopt;
    digit_before = digit;
    plain += c;
  }
  if (plain.empty() || plain[0] == '-' || plain[0] == '+') return std::nullopt;
  char* end = nullptr;
  const double d = std::strtod(plain.c_str(), &end);
  if (end != plain.c_str() + plain.size()) return std::nullopt;
  return sign * d;
}

Value truncated(double d) { return Value::integer_text(fixed(std::trunc(d), 0)); }

Outcome<Value> int_filter(Call& c) {
  const Value preset = c.has(0) ? *c.args[0] : Value::integer(0);
  TEMPLATE_TRY(base, c.integer(1, 10));
  const Value& v = c.input;
  if (v.is_string()) {
    const bool good_base = base == 0 || (base >= 2 && base <= 36);
    if (const auto n =
            good_base ? parse_integer(v.as_string(), static_cast<int>(base)) : std::nullopt)
      return *n;
    const auto d = parse_real(v.as_string());
    return d && std::isfinite(*d) ? truncated(*d) : preset;
  }
  if (v.is_bool()) return Value::integer(v.as_bool() ? 1 : 0);
  if (v.is_float()) return std::isfinite(v.as_float()) ? truncated(v.as_float()) : preset;
  return v.is_number() ? v : preset;
}

Outcome<Value> float_filter(Call& c) {
  const Value preset = c.has(0) ? *c.args[0] : Value::real(0.0);
  if (c.input.is_string()) {
    const auto d = parse_real(c.input.as_string());
    return d ? Value::real(*d) : preset;
  }
  return c.input.is_number() ? Value::real(value::number_of(c.input)) : preset;
}

Outcome<Value> bool_filter(Call& c) {
  const Value& v = c.input;
  if (v.is_none() || v.is_bool()) return v;
  if (v.is_string()) {
    const std::string word = lower(v.as_string());
    return Value::boolean(word == "yes" || word == "on" || word == "1" || word == "true");
  }
  return Value::boolean(v.is_number() && value::number_of(v) == 1.0);
}

Outcome<double> number(const Value& v) {
  if (v.is_number()) return value::number_of(v);
  return bad("must be real number, not " + std::string(value::type_name(v)));
}

Outcome<Value> abs_filter(Call& c) {
  if (c.input.is_float()) return Value::real(std::fabs(c.input.as_float()));
  TEMPLATE_TRY(n, number(c.input));
  return n < 0 ? unary(Op::kNeg, c.input) : unary(Op::kPos, c.input);
}

Outcome<Value> round_filter(Call& c) {
  TEMPLATE_TRY(precision, c.integer(0, 0));
  TEMPLATE_TRY(how, c.text(1, "common"));
  TEMPLATE_TRY(n, number(c.input));
  if (how != "common" && how != "ceil" && how != "floor")
    return bad("method must be common, ceil or floor");
  if (precision > 300 || precision < -300) return bad("the precision is too large");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  if (how != "common")
    return Value::real(((how == "ceil" ? std::ceil(n * scale) : std::floor(n * scale)) + 0.0) /
                       scale);
  if (!c.input.is_float()) {
    if (precision >= 0)
      return c.input.is_bool() ? Value::integer(c.input.as_bool() ? 1 : 0) : c.input;
    const double unit = std::pow(10.0, static_cast<double>(-precision));
    return truncated(std::nearbyint(n / unit) * unit);
  }
  if (!std::isfinite(n)) return c.input;
  if (precision >= 0)
    return Value::real(std::strtod(fixed(n, static_cast<int>(precision)).c_str(), nullptr));
  const double unit = std::pow(10.0, static_cast<double>(-precision));
  return Value::real(std::nearbyint(n / unit) * unit);
}

Outcome<Value> filesizeformat(Call& c) {
  double bytes = 0;
  if (c.input.is_string()) {
    const auto d = parse_real(c.input.as_string());
    if (!d)
      return bad("could not convert string to float: " + value::repr_string(c.input.as_string()));
    bytes = *d;
  } else {
    TEMPLATE_TRY(n, number(c.input));
    bytes = n;
  }
  const bool binary_units = c.flag(0, false);
  const double base = binary_units ? 1024 : 1000;
  if (bytes == 1) return Value::string("1 Byte");
  if (bytes < base) return Value::string(fixed(std::trunc(bytes) + 0.0, 0) + " Bytes");
  static constexpr std::array<std::string_view, 8> kDecimal{"kB", "MB", "GB", "TB",
                                                            "PB", "EB", "ZB", "YB"};
  static constexpr std::array<std::string_view, 8> kBinary{"KiB", "MiB", "GiB", "TiB",
                                                           "PiB", "EiB", "ZiB", "YiB"};
  double unit = base * base;
  for (std::size_t i = 0;; ++i, unit *= base) {
    if (bytes < unit || i == 7) {
      return Value::string(fixed(base * bytes / unit, 1) + " " +
                           std::string(binary_units ? kBinary[i] : kDecimal[i]));
    }
  }
}

struct Size {
  std::string_view suffix;
  double limit;
};
constexpr double kKilo = 1024.0;
constexpr std::array<Size, 9> kSizes{{{"Y", kKilo* kKilo* kKilo* kKilo* kKilo* kKilo* kKilo* kKilo},
                                      {"Z", kKilo* kKilo* kKilo* kKilo* kKilo* kKilo* kKilo},
                                      {"E", kKilo* kKilo* kKilo* kKilo* kKilo* kKilo},
                                      {"P", kKilo* kKilo* kKilo* kKilo* kKilo},
                                      {"T", kKilo* kKilo* kKilo* kKilo},
                                      {"G", kKilo* kKilo* kKilo},
                                      {"M", kKilo* kKilo},
                                      {"K", kKilo},
                                      {"B", 1}}};

Outcome<Value> human_readable(Call& c) {
  TEMPLATE_TRY(size, number(c.input));
  const bool bits = c.flag(0, false);
  TEMPLATE_TRY(unit, c.text(1, ""));
  if (c.has(1) && c.args[1]->is_none()) unit.clear();
  const std::string wanted = upper(unit);
  const Size* chosen = &kSizes.back();
  for (const Size& each : kSizes) {
    if (wanted.empty() ? size >= each.limit : wanted == each.suffix) {
      chosen = &each;
      break;
    }
  }
  std::string suffix = bits ? "bits" : "Bytes";
  if (chosen->limit != 1) suffix = std::string(chosen->suffix) + (bits ? "b" : "B");
  return Value::string(fixed(size / chosen->limit, 2) + " " + suffix);
}

Outcome<Value> human_to_bytes(Call& c) {
  TEMPLATE_TRY(text, c.in.text_of(c.input));
  TEMPLATE_TRY(unit, c.text(0, ""));
  const bool bits = c.flag(1, false);
  const std::string_view body = strip(text);
  const std::size_t end = std::min(body.find_first_not_of("0123456789."), body.size());
  const auto n = parse_real(body.substr(0, end));
  if (!n) return bad("can't interpret following string: " + text);
  std::string_view found = strip(body.substr(end));
  if (found.empty()) found = unit;
  if (found.empty()) return truncated(std::nearbyint(*n));
  const std::string range = upper(found.substr(0, 1));
  for (const Size& each : kSizes) {
    if (each.suffix != range) continue;
    const bool word = lower(found).find(bits ? "bit" : "byte") != std::string::npos;
    if (found.size() > 1 && !word && found[1] != (bits ? 'b' : 'B')) break;
    return truncated(std::nearbyint(*n * each.limit));
  }
  return bad("can't interpret following string: " + text);
}

// math.pow and math.sqrt
Outcome<Value> real_power(double base, double exponent) {
  const double made = std::pow(base, exponent);
  if (std::isfinite(base) && std::isfinite(exponent)) {
    if (std::isnan(made) || (base == 0.0 && exponent < 0)) return bad("math domain error");
    if (std::isinf(made)) return bad("math range error");
  }
  return Value::real(made);
}

Outcome<Value> log_filter(Call& c) {
  TEMPLATE_TRY(n, number(c.input));
  if (n <= 0) return bad("math domain error");
  if (!c.has(0)) return Value::real(std::log(n));
  TEMPLATE_TRY(base, number(*c.args[0]));
  if (base == 10) return Value::real(std::log10(n));
  if (base <= 0 || base == 1) return bad("math domain error");
  return Value::real(std::log(n) / std::log(base));
}
Outcome<Value> pow_filter(Call& c) {
  TEMPLATE_TRY(n, number(c.input));
  if (!c.has(0)) return bad("needs the exponent");
  TEMPLATE_TRY(exponent, number(*c.args[0]));
  return real_power(n, exponent);
}
Outcome<Value> root_filter(Call& c) {
  TEMPLATE_TRY(n, number(c.input));
  double base = 2;
  if (c.has(0)) {
    TEMPLATE_TRY(given, number(*c.args[0]));
    base = given;
  }
  if (base == 0) return bad("float division by zero");
  if (base == 2 && n < 0) return bad("math domain error");
  return base == 2 ? Value::real(std::sqrt(n)) : real_power(n, 1.0 / base);
}

constexpr std::array kRows{
    FilterRow{"int", int_filter, "default base"},
    FilterRow{"float", float_filter, "default"},
    FilterRow{"bool", bool_filter, ""},
    FilterRow{"abs", abs_filter, ""},
    FilterRow{"round", round_filter, "precision method"},
    FilterRow{"filesizeformat", filesizeformat, "binary"},
    FilterRow{"human_readable", human_readable, "isbits unit"},
    FilterRow{"human_to_bytes", human_to_bytes, "default_unit isbits"},
    FilterRow{"log", log_filter, "base"},
    FilterRow{"pow", pow_filter, "y"},
    FilterRow{"root", root_filter, "base"},
};

}  // namespace

std::span<const FilterRow> number_filters() { return kRows; }

}  // namespace fleetctl::template_
