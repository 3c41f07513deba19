// A record is a push as LokiPushEncoder makes it, with the labels that pipelines see ("__" ones
// included).
#include "agent/write/overflow.h"

#include <algorithm>
#include <utility>

namespace agent::write {

using model::Entry;
using model::EntryBatch;

Result<std::unique_ptr<Overflow>> Overflow::open(const std::filesystem::path& folder,
                                                 const Clock& clock, model::Interner& labels,
                                                 const OverflowLimits& limits) {
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
  return std::unique_ptr<Overflow>(new Overflow(std::move(*disk), labels));
}

Result<std::uint64_t> Overflow::append(EntryBatch& batch) {
  std::unordered_map<model::LabelSet, std::vector<const Entry*>, model::LabelSetHash> streams;
  for (const Entry& entry : batch.entries) streams[entry.labels].push_back(&entry);
  MutexLock lock(mutex_);
  encoder_.clear();
  for (const auto& [labels, entries] : streams) encoder_.add_stream(labels.text(), entries);
  auto id = disk_->append(encoder_.body(), static_cast<std::uint32_t>(batch.entries.size()));
  if (!id) return id;
  for (model::Receipt& receipt : batch.take_receipts()) receipts_.push_back(std::move(receipt));
  return id;
}

std::optional<Overflow::Taken> Overflow::next() {
  while (auto record = disk_->next()) {
    Taken out;
    out.id = record->id;
    out.time_ns = record->time_ns;
    wire::PushLimits limits;
    limits.max_bytes = 256U << 20;  // our own records: no more than one batch
    if (wire::decode_push(record->bytes, limits, labels_, out.batch)) return out;
    disk_->acknowledge(record->id);
  }
  return std::nullopt;
}

Result<std::uint64_t> Overflow::sync() {
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

}  // namespace agent::write
