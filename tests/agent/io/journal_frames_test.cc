#include "agent/io/journal_frames.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

namespace agent::io {
namespace {

// As it comes out of a socket: in pieces of `step` bytes.
std::vector<std::pair<JournalFrame, std::string>> cut(std::string_view bytes, std::size_t step) {
  std::vector<std::pair<JournalFrame, std::string>> out;
  JournalFrames frames;
  for (;;) {
    for (;;) {
      const auto frame = frames.next();
      REQUIRE(frame);
      if (!*frame) break;
      out.emplace_back((*frame)->kind, std::string((*frame)->payload));
    }
    if (bytes.empty()) return out;
    std::size_t size = 0;
    char* const room = frames.room(size);
    size = std::min({size, step, bytes.size()});
    std::memcpy(room, bytes.data(), size);
    frames.filled(size);
    bytes.remove_prefix(size);
  }
}

using Entry = std::pair<std::uint64_t, std::vector<std::string>>;
std::vector<Entry> entries_of(JournalEntries& entries) {
  std::vector<Entry> out;
  while (const auto us = entries.next()) {
    out.push_back({*us, {}});
    std::string_view name, value;
    while (entries.field(name, value))
      out.back().second.push_back(std::string(name) + "=" + std::string(value));
  }
  return out;
}

}  // namespace

TEST_CASE("journal frames: what is put in comes out, however the bytes are cut") {
  JournalRequest request;
  request.directory = "/var/log/journal";
  request.matches = {"A=1", "B=2"};
  request.fields = {"MESSAGE"};
  request.cursor = "s=1;i=2";
  request.oldest_us = 1ULL << 60U;
  request.one_by_one = 7;
  request.patience_ms = 9;
  std::string bytes;
  append_request(bytes, request);

  JournalEntriesWriter writer;
  writer.begin(5);
  writer.field("MESSAGE", std::string("a\0b=", 4));
  writer.field("", "");
  writer.begin(6);
  CHECK(writer.entries() == 2);
  writer.append_frame_to(bytes, "cursor");
  append_frame(bytes, JournalFrame::kIdle, [](std::string&) {});

  for (const std::size_t step : {1UL, 3UL, 1000UL}) {
    const auto frames = cut(bytes, step);
    REQUIRE(frames.size() == 3);
    CHECK(frames[0].first == JournalFrame::kRequest);
    CHECK(parse_request(frames[0].second).value() == request);
    CHECK(frames[1].first == JournalFrame::kEntries);
    JournalEntries entries(frames[1].second);
    CHECK(entries.cursor() == "cursor");
    CHECK(entries_of(entries) ==
          std::vector<Entry>{{5, {std::string("MESSAGE=a\0b=", 12), "="}}, {6, {}}});
    CHECK_FALSE(entries.broken());
    CHECK(frames[2] == std::pair(JournalFrame::kIdle, std::string()));
  }
}

TEST_CASE("journal frames: fields that nobody asks for are passed over") {
  JournalEntriesWriter writer;
  for (std::uint64_t us = 1; us < 4; ++us) {
    writer.begin(us);
    writer.field("A", "1");
  }
  std::string bytes;
  writer.append_frame_to(bytes, "c");
  const auto frames = cut(bytes, 1000);
  JournalEntries entries(frames.at(0).second);
  std::size_t count = 0;
  while (entries.next()) ++count;
  CHECK(count == 3);
}

TEST_CASE("journal frames: a huge entry stays below the limit of a frame and keeps its message") {
  JournalEntriesWriter writer;
  writer.begin(1);
  const std::string huge(3U << 20, 'x');
  for (int i = 0; i < 2000; ++i) writer.field("FIELD" + std::to_string(i), huge);
  writer.field("MESSAGE", huge);
  for (int i = 0; i < 2000; ++i) writer.field("MESSAGE", huge);
  CHECK(writer.size() < kMaxJournalFrame / 2 + (1U << 20));
  std::string bytes;
  writer.append_frame_to(bytes, "c");
  const auto frames = cut(bytes, 1U << 20);
  JournalEntries entries(frames.at(0).second);
  REQUIRE(entries.next());
  std::string_view name, value;
  std::size_t longest = 0;
  while (entries.field(name, value))
    if (name == "MESSAGE") longest = std::max(longest, value.size());
  CHECK(longest == 512U << 10);
}

TEST_CASE("journal frames: broken bytes are refused") {
  JournalEntriesWriter writer;
  writer.begin(5);
  writer.field("A", "value");
  std::string bytes;
  writer.append_frame_to(bytes, "cursor");
  const std::string payload = bytes.substr(5);
  for (std::size_t size = 0; size < payload.size(); ++size) {
    CAPTURE(size);
    JournalEntries entries(std::string_view(payload).substr(0, size));
    const auto got = entries_of(entries);
    // Cut where an entry begins it is a frame without entries.
    CHECK((entries.broken() || got.empty()));
  }
  std::string request;
  append_request(request, {});
  for (std::size_t size = 5; size < request.size(); ++size)
    CHECK_FALSE(parse_request(std::string_view(request).substr(5, size - 5)));
  for (const std::uint32_t length : {0U, 0xffffffffU}) {
    JournalFrames frames;
    std::size_t size = 0;
    std::memcpy(frames.room(size), &length, sizeof length);
    frames.filled(sizeof length);
    CHECK_FALSE(frames.next());
    frames.room(size);
    CHECK(size <= kMaxJournalFrame + (64U << 10));
  }
}

}  // namespace agent::io
