// Times in text by Go's layouts ("2006-01-02 15:04:05.000 MST"), as stage.timestamp takes them and
// templates write them.
// Source of the format: the documentation of Go's package time, Layout.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace agent::wire {

// A zone of the IANA database ("Europe/Berlin"). Immutable, shared.
class TimeZone {
 public:
  virtual ~TimeZone() = default;
  // Nanoseconds since 1970 UTC of a local time given as if it were UTC; in a gap or an overlap the
  // one that Go takes.
  virtual std::int64_t to_utc(std::int64_t local_ns) const = 0;

  struct Offset {
    std::int64_t seconds = 0;  // east of UTC
    std::string name;          // "CET"
  };
  virtual Offset at(std::int64_t utc_seconds) const = 0;
  // The offset to UTC, in seconds, that an abbreviation like CEST means here. Where it means two,
  // the one at that local time.
  virtual std::optional<std::int64_t> offset_of(std::string_view abbreviation,
                                                std::int64_t local_ns) const = 0;
};
// kNotFound for an unknown name. "" and "UTC" give UTC.
Result<std::shared_ptr<const TimeZone>> find_time_zone(const std::string& name);
// The zone of this machine: that of the environment's TZ, else the system's; UTC where neither is
// known.
std::shared_ptr<const TimeZone> local_time_zone();

// Appends a time as Go's Time.Format writes it. `layout` is a layout only, no predefined name.
void append_time(std::string& out, std::string_view layout, std::int64_t utc_seconds,
                 std::int32_t nanoseconds, const TimeZone& zone);

// A layout, compiled. Immutable; any thread may parse with it.
class TimeLayout {
 public:
  // `format` is a predefined name (ANSIC, UnixDate, RubyDate, RFC822, RFC822Z, RFC850, RFC1123,
  // RFC1123Z, RFC3339, RFC3339Nano; Unix, UnixMs, UnixUs, UnixNs) or a layout. kInvalid when it
  // names no part of a time. `zone` holds for times that do not say their own.
  static Result<TimeLayout> compile(std::string_view format, std::shared_ptr<const TimeZone> zone);

  struct Time {
    std::int64_t ns = 0;  // since 1970 UTC; without a year since the start of year 0, local time
    bool has_year = true;
    std::optional<std::int64_t> offset_s{};  // to UTC, when the text says it
  };
  // kInvalid says at what the text and the layout differ.
  Result<Time> parse(std::string_view text) const;

  // The time without a year, put into the year that fits `now_ns` best: the same one, but December
  // seen in January is last year's and January seen in December next year's.
  std::int64_t with_year(const Time& time, std::int64_t now_ns) const;

  // One element of a layout.
  enum class Part {
    kLiteral,
    kLongMonth,
    kMonth,
    kMonthNumber,
    kZeroMonth,
    kLongWeekDay,
    kWeekDay,
    kDay,
    kUnderDay,
    kZeroDay,
    kUnderYearDay,
    kZeroYearDay,
    kHour,
    kHour12,
    kZeroHour12,
    kMinute,
    kZeroMinute,
    kSecond,
    kZeroSecond,
    kLongYear,
    kYear,
    kUpperPm,
    kLowerPm,
    kZoneName,
    kIsoZone,
    kIsoColonZone,
    kIsoShortZone,
    kIsoSecondsZone,
    kIsoColonSecondsZone,
    kNumZone,
    kNumColonZone,
    kNumShortZone,
    kNumSecondsZone,
    kNumColonSecondsZone,
    kFraction,
    kOptionalFraction
  };
  struct Element {
    Part part = Part::kLiteral;
    std::string text;  // of a literal; of a fraction its separator
    int digits = 0;    // of a fraction
  };

 private:
  enum class Unix { kNone, kSeconds, kMilliseconds, kMicroseconds, kNanoseconds };
  Result<Time> parse_unix(std::string_view text) const;

  std::vector<Element> elements_;
  Unix unix_ = Unix::kNone;
  bool has_year_ = false;
  std::shared_ptr<const TimeZone> zone_;
};

}  // namespace agent::wire
