// Grammar, inside a snappy block (numbers are varints of 7 bits a byte, low bits first; `signed`
// ones are zigzag; text = length, bytes):
//   record   = version count { entry }                     version = 1
//   entry    = labels:set context:set time line metadata
//   set      = number of a label set: 0 is the empty one, those met before count from 1 on; the
//              next number begins a new one and is followed by: count { name:text value:text }
//   time     = signed difference in ns to the entry before; the first to 0
//   line     = text          metadata = count { name:text value:text }
#include "agent/wire/batch_record.h"

#include <snappy.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/base/varint.h"

namespace agent::wire {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kLargest = 256U << 20;  // unpacked
constexpr std::size_t kMaxLabels = 1024;      // of a set, pairs of an entry

void put(std::string& out, std::uint64_t value) { put_varint(out, value); }

void put(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint64_t>(text.size()));
  out += text;
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool number(std::uint64_t& out) { return take_varint(bytes_, out); }
  bool text(std::string_view& out) {
    std::uint64_t size = 0;
    if (!number(size) || size > bytes_.size()) return false;
    out = bytes_.substr(0, static_cast<std::size_t>(size));
    bytes_.remove_prefix(static_cast<std::size_t>(size));
    return true;
  }
  std::size_t left() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
};

bool read_labels(Reader& in, model::Interner& interner, model::LabelSet& out) {
  std::uint64_t count = 0;
  if (!in.number(count) || count > kMaxLabels || count > in.left()) return false;
  model::Labels labels;
  labels.reserve(static_cast<std::size_t>(count));
  for (; count > 0; --count) {
    std::string_view name;
    std::string_view value;
    if (!in.text(name) || !in.text(value)) return false;
    labels.push_back({std::string(name), std::string(value)});
  }
  out = interner.intern(std::move(labels));
  return true;
}

bool read_set(Reader& in, model::Interner& interner, std::vector<model::LabelSet>& sets,
              model::LabelSet& out) {
  std::uint64_t number = 0;
  if (!in.number(number) || number > sets.size()) return false;
  if (number == sets.size() && !read_labels(in, interner, sets.emplace_back())) return false;
  out = sets[static_cast<std::size_t>(number)];
  return true;
}

bool read_metadata(Reader& in, std::vector<model::MetadataPair>& out) {
  std::uint64_t count = 0;
  out.clear();
  if (!in.number(count) || count > kMaxLabels || count > in.left()) return false;
  for (; count > 0; --count) {
    model::MetadataPair pair;
    if (!in.text(pair.name) || !in.text(pair.value)) return false;
    out.push_back(pair);
  }
  return true;
}

}  // namespace

void encode_batch(const model::EntryBatch& batch, std::string& out) {
  std::string plain;
  plain.reserve(batch.bytes() + batch.entries.size() * 8 + 64);
  put(plain, kVersion);
  put(plain, static_cast<std::uint64_t>(batch.entries.size()));
  std::unordered_map<model::LabelSet, std::uint64_t, model::LabelSetHash> sets;
  sets.emplace(model::LabelSet(), 0);
  const model::LabelSet* last = &sets.begin()->first;
  std::uint64_t last_number = 0;
  std::int64_t time = 0;
  const auto put_set = [&](const model::LabelSet& set) {
    if (*last == set) return put(plain, last_number);
    const auto [it, added] = sets.emplace(set, sets.size());
    last = &it->first;
    last_number = it->second;
    put(plain, last_number);
    if (!added) return;
    put(plain, static_cast<std::uint64_t>(set.labels().size()));
    for (const model::Label& label : set.labels()) {
      put(plain, label.name);
      put(plain, label.value);
    }
  };
  for (const model::Entry& entry : batch.entries) {
    put_set(entry.labels);
    if (entry.context.empty()) {
      put(plain, std::uint64_t{0});
    } else {
      put_set(entry.context);
    }
    // Differences may overflow; they do so the same way back.
    const auto step = static_cast<std::uint64_t>(entry.time_ns) - static_cast<std::uint64_t>(time);
    put(plain, (step << 1) ^ (0 - (step >> 63)));
    time = entry.time_ns;
    put(plain, entry.line);
    put(plain, static_cast<std::uint64_t>(entry.metadata.size()));
    for (const model::MetadataPair& pair : entry.metadata) {
      put(plain, pair.name);
      put(plain, pair.value);
    }
  }
  snappy::Compress(plain.data(), plain.size(), &out);
}

Result<> decode_batch(std::string_view bytes, model::Interner& interner, model::EntryBatch& out) {
  const auto wrong = [] { return fail(ErrorCode::kInvalid, "not a record of entries"); };
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(bytes.data(), bytes.size(), &size) || size > kLargest ||
      size > bytes.size() * 64 + 64)  // snappy does not pack more than 1 to 64/3
    return wrong();
  std::shared_ptr<char[]> plain(new char[std::max<std::size_t>(size, 1)]);
  if (!snappy::RawUncompress(bytes.data(), bytes.size(), plain.get())) return wrong();
  Reader in(std::string_view(plain.get(), size));
  std::uint64_t version = 0;
  std::uint64_t count = 0;
  // An entry takes five bytes at least.
  if (!in.number(version) || version != kVersion || !in.number(count) || count > in.left() / 5)
    return wrong();
  out.arena.adopt(plain, size);
  out.entries.reserve(out.entries.size() + static_cast<std::size_t>(count));
  std::vector<model::LabelSet> sets(1);
  std::vector<model::MetadataPair> pairs;
  std::uint64_t time = 0;
  for (; count > 0; --count) {
    std::uint64_t step = 0;
    model::Entry entry;
    if (!read_set(in, interner, sets, entry.labels) || !read_set(in, interner, sets, entry.context))
      return wrong();
    if (!in.number(step)) return wrong();
    time += (step >> 1) ^ (0 - (step & 1));
    entry.time_ns = static_cast<std::int64_t>(time);
    if (!in.text(entry.line) || !read_metadata(in, pairs)) return wrong();
    if (!pairs.empty())
      entry.metadata = out.arena.store(std::span<const model::MetadataPair>(pairs));
    out.entries.push_back(std::move(entry));
  }
  return {};
}

}  // namespace agent::wire
