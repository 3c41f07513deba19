// Numbers: conversions, arithmetic, sequences, random values.
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "agent/wire/go_functions.h"

namespace agent::wire {
namespace {

GoValue int64(std::int64_t value) { return GoValue(value, GoType::kInt64); }
// As Go: what overflows wraps around.
std::int64_t wrap_add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
std::int64_t wrap_multiply(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

GoValue to_int(GoRun&, GoArguments a) { return GoValue(go_to_int(a[0])); }
GoValue to_int64(GoRun&, GoArguments a) { return int64(go_to_int(a[0])); }
GoValue to_float(GoRun&, GoArguments a) { return GoValue(go_to_float(a[0])); }
GoValue atoi(GoRun&, GoArguments a) {
  std::string_view text = a[0].string();
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range && end == text.data() + text.size())
    return GoValue(text.starts_with('-') ? std::numeric_limits<std::int64_t>::min()
                                         : std::numeric_limits<std::int64_t>::max());
  return GoValue(error == std::errc() && end == text.data() + text.size() ? value
                                                                          : std::int64_t{0});
}
// The number that an octal text gives.
GoValue to_decimal(GoRun& run, GoArguments a) {
  std::string_view text = go_to_string(run, a[0]);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  return int64(error == std::errc() && end == text.data() + text.size() ? value : 0);
}

GoValue add1(GoRun&, GoArguments a) { return int64(wrap_add(go_to_int(a[0]), 1)); }
GoValue add(GoRun&, GoArguments arguments) {
  std::int64_t sum = 0;
  for (const GoValue& value : arguments) sum = wrap_add(sum, go_to_int(value));
  return int64(sum);
}
GoValue sub(GoRun&, GoArguments a) {
  return int64(static_cast<std::int64_t>(static_cast<std::uint64_t>(go_to_int(a[0])) -
                                         static_cast<std::uint64_t>(go_to_int(a[1]))));
}
GoValue mul(GoRun&, GoArguments arguments) {
  std::int64_t product = 1;
  for (const GoValue& value : arguments) product = wrap_multiply(product, go_to_int(value));
  return int64(product);
}
GoValue divide(GoRun& run, GoArguments a, bool rest) {
  const std::int64_t left = go_to_int(a[0]);
  const std::int64_t right = go_to_int(a[1]);
  if (right == 0) return run.fail("division by zero");
  if (right == -1) return int64(rest ? 0 : wrap_multiply(left, -1));
  return int64(rest ? left % right : left / right);
}
GoValue div(GoRun& run, GoArguments a) { return divide(run, a, false); }
GoValue mod(GoRun& run, GoArguments a) { return divide(run, a, true); }

// sprig reckons with decimals, so that 0.1 + 0.2 is 0.3. The 64 bits of a long double, fed with the
// decimal digits of each operand, come to the same unless a result has more than 18 digits.
long double decimal(const GoValue& value) {
  std::string digits;
  go_float(digits, go_to_float(value), 'e', -1);
  return std::strtold(digits.c_str(), nullptr);
}
// A quotient has 16 digits behind the point.
long double to_sixteen_places(long double value) {
  constexpr long double kScale = 1e16L;
  return std::abs(value) < 900 ? std::round(value * kScale) / kScale : value;
}
template <class Combine>
GoValue decimals(GoRun& run, GoArguments arguments, long double first, Combine combine) {
  long double total = first;
  for (const GoValue& value : arguments) total = combine(total, decimal(value));
  if (!std::isfinite(total)) return run.fail("the result is no number");
  return GoValue(total == 0 ? 0.0 : static_cast<double>(total));  // no decimal is -0
}
GoValue addf(GoRun& run, GoArguments arguments) {
  return decimals(run, arguments, 0, [](auto a, auto b) { return a + b; });
}
GoValue add1f(GoRun& run, GoArguments arguments) {
  return decimals(run, arguments, 1, [](auto a, auto b) { return a + b; });
}
GoValue subf(GoRun& run, GoArguments arguments) {
  return decimals(run, arguments.subspan(1), decimal(arguments[0]),
                  [](auto a, auto b) { return a - b; });
}
GoValue mulf(GoRun& run, GoArguments arguments) {
  return decimals(run, arguments.subspan(1), decimal(arguments[0]),
                  [](auto a, auto b) { return a * b; });
}
GoValue divf(GoRun& run, GoArguments arguments) {
  return decimals(run, arguments.subspan(1), decimal(arguments[0]),
                  [](auto a, auto b) { return to_sixteen_places(a / b); });
}

GoValue max(GoRun&, GoArguments arguments) {
  std::int64_t best = go_to_int(arguments[0]);
  for (const GoValue& value : arguments) best = std::max(best, go_to_int(value));
  return int64(best);
}
GoValue min(GoRun&, GoArguments arguments) {
  std::int64_t best = go_to_int(arguments[0]);
  for (const GoValue& value : arguments) best = std::min(best, go_to_int(value));
  return int64(best);
}
GoValue maxf(GoRun&, GoArguments arguments) {
  double best = go_to_float(arguments[0]);
  for (const GoValue& value : arguments) best = std::max(best, go_to_float(value));
  return GoValue(best);
}
GoValue minf(GoRun&, GoArguments arguments) {
  double best = go_to_float(arguments[0]);
  for (const GoValue& value : arguments) best = std::min(best, go_to_float(value));
  return GoValue(best);
}
GoValue ceil(GoRun&, GoArguments a) { return GoValue(std::ceil(go_to_float(a[0]))); }
GoValue floor(GoRun&, GoArguments a) { return GoValue(std::floor(go_to_float(a[0]))); }
GoValue round(GoRun&, GoArguments a) {
  const double on = a.size() > 2 ? a[2].number() : 0.5;
  const double scale = std::pow(10, static_cast<double>(a[1].integer()));
  const double digit = scale * go_to_float(a[0]);
  double whole = 0;
  const double rest = std::modf(digit, &whole);
  return GoValue((rest >= on ? std::ceil(digit) : std::floor(digit)) / scale);
}

// The numbers from `start` up or down to before `stop`. Null, and failed, when they are too many.
GoValue sequence(GoRun& run, std::int64_t start, std::int64_t stop, std::int64_t step) {
  const bool down = stop < start;
  std::uint64_t count = 0;
  if (down ? step < 0 : step > 0) {
    const std::uint64_t distance =
        down ? static_cast<std::uint64_t>(start) - static_cast<std::uint64_t>(stop)
             : static_cast<std::uint64_t>(stop) - static_cast<std::uint64_t>(start);
    const std::uint64_t stride =
        down ? 0 - static_cast<std::uint64_t>(step) : static_cast<std::uint64_t>(step);
    count = distance == 0 ? 0 : (distance - 1) / stride + 1;
  }
  GoValue* const items = run.array(count);
  if (items == nullptr) return {};
  for (std::uint64_t i = 0; i < count; ++i)
    items[i] = GoValue(wrap_add(start, wrap_multiply(static_cast<std::int64_t>(i), step)));
  return run.list(items, count, GoType::kIntList);
}
GoValue until(GoRun& run, GoArguments a) {
  return sequence(run, 0, a[0].integer(), a[0].integer() < 0 ? -1 : 1);
}
GoValue until_step(GoRun& run, GoArguments a) {
  return sequence(run, a[0].integer(), a[1].integer(), a[2].integer());
}
GoValue seq(GoRun& run, GoArguments a) {
  if (a.empty() || a.size() > 3) return GoValue(std::string_view());
  const std::int64_t start = a.size() == 1 ? 1 : a[0].integer();
  const std::int64_t end = a.back().integer();
  const std::int64_t direction = end < start ? -1 : 1;
  const std::int64_t step = a.size() == 3 ? a[1].integer() : direction;
  if (a.size() == 3 && end < start && step > 0) return GoValue(std::string_view());
  const GoValue numbers = sequence(run, start, wrap_add(end, direction), step);
  if (run.failed()) return {};
  GoText& out = run.text();
  bool first = true;
  for (const GoValue& number : numbers.list()) {
    if (!first) out.add(' ');
    first = false;
    go_print(out, number, run.scratch());
  }
  return run.finish_text();
}

bool random_bytes(GoRun& run, unsigned char* out, std::size_t size) {
  if (RAND_bytes(out, static_cast<int>(size)) == 1) return true;
  run.fail("there are no random numbers");
  return false;
}
// A number below `most`, each one equally likely.
std::uint64_t random_below(GoRun& run, std::uint64_t most) {
  const std::uint64_t limit = most * (std::numeric_limits<std::uint64_t>::max() / most);
  std::uint64_t value = limit;
  while (value >= limit)
    if (!random_bytes(run, reinterpret_cast<unsigned char*>(&value), sizeof value)) return 0;
  return value % most;
}
GoValue rand_int(GoRun& run, GoArguments a) {
  const std::int64_t low = a[0].integer();
  const std::int64_t high = a[1].integer();
  if (high <= low) return run.fail("the range is empty");
  const auto size = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  return GoValue(wrap_add(low, static_cast<std::int64_t>(random_below(run, size))));
}
GoValue random_text(GoRun& run, GoArguments a, std::string_view letters) {
  constexpr std::int64_t kMost = 4096;
  const std::int64_t count = a[0].integer();
  if (count > kMost) return run.fail("more than 4096 random characters");
  GoText& out = run.text();
  for (std::int64_t i = 0; i < count && !run.failed(); ++i)
    out.add(letters[random_below(run, letters.size())]);
  return run.finish_text();
}
constexpr std::string_view kAlphaNumeric =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
GoValue rand_alpha_numeric(GoRun& run, GoArguments a) { return random_text(run, a, kAlphaNumeric); }
GoValue rand_alpha(GoRun& run, GoArguments a) {
  return random_text(run, a, kAlphaNumeric.substr(10));
}
GoValue rand_numeric(GoRun& run, GoArguments a) {
  return random_text(run, a, kAlphaNumeric.substr(0, 10));
}
GoValue rand_ascii(GoRun& run, GoArguments a) {
  std::string letters;
  for (char c = ' '; c < '\x7f'; ++c) letters += c;
  return random_text(run, a, letters);
}
GoValue shuffle(GoRun& run, GoArguments a) {
  std::string text(a[0].string());
  if (!run.charge(text.size() / 4)) return {};
  for (std::size_t i = text.size(); i > 1 && !run.failed(); --i)
    std::swap(text[i - 1], text[random_below(run, i)]);
  return run.string(text);
}
GoValue uuid4(GoRun& run, GoArguments) {
  std::array<unsigned char, 16> bytes;
  if (!random_bytes(run, bytes.data(), bytes.size())) return {};
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);
  constexpr std::string_view kHex = "0123456789abcdef";
  GoText& out = run.text();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out.add('-');
    out.add(kHex[bytes[i] >> 4]);
    out.add(kHex[bytes[i] & 15U]);
  }
  return run.finish_text();
}

