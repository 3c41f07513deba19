// What waits to be remote-written: samples, encoded once when they come in, on disk until a
// receiver has them. They cannot be read again, so a restart or a crash must not cost them; what
// the disk cannot take for now waits in memory.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/io/disk_queue.h"

namespace agent::write {

// What a part of a request carries.
struct SampleCounts {
  std::uint32_t samples = 0;
  std::uint32_t exemplars = 0;
  std::uint32_t histograms = 0;
  std::int64_t newest_ms = 0;  // time of the newest of them
  bool only_2 = false;         // some of it remote write 1.0 cannot carry
  std::uint32_t all() const { return samples + exemplars + histograms; }
  void add(const SampleCounts& other);
  SampleCounts without(const SampleCounts& part) const;  // `part` is no more than this
};

// Thread-safe. References outlive it.
class SampleQueue {
 public:
  struct Limits {
    std::uint64_t max_bytes = 512U << 20;  // on disk; the oldest go first
    Duration max_age{};                    // of what waits on disk; 0: none
    bool operator==(const Limits&) const = default;
  };
  static constexpr std::size_t kMemory = 8U << 20;  // bytes that wait for the disk at most

  struct Part {
    std::optional<std::uint64_t> record;  // none: it was in memory only
    SampleCounts counts;
    std::string body;  // compress_message() of its series
  };

  // The folder is made when it is not there. When it cannot be used the queue is in memory alone;
  // disk_error() says why.
  SampleQueue(std::filesystem::path folder, const Clock& clock, Limits limits);

  void limit(Limits limits);
  // -> samples, exemplars and histograms that had to go for it.
  std::uint64_t append(const SampleCounts& counts, std::string_view body) EXCLUDES(mutex_);
  // The oldest part that nobody has in hands; none at the end.
  std::optional<Part> next() EXCLUDES(mutex_);
  // Not delivered: next() hands out again what was taken, the oldest first.
  void give_back(std::vector<Part> parts) EXCLUDES(mutex_);
  // Delivered, or refused for good.
  void done(const std::vector<Part>& parts) EXCLUDES(mutex_);
  // Renames the folder.
  Result<> move_to(const std::filesystem::path& folder) EXCLUDES(mutex_);
  struct Losses {
    std::uint64_t items = 0;    // that went because of the limits
    std::uint64_t damaged = 0;  // places on disk that were no records; what stood there is unknown
  };
  // Makes everything durable. -> what was lost since the last call
  Losses sync() EXCLUDES(mutex_);
  std::uint64_t items() const EXCLUDES(mutex_);  // waiting or in somebody's hands
  std::uint64_t bytes() const EXCLUDES(mutex_);  // on disk and in memory
  std::string disk_error() const EXCLUDES(mutex_);

 private:
  struct Waiting {
    std::uint32_t items = 0;
    std::string record;
  };
  bool write(std::uint32_t items, std::string_view record) REQUIRES(mutex_);
  void move_to_disk() REQUIRES(mutex_);  // what waits in memory, as far as the disk takes it
  void open() REQUIRES(mutex_);

  const std::filesystem::path folder_;
  const Clock& clock_;
  mutable Mutex mutex_;
  Limits limits_ GUARDED_BY(mutex_);
  std::unique_ptr<io::DiskQueue> disk_ GUARDED_BY(mutex_);  // null: see disk_error_
  std::string disk_error_ GUARDED_BY(mutex_);
  std::deque<Waiting> waiting_ GUARDED_BY(mutex_);  // younger than all that is on disk
  std::size_t waiting_bytes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t waiting_items_ GUARDED_BY(mutex_) = 0;
  std::uint64_t in_hands_ GUARDED_BY(mutex_) = 0;  // items that were never on disk
  Losses losses_ GUARDED_BY(mutex_);  // since the last sync(), but for those that disk_ knows
  std::uint64_t dropped_seen_ GUARDED_BY(mutex_) = 0;
  std::uint64_t damaged_seen_ GUARDED_BY(mutex_) = 0;
};

}  // namespace agent::write
