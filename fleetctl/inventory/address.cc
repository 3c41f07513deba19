#include "fleetctl/inventory/address.h"

#include <algorithm>
#include <charconv>
#include <cstddef>

#include "agent/base/strings.h"

namespace fleetctl::inventory {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
// Bytes of other scripts' letters count as letters.
bool is_word(char c) {
  return is_digit(c) || is_letter(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

template <class Predicate>
std::size_t run_length(std::string_view text, Predicate predicate) {
  return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), predicate) -
                                  text.begin());
}

enum class Bounds { kNumbers, kHex, kNumbersOrLetters };

// Length of a "[begin:end]" or "[begin:end:step]" at the start of `text`, 0 if there is none.
std::size_t range_length(std::string_view text, Bounds bounds) {
  if (text.empty() || text[0] != '[') return 0;
  const std::size_t close = text.find(']');
  if (close == std::string_view::npos) return 0;
  const auto parts = agent::split(text.substr(1, close - 1), ':');
  if (parts.size() != 2 && parts.size() != 3) return 0;
  const auto all = [](std::string_view part, bool (*predicate)(char)) {
    return !part.empty() && std::all_of(part.begin(), part.end(), predicate);
  };
  if (parts.size() == 3 && !all(parts[2], is_digit)) return 0;
  const bool numbers = all(parts[0], is_digit) && all(parts[1], is_digit);
  const bool hex = all(parts[0], is_hex) && all(parts[1], is_hex);
  const bool letters = parts[0].size() == 1 && parts[1].size() == 1 && is_letter(parts[0][0]) &&
                       is_letter(parts[1][0]);
  const bool fits = numbers || (bounds == Bounds::kHex && hex) ||
                    (bounds == Bounds::kNumbersOrLetters && letters);
  return fits ? close + 1 : 0;
}

bool is_ipv4(std::string_view text) {
  int parts = 0;
  while (parts < 4) {
    std::size_t n = range_length(text, Bounds::kNumbers);
    if (n == 0) {
      n = run_length(text, is_digit);
      if (n == 0 || n > 3) return false;
      if (n == 3 && text.substr(0, 3) > "255") return false;
    }
    text.remove_prefix(n);
    if (++parts == 4) return text.empty();
    if (text.empty() || text[0] != '.') return false;
    text.remove_prefix(1);
  }
  return false;
}

// Ansible's expression is anchored at the end in one of its alternatives only, so what starts like
// an IPv6 address counts as one.
bool is_ipv6(std::string_view text) {
  if (text.substr(0, 2) == "::") return true;
  const auto component = [](std::string_view rest) {
    const std::size_t range = range_length(rest, Bounds::kHex);
    return range > 0 ? range : run_length(rest, is_hex);
  };
  bool zeros = true;
  bool mapped = false;
  for (int count = 1; count <= 7; ++count) {
    const std::size_t n = component(text);
    if (n == 0 || n >= text.size() || text[n] != ':') return false;
    if (text[0] != '[' && n > 4) return false;
    const std::string_view part = text.substr(0, n);
    mapped = count == 6 && zeros && (part == "ffff" || part == "FFFF");
    zeros = zeros && part == "0";
    text.remove_prefix(n + 1);
    if (!text.empty() && text[0] == ':' && count <= 6) return true;
    if (count == 6 && (zeros || mapped)) {
      std::string_view rest = text;
      int dotted = 0;
      while (dotted < 4) {
        std::size_t m = component(rest);
        if (m == 0) break;
        m = rest[0] == '[' ? m : std::min<std::size_t>(m, 4);
        rest.remove_prefix(m);
        if (++dotted == 4 || rest.empty() || rest[0] != '.') break;
        rest.remove_prefix(1);
      }
      if (dotted == 4 && (zeros || rest.empty())) return true;
    }
  }
  return component(text) > 0;
}

bool is_hostname(std::string_view text) {
  for (;;) {
    bool first = true;
    char last = 0;
    while (!text.empty() && text[0] != '.') {
      std::size_t n = range_length(text, Bounds::kNumbersOrLetters);
      if (n == 0) n = is_word(text[0]) || (!first && text[0] == '-') ? 1 : 0;
      if (n == 0) return false;
      last = text[n - 1];
      first = false;
      text.remove_prefix(n);
    }
    if (first || last == '-' || last == '_') return false;
    if (text.empty()) return true;
    text.remove_prefix(1);
  }
}

