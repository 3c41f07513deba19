#include "agent/base/duration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace agent {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

struct Unit {
  std::string_view name;
  std::int64_t ns;
};
constexpr std::array<Unit, 8> kUnits = {{{"ns", 1},
                                         {"us", 1'000},
                                         {"\xC2\xB5s", 1'000},
                                         {"\xCE\xBCs", 1'000},
                                         {"ms", 1'000'000},
                                         {"s", 1'000'000'000},
                                         {"m", 60'000'000'000},
                                         {"h", 3'600'000'000'000}}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

tl::unexpected<Error> bad(std::string_view text, std::string_view why) {
  return fail(ErrorCode::kInvalid,
              "invalid duration \"" + std::string(text) + "\": " + std::string(why));
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  std::string_view rest = text;
  bool negative = false;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  if (rest == "0") return Duration(0);
  if (rest.empty()) return bad(text, "it is empty");
  std::int64_t total = 0;
  while (!rest.empty()) {
    std::int64_t whole = 0;
    std::size_t digits = 0;
    while (digits < rest.size() && is_digit(rest[digits])) {
      if (whole > (kMax - 9) / 10) return bad(text, "it is too large");
      whole = whole * 10 + (rest[digits] - '0');
      ++digits;
    }
    rest.remove_prefix(digits);
    double fraction = 0;
    double scale = 1;
    std::size_t fraction_digits = 0;
    if (!rest.empty() && rest[0] == '.') {
      rest.remove_prefix(1);
      while (fraction_digits < rest.size() && is_digit(rest[fraction_digits])) {
        scale /= 10;
        fraction += (rest[fraction_digits] - '0') * scale;
        ++fraction_digits;
      }
      rest.remove_prefix(fraction_digits);
    }
    if (digits == 0 && fraction_digits == 0) return bad(text, "a number is expected");
    std::size_t end = 0;
    while (end < rest.size() && rest[end] != '.' && !is_digit(rest[end])) ++end;
    const std::string_view name = rest.substr(0, end);
    const auto unit =
        std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return u.name == name; });
    if (name.empty()) return bad(text, "a unit is missing (ns, us, ms, s, m or h)");
    if (unit == kUnits.end()) return bad(text, "unknown unit \"" + std::string(name) + "\"");
    rest.remove_prefix(end);
    if (whole > kMax / unit->ns) return bad(text, "it is too large");
    const std::int64_t part =
        whole * unit->ns + static_cast<std::int64_t>(fraction * static_cast<double>(unit->ns));
    if (part < 0 || total > kMax - part) return bad(text, "it is too large");
    total += part;
  }
  return Duration(negative ? -total : total);
}

std::string format_duration(Duration duration) {
  std::int64_t ns = duration.count();
  if (ns == 0) return "0s";
  std::string out;
  const bool negative = ns < 0;
  std::uint64_t rest =
      negative ? 0 - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
  const auto with_fraction = [](std::uint64_t value, std::uint64_t unit) {
    std::string text = std::to_string(value / unit);
    std::uint64_t fraction = value % unit;
    if (fraction == 0) return text;
    std::string digits;
    for (std::uint64_t u = unit / 10; u > 0; u /= 10) {
      digits.push_back(static_cast<char>('0' + fraction / u));
      fraction %= u;
    }
    while (digits.back() == '0') digits.pop_back();
    return text + "." + digits;
  };
  if (rest < 1'000) {
    out = std::to_string(rest) + "ns";
  } else if (rest < 1'000'000) {
    out = with_fraction(rest, 1'000) + "\xC2\xB5s";
  } else if (rest < 1'000'000'000) {
    out = with_fraction(rest, 1'000'000) + "ms";
  } else {
    const std::uint64_t hours = rest / 3'600'000'000'000U;
    const std::uint64_t minutes = rest / 60'000'000'000U % 60;
    if (hours > 0) out += std::to_string(hours) + "h";
    if (hours > 0 || minutes > 0) out += std::to_string(minutes) + "m";
    out += with_fraction(rest % 60'000'000'000U, 1'000'000'000) + "s";
  }
  return negative ? "-" + out : out;
}

Result<std::int64_t> parse_byte_size(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return fail(ErrorCode::kInvalid,
                "invalid byte size \"" + std::string(text) + "\": " + std::string(why));
  };
  std::string_view rest = text;
  double value = 0;
  double scale = 1;
  bool fraction = false;
  bool any = false;
  while (!rest.empty() && (is_digit(rest[0]) || (rest[0] == '.' && !fraction))) {
    if (rest[0] == '.') {
      fraction = true;
    } else {
      any = true;
      if (fraction) scale /= 10;
      value = fraction ? value + (rest[0] - '0') * scale : value * 10 + (rest[0] - '0');
    }
    rest.remove_prefix(1);
  }
  if (!any) return wrong("a number is expected");
  while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
  std::string unit(rest);
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (!unit.empty() && unit.back() == 'b') unit.pop_back();
  double factor = 1;
  if (!unit.empty()) {
    const std::size_t power = std::string_view("kmgtpe").find(unit[0]);
    const bool binary = unit.size() == 2 && unit[1] == 'i';
    if (power == std::string_view::npos || (unit.size() != 1 && !binary))
      return wrong("unknown unit");
    factor = std::pow(binary ? 1024.0 : 1000.0, static_cast<double>(power + 1));
  }
  const double bytes = value * factor;
  if (bytes > 9.2e18) return wrong("it is too large");
  return static_cast<std::int64_t>(bytes);
}

std::string format_byte_size(std::int64_t bytes) {
  constexpr std::array<std::string_view, 7> kNames = {"B",   "KiB", "MiB", "GiB",
                                                      "TiB", "PiB", "EiB"};
  std::size_t power = 0;
  while (power + 1 < kNames.size() && bytes != 0 && bytes % 1024 == 0) {
    bytes /= 1024;
    ++power;
  }
  return std::to_string(bytes) + std::string(kNames[power]);
}

}  // namespace agent
