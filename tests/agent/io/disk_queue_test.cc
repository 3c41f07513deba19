#include "agent/io/disk_queue.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <set>

#include "agent/base/file.h"
#include "agent/io/crc32c.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

using agent::FakeClock;
using agent::TempDir;
using agent::io::DiskQueue;

namespace {

struct Fixture {
  FakeClock clock;
  TempDir dir;
  DiskQueue::Options options;
  Fixture() {
    options.folder = dir.path() / "queue";
    options.max_bytes = 1 << 20;
    options.segment_bytes = 4096;
  }
  std::unique_ptr<DiskQueue> open() {
    auto queue = DiskQueue::open(options, clock);
    REQUIRE(queue);
    return std::move(*queue);
  }
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> out;
    for (const auto& entry : std::filesystem::directory_iterator(options.folder))
      out.push_back(entry.path());
    std::sort(out.begin(), out.end());
    return out;
  }
};

std::vector<std::string> rest_of(DiskQueue& queue) {
  std::vector<std::string> out;
  while (auto record = queue.next()) out.push_back(record->bytes);
  return out;
}

// Without an fsync: thousands of these make a test.
void put(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string record(int i) { return "record " + std::to_string(i); }

}  // namespace

TEST_CASE("disk queue: the checksum is Castagnoli's") {
  CHECK(agent::io::crc32c("123456789") == 0xE3069283U);
  CHECK(agent::io::crc32c("6789", agent::io::crc32c("12345")) == 0xE3069283U);
  CHECK(agent::io::crc32c("") == 0);
}

TEST_CASE("disk queue: records come out in order, also after a restart") {
  Fixture f;
  {
    const auto queue = f.open();
    for (int i = 0; i < 5; ++i) REQUIRE(queue->append(record(i), 2));
    REQUIRE(queue->sync());
    CHECK(queue->stats().items == 10);
    CHECK(queue->next()->bytes == record(0));
  }
  const auto queue = f.open();
  CHECK(queue->stats().items == 10);
  CHECK(queue->stats().unread);
  REQUIRE(queue->append(record(5), 2));
  for (int i = 0; i < 6; ++i) CHECK(queue->next()->bytes == record(i));
  CHECK_FALSE(queue->next());
  CHECK_FALSE(queue->stats().unread);
  CHECK(queue->stats().damaged == 0);
}

TEST_CASE("disk queue: what was acknowledged does not come back, in any order") {
  Fixture f;
  {
    const auto queue = f.open();
    for (int i = 0; i < 10; ++i) REQUIRE(queue->append(record(i), 1));
    std::vector<std::uint64_t> ids;
    while (auto next = queue->next()) ids.push_back(next->id);
    for (const std::size_t i : {8U, 0U, 1U, 5U}) queue->acknowledge(ids[i]);
    queue->acknowledge(ids[5]);  // twice
    queue->acknowledge(12345);   // never handed out
    REQUIRE(queue->sync());
    CHECK(queue->stats().items == 6);
  }
  const auto queue = f.open();
  CHECK(queue->stats().items == 6);
  CHECK(rest_of(*queue) ==
        std::vector<std::string>{record(2), record(3), record(4), record(6), record(7), record(9)});
}

TEST_CASE("disk queue: what was handed out for nothing comes again") {
  Fixture f;
  const auto queue = f.open();
  for (int i = 0; i < 20; ++i) REQUIRE(queue->append(record(i) + std::string(1000, 'x'), 1));
  std::vector<std::uint64_t> ids;
  while (auto next = queue->next()) ids.push_back(next->id);
  queue->acknowledge(ids[0]);
  CHECK_FALSE(queue->put_back(ids[0]));
  CHECK(queue->put_back(ids[17]));
  CHECK(queue->put_back(ids[1]));
  CHECK(queue->stats().unread);
  const auto again = rest_of(*queue);
  REQUIRE(again.size() == 2);
  CHECK(again[0].substr(0, 9) == "record 1x");
  CHECK(again[1].substr(0, 10) == "record 17x");
  CHECK_FALSE(queue->stats().unread);
}

