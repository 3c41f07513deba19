#include "agent/io/journal.h"

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

TEST_CASE("journal: a waiting reader sees new entries, rotated files and a stop") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 3));
  const auto journal = open(dir);
  REQUIRE(journal->seek_head());
  CHECK(read(*journal) == lines(0, 3));
  std::vector<std::string> got;
  const auto until = [&](std::size_t count) {
    std::stop_source none;
    for (int i = 0; i < 100 && got.size() < count; ++i) {
      REQUIRE(journal->wait(std::chrono::seconds(1), none.get_token()));
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

  std::stop_source stop;
  stop.request_stop();
  const auto before = std::chrono::steady_clock::now();
  REQUIRE(journal->wait(std::chrono::seconds(30), stop.get_token()));
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(10));
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

// Whatever was damaged, reading ends, without a crash and without going round in circles.
TEST_CASE("journal: flipped bits never stop or crash a reader") {
  TempDir dir;
  append_journal(dir / "whole.journal", numbered(0, 50));
  std::string bytes = read_file(dir / "whole.journal", 1U << 28).value();
  std::filesystem::remove(dir / "whole.journal");
  std::size_t used = bytes.size();
  while (used > 0 && bytes[used - 1] == 0) --used;
  unsigned random = 12345;
  std::size_t whole = 0;
  for (int round = 0; round < 300; ++round) {
    std::string damaged = bytes;
    for (int i = 0; i <= round % 4; ++i) {
      random = random * 1664525U + 1013904223U;
      const std::size_t place = (random >> 4U) % used;
      damaged[place] = static_cast<char>(damaged[place] ^ (1 << (random & 7U)));
    }
    {
      std::ofstream file(dir / "a.journal", std::ios::binary);
      file << damaged;
    }
    Journal::Options options;
    options.directory = dir.path();
    auto journal = Journal::open(options);
    if (!journal || !(*journal)->seek_head()) continue;
    std::size_t count = 0;
    for (; count < 1000; ++count) {
      const auto us = (*journal)->next([](std::string_view, std::string_view) {});
      if (!us || !*us) break;
    }
    CHECK(count <= 50);
    if (count == 50) ++whole;
  }
  CHECK(whole > 100);
}

TEST_CASE("journal: a file cut short is read as far as it goes") {
  TempDir dir;
  append_journal(dir / "a.journal", numbered(0, 50));
  const std::string bytes = read_file(dir / "a.journal", 1U << 28).value();
  for (const std::size_t size : {0UL, 10UL, 300UL, 5000UL, 20000UL, 100000UL}) {
    {
      std::ofstream file(dir / "a.journal", std::ios::binary | std::ios::trunc);
      file << bytes.substr(0, size);
    }
    const auto journal = open(dir);
    if (!journal->seek_head()) continue;
    std::size_t count = 0;
    for (; count < 1000; ++count) {
      const auto us = journal->next([](std::string_view, std::string_view) {});
      if (!us || !*us) break;
    }
    CHECK(count <= 50);
  }
}

TEST_CASE("journal: a file cut short under a reader ends its entries, not the process") {
  TempDir dir;
  append_journal(dir / "whole.journal", numbered(0, 2000));
  std::filesystem::rename(dir / "whole.journal", dir / "whole");
  for (const std::uintmax_t size : {0U, 4096U, 8192U, 100'000U, 300'000U}) {
    std::filesystem::copy_file(dir / "whole", dir / "a.journal",
                               std::filesystem::copy_options::overwrite_existing);
    const auto journal = open(dir);
    REQUIRE(journal->seek_head());
    CHECK(read(*journal, 5) == lines(0, 5));
    std::filesystem::resize_file(dir / "a.journal", size);
    std::size_t count = 0;
    for (; count < 5000; ++count) {
      const auto us = journal->next([](std::string_view, std::string_view) {});
      if (!us || !*us) break;
    }
    CHECK(count < 2000);
    if (auto cursor = journal->cursor()) CHECK_FALSE(cursor->empty());
  }
}

}  // namespace agent::io
