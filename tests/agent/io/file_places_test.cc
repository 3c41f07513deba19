#include "agent/io/file_places.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "agent/base/file.h"
#include "agent/io/positions.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace agent::io {
namespace {

FilePlace place_at(std::uint64_t offset) {
  FilePlace place;
  place.inode = 7;
  place.offset = offset;
  return place;
}

}  // namespace

TEST_CASE("file places: what was saved is there in the next life, what was erased is not") {
  TempDir dir;
  FakeClock clock;
  const auto a = FilePlaces::key_of("/var/log/a.log");
  const auto b = FilePlaces::key_of("/var/log/b.log");
  FilePlace all = place_at(5);
  all.print = 1;
  all.print_size = 2;
  all.skipping = true;
  all.whole = true;
  all.generation = 3;
  all.content = ~std::uint64_t{0};
  {
    FilePlaces places(clock, dir / "positions", Log::none());
    CHECK(places.fresh());
    places.set(a, all);
    places.set(b, place_at(1));
    REQUIRE(places.save());
    places.set(b, place_at(2));
    REQUIRE(places.save());
    places.erase(b);
    CHECK(places.unsaved());
    REQUIRE(places.save());
    CHECK_FALSE(places.unsaved());
  }
  const FilePlaces places(clock, dir / "positions", Log::none());
  CHECK_FALSE(places.fresh());
  REQUIRE(places.find(a) != nullptr);
  CHECK(*places.find(a) == all);
  CHECK(places.find(b) == nullptr);
}

TEST_CASE("file places: names of an earlier version are taken over") {
  TempDir dir;
  FakeClock clock;
  {
    Positions old(clock, dir / "positions", Log::none());
    old.set("/var/log/a.log", place_at(9).text());
    old.set("no place", "x");
    REQUIRE(old.save());
  }
  FilePlaces places(clock, dir / "positions", Log::none());
  const auto key = FilePlaces::key_of("/var/log/a.log");
  REQUIRE(places.find(key) != nullptr);
  CHECK(places.find(key)->offset == 9);
  CHECK(places.size() == 1);
  places.set(key, place_at(10));
  REQUIRE(places.save());
  CHECK(FilePlaces(clock, dir / "positions", Log::none()).find(key)->offset == 10);
}

TEST_CASE("file places: the state is at most 4 KiB and 128 bytes for each file") {
  TempDir dir;
  FakeClock clock;
  FilePlaces places(clock, dir / "positions", Log::none());
  constexpr std::size_t kFiles = 3000;
  for (int round = 0; round < 20; ++round) {
    for (std::size_t i = 0; i < kFiles; i += round == 0 ? 1 : 7) {
      FilePlace place = place_at(1'000'000'000'000 + i);
      place.inode = 4'000'000'000 + i;
      place.print_size = 1024;
      place.print = 4'294'967'295U;
      places.set(FilePlaces::key_of("/var/lib/docker/containers/" + std::to_string(i)), place);
    }
    REQUIRE(places.save());
    CHECK(std::filesystem::file_size(dir / "positions") <= 4096 + kFiles * 128);
  }
  CHECK(FilePlaces(clock, dir / "positions", Log::none()).size() == kFiles);
}

TEST_CASE("file places: names not seen for long are pruned, also over restarts") {
  TempDir dir;
  FakeClock clock;
  {
    FilePlaces places(clock, dir / "positions", Log::none());
    places.set(1, place_at(1));
    places.set(2, place_at(1));
    REQUIRE(places.save());
  }
  clock.advance(std::chrono::hours(20));
  FilePlaces places(clock, dir / "positions", Log::none());
  places.touch(2);
  CHECK(places.prune(std::chrono::hours(24)) == 0);
  clock.advance(std::chrono::hours(5));
  CHECK(places.prune(std::chrono::hours(24)) == 1);
  CHECK(places.find(2) != nullptr);
  CHECK(places.find(1) == nullptr);
}

}  // namespace agent::io