TEST_CASE("disk queue: a record that is in somebody's hands already is passed over") {
  Fixture f;
  std::uint64_t id = 0;
  {
    const auto queue = f.open();
    REQUIRE(queue->append(record(0), 1));
    id = queue->append(record(1), 1, true).value();
    REQUIRE(queue->append(record(2), 1));
    CHECK(rest_of(*queue) == std::vector<std::string>{record(0), record(2)});
    CHECK(queue->put_back(id));
    CHECK(rest_of(*queue) == std::vector<std::string>{record(1)});
  }
  const auto queue = f.open();
  CHECK(rest_of(*queue) == std::vector<std::string>{record(0), record(1), record(2)});
}

TEST_CASE("disk queue: files go when their records are done, from the oldest on") {
  Fixture f;
  const auto queue = f.open();
  for (int i = 0; i < 100; ++i) REQUIRE(queue->append(std::string(1000, 'x'), 1));
  const std::size_t before = f.files().size();
  CHECK(before > 10);
  std::vector<std::uint64_t> ids;
  while (auto next = queue->next()) ids.push_back(next->id);
  for (std::size_t i = 50; i < 100; ++i) queue->acknowledge(ids[i]);
  REQUIRE(queue->sync());
  CHECK(f.files().size() >= before);
  for (std::size_t i = 0; i < 50; ++i) queue->acknowledge(ids[i]);
  REQUIRE(queue->sync());
  CHECK(f.files().size() <= 1);
  CHECK(queue->stats().items == 0);
  REQUIRE(queue->append("after", 1));
  CHECK(queue->next()->bytes == "after");
}

TEST_CASE("disk queue: the budget drops the oldest and counts it") {
  Fixture f;
  f.options.max_bytes = 40'000;
  const auto queue = f.open();
  for (int i = 0; i < 100; ++i) REQUIRE(queue->append(std::string(1000, static_cast<char>(i)), 3));
  CHECK(queue->stats().bytes <= 40'000);
  std::uint64_t bytes = 0;
  for (const auto& file : f.files()) bytes += std::filesystem::file_size(file);
  CHECK(bytes == queue->stats().bytes);
  const auto left = rest_of(*queue);
  CHECK(left.size() >= 30);
  CHECK(left.back()[0] == 99);
  CHECK(queue->stats().dropped_items == 3 * (100 - left.size()));
  CHECK(queue->stats().items == 3 * left.size());
}

TEST_CASE("disk queue: too old segments are dropped") {
  Fixture f;
  f.options.max_age = std::chrono::hours(1);
  {
    const auto queue = f.open();
    REQUIRE(queue->append("old", 7));
  }
  f.clock.advance(std::chrono::hours(2));
  const auto queue = f.open();
  CHECK_FALSE(queue->next());
  CHECK(queue->stats().dropped_items == 7);
}

TEST_CASE("disk queue: a record larger than the limit is refused") {
  Fixture f;
  const auto queue = f.open();
  const auto refused = queue->append(std::string(DiskQueue::kMaxRecord + 1, 'x'), 1);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == agent::ErrorCode::kExhausted);
}

TEST_CASE("disk queue: a folder that cannot be used is an error") {
  Fixture f;
  put(f.options.folder, "a file");
  CHECK_FALSE(DiskQueue::open(f.options, f.clock));
}

TEST_CASE("disk queue: a segment cut at any byte keeps every whole record before the cut") {
  Fixture f;
  {
    const auto queue = f.open();
    for (int i = 0; i < 6; ++i) REQUIRE(queue->append(record(i), 1));
  }
  const auto file = f.files().at(0);
  const std::string bytes = agent::read_file(file).value();
  const std::size_t size = bytes.size() / 6;
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    for (const auto& old : f.files()) std::filesystem::remove(old);
    put(file, std::string_view(bytes).substr(0, cut));
    const auto queue = f.open();
    const std::size_t whole = cut / size;
    const auto left = rest_of(*queue);
    INFO("cut at " << cut);
    REQUIRE(left.size() == whole);
    for (std::size_t i = 0; i < whole; ++i) REQUIRE(left[i] == record(static_cast<int>(i)));
    // And it goes on as if nothing had happened.
    REQUIRE(queue->append("more", 1));
    REQUIRE(queue->next()->bytes == "more");
    REQUIRE_FALSE(queue->stats().unread);
  }
}

