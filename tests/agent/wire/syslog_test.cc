#include "agent/wire/syslog.h"

#include <catch2/catch.hpp>
#include <cstring>

namespace agent::wire {
namespace {

std::vector<std::string> split(std::string_view bytes, std::size_t limit = 8192,
                               std::size_t step = 1) {
  SyslogSplitter splitter(limit);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < bytes.size(); i += step) {
    const std::string_view part = bytes.substr(i, step);
    std::memcpy(splitter.room(part.size()), part.data(), part.size());
    splitter.commit(part.size());
    while (auto message = splitter.next())
      out.push_back(std::string(message->text) + (message->cut ? "~" : ""));
  }
  if (auto message = splitter.rest()) out.push_back(std::string(message->text) + "$");
  return out;
}

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
  CHECK(split("20 <30>aaaaaaaaaaaaaaaa<30>b\n", 8) ==
        std::vector<std::string>{"<30>aaaa~", "<30>b"});
  CHECK(split("<30>aaaaaaaaaaaaaaaa\n<30>b\n", 8) ==
        std::vector<std::string>{"<30>aaaa~", "<30>b"});
  CHECK(split("<30>aaaaaaaaaaaaaaaa\n<30>b\n", 8, 100) ==
        std::vector<std::string>{"<30>aaaa~", "<30>b"});
}

}  // namespace agent::wire
