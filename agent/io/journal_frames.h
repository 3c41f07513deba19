// What the process that reads the journal (journal_child.h) and the agent say to each other. Pure.
//
//   frame:    u32 length of what follows, u8 kind, payload; numbers in the machine's byte order
//   request   agent -> reader, once: what to read and from where
//   ready     the journal is open; u8: 1 the cursor is not one, 2 entries older than `oldest_us`
//             were passed over
//   refused   the journal cannot be opened; the reason as text
//   entries   text cursor of the last one, then entries: u64 microseconds since 1970, u16 number of
//             fields, fields: u16 length of the name, u32 length of the value, name, value
//   idle      the end of the journal was reached, or nothing came for some time
//   failed    reading cannot go on; the reason as text
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace agent::io {

enum class JournalFrame : std::uint8_t { kRequest, kReady, kRefused, kEntries, kIdle, kFailed };

inline constexpr std::uint8_t kCursorRefused = 1;
inline constexpr std::uint8_t kPassedOver = 2;
inline constexpr std::size_t kMaxJournalFrame = 16U << 20;

struct JournalRequest {
  std::string directory;             // empty: this machine's journal
  std::vector<std::string> matches;  // "FIELD=value"; different fields AND, one field twice ORs
  std::vector<std::string> fields;   // to be told; empty: all
  std::string cursor;                // read on after this entry; empty: from oldest_us
  std::uint64_t oldest_us = 0;       // older entries are passed over; 0: none
  // So many entries come in a frame each: whoever dies of the next one has told those before it.
  std::uint32_t one_by_one = 0;
  // When for so long the agent takes nothing, the reader lets go of the journal: files that
  // journald has removed must not stay on the disk for long.
  std::uint32_t patience_ms = 30'000;
  bool operator==(const JournalRequest&) const = default;
};

// A frame around what `fill` appends to `out`.
template <class Fill>
void append_frame(std::string& out, JournalFrame kind, Fill fill) {
  const std::size_t at = out.size();
  out.append(sizeof(std::uint32_t), '\0');
  out += static_cast<char>(kind);
  fill(out);
  const auto length = static_cast<std::uint32_t>(out.size() - at - sizeof(std::uint32_t));
  std::memcpy(out.data() + at, &length, sizeof length);
}
void append_request(std::string& out, const JournalRequest& request);
Result<JournalRequest> parse_request(std::string_view payload);

// Fills an entries frame: begin() for each entry, field() for each of its fields; take() when its
// cursor is known.
class JournalEntriesWriter {
 public:
  void begin(std::uint64_t us);
  // Cuts values, and all the more those of an entry that is huge.
  void field(std::string_view name, std::string_view value);
  std::size_t entries() const { return entries_; }
  std::size_t size() const { return bytes_.size(); }
  void append_frame_to(std::string& out, std::string_view cursor) const;
  void clear();

 private:
  std::string bytes_;
  std::size_t entry_ = 0;  // where the current one begins
  std::uint16_t fields_ = 0;
  std::size_t entries_ = 0;
};

// The payload of an entries frame, which outlives this and what it gives out.
class JournalEntries {
 public:
  JournalEntries() = default;
  explicit JournalEntries(std::string_view payload);
  std::string_view cursor() const { return cursor_; }
  // The next entry's time; none at the end, and when the payload is broken off.
  std::optional<std::uint64_t> next();
  // The next field of that entry; false when it has no more.
  bool field(std::string_view& name, std::string_view& value);
  bool broken() const { return broken_; }

 private:
  bool get(void* out, std::size_t size);
  bool get(std::string_view& out, std::size_t size);

  std::string_view rest_;
  std::string_view cursor_;
  std::uint16_t fields_left_ = 0;
  bool broken_ = false;
};

// Cuts a stream of bytes into frames. A frame's payload is valid until the next call.
class JournalFrames {
 public:
  struct Frame {
    JournalFrame kind{};
    std::string_view payload;
  };
  // Room for bytes to be read into, and how many were.
  char* room(std::size_t& size);
  void filled(std::size_t size) { end_ += size; }
  // None: more bytes are needed. Fails when they are no frames.
  Result<std::optional<Frame>> next();
  // Gives memory back that large frames needed; before the next room().
  void shrink();

 private:
  std::vector<char> bytes_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace agent::io