TEST_CASE("disk queue: any flipped bit costs at most the record it is in") {
  Fixture f;
  {
    const auto queue = f.open();
    for (int i = 0; i < 5; ++i) REQUIRE(queue->append(record(i), 1));
    queue->acknowledge(queue->next()->id);
  }
  const auto file = f.files().at(0);
  const std::string bytes = agent::read_file(file).value();
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    for (const auto& old : f.files()) std::filesystem::remove(old);
    put(file, damaged);
    const auto queue = f.open();
    const auto left = rest_of(*queue);
    INFO("bit " << bit);
    // Records 1 to 4 but one; or all of them and also 0, when the acknowledgement was hit.
    const std::set<std::string> seen(left.begin(), left.end());
    REQUIRE(seen.size() == left.size());
    REQUIRE(left.size() >= 3);
    for (const auto& text : left) REQUIRE(text.substr(0, 7) == "record ");
    REQUIRE(queue->stats().damaged >= 1);
    REQUIRE_FALSE(queue->stats().unread);
  }
}

TEST_CASE("disk queue: damage while it runs costs the record, and the file still goes") {
  Fixture f;
  const auto queue = f.open();
  for (int i = 0; i < 20; ++i) REQUIRE(queue->append(std::string(1000, 'x'), 1));
  std::string bytes = agent::read_file(f.files().at(0)).value();
  bytes[100] = '!';   // a payload
  bytes[1040] = '!';  // a header
  FILE* file = fopen(f.files().at(0).c_str(), "r+");
  fwrite(bytes.data(), 1, bytes.size(), file);
  fclose(file);
  std::vector<std::uint64_t> ids;
  while (auto next = queue->next()) ids.push_back(next->id);
  CHECK(ids.size() == 18);
  for (const std::uint64_t id : ids) queue->acknowledge(id);
  REQUIRE(queue->sync());
  CHECK(queue->stats().items == 0);
  CHECK(queue->stats().damaged == 2);
  CHECK(f.files().size() <= 1);
}

TEST_CASE("disk queue: an id that was acknowledged is not given again when its record is damaged") {
  Fixture f;
  {
    const auto queue = f.open();
    REQUIRE(queue->append("only", 1));
    queue->acknowledge(queue->next()->id);
  }
  const auto file = f.files().at(0);
  std::string bytes = agent::read_file(file).value();
  bytes[0] = '!';
  put(file, bytes);
  const auto queue = f.open();
  REQUIRE(queue->append("new", 1));
  REQUIRE(queue->stats().unread);
  CHECK(queue->next()->bytes == "new");
}

