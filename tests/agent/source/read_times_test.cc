#include "agent/source/read_times.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace agent::source {
namespace {

using Times = std::vector<std::int64_t>;

Times give(ReadTimes& times, std::uint64_t inode, std::uint64_t end,
           const std::vector<io::FileLine>& lines, std::int64_t now) {
  Times out;
  times.give(inode, end, lines, now, out);
  return out;
}

TEST_CASE("read times: new lines get the time of reading, in order, and never one twice") {
  TempDir dir;
  ReadTimes times(dir / "times");
  CHECK(give(times, 1, 8, {{0, "abc"}, {4, "def"}}, 1000) == Times{1000, 1004});
  CHECK(give(times, 2, 4, {{0, "abc"}}, 1000) == Times{1009});
  CHECK(give(times, 1, 12, {{8, "ghi"}}, 5000) == Times{5000});
}

TEST_CASE("read times: lines read again get the times they had, however they are cut into reads") {
  TempDir dir;
  {
    ReadTimes times(dir / "times");
    CHECK(give(times, 1, 8, {{0, "abc"}, {4, "def"}}, 1000) == Times{1000, 1004});
    CHECK(give(times, 1, 12, {{8, "ghi"}}, 2000) == Times{2000});
    REQUIRE(times.write());
  }
  ReadTimes times(dir / "times");
  CHECK(give(times, 1, 16, {{4, "def"}, {8, "ghi"}, {12, "new"}}, 9000) == Times{1004, 2000, 9000});
  CHECK(give(times, 1, 8, {{0, "abc"}}, 9500) == Times{1000});
  CHECK(give(times, 1, 16, {{12, "new"}}, 9900) == Times{9000});
}

TEST_CASE("read times: another file with the inode of the first one starts anew") {
  TempDir dir;
  ReadTimes times(dir / "times");
  CHECK(give(times, 1, 8, {{0, "abc"}, {4, "def"}}, 1000) == Times{1000, 1004});
  CHECK(give(times, 1, 8, {{0, "other"}}, 2000) == Times{2000});
  CHECK(give(times, 1, 8, {{0, "other"}}, 3000) == Times{2000});
}

TEST_CASE("read times: what is delivered is forgotten, and the log shrinks") {
  TempDir dir;
  ReadTimes times(dir / "times");
  give(times, 1, 4, {{0, "abc"}}, 1000);
  give(times, 1, 8, {{4, "def"}}, 2000);
  REQUIRE(times.write());
  times.forget(1, 4);
  CHECK(times.spans() == 1);
  CHECK(give(times, 1, 8, {{4, "def"}}, 3000) == Times{2000});
  times.forget(1, 8);
  times.forget(7, 8);
  REQUIRE(times.compact());
  CHECK(times.spans() == 0);
  CHECK(std::filesystem::file_size(dir / "times") == 0);
  CHECK(give(times, 1, 12, {{8, "ghi"}}, 4000) == Times{4000});
  REQUIRE(times.write());
  CHECK(give(*std::make_unique<ReadTimes>(dir / "times"), 1, 12, {{8, "ghi"}}, 9000) ==
        Times{4000});
}

TEST_CASE("read times: a long log keeps only what is left when it is made small") {
  TempDir dir;
  ReadTimes times(dir / "times");
  for (std::uint64_t i = 0; i < 30'000; ++i)
    give(times, 1, 4 * (i + 1), {{4 * i, "abc"}}, static_cast<std::int64_t>(1000 + 10 * i));
  REQUIRE(times.write());
  times.forget(1, 4 * 29'998);
  REQUIRE(times.compact());
  CHECK(std::filesystem::file_size(dir / "times") == 80);
  give(times, 1, 120'004, {{120'000, "new"}}, 999'999);
  REQUIRE(times.write());
  ReadTimes again(dir / "times");
  CHECK(again.spans() == 3);
  CHECK(give(again, 1, 120'004, {{119'996, "abc"}, {120'000, "new"}}, 2'000'000) ==
        Times{1000 + 299'990, 999'999});
}

TEST_CASE("read times: a torn or damaged log costs only what comes after the damage") {
  TempDir dir;
  {
    ReadTimes times(dir / "times");
    give(times, 1, 4, {{0, "abc"}}, 1000);
    give(times, 1, 8, {{4, "def"}}, 2000);
    REQUIRE(times.write());
  }
  std::filesystem::resize_file(dir / "times", 79);
  ReadTimes times(dir / "times");
  CHECK(times.spans() == 1);
  CHECK(give(times, 1, 8, {{0, "abc"}, {4, "def"}}, 5000) == Times{1000, 5000});
  REQUIRE(times.write());
  ReadTimes again(dir / "times");
  CHECK(give(again, 1, 8, {{0, "abc"}, {4, "def"}}, 9000) == Times{1000, 5000});
  std::ofstream(dir / "garbage") << "no log at all, and longer than one record of the log is";
  CHECK(ReadTimes(dir / "garbage").spans() == 0);
}

TEST_CASE("read times: what was delivered stays forgotten when the log is read again") {
  TempDir dir;
  {
    ReadTimes times(dir / "times");
    give(times, 1, 4, {{0, "abc"}}, 1000);
    give(times, 2, 4, {{0, "abc"}}, 2000);
    REQUIRE(times.write());
    times.forget(1, 4);
    REQUIRE(times.compact());
  }
  // Another file has the first one's key and begins like it.
  ReadTimes times(dir / "times");
  CHECK(times.spans() == 1);
  CHECK(give(times, 1, 4, {{0, "abc"}}, 9000) == Times{9000});
  CHECK(give(times, 2, 4, {{0, "abc"}}, 9000) == Times{2000});
}

TEST_CASE("read times: times ascend over small steps of the clock and follow it over great ones") {
  TempDir dir;
  ReadTimes times(dir / "times");
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t start = 1000 * kSecond;
  CHECK(give(times, 1, 4, {{0, "abc"}}, start) == Times{start});
  CHECK(give(times, 1, 8, {{4, "def"}}, start - kSecond) == Times{start + 5});
  CHECK(give(times, 1, 12, {{8, "ghi"}}, start - 60 * kSecond) == Times{start - 60 * kSecond});
  CHECK(give(times, 1, 12, {{0, "abc"}, {4, "def"}, {8, "ghi"}}, start) ==
        Times{start, start + 5, start - 60 * kSecond});
}

TEST_CASE("read times: a log that cannot be written is told of and goes on in memory") {
  TempDir dir;
  std::ofstream(dir / "file") << "x";
  ReadTimes times(dir / "file" / "times");
  give(times, 1, 4, {{0, "abc"}}, 1000);
  CHECK_FALSE(times.write());
  CHECK(give(times, 1, 4, {{0, "abc"}}, 2000) == Times{1000});
}

}  // namespace
}  // namespace agent::source