// "rest:port" with no colon in rest outside brackets.
std::optional<std::string_view> strip_port(std::string_view text, std::string_view& port) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return std::nullopt;
  port = text.substr(colon + 1);
  if (!std::all_of(port.begin(), port.end(), is_digit)) return std::nullopt;
  const std::string_view host = text.substr(0, colon);
  bool bracket = false;
  for (char c : host) {
    if (bracket) {
      bracket = c != ']';
    } else if (c == '[') {
      bracket = true;
    } else if (c == ':' || c == ']') {
      return std::nullopt;
    }
  }
  if (bracket) return std::nullopt;
  return host;
}

std::optional<long> number(std::string_view text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<> expand(const std::string& text, int depth, std::vector<std::string>& out) {
  const auto complain = [&](std::string_view what) -> Result<> {
    return fail(ErrorCode::kInvalid, "host range '" + text + "' " + std::string(what));
  };
  const std::size_t open = text.find('[');
  if (open == std::string::npos) {
    if (out.size() >= kMaxHostsPerRange)
      return fail(ErrorCode::kExhausted,
                  "host range: more than " + std::to_string(kMaxHostsPerRange) + " hosts");
    out.push_back(text);
    return {};
  }
  if (depth > 16) return complain("has too many ranges");
  const std::size_t close = text.find(']');
  if (close == std::string::npos || close < open) return complain("has no closing ]");
  const std::string head = text.substr(0, open);
  const std::string tail = text.substr(close + 1);
  const std::string inner = text.substr(open + 1, close - open - 1);
  const auto bounds = agent::split(inner, ':');
  if (bounds.size() != 2 && bounds.size() != 3)
    return complain("must be [begin:end] or [begin:end:step]");
  const std::string begin(bounds[0].empty() ? std::string_view("0") : bounds[0]);
  const std::string end(bounds[1]);
  if (end.empty()) return complain("has no end");
  std::size_t width = 0;
  if (begin.size() > 1 && begin[0] == '0') {
    width = begin.size();
    if (width != end.size())
      return complain("must have a begin and an end of equal length when the begin starts with 0");
  }
  const auto step = bounds.size() == 3 ? number(bounds[2]) : 1;
  if (!step || *step < 1) return complain("needs a step of 1 or more");

  static constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const std::size_t first_letter = kLetters.find(begin);
  const std::size_t last_letter = kLetters.find(end);
  if (first_letter != std::string_view::npos && last_letter != std::string_view::npos) {
    if (first_letter > last_letter) return complain("must have begin <= end");
    for (std::size_t i = first_letter; i <= last_letter; i += static_cast<std::size_t>(*step)) {
      if (auto done = expand(head + kLetters[i] + tail, depth + 1, out); !done) return done;
    }
    return {};
  }
  const auto first = number(begin);
  const auto last = number(end);
  if (!first || !last || *last > 1'000'000'000)
    return complain("must have two numbers or two letters as bounds");
  for (long i = *first; i <= *last; i += *step) {
    std::string digits = std::to_string(i);
    if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
    if (auto done = expand(head + digits + tail, depth + 1, out); !done) return done;
  }
  return {};
}

}  // namespace

std::optional<Address> parse_address(std::string_view text, bool allow_ranges) {
  Address address;
  std::string_view port;
  if (text.size() > 4 && text[0] == '[') {
    const std::size_t close = text.rfind("]:");
    if (close != std::string_view::npos && close > 1 && close + 2 < text.size()) {
      port = text.substr(close + 2);
      if (std::all_of(port.begin(), port.end(), is_digit)) {
        address.port = static_cast<int>(number(port).value_or(-1) & 0x7fffffff);
        text = text.substr(1, close - 1);
      }
    }
  }
  if (const auto host = strip_port(text, port)) {
    address.port = static_cast<int>(number(port).value_or(-1) & 0x7fffffff);
    text = *host;
  }
  if (!is_ipv4(text) && !is_ipv6(text) && !is_hostname(text)) return std::nullopt;
  if (!allow_ranges && text.find('[') != std::string_view::npos) return std::nullopt;
  address.host = std::string(text);
  return address;
}

bool is_ip_address(std::string_view text) { return is_ipv4(text) || is_ipv6(text); }

Result<HostNames> expand_host_pattern(std::string_view text) {
  HostNames result;
  std::string pattern(text);
  if (auto address = parse_address(text, true)) {
    pattern = std::move(address->host);
    result.port = address->port;
  }
  if (auto done = expand(pattern, 0, result.names); !done) return fail(done.error());
  return result;
}

}  // namespace fleetctl::inventory
