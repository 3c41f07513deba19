#include "agent/component/batch_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "agent/wire/batch_record.h"

namespace agent::component {

Result<std::unique_ptr<BatchQueue>> BatchQueue::open(const std::filesystem::path& folder,
                                                     const Clock& clock, model::Interner& labels,
                                                     const QueueLimits& limits) {
  io::DiskQueue::Options options;
  options.folder = folder;
  options.max_bytes = limits.bytes;
  options.max_age = limits.age;
  options.drop_oldest = limits.drop_oldest;
  // Whole segments are freed, so they are small beside the budget.
  options.segment_bytes =
      std::clamp<std::uint64_t>(limits.bytes / 16, 64U << 10, options.segment_bytes);
  auto disk = io::DiskQueue::open(std::move(options), clock);
  if (!disk) return fail(std::move(disk.error()));
  return std::unique_ptr<BatchQueue>(new BatchQueue(std::move(*disk), labels));
}

Result<std::uint64_t> BatchQueue::append(const model::EntryBatch& batch,
                                         std::vector<model::Receipt>& receipts, bool taken) {
  MutexLock lock(mutex_);
  wire::encode_batch(batch, record_);
  auto id = disk_->append(record_, static_cast<std::uint32_t>(batch.entries.size()), taken);
  if (record_.capacity() > (1U << 20)) record_ = {};
  if (!id) return id;
  receipts_.insert(receipts_.end(), std::make_move_iterator(receipts.begin()),
                   std::make_move_iterator(receipts.end()));
  receipts.clear();
  return id;
}

std::optional<BatchQueue::Taken> BatchQueue::next() {
  while (auto record = disk_->next()) {
    Taken out;
    out.id = record->id;
    out.time_ns = record->time_ns;
    if (wire::decode_batch(record->bytes, labels_, out.batch)) return out;
    disk_->acknowledge(record->id);
    MutexLock lock(mutex_);
    ++unreadable_;
  }
  return std::nullopt;
}

std::uint64_t BatchQueue::damaged() const {
  MutexLock lock(mutex_);
  return disk_->stats().damaged + unreadable_;
}

Result<std::uint64_t> BatchQueue::sync() {
  std::vector<model::Receipt> durable;
  {
    MutexLock lock(mutex_);
    durable.swap(receipts_);
  }
  if (auto r = disk_->sync(); !r) {
    MutexLock lock(mutex_);
    for (model::Receipt& receipt : receipts_) durable.push_back(std::move(receipt));
    receipts_ = std::move(durable);
    return fail(std::move(r.error()));
  }
  for (model::Receipt& receipt : durable) receipt.settle();
  const std::uint64_t dropped = disk_->stats().dropped_items;
  MutexLock lock(mutex_);
  return dropped - std::exchange(dropped_seen_, dropped);
}

}  // namespace agent::component
