// The journal's reader as a process of its own. It is this program too.
#include "agent/io/journal_reader.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "agent/base/file.h"
#include "agent/io/journal_child.h"
#include "tests/support/catch_main.h"
#include "tests/support/journal_maker.h"
#include "tests/support/temp_dir.h"

namespace agent::io {
namespace {

using Kind = JournalReader::Event::Kind;
constexpr std::uint64_t kStart = 1'700'000'000'000'000;

std::vector<JournalEntry> numbered(int from, int to, std::size_t padding = 0) {
  std::vector<JournalEntry> out;
  for (int i = from; i < to; ++i) {
    out.push_back({kStart + static_cast<std::uint64_t>(i) * 1000,
                   {{"MESSAGE", std::to_string(i)},
                    {"PRIORITY", std::to_string(i % 8)},
                    {"PADDING", std::to_string(i) + std::string(padding, 'x')}}});
  }
  return out;
}

struct Reading {
  std::unique_ptr<JournalReader> reader;
  JournalReader::Event ready;
  std::vector<std::string> fields;  // NAME=value of all entries
  std::string cursor;
  std::string error;
  std::vector<std::size_t> frames;  // entries in each

  explicit Reading(const JournalRequest& request) {
    auto started = JournalReader::start(request);
    REQUIRE(started);
    reader = std::move(*started);
  }
  // The next thing that is said, within a minute.
  Kind next() {
    for (int i = 0; i < 60; ++i) {
      const auto event = reader->read(std::chrono::seconds(1), {});
      if (!event) {
        error = event.error().message;
        return Kind::kNothing;
      }
      if (event->kind == Kind::kReady) ready = *event;
      if (event->kind == Kind::kEntries) take(event->payload);
      if (event->kind == Kind::kRefused) error = event->payload;
      if (event->kind != Kind::kNothing) return event->kind;
    }
    FAIL("the reader says nothing");
    return Kind::kNothing;
  }
  // Until everything is read, or the reader's end.
  Kind drain() {
    Kind kind = next();
    while (kind == Kind::kReady || kind == Kind::kEntries) kind = next();
    return kind;
  }

 private:
  void take(std::string_view payload) {
    JournalEntries entries(payload);
    std::size_t count = 0;
    while (entries.next()) {
      ++count;
      std::string_view name, value;
      while (entries.field(name, value))
        fields.push_back(std::string(name) + "=" + std::string(value));
    }
    CHECK_FALSE(entries.broken());
    cursor = entries.cursor();
    frames.push_back(count);
  }
};

JournalRequest messages_of(const TempDir& dir) {
  JournalRequest request;
  request.directory = dir.path();
  request.fields = {"MESSAGE"};
  return request;
}

std::vector<std::string> messages(int from, int to) {
  std::vector<std::string> out;
  for (int i = from; i < to; ++i) out.push_back("MESSAGE=" + std::to_string(i));
  return out;
}

}  // namespace

TEST_CASE("journal reader: entries come with the fields that were asked for, new ones as well") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 3));
  auto request = messages_of(dir);
  request.fields = {"MESSAGE", "PRIORITY"};
  Reading reading(request);
  CHECK(reading.drain() == Kind::kIdle);
  CHECK(reading.fields == std::vector<std::string>{"MESSAGE=0", "PRIORITY=0", "MESSAGE=1",
                                                   "PRIORITY=1", "MESSAGE=2", "PRIORITY=2"});
  append_journal(dir / "a.journal", numbered(3, 4));
  CHECK(reading.next() == Kind::kEntries);
  CHECK(reading.fields.back() == "PRIORITY=3");

  Reading all([&] {
    JournalRequest one = messages_of(dir);
    one.fields.clear();
    one.matches = {"PRIORITY=2"};
    return one;
  }());
  CHECK(all.drain() == Kind::kIdle);
  CHECK(all.fields.size() == 4);  // and _BOOT_ID
}

TEST_CASE("journal reader: it starts behind a cursor, or where it is told") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 6));
  auto request = messages_of(dir);
  request.oldest_us = kStart + 3000;
  Reading late(request);
  CHECK(late.drain() == Kind::kIdle);
  CHECK(late.fields == messages(3, 6));

  append_journal(dir / "a.journal", numbered(6, 8));
  request.cursor = late.cursor;
  Reading on(request);
  CHECK(on.drain() == Kind::kIdle);
  CHECK(on.fields == messages(6, 8));
  CHECK_FALSE(on.ready.passed_over);

  request.oldest_us = kStart + 7000;
  Reading old(request);
  CHECK(old.drain() == Kind::kIdle);
  CHECK(old.fields == messages(7, 8));
  CHECK(old.ready.passed_over);

  request.cursor = "rubbish";
  Reading refused(request);
  CHECK(refused.drain() == Kind::kIdle);
  CHECK(refused.fields == messages(7, 8));
  CHECK(refused.ready.cursor_refused);

  request.directory = dir / "absent";
  Reading nothing(request);
  CHECK(nothing.drain() == Kind::kRefused);
  CHECK(nothing.error ==
        "journal: open " + (dir / "absent").string() + ": No such file or directory");
}

TEST_CASE("journal reader: after a failure it tells entries one by one") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 9));
  auto request = messages_of(dir);
  request.one_by_one = 3;
  Reading reading(request);
  CHECK(reading.drain() == Kind::kIdle);
  CHECK(reading.frames == std::vector<std::size_t>{1, 1, 1, 6});
}

