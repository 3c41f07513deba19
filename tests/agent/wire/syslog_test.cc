#include "agent/wire/syslog.h"

#include <catch2/catch.hpp>

namespace agent::wire {
namespace {

// Messages with "~" behind what was cut and "$" behind what had no end.
std::vector<std::string> split(std::string_view bytes, std::size_t limit = 8192,
                               std::size_t step = 1,
                               SyslogSplitter::Framing framing = SyslogSplitter::Framing::kDetect) {
  SyslogSplitter splitter(limit, framing);
  std::vector<std::string> out;
  std::string kept;
  for (std::size_t i = 0; i < bytes.size(); i += step) {
    kept += bytes.substr(i, step);
    std::string_view left = kept;
    while (auto message = splitter.next(left))
      out.push_back(std::string(message->text) + (message->cut ? "~" : ""));
    kept = std::string(left);
    CHECK(kept.size() <= limit + 64);
  }
  std::string_view left = kept;
  while (auto message = splitter.last(left, SyslogSplitter::End::kClosed))
    out.push_back(std::string(message->text) + "$");
  CHECK(left.empty());
  return out;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("syslog: RFC 5424 with structured data") {
  const auto m = parse_syslog(
      R"(<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [ex@32473 iut="3" s="a\"b\]"][y z="1"] An event)");
  CHECK(m.problem.empty());
  CHECK(m.severity() == "notice");
  CHECK(m.facility() == "local4");
  CHECK(m.time_ns == 1065910455003000000);
  CHECK(m.hostname == "mymachine.example.com");
  CHECK(m.app_name == "evntslog");
  CHECK(m.proc_id.empty());
  CHECK(m.msg_id == "ID47");
  REQUIRE(m.structured_data.size() == 3);
  CHECK(m.structured_data[1].value == "a\"b]");
  CHECK(m.structured_data[2].id == "y");
  CHECK(m.message == "An event");
}

TEST_CASE("syslog: Docker's RFC 3164 lines") {
  const auto m = parse_syslog("<30>Nov 21 09:55:12 puck kairos[812]: GET /health: 200");
  CHECK(m.problem.empty());
  CHECK(m.hostname == "puck");
  CHECK(m.app_name == "kairos");
  CHECK(m.proc_id == "812");
  CHECK(m.message == "GET /health: 200");
  CHECK_FALSE(m.time_has_year);
  CHECK(with_year(*m.time_ns, 1795251600000000000) == 1795254912000000000);  // 2026-11-21
}

TEST_CASE("syslog: RFC 3164 without host, without tag, with an ISO time") {
  CHECK(parse_syslog("<30>Nov  1 09:55:12 kairos[812]: x").app_name == "kairos");
  CHECK(parse_syslog("<30>Nov  1 09:55:12 kairos[812]: x").hostname.empty());
  CHECK(parse_syslog("<30>just text: with colon").message == "just text: with colon");
  CHECK(parse_syslog("<30>http://x/y").message == "http://x/y");
  const auto iso = parse_syslog("<13>2026-11-21T09:55:12.5+01:00 host su: pam");
  CHECK(iso.time_ns == 1795251312500000000);
  CHECK(iso.hostname == "host");
  CHECK(iso.message == "pam");
}

TEST_CASE("syslog: what is no syslog message keeps every byte and says why") {
  const auto m = parse_syslog("hello <30> world");
  CHECK(m.problem == "there is no priority");
  CHECK(m.message == "hello <30> world");
  CHECK(parse_syslog("<192>x").problem == "there is no priority");
  CHECK(parse_syslog("<30>1 yesterday h a p m - x").problem == "the timestamp is not RFC 3339");
  CHECK(parse_syslog("<30>1 - h a p m [x y x").problem == "the structured data is malformed");
}

TEST_CASE("syslog: the year of a time without one is the nearest") {
  const auto december = parse_syslog("<30>Dec 31 23:59:59 h t: x");
  const std::int64_t january_2027 = 1798761600000000000;  // 2027-01-01T00:00:00Z
  CHECK(with_year(*december.time_ns, january_2027 + 60'000'000'000) ==
        january_2027 - 1'000'000'000);
  const auto january = parse_syslog("<30>Jan  1 00:00:01 h t: x");
  CHECK(with_year(*january.time_ns, january_2027 - 1'000'000'000) == january_2027 + 1'000'000'000);
  const auto march = parse_syslog("<30>Mar  1 00:00:00 h t: x");
  CHECK(with_year(*march.time_ns, january_2027) ==
        1803859200000000000);  // 2027-03-01, no leap year
}

TEST_CASE("syslog framing: octet counts, line ends and NULs may change from message to message") {
  const std::string bytes = std::string("10 <30>a\nb: cd<30>line one\n<31>nul") + '\0' +
                            "\n\nplain text\n7 days left\n<30>open";
  const std::vector<std::string> expected = {"<30>a\nb: cd", "<30>line one", "<31>nul",
                                             "plain text",   "7 days left",  "<30>open$"};
  // "10 " counts ten octets.
  const std::vector<std::string> counted = {"<30>a\nb: c", "d<30>line one", "<31>nul",
                                            "plain text",  "7 days left",   "<30>open$"};
  CHECK(split(bytes) == counted);
  CHECK(split(bytes, 8192, bytes.size()) == counted);
  CHECK(split("11" + bytes.substr(2), 8192, 3) == expected);
}

TEST_CASE("syslog framing: messages beyond the limit are cut and the next one is whole") {
  for (const std::size_t step : {1U, 2U, 3U, 7U, 100U}) {
    INFO(step);
    CHECK(split("20 <30>aaaaaaaaaaaaaaaa<30>b\n", 8, step) == Lines{"<30>aaaa~", "<30>b"});
    CHECK(split("<30>aaaaaaaaaaaaaaaa\n<30>b\n", 8, step) == Lines{"<30>aaaa~", "<30>b"});
    // As much as fits, end and all.
    CHECK(split("<30>aaaa\n<30>b\n", 8, step) == Lines{"<30>aaaa", "<30>b"});
  }
}

TEST_CASE("syslog framing: a NUL within a line is a byte like any other") {
  const std::string bytes("<30>a\0b\n<30>c\0<30>d\0\n4 <1>\0", 27);
  CHECK(split(bytes, 8192, bytes.size()) ==
        Lines{std::string("<30>a\0b", 7), "<30>c", "<30>d", "<1>"});
}

TEST_CASE("syslog framing: messages without ends are told apart by what they begin with") {
  const std::string two = "<30>Nov 21 09:55:12 h t: a <b> <9>c<31>Nov 21 09:55:13 h t: d";
  CHECK(split(two) == Lines{"<30>Nov 21 09:55:12 h t: a <b> <9>c$", "<31>Nov 21 09:55:13 h t: d$"});
  const std::string modern = "<30>1 - h t - - - a<31>1 2003-10-11T22:14:15Z h t - - - b";
  CHECK(split(modern, 8192, 5) ==
        Lines{"<30>1 - h t - - - a$", "<31>1 2003-10-11T22:14:15Z h t - - - b$"});
  // Also when more of them came than a message may be long.
  CHECK(split(two + two, 64, 3) ==
        Lines{"<30>Nov 21 09:55:12 h t: a <b> <9>c", "<31>Nov 21 09:55:13 h t: d",
              "<30>Nov 21 09:55:12 h t: a <b> <9>c$", "<31>Nov 21 09:55:13 h t: d$"});
  // And when one of them was cut.
  CHECK(split("<30>Nov 21 09:55:12 h t: " + std::string(80, 'x') + two, 64, 3) ==
        Lines{"<30>Nov 21 09:55:12 h t: " + std::string(39, 'x') + "~",
              "<30>Nov 21 09:55:12 h t: a <b> <9>c$", "<31>Nov 21 09:55:13 h t: d$"});
}

TEST_CASE("syslog framing: a pause ends a message without an end, not one that is counted") {
  SyslogSplitter splitter(100);
  std::string_view open = "<30>x";
  CHECK_FALSE(splitter.next(open));
  const auto message = splitter.last(open, SyslogSplitter::End::kPaused);
  REQUIRE(message);
  CHECK(message->text == "<30>x");
  CHECK(open.empty());
  std::string_view counted = "10 <30>x";
  CHECK_FALSE(splitter.last(counted, SyslogSplitter::End::kPaused));
  CHECK(counted == "10 <30>x");
  CHECK(splitter.last(counted, SyslogSplitter::End::kClosed)->text == "<30>x");
}

TEST_CASE("syslog framing: a number is a count only in front of a priority") {
  CHECK(split("2026 <b> x\n20261121 <30>x\n12\n3 <x>\n") ==
        Lines{"2026 <b> x", "20261121 <30>x", "12", "3 <x>"});
}

TEST_CASE("syslog framing: raw messages end with a line end, or with a NUL") {
  using Framing = SyslogSplitter::Framing;
  const std::string bytes("5 <1>a\r\n\nb\0c\n", 13);
  CHECK(split(bytes, 100, 1, Framing::kLine) == Lines{"5 <1>a", std::string("b\0c", 3)});
  CHECK(split(bytes, 100, 1, Framing::kNull) == Lines{"5 <1>a\r\n\nb", "c\n$"});
}

TEST_CASE("syslog: a time may have its year, and no zone") {
  const auto m = parse_syslog("<13>Nov  1 2024 09:55:12.25 host su: pam");
  CHECK(m.time_ns == 1730454912250000000);
  CHECK(m.time_has_year);
  CHECK_FALSE(m.time_has_zone);
  CHECK(m.app_name == "su");
  CHECK_FALSE(parse_syslog("<13>2026-11-21T09:55:12 host su: pam").time_has_zone);
  CHECK(parse_syslog("<13>2026-11-21T09:55:12Z host su: pam").time_has_zone);
}

TEST_CASE("syslog: Cisco's counters, names and times") {
  SyslogOptions all;
  all.cisco_message_counter = all.cisco_sequence_number = all.cisco_hostname = true;
  const auto m = parse_syslog(
      "<189>77: 000073: sw1: *Jan  1 2006 23:12:00.975 UTC: %SYS-5-CONFIG_I: Configured", all);
  CHECK(m.problem.empty());
  CHECK(m.message_counter == "77");
  CHECK(m.sequence == "000073");
  CHECK(m.hostname == "sw1");
  CHECK(m.time_ns == 1136157120975000000);
  CHECK(m.app_name == "%SYS-5-CONFIG_I");
  CHECK(m.message == "%SYS-5-CONFIG_I: Configured");

  const auto fewer = parse_syslog(
      "<190>106: [syslog@9 s_sn=\"17\"]: *Jan  1 23:17:23.240: %SYS-6-X: Logging to host", all);
  CHECK(fewer.message_counter == "106");
  CHECK(fewer.sequence.empty());
  CHECK(fewer.hostname.empty());
  CHECK(fewer.message == "%SYS-6-X: Logging to host");

  SyslogOptions sequence;
  sequence.cisco_sequence_number = true;
  CHECK(parse_syslog("<190>94: Jan  1 23:14:54: %A-6-B: x", sequence).sequence == "94");
  // What is no Cisco's is read as ever.
  CHECK(parse_syslog("<30>Nov 21 09:55:12 puck kairos[1]: one", all).app_name == "kairos");
  CHECK(parse_syslog("<189>77: 000073: *Jan  1 23:12:00.9: %SYS-5-X: y").message ==
        "77: 000073: *Jan  1 23:12:00.9: %SYS-5-X: y");
}

}  // namespace agent::wire
