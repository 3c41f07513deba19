// Points in time and the time between them, as Python's datetime and timedelta.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "fleetctl/template/outcome.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/template/syntax.h"

namespace fleetctl::template_ {

// Without a time zone. Microseconds since 1970, within the years 1 to 9999.
Value make_moment(std::int64_t microseconds);
// `text` by a format of strptime, all of it. %f is a fraction of a second; zones are not read.
Outcome<Value> parse_moment(const std::string& text, const std::string& format);
// time.strftime; at most a few KiB.
std::string format_time(const std::string& format, const std::tm& parts);

// What + - * / // < <= > >= == give where one side is of these; nullopt: neither is, or they
// cannot.
std::optional<Value> moment_arithmetic(Op op, const Value& left, const Value& right);

}  // namespace fleetctl::template_
