#include "agent/io/journal.h"

#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <map>
#include <thread>

#include "agent/base/file.h"
#include "tests/support/journal_maker.h"
#include "tests/support/temp_dir.h"

namespace agent::io {
namespace {

using Fields = std::map<std::string, std::string>;
constexpr std::uint64_t kStart = 1'700'000'000'000'000;

std::vector<JournalEntry> numbered(int from, int to) {
  std::vector<JournalEntry> out;
  for (int i = from; i < to; ++i) {
    out.push_back({kStart + static_cast<std::uint64_t>(i) * 1000,
                   {{"MESSAGE", "line " + std::to_string(i)},
                    {"PRIORITY", std::to_string(i % 8)},
                    {"_SYSTEMD_UNIT", "unit" + std::to_string(i % 3) + ".service"}}});
  }
  return out;
}

std::unique_ptr<Journal> open(const TempDir& dir, std::vector<std::string> matches = {}) {
  Journal::Options options;
  options.directory = dir.path();
  options.matches = std::move(matches);
  auto journal = Journal::open(options);
  if (!journal) FAIL(journal.error().message);
  return std::move(*journal);
}

// The messages up to the end, at most `limit`.
std::vector<std::string> read(Journal& journal, std::size_t limit = 1'000'000) {
  std::vector<std::string> out;
  while (out.size() < limit) {
    std::string message;
    const auto us = journal.next([&](std::string_view name, std::string_view value) {
      if (name == "MESSAGE") message = value;
    });
    if (!us) FAIL(us.error().message);
    if (!*us) break;
    out.push_back(message);
  }
  return out;
}

std::vector<std::string> lines(int from, int to) {
  std::vector<std::string> out;
  for (int i = from; i < to; ++i) out.push_back("line " + std::to_string(i));
  return out;
}

}  // namespace

TEST_CASE("journal: entries come in order with time and all fields") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 2));
  const auto journal = open(dir);
  REQUIRE(journal->seek_head());
  Fields fields;
  const auto us = journal->next(
      [&](std::string_view name, std::string_view value) { fields[std::string(name)] = value; });
  REQUIRE(us);
  CHECK(*us == kStart);
  fields.erase("_BOOT_ID");
  CHECK(fields ==
        Fields{{"MESSAGE", "line 0"}, {"PRIORITY", "0"}, {"_SYSTEMD_UNIT", "unit0.service"}});
  CHECK(read(*journal) == lines(1, 2));
}

TEST_CASE("journal: matches of different fields AND, of one field OR") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 9));
  const auto journal =
      open(dir, {"_SYSTEMD_UNIT=unit0.service", "PRIORITY=3", "PRIORITY=6", "PRIORITY=7"});
  REQUIRE(journal->seek_head());
  CHECK(read(*journal) == std::vector<std::string>{"line 3", "line 6"});
  Journal::Options options;
  options.directory = dir.path();
  options.matches = {"no_equals_sign"};
  const auto refused = Journal::open(options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalid);
}

TEST_CASE("journal: a seek by time starts at the first entry not before it") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 5));
  const auto journal = open(dir);
  REQUIRE(journal->seek_time(kStart + 2500));
  CHECK(journal->peek().value() == kStart + 3000);
  CHECK(journal->peek().value() == kStart + 3000);
  CHECK(read(*journal) == lines(3, 5));
}

TEST_CASE("journal: a cursor resumes after its entry, in another process life too") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 5));
  std::string cursor;
  {
    const auto journal = open(dir);
    REQUIRE(journal->seek_head());
    read(*journal, 3);
    cursor = journal->cursor().value();
  }
  const auto journal = open(dir);
  REQUIRE(journal->seek_cursor(cursor));
  CHECK(read(*journal) == lines(3, 5));
  const auto at_end = open(dir);
  REQUIRE(at_end->seek_cursor(journal->cursor().value()));
  CHECK(read(*at_end).empty());
  append_journal(dir / "a.journal", numbered(5, 7));
  REQUIRE(at_end->refresh());
  CHECK(read(*at_end) == lines(5, 7));
}

TEST_CASE("journal: a cursor whose entry was vacuumed resumes at the first that is left") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 5));
  std::string cursor;
  {
    const auto journal = open(dir);
    REQUIRE(journal->seek_head());
    read(*journal, 3);
    cursor = journal->cursor().value();
  }
  std::filesystem::remove(dir / "a.journal");
  append_journal(dir / "b.journal", numbered(7, 9));
  const auto journal = open(dir);
  REQUIRE(journal->seek_cursor(cursor));
  CHECK(read(*journal) == lines(7, 9));
}

TEST_CASE("journal: a cursor that is not one is refused") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 1));
  const auto refused = open(dir)->seek_cursor("rubbish");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalid);
}

TEST_CASE(
    "journal: a waiting reader sees new entries, rotated files and the end of another descriptor") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 3));
  const auto journal = open(dir);
  REQUIRE(journal->seek_head());
  CHECK(read(*journal) == lines(0, 3));
  std::array<int, 2> nobody{};
  REQUIRE(::pipe(nobody.data()) == 0);
  std::vector<std::string> got;
  const auto until = [&](std::size_t count) {
    for (int i = 0; i < 100 && got.size() < count; ++i) {
      REQUIRE(journal->wait(std::chrono::seconds(1), nobody[0]));
      for (auto& line : read(*journal)) got.push_back(line);
    }
  };
  std::thread writer([&] { append_journal(dir / "a.journal", numbered(3, 6)); });
  until(3);
  writer.join();
  CHECK(got == lines(3, 6));
  got.clear();
  std::filesystem::rename(dir / "a.journal", dir / "a@old.journal");
  writer = std::thread([&] { append_journal(dir / "a.journal", numbered(6, 9)); });
  until(3);
  writer.join();
  CHECK(got == lines(6, 9));

  ::close(nobody[1]);  // whoever asked for it is gone
  const auto before = std::chrono::steady_clock::now();
  REQUIRE(journal->wait(std::chrono::seconds(30), nobody[0]));
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(10));
  ::close(nobody[0]);
}

TEST_CASE("journal: files vacuumed while they are read end in the files that are left") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 50));
  append_journal(dir / "b.journal", numbered(50, 100));
  const auto journal = open(dir);
  REQUIRE(journal->seek_head());
  read(*journal, 10);
  std::filesystem::remove(dir / "a.journal");
  REQUIRE(journal->refresh());
  const auto rest = read(*journal);
  REQUIRE_FALSE(rest.empty());
  CHECK(rest.back() == "line 99");
}

}  // namespace agent::io