TEST_CASE("journal reader: its death is an error that says why") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 3));
  for (const auto& [number, name] : {std::pair(SIGABRT, "ABRT"), std::pair(SIGSEGV, "SEGV")}) {
    Reading reading(messages_of(dir));
    CHECK(reading.drain() == Kind::kIdle);
    const pid_t pid = reading.reader->pid();
    ::kill(pid, number);
    CHECK(reading.next() == Kind::kNothing);
    CHECK(reading.error == std::string("the journal's reader was ended by SIG") + name);
    CHECK(::kill(pid, 0) != 0);  // reaped
    CHECK_FALSE(reading.reader->read(std::chrono::seconds(1), {}));
  }
}

TEST_CASE("journal reader: a file cut short under it costs at most the reader") {
  TempDir dir;
  append_journal(dir / "whole.journal", numbered(0, 20'000, 100));
  std::filesystem::rename(dir / "whole.journal", dir / "whole");
  int deaths = 0;
  for (const std::uintmax_t size : {0U, 4096U, 100'000U, 3'000'000U}) {
    std::filesystem::copy_file(dir / "whole", dir / "a.journal",
                               std::filesystem::copy_options::overwrite_existing);
    auto request = messages_of(dir);
    request.one_by_one = 20'000;
    Reading reading(request);
    while (reading.frames.size() < 5) REQUIRE(reading.next() != Kind::kNothing);
    std::filesystem::resize_file(dir / "a.journal", size);
    if (reading.drain() == Kind::kNothing) ++deaths;
    CHECK(reading.fields.size() < 20'000);
    std::filesystem::remove(dir / "a.journal");
  }
  CHECK(deaths > 0);
}

TEST_CASE("journal reader: a stop ends the waiting") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 1));
  Reading reading(messages_of(dir));
  CHECK(reading.drain() == Kind::kIdle);
  std::stop_source stop;
  stop.request_stop();
  const auto before = std::chrono::steady_clock::now();
  const auto event = reading.reader->read(std::chrono::seconds(30), stop.get_token());
  REQUIRE(event);
  CHECK(event->kind == Kind::kNothing);
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(10));
}

TEST_CASE("journal reader: it has no environment and no descriptors of its parent") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 1));
  ::setenv("SECRET", "x", 1);
  int leak[2];
  REQUIRE(::pipe(leak) == 0);  // without O_CLOEXEC
  Reading reading(messages_of(dir));
  CHECK(reading.drain() == Kind::kIdle);
  const std::filesystem::path proc = "/proc/" + std::to_string(reading.reader->pid());
  CHECK(read_file(proc / "environ").value().empty());
  for (const auto& entry : std::filesystem::directory_iterator(proc / "fd")) {
    const std::string target = std::filesystem::read_symlink(entry.path());
    CAPTURE(entry.path(), target);
    CHECK((target.rfind("pipe:", 0) != 0 || entry.path().filename() == "2"));
  }
  ::close(leak[0]);
  ::close(leak[1]);
}

TEST_CASE("journal reader: it dies with its parent") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 1));
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  int told[2];
  REQUIRE(::pipe(told) == 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    auto reader = JournalReader::start(messages_of(dir));
    const pid_t pid = reader ? (*reader)->pid() : 0;
    if (::write(told[1], &pid, sizeof pid) != sizeof pid) ::_exit(1);
    for (;;) ::pause();
  }
  pid_t reader = 0;
  REQUIRE(::read(told[0], &reader, sizeof reader) == sizeof reader);
  REQUIRE(reader > 0);
  ::kill(parent, SIGKILL);
  int status = 0;
  CHECK(::waitpid(parent, &status, 0) == parent);
  CHECK(::waitpid(reader, &status, 0) == reader);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  ::close(told[0]);
  ::close(told[1]);
}

TEST_CASE("journal reader: while nobody takes its entries it does not keep the files open") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 20'000));
  auto request = messages_of(dir);
  request.patience_ms = 200;
  Reading reading(request);
  REQUIRE(reading.next() == Kind::kReady);
  // Its end closes the files; what it has told is still there.
  const std::filesystem::path fds = "/proc/" + std::to_string(reading.reader->pid()) + "/fd";
  std::error_code gone;
  while (!std::filesystem::is_empty(fds, gone) && !gone) std::this_thread::yield();
  CHECK(reading.drain() == Kind::kPaused);
  CHECK_FALSE(reading.frames.empty());
  request.cursor = reading.cursor;
  std::size_t seen = 0;
  for (const std::size_t count : reading.frames) seen += count;
  Reading rest(request);
  CHECK(rest.drain() == Kind::kIdle);
  CHECK(rest.fields == messages(static_cast<int>(seen), 20'000));
}

TEST_CASE("journal reader: a removed file is let go of at rest") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 3));
  append_journal(dir / "b.journal", numbered(3, 4));
  Reading reading(messages_of(dir));
  CHECK(reading.drain() == Kind::kIdle);
  std::filesystem::remove(dir / "a.journal");
  const std::string maps = "/proc/" + std::to_string(reading.reader->pid()) + "/maps";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  const auto pinned = [&] {
    return read_file(maps).value().find("a.journal (deleted)") != std::string::npos;
  };
  while (pinned() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  CHECK_FALSE(pinned());
}

}  // namespace agent::io

int main(int argc, char** argv) {
  if (agent::io::is_journal_child(argc, argv)) return agent::io::journal_child();
  return agent::run_tests(argc, argv);
}
