// Dates and durations.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "agent/wire/go_functions.h"

namespace agent::wire {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kYearZero = -62'167'219'200;  // seconds of 0000-01-01
constexpr std::int64_t kGoZero = -62'135'596'800;    // of 0001-01-01, Go's time that is not set

std::int64_t nanoseconds_of(GoRun& run) { return run.clock().wall_ns(); }

GoTime time_at(GoRun& run, std::int64_t ns) {
  std::int64_t seconds = ns / kSecond;
  std::int64_t rest = ns % kSecond;
  if (rest < 0) {
    --seconds;
    rest += kSecond;
  }
  return {seconds, static_cast<std::int32_t>(rest), &run.local()};
}

// A time, or a number of seconds; anything else is now.
GoTime time_of(GoRun& run, const GoValue& value) {
  if (value.type() == GoType::kTime) return value.time();
  if (value.type() == GoType::kInt || value.type() == GoType::kInt64)
    return {value.integer(), 0, &run.local()};
  return time_at(run, nanoseconds_of(run));
}

GoValue formatted(GoRun& run, std::string_view layout, const GoTime& time, const TimeZone& zone) {
  if (!run.charge_bytes(layout.size() * 16)) return {};
  std::string text;
  append_time(text, layout, time.seconds, time.nanoseconds, zone);
  return run.string(text);
}

GoValue now(GoRun& run, GoArguments) {
  const GoTime time = time_at(run, nanoseconds_of(run));
  return run.time(time.seconds, time.nanoseconds);
}
GoValue date(GoRun& run, GoArguments a) {
  return formatted(run, a[0].string(), time_of(run, a[1]), run.local());
}
GoValue date_in_zone(GoRun& run, GoArguments a) {
  return formatted(run, a[0].string(), time_of(run, a[1]), run.zone(std::string(a[2].string())));
}
GoValue html_date(GoRun& run, GoArguments a) {
  return formatted(run, "2006-01-02", time_of(run, a[0]), run.local());
}
GoValue html_date_in_zone(GoRun& run, GoArguments a) {
  return formatted(run, "2006-01-02", time_of(run, a[0]), run.zone(std::string(a[1].string())));
}

// Go's ParseDuration: "-1h15m30.5s". nullopt when it is none.
std::optional<std::int64_t> parse_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  long double total = 0;
  while (!text.empty()) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    if (digits == 0 || text.substr(0, digits) == "." || digits > 40 || digits == text.size() ||
        std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(digits), '.') > 1)
      return std::nullopt;
    const long double value = std::strtold(std::string(text.substr(0, digits)).c_str(), nullptr);
    text.remove_prefix(digits);
    const std::size_t end = std::min(text.find_first_of("0123456789."), text.size());
    const std::string_view unit = text.substr(0, end);
    text.remove_prefix(end);
    long double factor = 0;
    if (unit == "ns") factor = 1;
    if (unit == "us" || unit == "\xC2\xB5s" || unit == "\xCE\xBCs") factor = 1e3L;
    if (unit == "ms") factor = 1e6L;
    if (unit == "s") factor = 1e9L;
    if (unit == "m") factor = 60e9L;
    if (unit == "h") factor = 3600e9L;
    if (factor == 0) return std::nullopt;
    total += value * factor;
  }
  if (total > 9.2233720368547e18L) return std::nullopt;
  const auto whole = static_cast<std::int64_t>(total);
  return negative ? -whole : whole;
}

