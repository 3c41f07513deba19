// The part of an endpoint's queue that is on disk: batches that memory has no room for while the
// endpoint does not answer and others do; all batches, where the configuration wants that.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/io/disk_queue.h"
#include "agent/model/entry.h"
#include "agent/wire/loki_push.h"

namespace agent::write {

struct OverflowLimits {
  std::uint64_t bytes = 512U << 20;
  Duration age = Duration::zero();  // 0: none
  bool drop_oldest = true;          // when `bytes` are used up; else append() fails
  bool operator==(const OverflowLimits&) const = default;
};

// Thread-safe. References outlive it.
class Overflow {
 public:
  static Result<std::unique_ptr<Overflow>> open(const std::filesystem::path& folder,
                                                const Clock& clock, model::Interner& labels,
                                                const OverflowLimits& limits);
  void limit(const OverflowLimits& limits) {
    disk_->limit(limits.bytes, limits.age, limits.drop_oldest);
  }

  // Writes the batch and keeps its receipts until sync(). -> the record's id. On failure (no room
  // within the limits or on the disk) the batch is as it was.
  Result<std::uint64_t> append(model::EntryBatch& batch) EXCLUDES(mutex_);
  // The record is in somebody's hands already: next() passes over it.
  void taken(std::uint64_t id, std::size_t entries) {
    disk_->take(id, static_cast<std::uint32_t>(entries));
  }

  struct Taken {
    std::uint64_t id = 0;
    std::int64_t time_ns = 0;  // wall time when it came in
    model::EntryBatch batch;
  };
  // The oldest batch that nobody has in hands.
  std::optional<Taken> next();
  bool has_more() const { return disk_->stats().unread; }
  void acknowledge(std::uint64_t id) { disk_->acknowledge(id); }

  // Makes everything durable, then settles the receipts. -> entries that the limits dropped since
  // the last call.
  Result<std::uint64_t> sync() EXCLUDES(mutex_);
  std::uint64_t entries() const { return disk_->stats().items; }
  std::uint64_t bytes() const { return disk_->stats().bytes; }
  Result<> move_to(const std::filesystem::path& folder) { return disk_->move_to(folder); }

 private:
  Overflow(std::unique_ptr<io::DiskQueue> disk, model::Interner& labels)
      : disk_(std::move(disk)), labels_(labels) {}

  const std::unique_ptr<io::DiskQueue> disk_;
  model::Interner& labels_;
  Mutex mutex_;
  wire::LokiPushEncoder encoder_ GUARDED_BY(mutex_);
  std::vector<model::Receipt> receipts_ GUARDED_BY(mutex_);
  std::uint64_t dropped_seen_ GUARDED_BY(mutex_) = 0;
};

}  // namespace agent::write
