// Elements, longest first where one begins like another (Go's package time, nextStdChunk):
//   January Jan 01 1 | Monday Mon | 02 _2 2 002 __2 | 15 03 3 | 04 4 | 05 5 | 2006 06 | PM pm | MST
//   Z070000 Z07:00:00 Z0700 Z07:00 Z07 | -070000 -07:00:00 -0700 -07:00 -07
//   .000 ,000 (so many digits) .999 ,999 (any number) behind seconds; all else is literal
#include "agent/wire/time_layout.h"

#include <date/date.h>
#include <date/tz.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>

namespace agent::wire {
namespace {

using Part = TimeLayout::Part;
using Element = TimeLayout::Element;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kDay = 86400 * kSecond;

constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};

struct Named {
  std::string_view name;
  std::string_view layout;
};
constexpr std::array<Named, 10> kNamed = {{{"ANSIC", "Mon Jan _2 15:04:05 2006"},
                                           {"UnixDate", "Mon Jan _2 15:04:05 MST 2006"},
                                           {"RubyDate", "Mon Jan 02 15:04:05 -0700 2006"},
                                           {"RFC822", "02 Jan 06 15:04 MST"},
                                           {"RFC822Z", "02 Jan 06 15:04 -0700"},
                                           {"RFC850", "Monday, 02-Jan-06 15:04:05 MST"},
                                           {"RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"},
                                           {"RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"},
                                           {"RFC3339", "2006-01-02T15:04:05Z07:00"},
                                           {"RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"}}};

struct Token {
  std::string_view text;
  Part part;
};
// A token that begins another one stands behind it.
constexpr std::array<Token, 33> kTokens = {{{"January", Part::kLongMonth},
                                            {"Jan", Part::kMonth},
                                            {"Monday", Part::kLongWeekDay},
                                            {"Mon", Part::kWeekDay},
                                            {"MST", Part::kZoneName},
                                            {"002", Part::kZeroYearDay},
                                            {"01", Part::kZeroMonth},
                                            {"02", Part::kZeroDay},
                                            {"03", Part::kZeroHour12},
                                            {"04", Part::kZeroMinute},
                                            {"05", Part::kZeroSecond},
                                            {"06", Part::kYear},
                                            {"15", Part::kHour},
                                            {"1", Part::kMonthNumber},
                                            {"2006", Part::kLongYear},
                                            {"2", Part::kDay},
                                            {"__2", Part::kUnderYearDay},
                                            {"_2", Part::kUnderDay},
                                            {"3", Part::kHour12},
                                            {"4", Part::kMinute},
                                            {"5", Part::kSecond},
                                            {"PM", Part::kUpperPm},
                                            {"pm", Part::kLowerPm},
                                            {"-070000", Part::kNumSecondsZone},
                                            {"-07:00:00", Part::kNumColonSecondsZone},
                                            {"-0700", Part::kNumZone},
                                            {"-07:00", Part::kNumColonZone},
                                            {"-07", Part::kNumShortZone},
                                            {"Z070000", Part::kIsoSecondsZone},
                                            {"Z07:00:00", Part::kIsoColonSecondsZone},
                                            {"Z0700", Part::kIsoZone},
                                            {"Z07:00", Part::kIsoColonZone},
                                            {"Z07", Part::kIsoShortZone}}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

// ".000" or ",999" at the start of `text`: a separator, a run of one digit, no digit behind it.
std::optional<Element> fraction_at(std::string_view text) {
  if (text.size() < 2 || (text[0] != '.' && text[0] != ',') || (text[1] != '0' && text[1] != '9'))
    return std::nullopt;
  std::size_t end = 1;
  while (end < text.size() && text[end] == text[1]) ++end;
  if (end < text.size() && is_digit(text[end])) return std::nullopt;
  return Element{text[1] == '0' ? Part::kFraction : Part::kOptionalFraction,
                 std::string(text.substr(0, 1)), static_cast<int>(end - 1)};
}

const Token* token_at(std::string_view text) {
  for (const Token& token : kTokens) {
    if (!text.starts_with(token.text)) continue;
    // "Jan" is not the beginning of "Janet", nor is "Mon" that of "Month"; "_2006" is a blank and a
    // year.
    const std::string_view behind = text.substr(token.text.size());
    if ((token.part == Part::kMonth || token.part == Part::kWeekDay) && !behind.empty() &&
        is_lower(behind[0]))
      continue;
    if (token.part == Part::kUnderDay && text.starts_with("_2006")) continue;
    return &token;
  }
  return nullptr;
}

// Reads from the front of a text.
struct Reader {
  std::string_view text;

  std::optional<int> number(std::size_t least, std::size_t most) {
    std::size_t n = 0;
    int value = 0;
    while (n < most && n < text.size() && is_digit(text[n])) value = value * 10 + (text[n++] - '0');
    if (n < least) return std::nullopt;
    text.remove_prefix(n);
    return value;
  }
  // Index of the name that the text begins with, in any case.
  template <std::size_t N>
  std::optional<int> name(const std::array<std::string_view, N>& names, std::size_t length) {
    for (std::size_t i = 0; i < N; ++i) {
      const std::string_view wanted = length == 0 ? names[i] : names[i].substr(0, length);
      if (text.size() < wanted.size()) continue;
      const bool same = std::equal(wanted.begin(), wanted.end(), text.begin(),
                                   [](char a, char b) { return (a | 0x20) == (b | 0x20); });
      if (!same) continue;
      text.remove_prefix(wanted.size());
      return static_cast<int>(i);
    }
    return std::nullopt;
  }
  bool take(char c) {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
  }
};

// What the text has said so far.
struct Fields {
  int year = 0;
  int month = -1;
  int day = -1;
  int year_day = -1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  std::int64_t nanoseconds = 0;
  bool pm_set = false;
  bool pm = false;
  std::optional<std::int64_t> offset_s;
  std::string_view zone_name;  // when it says no offset by itself
};

bool read_fraction(Reader& in, std::int64_t& ns) {
  std::int64_t unit = kSecond / 10;
  std::size_t digits = 0;
  while (!in.text.empty() && is_digit(in.text.front())) {
    ns += unit * (in.text.front() - '0');
    unit /= 10;
    ++digits;
    in.text.remove_prefix(1);
  }
  return digits > 0;
}

bool read_offset(Reader& in, Part part, Fields& out) {
  // Those with seconds take no Z.
  const bool z_fits =
      part == Part::kIsoZone || part == Part::kIsoColonZone || part == Part::kIsoShortZone;
  if (z_fits && in.take('Z')) {
    out.offset_s = 0;
    return true;
  }
  if (in.text.empty() || (in.text.front() != '+' && in.text.front() != '-')) return false;
  const std::int64_t sign = in.text.front() == '-' ? -1 : 1;
  in.text.remove_prefix(1);
  const bool colon = part == Part::kIsoColonZone || part == Part::kIsoColonSecondsZone ||
                     part == Part::kNumColonZone || part == Part::kNumColonSecondsZone;
  const bool is_short = part == Part::kIsoShortZone || part == Part::kNumShortZone;
  const bool seconds = part == Part::kIsoSecondsZone || part == Part::kIsoColonSecondsZone ||
                       part == Part::kNumSecondsZone || part == Part::kNumColonSecondsZone;
  const auto hour = in.number(2, 2);
  if (!hour || *hour > 24) return false;
  std::int64_t value = *hour * 3600;
  if (!is_short) {
    if (colon && !in.take(':')) return false;
    const auto minute = in.number(2, 2);
    if (!minute || *minute > 60) return false;
    value += *minute * 60;
  }
  if (seconds) {
    if (colon && !in.take(':')) return false;
    const auto second = in.number(2, 2);
    if (!second || *second > 60) return false;
    value += *second;
  }
  out.offset_s = sign * value;
  return true;
}

// UTC; ChST, MeST; GMT, also with hours; hours with a sign; three to five capitals, of which four
// or five end in T or are WITA. Go does not reckon with the hours.
bool read_zone_name(Reader& in, Fields& out) {
  if (in.text.starts_with("UTC")) {
    in.text.remove_prefix(3);
    out.offset_s = 0;
    return true;
  }
  std::size_t n = 0;
  if (in.text.starts_with("ChST") || in.text.starts_with("MeST")) {
    n = 4;
  } else if (in.text.starts_with("GMT") || in.text.starts_with("+") || in.text.starts_with("-")) {
    n = in.text.starts_with("GMT") ? 3 : 0;
    Reader behind{in.text.substr(n)};
    if (behind.take('+') || behind.take('-'))
      if (const auto hours = behind.number(1, 9); hours && *hours <= 23)
        n = in.text.size() - behind.text.size();
  } else {
    while (n < in.text.size() && n < 6 && in.text[n] >= 'A' && in.text[n] <= 'Z') ++n;
    const bool fits = n == 3 || (n == 4 && (in.text[3] == 'T' || in.text.starts_with("WITA"))) ||
                      (n == 5 && in.text[4] == 'T');
    if (!fits) return false;
  }
  out.zone_name = in.text.substr(0, n);
  in.text.remove_prefix(n);
  return n > 0;
}

// A run of blanks fits any run of blanks, and the end of the text.
bool read_literal(Reader& in, std::string_view literal) {
  while (!literal.empty()) {
    if (literal.front() == ' ') {
      if (!in.text.empty() && in.text.front() != ' ') return false;
      literal.remove_prefix(std::min(literal.find_first_not_of(' '), literal.size()));
      in.text.remove_prefix(std::min(in.text.find_first_not_of(' '), in.text.size()));
      continue;
    }
    if (!in.take(literal.front())) return false;
    literal.remove_prefix(1);
  }
  return true;
}

bool read(const Element& element, Reader& in, Fields& out) {
  const auto number = [&](std::size_t least, std::size_t most, int low, int high, int& value) {
    const auto got = in.number(least, most);
    if (!got || *got < low || *got > high) return false;
    value = *got;
    return true;
  };
  switch (element.part) {
    case Part::kLiteral:
      return read_literal(in, element.text);
    case Part::kLongMonth:
    case Part::kMonth: {
      const auto month = in.name(kMonths, element.part == Part::kMonth ? 3 : 0);
      if (!month) return false;
      out.month = *month + 1;
      return true;
    }
    case Part::kLongWeekDay:
      return in.name(kDays, 0).has_value();
    case Part::kWeekDay:
      return in.name(kDays, 3).has_value();
    case Part::kMonthNumber:
      return number(1, 2, 1, 12, out.month);
    case Part::kZeroMonth:
      return number(2, 2, 1, 12, out.month);
    case Part::kUnderDay:
      in.take(' ');
      return number(1, 2, 1, 31, out.day);
    case Part::kDay:
      return number(1, 2, 1, 31, out.day);
    case Part::kZeroDay:
      return number(2, 2, 1, 31, out.day);
    case Part::kUnderYearDay:
      for (int i = 0; i < 2; ++i) in.take(' ');
      return number(1, 3, 1, 366, out.year_day);
    case Part::kZeroYearDay:
      return number(3, 3, 1, 366, out.year_day);
    case Part::kHour:
      return number(1, 2, 0, 23, out.hour);
    case Part::kHour12:
      return number(1, 2, 0, 12, out.hour);
    case Part::kZeroHour12:
      return number(2, 2, 0, 12, out.hour);
    case Part::kMinute:
      return number(1, 2, 0, 59, out.minute);
    case Part::kZeroMinute:
      return number(2, 2, 0, 59, out.minute);
    case Part::kSecond:
    case Part::kZeroSecond: {
      if (!number(element.part == Part::kSecond ? 1 : 2, 2, 0, 59, out.second)) return false;
      return true;
    }
    case Part::kLongYear:
      return number(4, 4, 0, 9999, out.year);
    case Part::kYear:
      if (!number(2, 2, 0, 99, out.year)) return false;
      out.year += out.year >= 69 ? 1900 : 2000;
      return true;
    case Part::kUpperPm:
    case Part::kLowerPm: {
      const bool upper = element.part == Part::kUpperPm;
      if (in.text.starts_with(upper ? "PM" : "pm")) {
        out.pm = true;
      } else if (!in.text.starts_with(upper ? "AM" : "am")) {
        return false;
      }
      out.pm_set = true;
      in.text.remove_prefix(2);
      return true;
    }
    case Part::kZoneName:
      return read_zone_name(in, out);
    case Part::kFraction: {
      if (in.text.empty() || (in.text.front() != '.' && in.text.front() != ',')) return false;
      in.text.remove_prefix(1);
      const std::size_t before = in.text.size();
      Reader exact{in.text.substr(0, static_cast<std::size_t>(element.digits))};
      if (!read_fraction(exact, out.nanoseconds) || !exact.text.empty() ||
          before < static_cast<std::size_t>(element.digits))
        return false;
      in.text.remove_prefix(static_cast<std::size_t>(element.digits));
      return true;
    }
    case Part::kOptionalFraction:
      if (!in.text.empty() && (in.text.front() == '.' || in.text.front() == ',') &&
          in.text.size() > 1 && is_digit(in.text[1])) {
        in.text.remove_prefix(1);
        return read_fraction(in, out.nanoseconds);
      }
      return true;
    default:
      return read_offset(in, element.part, out);
  }
}

// "+01:00" as the element asks for it; "Z" for UTC where it begins with Z.
void append_offset(std::string& out, Part part, std::int64_t offset_s) {
  const bool iso = part == Part::kIsoZone || part == Part::kIsoColonZone ||
                   part == Part::kIsoShortZone || part == Part::kIsoSecondsZone ||
                   part == Part::kIsoColonSecondsZone;
  if (iso && offset_s == 0) {
    out += 'Z';
    return;
  }
  const bool colon = part == Part::kIsoColonZone || part == Part::kIsoColonSecondsZone ||
                     part == Part::kNumColonZone || part == Part::kNumColonSecondsZone;
  const bool is_short = part == Part::kIsoShortZone || part == Part::kNumShortZone;
  const bool seconds = part == Part::kIsoSecondsZone || part == Part::kIsoColonSecondsZone ||
                       part == Part::kNumSecondsZone || part == Part::kNumColonSecondsZone;
  const std::int64_t size = std::abs(offset_s);
  const auto two = [&](std::int64_t value) {
    out += static_cast<char>('0' + value / 10 % 10);
    out += static_cast<char>('0' + value % 10);
  };
  out += offset_s < 0 ? '-' : '+';
  two(size / 3600);
  if (is_short) return;
  if (colon) out += ':';
  two(size / 60 % 60);
  if (!seconds) return;
  if (colon) out += ':';
  two(size % 60);
}

class DateZone final : public TimeZone {
 public:
  explicit DateZone(const date::time_zone* zone) : zone_(zone) {}
  std::int64_t to_utc(std::int64_t local_ns) const override {
    // As Go does it: the offset of the same moment in UTC, and where that is not the offset then,
    // the one that is.
    const auto as_utc = [](std::int64_t ns) {
      return date::sys_time<std::chrono::nanoseconds>(std::chrono::nanoseconds(ns));
    };
    const date::sys_info info = zone_->get_info(as_utc(local_ns));
    const std::int64_t utc = local_ns - info.offset.count() * kSecond;
    if (as_utc(utc) >= info.begin && as_utc(utc) < info.end) return utc;
    return local_ns - zone_->get_info(as_utc(utc)).offset.count() * kSecond;
  }
  std::optional<std::int64_t> offset_of(std::string_view abbreviation,
                                        std::int64_t local_ns) const override {
    constexpr std::int64_t kHalfYear = 182 * kDay;
    for (const std::int64_t away : {std::int64_t{0}, -kHalfYear, kHalfYear}) {
      const date::local_time<std::chrono::nanoseconds> local{
          std::chrono::nanoseconds(local_ns + away)};
      const date::local_info info = zone_->get_info(local);
      if (info.first.abbrev == abbreviation) return info.first.offset.count();
      if (info.result != date::local_info::unique && info.second.abbrev == abbreviation)
        return info.second.offset.count();
    }
    return std::nullopt;
  }
  Offset at(std::int64_t utc_seconds) const override {
    const date::sys_info info =
        zone_->get_info(date::sys_seconds(std::chrono::seconds(utc_seconds)));
    return {info.offset.count(), info.abbrev};
  }

 private:
  const date::time_zone* zone_;
};

class Utc final : public TimeZone {
 public:
  std::int64_t to_utc(std::int64_t local_ns) const override { return local_ns; }
  Offset at(std::int64_t) const override { return {0, "UTC"}; }
  std::optional<std::int64_t> offset_of(std::string_view, std::int64_t) const override {
    return std::nullopt;
  }
};

tl::unexpected<Error> mismatch(std::string_view text, const std::string& why) {
  return fail(ErrorCode::kInvalid,
              "cannot parse time \"" + std::string(text.substr(0, 100)) + "\": " + why);
}

}  // namespace

Result<std::shared_ptr<const TimeZone>> find_time_zone(const std::string& name) {
  if (name.empty() || name == "UTC") return std::make_shared<const Utc>();
  try {
    return std::make_shared<const DateZone>(date::locate_zone(name));
  } catch (const std::exception&) {
    return fail(ErrorCode::kNotFound, "unknown time zone \"" + name + "\"");
  }
}

std::shared_ptr<const TimeZone> local_time_zone() {
  std::string name;
  if (const char* const tz = std::getenv("TZ"); tz != nullptr) {
    name = *tz == ':' ? tz + 1 : tz;
  } else {
    try {
      name = date::current_zone()->name();
    } catch (const std::exception&) {
      name = "UTC";  // a machine without /etc/localtime
    }
  }
  auto zone = find_time_zone(name);
  return zone ? *zone : std::make_shared<const Utc>();
}

void append_time(std::string& out, std::string_view layout, std::int64_t utc_seconds,
                 std::int32_t nanoseconds, const TimeZone& zone) {
  // Beyond this the calendar's years end.
  constexpr std::int64_t kMost = 400'000'000'000;
  utc_seconds = std::clamp(utc_seconds, -kMost, kMost);
  const TimeZone::Offset offset = zone.at(utc_seconds);
  const date::sys_seconds local{std::chrono::seconds(utc_seconds + offset.seconds)};
  const date::sys_days day = date::floor<date::days>(local);
  const date::year_month_day ymd(day);
  const date::hh_mm_ss<std::chrono::seconds> clock(local - day);
  const int year = static_cast<int>(ymd.year());
  const int month = static_cast<int>(static_cast<unsigned>(ymd.month()));
  const int hour = static_cast<int>(clock.hours().count());
  const int year_day = static_cast<int>((day - date::sys_days(ymd.year() / 1 / 1)).count()) + 1;
  const auto number = [&](int value, std::size_t width, char fill) {
    const std::string digits = std::to_string(std::abs(value));
    if (value < 0) out += '-';
    if (digits.size() < width) out.append(width - digits.size(), fill);
    out += digits;
  };
  const auto fraction = [&](std::string_view separator, int digits, bool optional) {
    std::string text = std::to_string(nanoseconds);
    text.insert(0, 9 - text.size(), '0');
    text.resize(static_cast<std::size_t>(std::min(digits, 9)), '0');
    if (optional) text.resize(text.find_last_not_of('0') + 1);
    if (text.empty()) return;
    out += separator;
    out += text;
    if (!optional && digits > 9) out.append(static_cast<std::size_t>(digits - 9), '0');
  };
  while (!layout.empty()) {
    if (const auto found = fraction_at(layout)) {
      fraction(found->text, found->digits, found->part == Part::kOptionalFraction);
      layout.remove_prefix(static_cast<std::size_t>(found->digits) + 1);
      continue;
    }
    const Token* const token = token_at(layout);
    if (token == nullptr) {
      out += layout.front();
      layout.remove_prefix(1);
      continue;
    }
    layout.remove_prefix(token->text.size());
    const auto weekday = [&] { return kDays[date::weekday(day).c_encoding()]; };
    const auto month_name = [&] { return kMonths[static_cast<std::size_t>(month - 1)]; };
    const int hour12 = hour % 12 == 0 ? 12 : hour % 12;
    switch (token->part) {
      case Part::kLongMonth:
        out += month_name();
        break;
      case Part::kMonth:
        out += month_name().substr(0, 3);
        break;
      case Part::kMonthNumber:
        number(month, 1, '0');
        break;
      case Part::kZeroMonth:
        number(month, 2, '0');
        break;
      case Part::kLongWeekDay:
        out += weekday();
        break;
      case Part::kWeekDay:
        out += weekday().substr(0, 3);
        break;
      case Part::kDay:
        number(static_cast<int>(static_cast<unsigned>(ymd.day())), 1, '0');
        break;
      case Part::kUnderDay:
        number(static_cast<int>(static_cast<unsigned>(ymd.day())), 2, ' ');
        break;
      case Part::kZeroDay:
        number(static_cast<int>(static_cast<unsigned>(ymd.day())), 2, '0');
        break;
      case Part::kUnderYearDay:
        number(year_day, 3, ' ');
        break;
      case Part::kZeroYearDay:
        number(year_day, 3, '0');
        break;
      case Part::kHour:
        number(hour, 2, '0');
        break;
      case Part::kHour12:
        number(hour12, 1, '0');
        break;
      case Part::kZeroHour12:
        number(hour12, 2, '0');
        break;
      case Part::kMinute:
        number(static_cast<int>(clock.minutes().count()), 1, '0');
        break;
      case Part::kZeroMinute:
        number(static_cast<int>(clock.minutes().count()), 2, '0');
        break;
      case Part::kSecond:
        number(static_cast<int>(clock.seconds().count()), 1, '0');
        break;
      case Part::kZeroSecond:
        number(static_cast<int>(clock.seconds().count()), 2, '0');
        break;
      case Part::kLongYear:
        number(year, 4, '0');
        break;
      case Part::kYear:
        number(std::abs(year) % 100, 2, '0');
        break;
      case Part::kUpperPm:
        out += hour >= 12 ? "PM" : "AM";
        break;
      case Part::kLowerPm:
        out += hour >= 12 ? "pm" : "am";
        break;
      case Part::kZoneName:
        out += offset.name;
        break;
      default:
        append_offset(out, token->part, offset.seconds);
    }
  }
}

Result<TimeLayout> TimeLayout::compile(std::string_view format,
                                       std::shared_ptr<const TimeZone> zone) {
  const std::string original(format);
  TimeLayout layout;
  layout.zone_ = std::move(zone);
  layout.has_year_ = true;
  constexpr std::array<std::pair<std::string_view, Unix>, 4> kUnix = {
      {{"Unix", Unix::kSeconds},
       {"UnixMs", Unix::kMilliseconds},
       {"UnixUs", Unix::kMicroseconds},
       {"UnixNs", Unix::kNanoseconds}}};
  for (const auto& [name, unit] : kUnix) {
    if (format != name) continue;
    layout.unix_ = unit;
    return layout;
  }
  for (const Named& named : kNamed)
    if (format == named.name) format = named.layout;

  layout.has_year_ = false;
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) layout.elements_.push_back({Part::kLiteral, literal, 0});
    literal.clear();
  };
  bool any = false;
  while (!format.empty()) {
    if (auto fraction = fraction_at(format)) {
      flush();
      format.remove_prefix(static_cast<std::size_t>(fraction->digits) + 1);
      layout.elements_.push_back(std::move(*fraction));
      continue;
    }
    if (const Token* token = token_at(format)) {
      flush();
      layout.elements_.push_back({token->part, "", 0});
      layout.has_year_ |= token->part == Part::kLongYear || token->part == Part::kYear;
      format.remove_prefix(token->text.size());
      any = true;
      continue;
    }
    literal += format.front();
    format.remove_prefix(1);
  }
  flush();
  if (!any) return fail(ErrorCode::kInvalid, "\"" + original + "\" is no time layout");
  return layout;
}

