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
        "invalid selector, at byte 11: |=, !=, |~ or !~ is expected");
  CHECK(problem(R"({app="x)") == "invalid selector, at byte 8: the string does not end");
}

}  // namespace agent::model
