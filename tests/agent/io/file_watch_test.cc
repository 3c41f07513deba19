#include "agent/io/file_watch.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace agent::io {
namespace {

using Ids = std::vector<FileWatch::Id>;

Ids changed(FileWatch& watch) {
  std::stop_source none;
  auto ids = watch.wait(std::chrono::seconds(30), none.get_token()).files;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

void write(const std::filesystem::path& path) { std::ofstream(path, std::ios::app) << "x\n"; }

}  // namespace

TEST_CASE("file watch: tells which files were written, created, renamed") {
  TempDir dir;
  write(dir / "a");
  FileWatch watch;
  REQUIRE(watch.add(dir / "a", 1));
  REQUIRE(watch.add(dir / "b", 2));
  CHECK(watch.watched() == 2);
  write(dir / "other");
  write(dir / "a");
  CHECK(changed(watch) == Ids{1});
  write(dir / "b");
  CHECK(changed(watch) == Ids{2});
  std::filesystem::rename(dir / "a", dir / "c");
  CHECK(changed(watch) == Ids{1});
  watch.remove(dir / "a");
  write(dir / "a");
  write(dir / "b");
  CHECK(changed(watch) == Ids{2});
}

TEST_CASE("file watch: what it cannot watch is the caller's") {
  TempDir dir;
  write(dir / "a");
  std::filesystem::create_symlink(dir / "a", dir / "link");
  FileWatch watch;
  CHECK_FALSE(watch.add(dir / "none/a", 1));
  CHECK_FALSE(watch.add(dir / "link", 2));
  CHECK(watch.watched() == 0);
}

TEST_CASE("file watch: a folder that goes takes its files along") {
  TempDir dir;
  std::filesystem::create_directory(dir / "f");
  write(dir / "f/a");
  FileWatch watch;
  REQUIRE(watch.add(dir / "f/a", 7));
  std::filesystem::remove_all(dir / "f");
  std::stop_source none;
  FileWatch::Changes all;
  for (int i = 0; i < 10 && all.unwatched.empty(); ++i)
    all = watch.wait(std::chrono::seconds(30), none.get_token());
  CHECK(all.unwatched == Ids{7});
  CHECK(watch.watched() == 0);
  std::filesystem::create_directory(dir / "f");
  CHECK(watch.add(dir / "f/a", 7));
}

TEST_CASE("file watch: a stop ends the wait") {
  FileWatch watch;
  std::stop_source stop;
  stop.request_stop();
  const auto begin = std::chrono::steady_clock::now();
  watch.wait(std::chrono::seconds(60), stop.get_token());
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(30));
}

}  // namespace agent::io
