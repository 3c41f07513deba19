// An item that a stage keeps back: apart from the batch it came in, with its bytes copied and its
// receipts shared, so that nothing is acknowledged before it was delivered.
//
// How a stage uses it:
//   process(): for an item to keep, HeldItem held(item, batch, host) and no item in batch.items;
//     for a further line that belongs to it, held.join(item, batch) and held.line += ...;
//     when it is complete, std::move(held).release_into(batch) puts it at the end of batch.items.
//     A stage that keeps, joins or releases builds batch.items anew, since order matters:
//       std::vector<Item> items = std::exchange(batch.items, {});  then push_back / release_into.
//   deadline(), flush(): what nobody completes is released too, sooner or later. What is destroyed
//     without a release counts as not delivered: its source reads it again.
// The lines that it stands for are in the gauge loki_process_held_lines; when it goes, those that
// became a part of another are counted as loki_process_joined_lines_total. A stage bounds how many
// it holds and their bytes: lines come from outside.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "agent/process/stage.h"

namespace agent::process {

// Moves. One thread at a time.
class HeldItem {
 public:
  // Copies what `item` points to. `item` is of `batch`.
  HeldItem(const Item& item, const Batch& batch, const StageHost& host);
  HeldItem(HeldItem&& other) noexcept = default;
  HeldItem& operator=(HeldItem&& other) noexcept;
  ~HeldItem() { forget(); }

  std::string line;  // what the item will have as its line; starts with its own

  const Item& item() const { return item_; }
  // `further`, of `batch`, is delivered when this one is. Its line is the caller's to append.
  void join(const Item& further, const Batch& batch);
  std::size_t lines() const { return lines_; }
  // Bytes of memory in use.
  std::size_t weight() const {
    return sizeof(HeldItem) + line.capacity() + size_ + receipts_.size() * sizeof(model::Receipt);
  }
  void release_into(Batch& out) &&;
  // Releases what it has so far and goes on empty, with the same labels, time and values.
  void release_part_into(Batch& out);

 private:
  void take_receipts(const Item& item, const Batch& batch);
  void hand_over(Item item, Batch& out);
  void forget();

  Item item_;  // without a line
  std::shared_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::vector<model::Receipt> receipts_;
  std::size_t lines_ = 1;
  component::Gauge held_;  // null when moved from
  component::Counter joined_;
};

}  // namespace agent::process
