// PyYAML's implicit resolver, expression by expression.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

#include "agent/base/strings.h"
#include "fleetctl/inventory/yaml_reader.h"

namespace fleetctl::inventory {
namespace {

using value::Value;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string without_underscores(std::string_view text) {
  std::string out(text);
  std::erase(out, '_');
  return out;
}

std::optional<bool> parse_bool(std::string_view text) {
  static constexpr std::string_view kTrue[] = {"yes", "true", "on"};
  static constexpr std::string_view kFalse[] = {"no", "false", "off"};
  const auto matches = [&](std::string_view word) {
    if (text.size() != word.size()) return false;
    std::string capital(word);
    capital[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(capital[0])));
    std::string upper(word);
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text == word || text == capital || text == upper;
  };
  if (std::any_of(std::begin(kTrue), std::end(kTrue), matches)) return true;
  if (std::any_of(std::begin(kFalse), std::end(kFalse), matches)) return false;
  return std::nullopt;
}

// "(:[0-5]?[0-9])+" up to the end or up to `stop`; the parts are appended to `parts`.
bool sexagesimal_tail(std::string_view& rest, std::vector<std::string>& parts) {
  bool any = false;
  while (!rest.empty() && rest[0] == ':') {
    std::size_t n = 1;
    while (n < rest.size() && n <= 2 && is_digit(rest[n])) ++n;
    if (n == 1 || (n == 3 && rest[1] > '5')) return false;
    parts.emplace_back(rest.substr(1, n - 1));
    rest.remove_prefix(n);
    any = true;
  }
  return any;
}

double to_double(const std::string& text) {
  double value = 0;
  const char* begin = text.data() + (!text.empty() && text[0] == '+' ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) {
    const std::size_t exponent = text.find_first_of("eE");
    const bool tiny =
        exponent != std::string::npos && text.find('-', exponent) != std::string::npos;
    return tiny ? 0.0 : std::numeric_limits<double>::infinity();
  }
  return value;
}

std::optional<double> parse_float(std::string_view text) {
  std::string_view rest = text;
  double sign = 1;
  const bool has_sign = !rest.empty() && (rest[0] == '-' || rest[0] == '+');
  if (has_sign) {
    sign = rest[0] == '-' ? -1 : 1;
    rest.remove_prefix(1);
  }
  if (rest == ".inf" || rest == ".Inf" || rest == ".INF")
    return sign * std::numeric_limits<double>::infinity();
  if (!has_sign && (rest == ".nan" || rest == ".NaN" || rest == ".NAN"))
    return std::numeric_limits<double>::quiet_NaN();
  if (rest.empty()) return std::nullopt;
  const auto digits = [&](std::size_t from) {
    while (from < rest.size() && (is_digit(rest[from]) || rest[from] == '_')) ++from;
    return from;
  };
  std::size_t at = 0;
  if (rest[0] == '.') {
    if (has_sign || rest.size() < 2 || !is_digit(rest[1])) return std::nullopt;
  } else {
    if (!is_digit(rest[0])) return std::nullopt;
    at = digits(0);
    if (at < rest.size() && rest[at] == ':') {
      std::vector<std::string> parts = {without_underscores(rest.substr(0, at))};
      std::string_view tail = rest.substr(at);
      if (!sexagesimal_tail(tail, parts) || tail.empty() || tail[0] != '.') return std::nullopt;
      for (char c : tail.substr(1))
        if (!is_digit(c) && c != '_') return std::nullopt;
      parts.back() += without_underscores(tail);
      double value = 0;
      for (const std::string& part : parts) value = value * 60 + to_double(part);
      return sign * value;
    }
    if (at == rest.size() || rest[at] != '.') return std::nullopt;
  }
  at = digits(at + 1);
  if (at < rest.size()) {
    if (rest[at] != 'e' && rest[at] != 'E') return std::nullopt;
    ++at;
    if (at == rest.size() || (rest[at] != '-' && rest[at] != '+')) return std::nullopt;
    const std::size_t exponent = ++at;
    while (at < rest.size() && is_digit(rest[at])) ++at;
    if (at == exponent || at != rest.size()) return std::nullopt;
  }
  return sign * to_double(without_underscores(rest));
}

// Digits of `base` as a decimal number of any size.
std::string to_decimal(std::string_view digits, unsigned base) {
  std::vector<std::uint32_t> limbs;  // base 1e9, least significant first
  for (char c : digits) {
    const unsigned digit =
        is_digit(c) ? static_cast<unsigned>(c - '0') : static_cast<unsigned>((c | 0x20) - 'a') + 10;
    std::uint64_t carry = digit;
    for (std::uint32_t& limb : limbs) {
      carry += static_cast<std::uint64_t>(limb) * base;
      limb = static_cast<std::uint32_t>(carry % 1'000'000'000);
      carry /= 1'000'000'000;
    }
    if (carry != 0) limbs.push_back(static_cast<std::uint32_t>(carry));
  }
  std::string out;
  for (std::size_t i = limbs.size(); i-- > 0;) {
    std::string part = std::to_string(limbs[i]);
    if (!out.empty()) part.insert(0, 9 - part.size(), '0');
    out += part;
  }
  return out.empty() ? "0" : out;
}

std::optional<Value> parse_int(std::string_view text) {
  constexpr std::size_t kMaxDigits = 4300;  // Python's own limit for turning text into an int
  if (text.size() > kMaxDigits) return std::nullopt;
  std::string_view rest = text;
  std::string sign;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    if (rest[0] == '-') sign = "-";
    rest.remove_prefix(1);
  }
  if (rest.empty() || !is_digit(rest[0])) return std::nullopt;
  const auto all = [](std::string_view part, auto predicate) {
    return std::all_of(part.begin(), part.end(), [&](char c) { return c == '_' || predicate(c); });
  };
  const auto integer = [&](const std::string& decimal) {
    return Value::integer_text(decimal == "0" ? decimal : sign + decimal);
  };
  if (rest.size() > 2 && rest[0] == '0' && (rest[1] == 'b' || rest[1] == 'x')) {
    const bool hex = rest[1] == 'x';
    const std::string digits = without_underscores(rest.substr(2));
    if (digits.empty() || !all(digits, [&](char c) {
          return hex ? std::isxdigit(static_cast<unsigned char>(c)) != 0 : c == '0' || c == '1';
        }))
      return std::nullopt;
    return integer(to_decimal(digits, hex ? 16 : 2));
  }
  if (rest == "0") return integer("0");
  if (rest[0] == '0') {
    if (!all(rest.substr(1), [](char c) { return c >= '0' && c <= '7'; })) return std::nullopt;
    return integer(to_decimal(without_underscores(rest), 8));
  }
  std::size_t n = 0;
  while (n < rest.size() && (is_digit(rest[n]) || rest[n] == '_')) ++n;
  std::vector<std::string> parts = {without_underscores(rest.substr(0, n))};
  std::string_view tail = rest.substr(n);
  if (tail.empty()) return integer(to_decimal(parts[0], 10));
  if (!sexagesimal_tail(tail, parts) || !tail.empty() || parts[0].size() > 12 || parts.size() > 4)
    return std::nullopt;
  std::int64_t value = 0;
  for (const std::string& part : parts) value = value * 60 + std::stoll(part);
  return integer(std::to_string(value));
}

// "2001-12-14 21:59:43.10 -5" -> what Python's str() makes of that date or time; "" if it is none.
std::string parse_timestamp(std::string_view text) {
  const auto take = [&](std::size_t least, std::size_t most) {
    std::size_t n = 0;
    while (n < text.size() && n < most && is_digit(text[n])) ++n;
    std::string digits(text.substr(0, n));
    text.remove_prefix(n);
    if (digits.size() < least) digits.clear();
    return digits;
  };
  const auto skip = [&](char c) {
    if (text.empty() || text[0] != c) return false;
    text.remove_prefix(1);
    return true;
  };
  const auto pad = [](const std::string& digits) {
    return digits.size() == 1 ? "0" + digits : digits;
  };
  const auto below = [](const std::string& digits, int limit) {
    return std::atoi(digits.c_str()) < limit;
  };
  const std::string year = take(4, 4);
  if (year.empty() || !skip('-')) return {};
  const std::string month = take(1, 2);
  if (month.empty() || !skip('-')) return {};
  const std::string day = take(1, 2);
  if (day.empty() || month == "00" || day == "00" || !below(month, 13) || !below(day, 32))
    return {};
  std::string out = year + "-" + pad(month) + "-" + pad(day);
  if (text.empty()) return month.size() == 2 && day.size() == 2 ? out : std::string();
  if (!skip('T') && !skip('t')) {
    if (text[0] != ' ' && text[0] != '\t') return {};
    while (!text.empty() && (text[0] == ' ' || text[0] == '\t')) text.remove_prefix(1);
  }
  const std::string hour = take(1, 2);
  if (hour.empty() || !skip(':')) return {};
  const std::string minute = take(2, 2);
  if (minute.empty() || !skip(':')) return {};
  const std::string second = take(2, 2);
  if (second.empty() || !below(hour, 24) || !below(minute, 60) || !below(second, 60)) return {};
  out += " " + pad(hour) + ":" + minute + ":" + second;
  if (skip('.')) {
    std::string fraction = take(0, std::string_view::npos);
    fraction.resize(6, '0');
    if (fraction != "000000") out += "." + fraction;
  }
  while (!text.empty() && (text[0] == ' ' || text[0] == '\t')) text.remove_prefix(1);
  if (skip('Z')) {
    out += "+00:00";
  } else if (!text.empty()) {
    const char sign = text[0];
    if (sign != '+' && sign != '-') return {};
    text.remove_prefix(1);
    const std::string zone_hour = take(1, 2);
    if (zone_hour.empty() || !below(zone_hour, 24)) return {};
    std::string zone_minute = "00";
    if (skip(':')) zone_minute = take(2, 2);
    if (zone_minute.empty()) return {};
    out += sign + pad(zone_hour) + ":" + zone_minute;
  }
  return text.empty() ? out : std::string();
}

}  // namespace

Value resolve_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return Value::none();
  const char first = text[0];
  if (std::isalpha(static_cast<unsigned char>(first)) != 0) {
    if (const auto boolean = parse_bool(text)) return Value::boolean(*boolean);
    return Value::string(text);
  }
  if (is_digit(first) || first == '-' || first == '+' || first == '.') {
    if (const auto real = parse_float(text)) return Value::real(*real);
    if (auto integer = parse_int(text)) return std::move(*integer);
    if (std::string stamp = parse_timestamp(text); !stamp.empty())
      return Value::string(std::move(stamp));
  }
  return Value::string(text);
}

}  // namespace fleetctl::inventory