constexpr GoFunction kFunctions[] = {
    {"add", "a*", add},
    {"add1", "a", add1},
    {"add1f", "a", add1f},
    {"addf", "a*", addf},
    {"atoi", "s", atoi},
    {"biggest", "aa*", max},
    {"ceil", "a", ceil},
    {"div", "aa", div},
    {"divf", "aa*", divf},
    {"float64", "a", to_float},
    {"floor", "a", floor},
    {"int", "a", to_int},
    {"int64", "a", to_int64},
    {"max", "aa*", max},
    {"maxf", "aa*", maxf},
    {"min", "aa*", min},
    {"minf", "aa*", minf},
    {"mod", "aa", mod},
    {"mul", "aa*", mul},
    {"mulf", "aa*", mulf},
    {"round", "aif*", round},
    {"seq", "i*", seq},
    {"sub", "aa", sub},
    {"subf", "aa*", subf},
    {"toDecimal", "a", to_decimal},
    {"until", "i", until},
    {"untilStep", "iii", until_step},

    {"randAlpha", "i", rand_alpha},
    {"randAlphaNum", "i", rand_alpha_numeric},
    {"randAscii", "i", rand_ascii},
    {"randInt", "ii", rand_int},
    {"randNumeric", "i", rand_numeric},
    {"shuffle", "s", shuffle},
    {"uuidv4", "", uuid4},
};

}  // namespace

std::span<const GoFunction> go_number_functions() { return kFunctions; }

}  // namespace agent::wire
