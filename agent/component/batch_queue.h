// A queue of batches on disk, for entries that cannot be read again from where they came, or that
// memory has no room for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/io/disk_queue.h"
#include "agent/model/entry.h"

namespace agent::component {

struct QueueLimits {
  std::uint64_t bytes = 512U << 20;
  Duration age = Duration::zero();  // 0: none
  bool drop_oldest = true;          // when `bytes` are used up; else append() fails
  bool operator==(const QueueLimits&) const = default;
};

// Thread-safe. References outlive it.
class BatchQueue {
 public:
  static Result<std::unique_ptr<BatchQueue>> open(const std::filesystem::path& folder,
                                                  const Clock& clock, model::Interner& labels,
                                                  const QueueLimits& limits);
  void limit(const QueueLimits& limits) {
    disk_->limit(limits.bytes, limits.age, limits.drop_oldest);
  }

  // Writes the entries; `receipts` are kept until sync() and settled then. `taken`: somebody has
  // the batch in hands, so that next() passes over it. -> the record's id. On failure (no
  // room within the limits or on the disk) `receipts` are as they were.
  Result<std::uint64_t> append(const model::EntryBatch& batch,
                               std::vector<model::Receipt>& receipts, bool taken) EXCLUDES(mutex_);

  struct Taken {
    std::uint64_t id = 0;
    std::int64_t time_ns = 0;  // wall time when it came in
    model::EntryBatch batch;
  };
  // The oldest batch that nobody has in hands.
  std::optional<Taken> next() EXCLUDES(mutex_);
  bool has_more() const { return disk_->stats().unread; }
  void acknowledge(std::uint64_t id) { disk_->acknowledge(id); }
  // False: the budget has dropped it meanwhile, uncounted.
  bool put_back(std::uint64_t id) { return disk_->put_back(id); }

  // Makes everything durable, then settles the receipts. -> entries that the limits dropped since
  // the last call.
  Result<std::uint64_t> sync() EXCLUDES(mutex_);
  std::uint64_t entries() const { return disk_->stats().items; }
  std::uint64_t bytes() const { return disk_->stats().bytes; }
  // Places on disk that were no records of batches, since open().
  std::uint64_t damaged() const EXCLUDES(mutex_);
  Result<> move_to(const std::filesystem::path& folder) { return disk_->move_to(folder); }

 private:
  BatchQueue(std::unique_ptr<io::DiskQueue> disk, model::Interner& labels)
      : disk_(std::move(disk)), labels_(labels) {}

  const std::unique_ptr<io::DiskQueue> disk_;
  model::Interner& labels_;
  mutable Mutex mutex_;
  std::string record_ GUARDED_BY(mutex_);
  std::vector<model::Receipt> receipts_ GUARDED_BY(mutex_);
  std::uint64_t dropped_seen_ GUARDED_BY(mutex_) = 0;
  std::uint64_t unreadable_ GUARDED_BY(mutex_) = 0;
};

}  // namespace agent::component
