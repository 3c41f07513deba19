// Log entries and the batches in which they travel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "agent/model/labels.h"
#include "agent/model/receipt.h"

namespace agent::model {

// Structured metadata of an entry. The bytes live in the batch's arena.
struct MetadataPair {
  std::string_view name;
  std::string_view value;
};

struct Entry {
  LabelSet labels;
  std::int64_t time_ns = 0;  // since 1970-01-01 UTC
  std::string_view line;     // any bytes; in the batch's arena
  std::span<const MetadataPair> metadata{};
  // What the source knows besides: found by stages among the extracted values, sent by nobody.
  LabelSet context{};
};

// Owns the bytes that entries point to. Grows in chunks, frees all at once; copies share the chunks
// filled so far.
class Arena {
 public:
  // Room for `size` bytes; valid as long as this arena or a copy made later lives.
  char* allocate(std::size_t size);
  std::string_view store(std::string_view bytes);
  std::span<const MetadataPair> store(
      std::span<const MetadataPair> pairs);  // copies names and values too
  // Keeps a foreign buffer alive with this arena, for entries that point into it without a copy.
  void adopt(std::shared_ptr<const void> buffer, std::size_t size) {
    chunks_.push_back(std::move(buffer));
    held_ += size;
  }
  // Shares the other arena's chunks: entries of both batches may then be in one.
  void merge(const Arena& other);
  // Bytes that this arena keeps alive, whether entries still point to them or not.
  std::size_t held() const { return held_; }

  Arena() = default;
  Arena(Arena&&) noexcept = default;
  Arena& operator=(Arena&&) noexcept = default;
  Arena share() const;

 private:
  std::vector<std::shared_ptr<const void>> chunks_;
  char* free_ = nullptr;  // rest of the newest chunk of our own
  std::size_t left_ = 0;
  std::size_t held_ = 0;
};

// Entries, their bytes and their receipts. Moves; clone() is the one way to copy. One thread at a
// time.
//
// The last one to hold a batch calls settle() when its entries are delivered or deliberately
// dropped. Destroying a batch unsettled means that it was not delivered, and the source will read
// it again.
class EntryBatch {
 public:
  EntryBatch() = default;
  explicit EntryBatch(Receipt receipt) { add_receipt(std::move(receipt)); }
  EntryBatch(EntryBatch&&) noexcept = default;
  EntryBatch& operator=(EntryBatch&&) noexcept = default;

  std::vector<Entry> entries;
  Arena arena;

  bool empty() const { return entries.empty(); }
  // Bytes of the lines and metadata.
  std::size_t bytes() const;
  // Bytes of memory that the batch keeps, which is more where a stage took a part out of each line.
  std::size_t weight() const { return arena.held() + entries.capacity() * sizeof(Entry); }
  // A batch of the same entries that shares the bytes and the receipts.
  EntryBatch clone() const;
  // Takes the other batch's entries, bytes and receipts in.
  void append(EntryBatch other);
  void add_receipt(Receipt receipt) { receipts_.push_back(std::move(receipt)); }
  std::vector<Receipt> take_receipts() { return std::move(receipts_); }
  void settle();

 private:
  std::vector<Receipt> receipts_;
};

}  // namespace agent::model
