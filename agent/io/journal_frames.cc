#include "agent/io/journal_frames.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace agent::io {
namespace {

constexpr std::size_t kRoom = 64U << 10;
// Above what lines and labels are made of; the rest of a value would be dropped later.
constexpr std::size_t kMaxValue = 512U << 10;
constexpr std::size_t kLargeEntry = 4U << 20;
constexpr std::size_t kMaxValueOfLarge = 1U << 10;
constexpr std::size_t kMaxEntry = 8U << 20;
constexpr std::size_t kMaxList = 4096;

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

void put_list(std::string& out, const std::vector<std::string>& list) {
  put(out, static_cast<std::uint32_t>(list.size()));
  for (const std::string& text : list) put_text(out, text);
}

template <class T>
bool get(std::string_view& rest, T& out) {
  if (rest.size() < sizeof out) return false;
  std::memcpy(&out, rest.data(), sizeof out);
  rest.remove_prefix(sizeof out);
  return true;
}

bool get_text(std::string_view& rest, std::string& out) {
  std::uint32_t size = 0;
  if (!get(rest, size) || size > rest.size()) return false;
  out = rest.substr(0, size);
  rest.remove_prefix(size);
  return true;
}

bool get_list(std::string_view& rest, std::vector<std::string>& out) {
  std::uint32_t count = 0;
  if (!get(rest, count) || count > kMaxList) return false;
  out.resize(count);
  return std::all_of(out.begin(), out.end(),
                     [&](std::string& text) { return get_text(rest, text); });
}

}  // namespace

void append_request(std::string& out, const JournalRequest& request) {
  append_frame(out, JournalFrame::kRequest, [&](std::string& payload) {
    put_text(payload, request.directory);
    put_list(payload, request.matches);
    put_list(payload, request.fields);
    put_text(payload, request.cursor);
    put(payload, request.oldest_us);
    put(payload, request.one_by_one);
    put(payload, request.patience_ms);
  });
}

Result<JournalRequest> parse_request(std::string_view payload) {
  JournalRequest out;
  if (!get_text(payload, out.directory) || !get_list(payload, out.matches) ||
      !get_list(payload, out.fields) || !get_text(payload, out.cursor) ||
      !get(payload, out.oldest_us) || !get(payload, out.one_by_one) ||
      !get(payload, out.patience_ms) || !payload.empty())
    return fail(ErrorCode::kInvalid, "this is no request to a journal reader");
  return out;
}

void JournalEntriesWriter::begin(std::uint64_t us) {
  entry_ = bytes_.size();
  fields_ = 0;
  ++entries_;
  put(bytes_, us);
  put(bytes_, fields_);
}

void JournalEntriesWriter::field(std::string_view name, std::string_view value) {
  constexpr std::uint16_t kMost = 0xffff;
  if (fields_ == kMost || name.size() > kMost) return;
  const std::size_t size = bytes_.size() - entry_;
  if (size > kMaxEntry) return;
  // The line itself is not cut for the sake of what stands before it.
  const bool large = size > kLargeEntry && name != "MESSAGE";
  value = value.substr(0, large ? kMaxValueOfLarge : kMaxValue);
  put(bytes_, static_cast<std::uint16_t>(name.size()));
  put(bytes_, static_cast<std::uint32_t>(value.size()));
  bytes_ += name;
  bytes_ += value;
  ++fields_;
  std::memcpy(bytes_.data() + entry_ + sizeof(std::uint64_t), &fields_, sizeof fields_);
}

void JournalEntriesWriter::append_frame_to(std::string& out, std::string_view cursor) const {
  append_frame(out, JournalFrame::kEntries, [&](std::string& payload) {
    put_text(payload, cursor);
    payload += bytes_;
  });
}

void JournalEntriesWriter::clear() {
  bytes_.clear();
  entries_ = 0;
}

JournalEntries::JournalEntries(std::string_view payload) : rest_(payload) {
  std::uint32_t size = 0;
  if (get(&size, sizeof size)) get(cursor_, size);
}

bool JournalEntries::get(void* out, std::size_t size) {
  std::string_view bytes;
  if (!get(bytes, size)) return false;
  std::memcpy(out, bytes.data(), size);
  return true;
}

bool JournalEntries::get(std::string_view& out, std::size_t size) {
  if (size > rest_.size()) {
    broken_ = true;
    rest_ = {};
    return false;
  }
  out = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

std::optional<std::uint64_t> JournalEntries::next() {
  std::string_view name, value;
  while (field(name, value)) {
  }
  if (rest_.empty()) return std::nullopt;
  std::uint64_t us = 0;
  if (!get(&us, sizeof us) || !get(&fields_left_, sizeof fields_left_)) return std::nullopt;
  return us;
}

bool JournalEntries::field(std::string_view& name, std::string_view& value) {
  if (fields_left_ == 0) return false;
  --fields_left_;
  std::uint16_t name_size = 0;
  std::uint32_t value_size = 0;
  if (get(&name_size, sizeof name_size) && get(&value_size, sizeof value_size) &&
      get(name, name_size) && get(value, value_size))
    return true;
  fields_left_ = 0;
  return false;
}

char* JournalFrames::room(std::size_t& size) {
  if (begin_ == end_) begin_ = end_ = 0;
  std::uint32_t length = 0;
  std::size_t wanted = kRoom;
  if (end_ - begin_ >= sizeof length) {
    std::memcpy(&length, bytes_.data() + begin_, sizeof length);
    length = std::min(length, static_cast<std::uint32_t>(kMaxJournalFrame));
    if (const std::size_t whole = length + sizeof length; whole > end_ - begin_)
      wanted = std::max(wanted, whole - (end_ - begin_));
  }
  if (bytes_.size() - end_ < wanted) {
    std::copy(bytes_.begin() + static_cast<std::ptrdiff_t>(begin_),
              bytes_.begin() + static_cast<std::ptrdiff_t>(end_), bytes_.begin());
    end_ -= std::exchange(begin_, 0);
    if (bytes_.size() - end_ < wanted) bytes_.resize(end_ + wanted);
  }
  size = bytes_.size() - end_;
  return bytes_.data() + end_;
}

Result<std::optional<JournalFrames::Frame>> JournalFrames::next() {
  const std::string_view rest(bytes_.data() + begin_, end_ - begin_);
  std::uint32_t length = 0;
  if (rest.size() < sizeof length) return std::nullopt;
  std::memcpy(&length, rest.data(), sizeof length);
  if (length == 0 || length > kMaxJournalFrame)
    return fail(ErrorCode::kIo, "the journal reader's bytes are no frames");
  if (rest.size() - sizeof length < length) return std::nullopt;
  begin_ += sizeof length + length;
  return Frame{static_cast<JournalFrame>(rest[sizeof length]),
               rest.substr(sizeof length + 1, length - 1)};
}

void JournalFrames::shrink() {
  if (begin_ != end_ || bytes_.size() <= 2 * kRoom) return;
  bytes_ = {};
  begin_ = end_ = 0;
}

}  // namespace agent::io
