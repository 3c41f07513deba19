#include "fleetctl/command/report.h"

#include <catch2/catch.hpp>
#include <sstream>

using namespace fleetctl::command;

TEST_CASE("report: a block shows the place, the line and a caret") {
  CHECK(source_block("t.j2", 12, 5, "bad", "abc {{ x }}") ==
        "t.j2:12:5: bad\n  12 | abc {{ x }}\n     |     ^");
  CHECK(source_block("t.j2", 1, 3, "bad", "\ta{{ x }}") ==
        "t.j2:1:3: bad\n  1 | \ta{{ x }}\n    | \t ^");
  CHECK(source_block("t.j2", 1, 5, "bad",
                     "\xC3\xA4\xC3\xA4"
                     "x") ==
        "t.j2:1:5: bad\n  1 | \xC3\xA4\xC3\xA4"
        "x\n    |   ^");
}

TEST_CASE("report: what is not known is left out") {
  CHECK(source_block("t.j2", 0, 0, "bad", "") == "t.j2: bad");
  CHECK(source_block("t.j2", 3, 0, "bad", "x") == "t.j2:3: bad\n  3 | x");
  CHECK(source_block("t.j2", 3, 99, "bad", "x") == "t.j2:3:99: bad\n  3 | x");
  CHECK(source_block("t.j2", 3, 1, "bad", std::string("\x1B[2J")) ==
        "t.j2:3:1: bad\n  3 | ?[2J\n    | ^");
}

TEST_CASE("report: lines are found by number") {
  CHECK(line_of("a\nb\r\nc", 1) == "a");
  CHECK(line_of("a\nb\r\nc", 2) == "b");
  CHECK(line_of("a\nb\r\nc", 3) == "c");
  CHECK(line_of("a\nb\r\nc", 4).empty());
}

TEST_CASE("report: of very many hosts with one problem the first are named") {
  std::vector<Problem> problems;
  for (int i = 0; i < 200; ++i) problems.push_back({"h" + std::to_string(i), "bad"});
  std::ostringstream err;
  print_problems(problems, err);
  CHECK(err.str() == "h0, h1, h2, h3, h4 and 195 more hosts: bad\n");
}

TEST_CASE("report: one problem of several hosts is one block") {
  std::ostringstream err;
  print_problems({{"a", "bad"}, {"b", "worse"}, {"c", "bad"}, {"a", "bad"}, {"", "tree"}}, err);
  CHECK(err.str() == "a, c: bad\nb: worse\ntree\n");
}

TEST_CASE("report: a block's place is found again, and nothing else is taken for one") {
  using fleetctl::command::locate;
  const auto full = locate("a/b.yml:12:3: wrong: really");
  CHECK(full.file == "a/b.yml");
  CHECK(full.line == 12);
  CHECK(full.column == 3);
  CHECK(full.message == "wrong: really");
  const auto line = locate("hosts:7: no such group");
  CHECK(line.file == "hosts");
  CHECK(line.line == 7);
  CHECK(line.column == 0);
  for (const char* text : {"no place", "variable 'x' (f.yml:3): none fits", "open f: no such file",
                           "h:99999999999999999999: x", ":", "a:1"}) {
    INFO(text);
    CHECK(locate(text).line == 0);
    CHECK(locate(text).message == text);
  }
}
