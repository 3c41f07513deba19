#include "agent/base/duration.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace agent {

TEST_CASE("duration: Go's forms are read") {
  CHECK(parse_duration("1h30m").value() == 90min);
  CHECK(parse_duration("1.5s").value() == 1500ms);
  CHECK(parse_duration("-250ms").value() == -250ms);
  CHECK(parse_duration("0").value() == 0s);
  CHECK(parse_duration("1\xC2\xB5s").value() == 1us);
}

TEST_CASE("duration: what Go refuses is refused with a reason") {
  for (const char* text : {"", "60", "1d", "s", "1.s.", "9999999999h", "1h x"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text).has_value());
  }
  CHECK(parse_duration("60").error().message ==
        "invalid duration \"60\": a unit is missing (ns, us, ms, s, m or h)");
}

TEST_CASE("duration: printed as Go prints it") {
  CHECK(format_duration(90min) == "1h30m0s");
  CHECK(format_duration(1500ms) == "1.5s");
  CHECK(format_duration(0s) == "0s");
  CHECK(format_duration(-1ms) == "-1ms");
  CHECK(format_duration(2min) == "2m0s");
}

TEST_CASE("byte size: decimal and binary units") {
  CHECK(parse_byte_size("1MiB").value() == 1 << 20);
  CHECK(parse_byte_size("512KB").value() == 512'000);
  CHECK(parse_byte_size("10").value() == 10);
  CHECK_FALSE(parse_byte_size("1XB").has_value());
  CHECK(format_byte_size(1 << 20) == "1MiB");
}

}  // namespace agent
