#include "agent/io/file_watch.h"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

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
  watch.remove(dir / "a", 1);
  write(dir / "a");
  write(dir / "b");
  CHECK(changed(watch) == Ids{2});
}

TEST_CASE("file watch: what it cannot watch is the caller's") {
  TempDir dir;
  FileWatch watch;
  CHECK_FALSE(watch.add(dir / "none/a", 1));
  std::filesystem::create_symlink(dir / "nowhere/b", dir / "link");
  CHECK_FALSE(watch.add(dir / "link", 2));
  CHECK(watch.watched() == 0);
  CHECK_FALSE(watch.exhausted());
}

TEST_CASE("file watch: a symbolic link and what it leads to are watched") {
  TempDir dir;
  std::filesystem::create_directory(dir / "f");
  write(dir / "f/a");
  write(dir / "f/b");
  std::filesystem::create_symlink("f/a", dir / "middle");
  std::filesystem::create_symlink(dir / "middle", dir / "link");
  FileWatch watch;
  REQUIRE(watch.add(dir / "link", 1));
  write(dir / "f/b");
  write(dir / "f/a");
  CHECK(changed(watch) == Ids{1});
  std::filesystem::remove(dir / "link");
  std::filesystem::create_symlink("f/b", dir / "link");
  CHECK(changed(watch) == Ids{1});
  REQUIRE(watch.add(dir / "link", 1));
  write(dir / "f/b");
  CHECK(changed(watch) == Ids{1});
  watch.remove(dir / "link", 1);
  CHECK(watch.watched() == 0);
}

TEST_CASE("file watch: two names of one folder are both watched") {
  TempDir dir;
  std::filesystem::create_directory(dir / "f");
  std::filesystem::create_directory_symlink("f", dir / "g");
  FileWatch watch;
  REQUIRE(watch.add(dir / "f/a", 1));
  REQUIRE(watch.add(dir / "g/a", 2));
  write(dir / "f/a");
  CHECK(changed(watch) == Ids{1, 2});
  watch.remove(dir / "f/a", 1);
  write(dir / "f/a");
  CHECK(changed(watch) == Ids{2});
}

// In a user namespace of the test's own the limit is the test's own too.
TEST_CASE("file watch: the system's limit on watches is met without a failure") {
  TempDir dir;
  for (int i = 0; i < 4; ++i) std::filesystem::create_directory(dir / std::to_string(i));
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr int kCannot = 77;
    if (::unshare(CLONE_NEWUSER) != 0) ::_exit(kCannot);
    std::ofstream limit("/proc/sys/user/max_inotify_watches");
    if (!(limit << 2 << std::flush)) ::_exit(kCannot);
    FileWatch watch;
    bool good = watch.add(dir / "0/a", 1) && watch.add(dir / "1/a", 2) && !watch.exhausted();
    good = good && !watch.add(dir / "2/a", 3) && watch.exhausted() && watch.watched() == 2;
    watch.remove(dir / "0/a", 1);
    good = good && watch.add(dir / "2/a", 3);
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) {
    WARN("no user namespaces here: the limit was not met");
  } else {
    CHECK(WEXITSTATUS(status) == 0);
  }
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

TEST_CASE("file watch: a wait ends when somebody wakes it, before or meanwhile") {
  FileWatch watch;
  const auto start = std::chrono::steady_clock::now();
  watch.wake();
  watch.wait(std::chrono::hours(1), {});
  std::jthread other([&] { watch.wake(); });
  CHECK(watch.wait(std::chrono::hours(1), {}).files.empty());
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(50));
}

}  // namespace agent::io