Result<TimeLayout::Time> TimeLayout::parse_unix(std::string_view text) const {
  if (text.size() > 1 && text[0] == '+' && is_digit(text[1])) text.remove_prefix(1);
  if (unix_ == Unix::kSeconds && text.find_first_of(".eE") != std::string_view::npos) {
    double seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc() || end != text.data() + text.size() || std::abs(seconds) > 9.2e9)
      return mismatch(text, "it is no number of seconds");
    // Through whole seconds: a double holds not all nanoseconds of today.
    const double whole = std::floor(seconds);
    return Time{static_cast<std::int64_t>(whole) * kSecond +
                    static_cast<std::int64_t>(std::llround((seconds - whole) * 1e9)),
                true};
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return mismatch(text, "it is no whole number");
  std::int64_t factor = 1;
  if (unix_ == Unix::kSeconds) factor = kSecond;
  if (unix_ == Unix::kMilliseconds) factor = 1'000'000;
  if (unix_ == Unix::kMicroseconds) factor = 1'000;
  std::int64_t ns = 0;
  if (__builtin_mul_overflow(value, factor, &ns)) return mismatch(text, "it is out of range");
  return Time{ns, true};
}

Result<TimeLayout::Time> TimeLayout::parse(std::string_view text) const {
  if (unix_ != Unix::kNone) return parse_unix(text);
  Reader in{text};
  Fields fields;
  for (std::size_t i = 0; i < elements_.size(); ++i) {
    const Element& element = elements_[i];
    const std::string_view rest = in.text;
    if (!read(element, in, fields))
      return mismatch(text, "\"" + std::string(rest.substr(0, 40)) + "\" does not fit the layout");
    // A fraction behind the seconds is read even where the layout has none.
    const bool seconds = element.part == Part::kSecond || element.part == Part::kZeroSecond;
    const bool announced =
        i + 1 < elements_.size() && (elements_[i + 1].part == Part::kFraction ||
                                     elements_[i + 1].part == Part::kOptionalFraction);
    if (seconds && !announced && in.text.size() > 1 && (in.text[0] == '.' || in.text[0] == ',') &&
        is_digit(in.text[1])) {
      in.text.remove_prefix(1);
      read_fraction(in, fields.nanoseconds);
    }
  }
  if (!in.text.empty())
    return mismatch(text, "\"" + std::string(in.text.substr(0, 40)) + "\" is left over");

  if (fields.pm_set && fields.pm && fields.hour < 12) fields.hour += 12;
  if (fields.pm_set && !fields.pm && fields.hour == 12) fields.hour = 0;
  date::sys_days day;
  if (fields.year_day >= 0) {
    day = date::sys_days(date::year(fields.year) / 1 / 1) + date::days(fields.year_day - 1);
    const date::year_month_day ymd(day);
    if (ymd.year() != date::year(fields.year))
      return mismatch(text, "the day of the year is out of range");
    if ((fields.month > 0 && ymd.month() != date::month(static_cast<unsigned>(fields.month))) ||
        (fields.day > 0 && ymd.day() != date::day(static_cast<unsigned>(fields.day))))
      return mismatch(text, "the day of the year is not that day of the month");
  } else {
    const date::year_month_day ymd =
        date::year(fields.year) / std::max(fields.month, 1) / std::max(fields.day, 1);
    if (!ymd.ok()) return mismatch(text, "the day is out of range");
    day = date::sys_days(ymd);
  }
  // Nanoseconds in 64 bits reach from 1678 to 2261; without a year the time stays in year 0's place
  // as days of 1972.
  if (has_year_ && (fields.year < 1678 || fields.year > 2261))
    return mismatch(text, "the year is out of range");
  std::int64_t days = day.time_since_epoch().count();
  if (!has_year_) days -= date::sys_days(date::year(0) / 1 / 1).time_since_epoch().count();
  std::int64_t ns = days * kDay +
                    (fields.hour * 3600LL + fields.minute * 60LL + fields.second) * kSecond +
                    fields.nanoseconds;
  if (!fields.zone_name.empty()) {
    // A name that the zone does not have is nobody's: Go takes it for UTC. Without a year any will
    // do.
    constexpr std::int64_t k2024 = 1'704'067'200 * kSecond;
    fields.offset_s = zone_->offset_of(fields.zone_name, has_year_ ? ns : ns + k2024).value_or(0);
  }
  if (!has_year_) return Time{ns, false, fields.offset_s};
  if (fields.offset_s) {
    ns -= *fields.offset_s * kSecond;
  } else {
    ns = zone_->to_utc(ns);
  }
  return Time{ns, true, fields.offset_s};
}

