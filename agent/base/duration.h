// Durations and byte sizes as configurations write them. Format: Go's time.ParseDuration ("1h30m",
// "250ms", "-1.5s", "0"), and sizes like "1MiB", "512KB", "10".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/result.h"

namespace agent {

Result<Duration> parse_duration(std::string_view text);
// As Go prints it: "1h30m0s", "1.5s", "0s".
std::string format_duration(Duration duration);

// KB is 1000 bytes, KiB (and Ki) 1024; case-insensitive; a bare number is bytes.
Result<std::int64_t> parse_byte_size(std::string_view text);
std::string format_byte_size(std::int64_t bytes);

}  // namespace agent