// Go's Duration.String: "1h15m30.5s".
std::string duration_text(std::int64_t ns) {
  if (ns == 0) return "0s";
  const bool negative = ns < 0;
  std::uint64_t size =
      negative ? 0 - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
  const auto fraction = [](std::uint64_t value, std::uint64_t unit) {
    std::string out = std::to_string(value / unit);
    std::string rest = std::to_string(unit + value % unit).substr(1);
    rest.resize(rest.find_last_not_of('0') + 1);
    return rest.empty() ? out : out + "." + rest;
  };
  std::string out;
  if (size < 1000) {
    out = std::to_string(size) + "ns";
  } else if (size < 1'000'000) {
    out = fraction(size, 1000) + "\xC2\xB5s";
  } else if (size < 1'000'000'000) {
    out = fraction(size, 1'000'000) + "ms";
  } else {
    const std::uint64_t minutes = size / 60'000'000'000;
    size %= 60'000'000'000;
    if (minutes >= 60) out += std::to_string(minutes / 60) + "h";
    if (minutes > 0) out += std::to_string(minutes % 60) + "m";
    out += fraction(size, 1'000'000'000) + "s";
  }
  return negative ? "-" + out : out;
}

GoValue moved(GoRun& run, GoArguments a, bool must) {
  const auto by = parse_duration(a[0].string());
  if (!by) return must ? run.fail("the duration is wrong") : a[1];
  const GoTime& time = a[1].time();
  std::int64_t seconds = 0;
  if (__builtin_add_overflow(time.seconds, *by / kSecond, &seconds))
    return run.fail("the time is out of range");
  std::int64_t rest = time.nanoseconds + *by % kSecond;
  if (rest < 0) {
    --seconds;
    rest += kSecond;
  } else if (rest >= kSecond) {
    ++seconds;
    rest -= kSecond;
  }
  return run.time(seconds, static_cast<std::int32_t>(rest), time.zone);
}
GoValue date_modify(GoRun& run, GoArguments a) { return moved(run, a, false); }
GoValue must_date_modify(GoRun& run, GoArguments a) { return moved(run, a, true); }

// Nanoseconds since `time`, held within 292 years.
std::int64_t since(GoRun& run, const GoTime& time) {
  const GoTime now = time_at(run, nanoseconds_of(run));
  std::int64_t seconds = 0;
  std::int64_t ns = 0;
  if (__builtin_sub_overflow(now.seconds, time.seconds, &seconds) ||
      __builtin_mul_overflow(seconds, kSecond, &ns) ||
      __builtin_add_overflow(ns, std::int64_t{now.nanoseconds} - time.nanoseconds, &ns))
    return time.seconds < now.seconds ? std::numeric_limits<std::int64_t>::max()
                                      : std::numeric_limits<std::int64_t>::min();
  return ns;
}

GoValue ago(GoRun& run, GoArguments a) {
  const std::int64_t ns = since(run, time_of(run, a[0]));
  std::int64_t seconds = ns / kSecond;
  const std::int64_t rest = ns % kSecond;
  if (rest >= kSecond / 2) ++seconds;
  if (rest <= -kSecond / 2) --seconds;
  std::int64_t rounded = 0;
  if (__builtin_mul_overflow(seconds, kSecond, &rounded)) rounded = ns;
  return run.string(duration_text(rounded));
}
GoValue duration(GoRun& run, GoArguments a) {
  std::int64_t seconds = 0;
  if (a[0].is_string()) {
    std::string_view text = a[0].string();
    if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc() || end != text.data() + text.size()) seconds = 0;
  } else if (a[0].type() == GoType::kInt64) {
    seconds = a[0].integer();
  }
  return run.string(duration_text(
      static_cast<std::int64_t>(static_cast<std::uint64_t>(seconds) * std::uint64_t{kSecond})));
}
GoValue duration_round(GoRun& run, GoArguments a) {
  std::int64_t ns = 0;
  if (a[0].is_string()) ns = parse_duration(a[0].string()).value_or(0);
  if (a[0].type() == GoType::kInt64) ns = a[0].integer();
  if (a[0].type() == GoType::kTime) ns = since(run, a[0].time());
  const std::uint64_t size =
      ns < 0 ? 0 - static_cast<std::uint64_t>(ns) : static_cast<std::uint64_t>(ns);
  constexpr std::uint64_t kHour = 3600 * std::uint64_t{kSecond};
  constexpr std::pair<std::uint64_t, std::string_view> kUnits[] = {
      {24 * 365 * kHour, "y"}, {24 * 30 * kHour, "mo"}, {24 * kHour, "d"}, {kHour, "h"},
      {kHour / 60, "m"},       {kSecond, "s"}};
  for (const auto& [unit, name] : kUnits)
    if (size > unit) return run.string(std::to_string(size / unit) + std::string(name));
  return GoValue(std::string_view("0s"));
}

GoValue parsed(GoRun& run, GoArguments a, bool must) {
  // Not owned: the zone outlives the layout.
  const std::shared_ptr<const TimeZone> zone(std::shared_ptr<const TimeZone>(), &run.local());
  if (!run.charge_bytes(a[0].string().size() * 64)) return {};
  const auto layout = TimeLayout::compile(a[0].string(), zone);
  auto time = layout ? layout->parse(a[1].string())
                     : Result<TimeLayout::Time>(tl::unexpected(layout.error()));
  if (!time) return must ? run.fail(time.error().message) : run.time(kGoZero, 0, &run.zone("UTC"));
  const GoTime out = time_at(run, time->ns);
  return run.time(out.seconds + (time->has_year ? 0 : kYearZero), out.nanoseconds);
}
GoValue to_date(GoRun& run, GoArguments a) { return parsed(run, a, false); }
GoValue must_to_date(GoRun& run, GoArguments a) { return parsed(run, a, true); }

GoValue unix_epoch(GoRun& run, GoArguments a) {
  return run.string(std::to_string(a[0].time().seconds));
}

constexpr GoFunction kFunctions[] = {
    {"ago", "a", ago},
    {"date", "sa", date},
    {"dateInZone", "sas", date_in_zone},
    {"dateModify", "st", date_modify},
    {"date_in_zone", "sas", date_in_zone},
    {"date_modify", "st", date_modify},
    {"duration", "a", duration},
    {"durationRound", "a", duration_round},
    {"htmlDate", "a", html_date},
    {"htmlDateInZone", "as", html_date_in_zone},
    {"mustDateModify", "st", must_date_modify},
    {"mustToDate", "ss", must_to_date},
    {"must_date_modify", "st", must_date_modify},
    {"now", "", now},
    {"toDate", "ss", to_date},
    {"unixEpoch", "t", unix_epoch},
};

}  // namespace

std::span<const GoFunction> go_time_functions() { return kFunctions; }

}  // namespace agent::wire