std::int64_t TimeLayout::with_year(const Time& time, std::int64_t now_ns) const {
  const std::int64_t ns = time.ns;
  const date::year_month_day today(date::floor<date::days>(
      date::sys_time<std::chrono::nanoseconds>(std::chrono::nanoseconds(now_ns))));
  // Year 0 is a leap year; where the real one is not, the 29th of February is the 1st of March.
  const std::int64_t zero = date::sys_days(date::year(0) / 1 / 1).time_since_epoch().count();
  std::int64_t days = ns / kDay;
  if (ns % kDay < 0) --days;
  const date::year_month_day then{date::sys_days(date::days(days + zero))};
  int year = static_cast<int>(today.year());
  const unsigned seen = static_cast<unsigned>(then.month());
  const unsigned now = static_cast<unsigned>(today.month());
  if (seen == 12 && now == 1) --year;
  if (seen == 1 && now == 12) ++year;
  const std::int64_t first =
      date::sys_days(date::year(year) / then.month() / 1).time_since_epoch().count();
  const std::int64_t local =
      (first + static_cast<std::int64_t>(static_cast<unsigned>(then.day())) - 1) * kDay +
      (ns - days * kDay);
  return time.offset_s ? local - *time.offset_s * kSecond : zone_->to_utc(local);
}

}  // namespace agent::wire