// A segment of 16 KiB with records of all sizes, bytes that look like records inside them, and
// acknowledgements, damaged in every way that one cut or one bit can: all of it with
// DISK_QUEUE_EXHAUSTIVE=1, a sample otherwise.
namespace {

struct Piece {  // of the segment's file
  std::size_t begin = 0;
  std::size_t end = 0;
  int record = -1;                // which one, or
  std::vector<int> acknowledged;  // these are
};

struct Segment {
  std::string bytes;
  std::vector<Piece> pieces;
  std::vector<std::string> records;
};

Segment make_segment(Fixture& f) {
  Segment out;
  std::minstd_rand random(7);
  const auto queue = f.open();
  const auto note = [&](Piece piece) {
    const auto size = std::filesystem::file_size(f.files().at(0));
    piece.begin = out.pieces.empty() ? 0 : out.pieces.back().end;
    piece.end = size;
    if (piece.end > piece.begin) out.pieces.push_back(std::move(piece));
  };
  while (out.pieces.empty() || out.pieces.back().end < (16U << 10)) {
    std::string bytes(random() % 3 == 0 ? random() % 40 : random() % 900, ' ');
    for (char& c : bytes) c = static_cast<char>(random());
    if (!out.bytes.empty() || random() % 2 == 0) bytes += "\xF1\x65\x51\x1E";  // the marker
    // A whole record inside a record.
    if (out.records.size() == 5) bytes += agent::read_file(f.files().at(0)).value().substr(0, 500);
    const auto id = queue->append(bytes, 1);
    REQUIRE(id);
    CHECK(*id == out.records.size() + 1);
    out.records.push_back(bytes);
    note({.record = static_cast<int>(out.records.size()) - 1, .acknowledged = {}});
    if (out.records.size() % 9 == 0) {
      Piece piece;
      while (const auto next = queue->next()) {
        if (next->id % 4 != 0) continue;
        queue->acknowledge(next->id);
        piece.acknowledged.push_back(static_cast<int>(next->id) - 1);
      }
      REQUIRE(queue->sync());
      note(std::move(piece));
    }
  }
  out.bytes = agent::read_file(f.files().at(0)).value();
  return out;
}

// Opens the damaged bytes and holds what comes out to what is left whole.
template <class Whole>
void judge(Fixture& f, const Segment& segment, std::string_view damaged, bool counted,
           const Whole& whole, double& slowest) {
  std::set<int> present;
  std::set<int> acknowledged;
  for (const Piece& piece : segment.pieces) {
    if (!whole(piece)) continue;
    if (piece.record >= 0) present.insert(piece.record);
    acknowledged.insert(piece.acknowledged.begin(), piece.acknowledged.end());
  }
  std::vector<std::string> expected;
  for (const int i : present)
    if (acknowledged.count(i) == 0)
      expected.push_back(segment.records[static_cast<std::size_t>(i)]);
  for (const auto& old : f.files()) std::filesystem::remove(old);
  put(f.options.folder / "0000000000000001.log", damaged);
  agent::SystemClock clock;
  const auto begun = clock.mono();
  {
    const auto queue = f.open();
    const auto left = rest_of(*queue);
    if (left != expected) {
      std::string which;
      for (const std::string& text : left)
        which += std::to_string(std::find(segment.records.begin(), segment.records.end(), text) -
                                segment.records.begin()) +
                 " ";
      which += "instead of";
      for (const int i : present)
        if (acknowledged.count(i) == 0) which += " " + std::to_string(i);
      FAIL("there came " << which);
    }
    if ((queue->stats().damaged > 0) != counted) FAIL("damaged: " << queue->stats().damaged);
    if (queue->stats().unread) FAIL("there is said to be more");
    if (!queue->append("after", 1) || queue->next()->bytes != "after") FAIL("it does not go on");
  }
  slowest = std::max(slowest, std::chrono::duration<double>(clock.mono() - begun).count());
}

}  // namespace

TEST_CASE("disk queue: no cut and no flipped bit costs more than what it hits") {
  Fixture f;
  f.options.segment_bytes = 1 << 20;
  f.options.max_bytes = 16 << 20;
  const Segment segment = make_segment(f);
  const bool all = std::getenv("DISK_QUEUE_EXHAUSTIVE") != nullptr;
  double slowest = 0;
  std::size_t cases = 0;
  for (std::size_t cut = 0; cut <= segment.bytes.size(); cut += all ? 1 : 83, ++cases) {
    INFO("cut at " << cut);
    const bool between = cut == 0 || std::any_of(segment.pieces.begin(), segment.pieces.end(),
                                                 [&](const Piece& p) { return p.end == cut; });
    judge(
        f, segment, std::string_view(segment.bytes).substr(0, cut), !between,
        [&](const Piece& p) { return p.end <= cut; }, slowest);
  }
  std::string damaged = segment.bytes;
  for (std::size_t bit = 0; bit < damaged.size() * 8; bit += all ? 1 : 503, ++cases) {
    const std::size_t at = bit / 8;
    const auto hit = std::find_if(segment.pieces.begin(), segment.pieces.end(),
                                  [&](const Piece& p) { return at < p.end; });
    INFO("bit " << bit << " in the piece from " << hit->begin << " to " << hit->end);
    const char before = damaged[at];
    damaged[at] = static_cast<char>(before ^ (1 << (bit % 8)));
    judge(
        f, segment, damaged, true, [&](const Piece& p) { return &p != &*hit; }, slowest);
    damaged[at] = before;
  }
  if (all)
    std::cout << cases << " damaged segments of " << segment.bytes.size() << " bytes with "
              << segment.records.size() << " records, the slowest took " << slowest << " s\n";
  CHECK(slowest < 1);
}
