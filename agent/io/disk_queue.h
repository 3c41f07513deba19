// A queue of records on disk, for data that cannot be read again from where it came. What it was
// told to keep survives a kill and a power cut; what was acknowledged does not come back, except
// for acknowledgements since the last sync().
//
// Bounded in bytes (oldest segments are dropped first, and counted) and in memory (a few words per
// segment). Damage costs the damaged records only, and is counted; open() fails only when the
// folder cannot be used at all.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"

namespace agent::io {

// Thread-safe. One process at a time uses a folder.
class DiskQueue {
 public:
  struct Options {
    std::filesystem::path folder;  // made when it is not there, mode 0700
    std::uint64_t max_bytes = 512U << 20;
    Duration max_age = Duration::zero();  // of the newest record of a segment; 0: no limit
    bool drop_oldest = true;              // to stay within max_bytes; else append() fails
    std::uint64_t segment_bytes = 8U << 20;
  };
  struct Record {
    std::uint64_t id = 0;
    std::uint32_t items = 0;
    std::int64_t time_ns = 0;  // wall time when it was appended
    std::string bytes;
  };
  struct Stats {
    std::uint64_t bytes = 0;          // on disk
    std::uint64_t items = 0;          // in records that are not acknowledged
    bool unread = false;              // next() has more to hand out
    std::uint64_t dropped_items = 0;  // by the budget, since open()
    std::uint64_t damaged = 0;        // places that were no records, since open()
  };
  static constexpr std::size_t kMaxRecord = 16U << 20;

  // `clock` outlives the queue.
  static Result<std::unique_ptr<DiskQueue>> open(Options options, const Clock& clock);
  ~DiskQueue();
  DiskQueue(const DiskQueue&) = delete;
  DiskQueue& operator=(const DiskQueue&) = delete;

  // Appends a record that counts for `items` (at least 1). On disk for certain after the next
  // sync(). `taken`: as if next() had handed it out already. On failure (kExhausted: the disk or
  // the budget is used up, or the record is too large) nothing was appended. -> its id
  Result<std::uint64_t> append(std::string_view bytes, std::uint32_t items, bool taken = false)
      EXCLUDES(mutex_);
  // Makes all records appended and all acknowledgements given before durable with one fsync; does
  // nothing when there are none. Others need not wait for the disk meanwhile.
  Result<> sync() EXCLUDES(mutex_);
  // The oldest record that was not handed out yet; none at the end.
  std::optional<Record> next() EXCLUDES(mutex_);
  // The record is done with. Its place is freed when all before it is done, too.
  void acknowledge(std::uint64_t id) EXCLUDES(mutex_);
  // The record was handed out for nothing: next() will hand it out again. False: the budget has
  // taken its place meanwhile.
  bool put_back(std::uint64_t id) EXCLUDES(mutex_);
  // New limits, as in Options; what is over them goes at the next append() or sync().
  void limit(std::uint64_t max_bytes, Duration max_age, bool drop_oldest) EXCLUDES(mutex_);
  // Renames the folder.
  Result<> move_to(const std::filesystem::path& folder) EXCLUDES(mutex_);
  Stats stats() const EXCLUDES(mutex_);

 private:
  struct Segment {
    std::uint64_t number = 0;
    std::uint64_t first_id = 0;  // first_id == end_id: holds no records
    std::uint64_t end_id = 0;
    std::uint64_t bytes = 0;
    std::int64_t newest_ns = 0;
    std::uint64_t live_items = 0;  // of records not acknowledged
    std::uint64_t judged = 0;      // damage before this offset was counted
    FileDescriptor file;           // open while written or read
  };
  // How far what is read next can be trusted. What was found by searching behind damage may lie
  // inside a damaged record, with a length that means nothing, until the ids go on rising.
  struct Footing {
    bool lost = false;
    int searches = 64;  // that are left; each may cost a checksum of a segment
    std::uint64_t last_id = 0;

    void on(std::uint64_t id) {  // a whole record
      if (id <= last_id) return;
      last_id = id;
      lost = false;
    }
    // Behind a record whose payload is wrong: search, or take its length as right.
    bool search() { return lost && searches-- > 0; }
  };
  DiskQueue(Options options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}
  Result<> load() REQUIRES(mutex_);
  void scan(Segment& segment) REQUIRES(mutex_);
  std::filesystem::path path_of(std::uint64_t number) const REQUIRES(mutex_);
  // 0 or an errno value.
  int open_for_reading(Segment& segment) const REQUIRES(mutex_);
  bool acknowledged(std::uint64_t first, std::uint64_t end) const REQUIRES(mutex_);
  Result<> write_record(char kind, std::uint64_t id, std::uint32_t items, std::string_view bytes)
      REQUIRES(mutex_);
  Result<> start_segment() REQUIRES(mutex_);
  void remove_front() REQUIRES(mutex_);
  void read_through(Segment& segment) REQUIRES(mutex_);
  void remove_done() REQUIRES(mutex_);
  void keep_budget(std::uint64_t needed) REQUIRES(mutex_);

  Options options_ GUARDED_BY(mutex_);
  const Clock& clock_;
  mutable Mutex mutex_;
  std::deque<Segment> segments_ GUARDED_BY(mutex_);  // by number; the last one is written
  bool writable_ GUARDED_BY(mutex_) = false;         // the last segment may be appended to
  std::uint64_t next_id_ GUARDED_BY(mutex_) = 1;
  std::uint64_t next_segment_ GUARDED_BY(mutex_) = 1;
  using Ranges = std::map<std::uint64_t, std::uint64_t>;  // first -> end, apart from each other
  static void add_range(Ranges& ranges, std::uint64_t first, std::uint64_t end);
  Ranges done_ GUARDED_BY(mutex_);      // acknowledged, or damaged
  Ranges new_done_ GUARDED_BY(mutex_);  // acknowledged and not yet written
  std::map<std::uint64_t, std::uint32_t> in_flight_ GUARDED_BY(mutex_);  // id -> items
  bool unsynced_ GUARDED_BY(mutex_) = false;
  std::uint64_t writes_ GUARDED_BY(mutex_) = 0;        // since open()
  std::uint64_t read_segment_ GUARDED_BY(mutex_) = 0;  // number; where next() goes on
  std::uint64_t read_offset_ GUARDED_BY(mutex_) = 0;
  Footing footing_ GUARDED_BY(mutex_);  // at read_offset_
  Stats stats_ GUARDED_BY(mutex_);
};

}  // namespace agent::io
