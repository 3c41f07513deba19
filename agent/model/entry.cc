#include "agent/model/entry.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace agent::model {
namespace {

constexpr std::size_t kFirstChunk = 4096;
constexpr std::size_t kLargestChunk = 256 * 1024;

}  // namespace

char* Arena::allocate(std::size_t size) {
  // Metadata pairs are placed here too.
  const std::size_t rounded =
      (size + alignof(MetadataPair) - 1) / alignof(MetadataPair) * alignof(MetadataPair);
  if (rounded > left_) {
    const std::size_t chunk = std::max(rounded, std::clamp(held_, kFirstChunk, kLargestChunk));
    std::shared_ptr<char[]> memory(new char[chunk]);
    free_ = memory.get();
    left_ = chunk;
    held_ += chunk;
    chunks_.push_back(std::move(memory));
  }
  char* out = free_;
  free_ += rounded;
  left_ -= rounded;
  return out;
}

std::string_view Arena::store(std::string_view bytes) {
  if (bytes.empty()) return {};
  char* out = allocate(bytes.size());
  std::memcpy(out, bytes.data(), bytes.size());
  return {out, bytes.size()};
}

std::span<const MetadataPair> Arena::store(std::span<const MetadataPair> pairs) {
  if (pairs.empty()) return {};
  auto* out = reinterpret_cast<MetadataPair*>(allocate(pairs.size() * sizeof(MetadataPair)));
  for (std::size_t i = 0; i < pairs.size(); ++i)
    new (out + i) MetadataPair{store(pairs[i].name), store(pairs[i].value)};
  return {out, pairs.size()};
}

void Arena::merge(const Arena& other) {
  chunks_.insert(chunks_.end(), other.chunks_.begin(), other.chunks_.end());
  held_ += other.held_;
}

Arena Arena::share() const {
  Arena copy;
  copy.chunks_ = chunks_;
  copy.held_ = held_;
  return copy;
}

std::size_t EntryBatch::bytes() const {
  std::size_t sum = 0;
  for (const Entry& entry : entries) {
    sum += entry.line.size();
    for (const MetadataPair& pair : entry.metadata) sum += pair.name.size() + pair.value.size();
  }
  return sum;
}

EntryBatch EntryBatch::clone() const {
  EntryBatch copy;
  copy.entries = entries;
  copy.arena = arena.share();
  copy.receipts_.reserve(receipts_.size());
  for (const Receipt& receipt : receipts_) copy.receipts_.push_back(receipt.share());
  return copy;
}

void EntryBatch::append(EntryBatch other) {
  arena.merge(other.arena);
  entries.insert(entries.end(), std::make_move_iterator(other.entries.begin()),
                 std::make_move_iterator(other.entries.end()));
  for (Receipt& receipt : other.receipts_) receipts_.push_back(std::move(receipt));
}

void EntryBatch::settle() {
  for (Receipt& receipt : receipts_) receipt.settle();
  receipts_.clear();
}

}  // namespace agent::model
