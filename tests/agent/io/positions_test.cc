#include "agent/io/positions.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "agent/base/file.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace agent::io {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

void write(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace

TEST_CASE("positions: what was saved is there in the next life") {
  TempDir dir;
  FakeClock clock;
  {
    Positions positions(clock, dir / "data/positions", Log::none());
    CHECK(positions.fresh());
    positions.set("a b\n%", "x y\x01z\x7f\xff");
    positions.set("empty", "");
    positions.set("gone", "1");
    positions.erase("gone");
    REQUIRE(positions.save());
  }
  Positions positions(clock, dir / "data/positions", Log::none());
  CHECK_FALSE(positions.fresh());
  CHECK(positions.get("a b\n%") == "x y\x01z\x7f\xff");
  CHECK(positions.get("empty") == "");
  CHECK(positions.get("gone") == std::nullopt);
  CHECK(positions.all().size() == 2);
}

TEST_CASE("positions: a save happens only when due and only when something changed") {
  TempDir dir;
  FakeClock clock;
  Positions positions(clock, dir / "positions", Log::none());
  REQUIRE(positions.save_if_due());
  CHECK_FALSE(std::filesystem::exists(dir / "positions"));
  positions.set("a", "1");
  REQUIRE(positions.save_if_due());
  positions.set("a", "2");
  REQUIRE(positions.save_if_due());
  CHECK(Positions(clock, dir / "positions", Log::none()).get("a") == "1");
  clock.advance(seconds(1));
  REQUIRE(positions.save_if_due());
  CHECK(Positions(clock, dir / "positions", Log::none()).get("a") == "2");

  std::filesystem::remove(dir / "positions");
  clock.advance(seconds(1));
  positions.set("a", "2");
  REQUIRE(positions.save());
  CHECK_FALSE(std::filesystem::exists(dir / "positions"));
}

TEST_CASE("positions: a failed save is tried again") {
  TempDir dir;
  FakeClock clock;
  write(dir / "in_the_way", "");
  Positions positions(clock, dir / "in_the_way/positions", Log::none());
  positions.set("a", "1");
  CHECK_FALSE(positions.save());
  std::filesystem::remove(dir / "in_the_way");
  REQUIRE(positions.save());
  CHECK(Positions(clock, dir / "in_the_way/positions", Log::none()).get("a") == "1");
}

TEST_CASE("positions: a damaged line loses its key only") {
  TempDir dir;
  FakeClock clock;
  const PositionMap map = {{"a", {"1", 5}}, {"b", {"2", 5}}, {"c", {"3", 5}}};
  const std::string text = print_positions(map);
  const std::size_t place = text.find("b 2");
  for (std::size_t bit = 0; bit < 8; ++bit) {
    std::string damaged = text;
    damaged[place] = static_cast<char>(damaged[place] ^ (1 << bit));
    write(dir / "positions", damaged);
    const Positions positions(clock, dir / "positions", Log::none());
    CHECK(positions.get("a") == "1");
    CHECK(positions.get("b") == std::nullopt);
    CHECK(positions.get("c") == "3");
    CHECK(positions.damaged_lines() > 0);
  }
}

TEST_CASE("positions: every truncation keeps the whole lines") {
  const PositionMap map = {{"a", {"1", 5}}, {"b", {"2", 5}}};
  const std::string text = print_positions(map);
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const ParsedPositions parsed = parse_positions(std::string_view(text).substr(0, size));
    for (const auto& [key, position] : parsed.map) CHECK(map.at(key).value == position.value);
  }
  CHECK(parse_positions(text).map.size() == 2);
}

TEST_CASE("positions: a file without one whole line is set aside and life goes on") {
  TempDir dir;
  FakeClock clock;
  std::string log;
  const Log recorder(clock, [&log](std::string_view line) { log += line; });
  write(dir / "positions", std::string(5000, '\0'));
  Positions positions(clock, dir / "positions", recorder);
  CHECK(positions.fresh());
  CHECK(log.find("level=warn") != std::string::npos);
  CHECK(std::filesystem::exists(dir / "positions.damaged"));
  positions.set("a", "1");
  REQUIRE(positions.save());
  CHECK(Positions(clock, dir / "positions", Log::none()).get("a") == "1");
}

TEST_CASE("positions: keys not seen for long are pruned, also over restarts") {
  TempDir dir;
  FakeClock clock;
  {
    Positions positions(clock, dir / "positions", Log::none());
    positions.set("old", "1");
    positions.set("live", "1");
    REQUIRE(positions.save());
  }
  clock.advance(hours(20));
  Positions positions(clock, dir / "positions", Log::none());
  positions.touch("live");
  CHECK(positions.prune(hours(24)) == 0);
  clock.advance(hours(5));
  CHECK(positions.prune(hours(24)) == 1);
  CHECK(positions.get("live") == "1");
  CHECK(positions.get("old") == std::nullopt);
}

TEST_CASE(
    "positions: words of a later version are left unread, leavings of a killed save removed") {
  TempDir dir;
  FakeClock clock;
  // crc32 of "7 k v later words"
  write(dir / "positions", "0e95c47a 7 k v later words\n");
  write(dir / "positions.new-AbC123", "half");
  const Positions positions(clock, dir / "positions", Log::none());
  CHECK(positions.get("k") == "v");
  CHECK_FALSE(std::filesystem::exists(dir / "positions.new-AbC123"));
}

TEST_CASE("positions: changes are appended, the file stays small, a torn append loses that line") {
  TempDir dir;
  FakeClock clock;
  std::string torn;
  {
    Positions positions(clock, dir / "positions", Log::none());
    for (int i = 0; i < 500; ++i) {
      positions.set("a", std::to_string(i));
      positions.set("b", std::to_string(-i));
      REQUIRE(positions.save());
      REQUIRE(std::filesystem::file_size(dir / "positions") <= 4096 + 2 * 128);
      if (i % 100 == 0) {
        const Positions later(clock, dir / "positions", Log::none());
        CHECK(later.get("a") == std::to_string(i));
      }
    }
  }
  const std::string text = read_file(dir / "positions").value();
  write(dir / "positions", text.substr(0, text.size() - 3));
  Positions positions(clock, dir / "positions", Log::none());
  CHECK(positions.damaged_lines() == 0);
  CHECK(positions.get("a") == "499");
  CHECK(positions.get("b") == "-498");
  positions.set("b", "later");
  REQUIRE(positions.save());
  CHECK(Positions(clock, dir / "positions", Log::none()).get("b") == "later");
}

TEST_CASE("positions: a file that somebody else removed or changed is written anew") {
  TempDir dir;
  FakeClock clock;
  Positions positions(clock, dir / "positions", Log::none());
  positions.set("a", "1");
  positions.set("b", "1");
  REQUIRE(positions.save());
  SECTION("removed") { std::filesystem::remove(dir / "positions"); }
  SECTION("changed") { write(dir / "positions", "rubbish\n"); }
  positions.set("a", "2");
  REQUIRE(positions.save());
  const Positions later(clock, dir / "positions", Log::none());
  CHECK(later.get("a") == "2");
  CHECK(later.get("b") == "1");
}

}  // namespace agent::io
