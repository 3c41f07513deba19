#include "agent/model/selector.h"

#include <catch2/catch.hpp>

namespace agent::model {
namespace {

bool selects(const std::string& text, Labels labels, std::string_view line = "") {
  static Interner interner;
  const auto selector = Selector::parse(text);
  if (!selector) FAIL(selector.error().message);
  return selector->matches(interner.intern(std::move(labels))) && selector->matches_line(line);
}

std::string problem(const std::string& text) {
  const auto selector = Selector::parse(text);
  return selector ? "" : selector.error().message;
}

}  // namespace

TEST_CASE("selector: matchers look at whole label values") {
  CHECK(selects(R"({app="x"})", {{"app", "x"}}));
  CHECK_FALSE(selects(R"({app="x"})", {{"app", "xy"}}));
  CHECK(selects(R"({app=~"x.*", env!="dev"})", {{"app", "xyz"}}));
  CHECK_FALSE(selects(R"({app=~"y"})", {{"app", "xyz"}}));
  CHECK(selects("{app!~`y|z`}", {{"app", "xyz"}}));
  CHECK(selects(R"({app=""})", {}));
  CHECK(selects("{}", {{"a", "b"}}));
}

TEST_CASE("selector: line filters search and are chained") {
  CHECK(selects(R"({} |= "err" != "health")", {}, "an error"));
  CHECK_FALSE(selects(R"({} |= "err" != "health")", {}, "an error in health"));
  CHECK(selects(
      R"x({syslog_identifier=~"CRON|systemd-logind"} |~ "pam_unix .* session (opened|closed)")x",
      {{"syslog_identifier", "CRON"}}, "x pam_unix (y) session opened for z"));
  CHECK_FALSE(selects(R"({} !~ "\\d+")", {}, "line 7"));
}

TEST_CASE("selector: errors say where and what") {
  CHECK(problem("app") == "invalid selector, at byte 1: { is expected");
  CHECK(problem("{app}") == "invalid selector, at byte 5: =, !=, =~ or !~ is expected");
  CHECK(problem("{app=x}") == "invalid selector, at byte 6: a string is expected");
  CHECK(problem(R"({app=~"("})").find("the regular expression is wrong") != std::string::npos);
  CHECK(problem(R"({app="x"} | "y")") ==
        "invalid selector, at byte 11: |=, !=, |~, !~, |> or !> is expected");
  CHECK(problem(R"({app="x)") == "invalid selector, at byte 8: the string does not end");
}

TEST_CASE("selector: alternatives of a line filter") {
  CHECK(selects(R"({} |= "a" or `b`)", {}, "xb"));
  CHECK_FALSE(selects(R"({} |= "a" or "b")", {}, "x"));
  CHECK(selects(R"({} != "a" or "b")", {}, "x"));
  CHECK_FALSE(selects(R"({} != "a" or "b")", {}, "xb"));
  CHECK(selects(R"({} |~ "^a" or "b$" !~ "\\d" or "z")", {}, "xb"));
  CHECK_FALSE(selects(R"({} |~ "^a" or "b$" !~ "\\d" or "z")", {}, "x1b"));
  CHECK(problem(R"({} |= "a" orb)") ==
        "invalid selector, at byte 11: |=, !=, |~, !~, |> or !> is expected");
}

TEST_CASE("selector: addresses in a line") {
  CHECK(selects(R"({} |= ip("192.168.4.5"))", {}, "from 192.168.4.5:80, ok"));
  CHECK_FALSE(selects(R"({} |= ip("192.168.4.5"))", {}, "from 192.168.4.55"));
  CHECK_FALSE(selects(R"({} |= ip("192.168.4.5"))", {}, "1192.168.4.5"));
  CHECK(selects(R"({} |= ip("192.168.4.5/16"))", {}, "192.168.255.1."));
  CHECK_FALSE(selects(R"({} |= ip("192.168.4.5/16"))", {}, "192.169.0.1"));
  CHECK(selects(R"({} |= ip( "10.0.0.1-10.0.0.9" ))", {}, "{\"ip\":\"10.0.0.7\"}"));
  CHECK_FALSE(selects(R"({} |= ip("10.0.0.1-10.0.0.9"))", {}, "10.0.0.10"));
  CHECK(selects(R"({} |= ip("2001:db8::/32"))", {}, "[2001:db8::1]:443"));
  CHECK(selects(R"({} != ip("2001:db8::/32"))", {}, "2001:db9::1"));
  CHECK(selects(R"({} |= ip("::1"))", {}, "at ::1."));
  CHECK(selects(R"({} |= ip("0.0.0.0/0") or "none")", {}, "none"));
  for (const char* wrong : {"1.2.3", "1.2.3.4/33", "10.0.0.9-10.0.0.1", "x", "::/129", "1.2.3.4/"})
    CHECK(problem("{} |= ip(\"" + std::string(wrong) + "\")") ==
          "invalid selector, at byte 10: an address, a range or a network is expected");
  CHECK(problem(R"({} |~ ip("1.2.3.4"))") == "invalid selector, at byte 7: a string is expected");
}

TEST_CASE("selector: patterns") {
  CHECK(selects(R"({} |> "<_>level=debug<_>")", {}, "x level=debug y"));
  CHECK_FALSE(selects(R"({} |> "<_>level=debug<_>")", {}, "level=debug y"));
  CHECK(selects(R"({} |> `GET /<_>/items <_> ms`)", {}, "GET /a/items 5 ms"));
  CHECK_FALSE(selects(R"({} |> `GET /<_>/items <_> ms`)", {}, "GET //items 5 ms"));
  CHECK_FALSE(selects(R"({} |> `a<_>b<_>`)", {}, "axb"));
  CHECK(selects(R"({} |> `a<_>b`)", {}, "axbxb"));
  CHECK(selects(R"({} |> "only text")", {}, "only text"));
  CHECK(selects(R"({} !> "<_>x" or "<_>y")", {}, "z"));
  CHECK(selects(R"({} |> "a<b<_>")", {}, "a<b>"));
  CHECK(problem(R"({} |> "<_><_>")") ==
        "invalid selector, at byte 7: two <_> need a text between them");
  CHECK(problem(R"({} |> "<user> did")") ==
        "invalid selector, at byte 7: a pattern of a line filter has no names but <_>");
}

TEST_CASE("selector: Go's escapes") {
  CHECK(selects(R"({} |= "\x41\102\u00e9\U0001F600\"\t")", {}, "AB\xc3\xa9\xf0\x9f\x98\x80\"\t"));
  for (const char* wrong : {R"(\d)", R"(\x4)", R"(\400)", R"(\ud800)", R"(\U00110000)", R"(\u12)"})
    CHECK(problem("{} |= \"" + std::string(wrong) + "\"").find("unknown escape") !=
          std::string::npos);
}

TEST_CASE("selector: bounds") {
  std::string many = "{}";
  for (int i = 0; i < 300; ++i) many += " |= \"a\" or \"b\"";
  CHECK(problem(many).find("too many line filters") != std::string::npos);
  CHECK(problem("{}" + std::string(70'000, ' ')).find("longer than 64 KiB") != std::string::npos);
}

}  // namespace agent::model
