#include "agent/wire/time_layout.h"

#include <catch2/catch.hpp>

#include "agent/base/file.h"
#include "agent/base/strings.h"

namespace agent::wire {
namespace {

// Nanoseconds, or the message.
std::string parsed(const std::string& layout, const std::string& text,
                   const std::string& zone = "") {
  const auto compiled = TimeLayout::compile(layout, find_time_zone(zone).value());
  if (!compiled) return compiled.error().message;
  const auto time = compiled->parse(text);
  if (!time) return time.error().message;
  return std::to_string(time->ns) + (time->has_year ? "" : " no year");
}

}  // namespace

// The expected values were computed with GNU date: date -u -d "..." +%s.
TEST_CASE("time layout: the predefined names") {
  CHECK(parsed("RFC3339", "2019-01-01T01:00:00Z") == "1546304400000000000");
  CHECK(parsed("RFC3339", "2019-01-01T01:00:00.25+02:00") == "1546297200250000000");
  CHECK(parsed("RFC3339Nano", "2019-01-01T01:00:00.000000001Z") == "1546304400000000001");
  CHECK(parsed("RFC3339Nano", "2019-01-01T01:00:00Z") == "1546304400000000000");
  CHECK(parsed("ANSIC", "Tue Jan  1 01:00:00 2019") == "1546304400000000000");
  CHECK(parsed("UnixDate", "Tue Jan 11 01:00:00 UTC 2019") == "1547168400000000000");
  CHECK(parsed("RubyDate", "Tue Jan 01 01:00:00 -0100 2019") == "1546308000000000000");
  CHECK(parsed("RFC822", "01 Jan 19 01:00 GMT") == "1546304400000000000");
  CHECK(parsed("RFC850", "Tuesday, 01-Jan-19 01:00:00 UTC") == "1546304400000000000");
  CHECK(parsed("RFC1123Z", "Tue, 01 Jan 2019 01:00:00 +0100") == "1546300800000000000");
}

TEST_CASE("time layout: Unix times in four units") {
  CHECK(parsed("Unix", "1546304400") == "1546304400000000000");
  CHECK(parsed("Unix", "1546304400.5") == "1546304400500000000");
  CHECK(parsed("UnixMs", "1546304400123") == "1546304400123000000");
  CHECK(parsed("UnixUs", "1546304400123456") == "1546304400123456000");
  CHECK(parsed("UnixNs", "1546304400123456789") == "1546304400123456789");
  CHECK(parsed("UnixMs", "9999999999999999") ==
        "cannot parse time \"9999999999999999\": it is out of range");
  CHECK(parsed("Unix", "soon") == "cannot parse time \"soon\": it is no whole number");
}

TEST_CASE("time layout: layouts of one's own") {
  CHECK(parsed("2006-01-02 15:04:05.000", "2019-01-01 01:00:00.123") == "1546304400123000000");
  CHECK(parsed("2006-01-02 15:04:05,000", "2019-01-01 01:00:00,123") == "1546304400123000000");
  CHECK(parsed("02/Jan/2006:15:04:05 -0700", "01/Jan/2019:01:00:00 +0000") ==
        "1546304400000000000");
  CHECK(parsed("Jan 2, 2006 at 3:04pm (MST)", "Jan 1, 2019 at 1:00am (UTC)") ==
        "1546304400000000000");
  CHECK(parsed("20060102150405", "20190101010000") == "1546304400000000000");
  CHECK(parsed("2006 002 15h", "2019 001 01h") == "1546304400000000000");
}

TEST_CASE("time layout: a zone holds for times that do not say their own") {
  CHECK(parsed("2006-01-02 15:04:05", "2019-01-01 01:00:00", "Europe/Berlin") ==
        "1546300800000000000");
  CHECK(parsed("2006-01-02 15:04:05", "2019-07-01 01:00:00", "Europe/Berlin") ==
        "1561935600000000000");
  CHECK(parsed("RFC3339", "2019-01-01T01:00:00Z", "Europe/Berlin") == "1546304400000000000");
  // The clock was set back: the time was there twice; and forward: it never was.
  CHECK(parsed("2006-01-02 15:04:05", "2019-10-27 02:30:00", "Europe/Berlin") ==
        "1572139800000000000");
  CHECK(parsed("2006-01-02 15:04:05", "2019-03-31 02:30:00", "Europe/Berlin") ==
        "1553995800000000000");
  CHECK_FALSE(find_time_zone("Mars/Olympus").has_value());
}

TEST_CASE("time layout: what does not fit is explained") {
  CHECK(parsed("2006-01-02", "2019-13-01") ==
        "cannot parse time \"2019-13-01\": \"13-01\" does not fit the layout");
  CHECK(parsed("2006-01-02", "2019-02-30") ==
        "cannot parse time \"2019-02-30\": the day is out of range");
  CHECK(parsed("2006-01-02", "2019-02-03x") ==
        "cannot parse time \"2019-02-03x\": \"x\" is left over");
  CHECK(parsed("2006", "0001") == "cannot parse time \"0001\": the year is out of range");
  CHECK(parsed("hello", "x") == "\"hello\" is no time layout");
}

TEST_CASE("time layout: a time without a year gets the one that fits now") {
  const auto layout = TimeLayout::compile("Jan _2 15:04:05", find_time_zone("").value());
  REQUIRE(layout);
  const auto put = [&](const std::string& text, std::int64_t now) {
    const auto time = layout->parse(text);
    REQUIRE(time);
    REQUIRE_FALSE(time->has_year);
    return layout->with_year(*time, now);
  };
  constexpr std::int64_t kNewYear = 1546300800000000000;  // 2019-01-01
  CHECK(put("Dec 31 23:59:59", kNewYear + 5) == kNewYear - 1'000'000'000);
  CHECK(put("Jan  1 00:00:01", kNewYear - 5) == kNewYear + 1'000'000'000);
  CHECK(put("Mar  1 00:00:00", kNewYear) == 1551398400000000000);
}

// tests/golden/time_layouts/go.tsv: what Go makes of the same texts.
TEST_CASE("time layout: a thousand texts give what they give in Go") {
  const auto vectors = read_file(SOURCE_DIR "/tests/golden/time_layouts/go.tsv");
  REQUIRE(vectors);
  constexpr std::int64_t kJuly2024 = 1'719'792'000'000'000'000;
  std::size_t cases = 0;
  std::string differ;
  for (const std::string_view line : split(*vectors, '\n')) {
    const auto fields = split(line, '\t');
    if (fields.size() != 4) continue;
    ++cases;
    const auto zone = find_time_zone(std::string(fields[1]));
    REQUIRE(zone);
    const auto layout = TimeLayout::compile(fields[0], *zone);
    REQUIRE(layout);
    const auto time = layout->parse(fields[2]);
    std::string got = "error";
    if (time)
      got = time->has_year ? std::to_string(time->ns)
                           : "no year " + std::to_string(layout->with_year(*time, kJuly2024));
    if (got != fields[3])
      differ += std::string(fields[0]) + " | " + std::string(fields[1]) + " | " +
                std::string(fields[2]) + ": " + std::string(fields[3]) + " in Go, here " + got +
                "\n";
  }
  CHECK(cases > 1000);
  CHECK(differ == "");
}

}  // namespace agent::wire
