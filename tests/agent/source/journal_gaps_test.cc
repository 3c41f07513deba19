#include "agent/source/journal_gaps.h"

#include <catch2/catch.hpp>

namespace agent::source {
namespace {

std::string at(const std::string& numbering, const std::string& number) {
  return "s=" + numbering + ";i=" + number + ";b=4d;m=1;t=2;x=3";
}

}  // namespace

TEST_CASE("journal gaps: numbers that were given and not seen are missing") {
  JournalGaps gaps;
  gaps.start("");
  CHECK(gaps.read(at("a", "10"), 16) == 0);  // whatever was before it
  CHECK(gaps.read(at("a", "1a"), 10) == 0);
  CHECK(gaps.read(at("a", "20"), 1) == 5);
}

TEST_CASE("journal gaps: what was removed since the last life is missing") {
  JournalGaps gaps;
  gaps.start(at("a", "f"));
  CHECK(gaps.read(at("a", "19"), 1) == 9);
}

TEST_CASE("journal gaps: what is read again is not counted again") {
  JournalGaps gaps;
  gaps.start(at("a", "1"));
  CHECK(gaps.read(at("a", "5"), 2) == 2);
  gaps.start(at("a", "1"));
  CHECK(gaps.read(at("a", "5"), 2) == 0);
  CHECK(gaps.read(at("a", "7"), 1) == 1);
}

TEST_CASE("journal gaps: another numbering begins anew, damaged cursors and numbers say nothing") {
  JournalGaps gaps;
  gaps.start(at("a", "1"));
  CHECK(gaps.read(at("b", "100"), 1) == 0);
  CHECK(gaps.read(at("b", "102"), 1) == 1);
  CHECK(gaps.read("rubbish", 1) == 0);
  CHECK(gaps.read("s=b;i=", 1) == 0);
  CHECK(gaps.read(at("b", "ffffffffffffffff"), 1) == 0);
  CHECK(gaps.is_damaged(at("b", "ffffffffffffffff")));
  CHECK(gaps.is_damaged(at("c", "ffffffffffffffff")));
  CHECK(gaps.is_damaged(at("b", "40000102")));
  CHECK_FALSE(gaps.is_damaged(at("b", "10000102")));
  CHECK_FALSE(gaps.is_damaged(at("c", "40000102")));
  CHECK(gaps.read(at("b", "104"), 1) == 1);
  CHECK(gaps.read(at("b", "108"), 9) == 0);  // other numberings among them
}

}  // namespace agent::source
