// Between a source that cannot read again and what is behind it. The source hands its batches over
// and goes on; they are passed on by a thread of the outbox, and lie on disk as soon as they have
// waited for a tenth of a second, so that neither a Loki that is away nor a kill takes them.
//
//   accept -> memory -> consume ... settled          in time: nothing is written
//                |         |
//                +-------> disk, 0.1 s later          acknowledged when settled
//   accept -> disk -> memory -> consume               while memory is full, until the disk is read
//
// With `at_once` the disk comes first: what was accepted survives a kill, though not a power cut
// within that tenth of a second.
//
// What is on disk comes in order, before or after a restart; entries that were on their way when
// the process was killed come again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/component/batch_queue.h"
#include "agent/component/component.h"
#include "agent/component/receiver.h"
#include "agent/source/delivery.h"

namespace agent::source {

// The block `queue`.
template <bool kEnabled>
struct QueueArgs {
  bool enabled = kEnabled;
  component::ByteSize max_bytes{512 << 20};
  Duration max_age = Duration::zero();
  static component::Schema<QueueArgs> schema() {
    return component::Schema<QueueArgs>()
        .optional("enabled", &QueueArgs::enabled,
                  "Keeps on disk what was received and not delivered yet.")
        .optional("max_bytes", &QueueArgs::max_bytes,
                  "Most bytes on disk; beyond them the oldest entries are dropped and counted.")
        .optional("max_age", &QueueArgs::max_age,
                  "Entries that have waited longer are dropped and counted; 0 is no limit.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    const lang::Attribute* size = body.find("max_bytes");
    if (size != nullptr && max_bytes.bytes < (1 << 20))
      diagnostics.error(size->value_span, "max_bytes must be at least 1MiB");
    const lang::Attribute* age = body.find("max_age");
    if (age != nullptr && max_age < Duration::zero())
      diagnostics.error(age->value_span, "max_age must not be negative");
  }
};

// Thread-safe.
class Outbox : public std::enable_shared_from_this<Outbox> {
 public:
  static constexpr std::size_t kMemory = 8U << 20;  // that batches take here
  static constexpr Duration kCommit = std::chrono::milliseconds(100);

  struct Settings {
    bool on_disk = false;
    component::QueueLimits limits;
    bool at_once = false;
  };
  template <bool kEnabled>
  static Settings settings_of(const QueueArgs<kEnabled>& args) {
    return {args.enabled, {static_cast<std::uint64_t>(args.max_bytes.bytes), args.max_age, true}};
  }

  // `fanout` outlives run(). Metrics are called `<prefix>_queue_...`; `sent` counts entries that
  // were passed on.
  static std::shared_ptr<Outbox> make(const component::Host& host, component::LogFanout& fanout,
                                      const std::string& prefix, component::Counter sent);

  // Entries that are on disk are passed on in any case.
  void configure(Settings settings) EXCLUDES(mutex_);

  // Takes a batch. Its receipts are settled when it is delivered or on disk for certain, whichever
  // is first. Without room in memory or on disk it waits, or fails with kExhausted.
  Result<> accept(model::EntryBatch batch, bool wait, const std::stop_token& stop)
      EXCLUDES(mutex_, saving_);

  // Opens what is on disk; run() does that, too. Before it nothing is written at once.
  void open() EXCLUDES(mutex_);
  // Passes on, writes and syncs until the stop; then what was not delivered is on disk.
  void run(const std::stop_token& stop) EXCLUDES(mutex_, saving_);
  // Stores what was settled since.
  void flush() EXCLUDES(mutex_);
  // Gives the folder free. Nothing is accepted or acknowledged afterwards.
  void close() EXCLUDES(mutex_);

  std::uint64_t entries() const EXCLUDES(mutex_);  // not delivered yet
  void debug_info(component::DebugWriter& out) const;

 private:
  using Batch = std::shared_ptr<const model::EntryBatch>;
  struct Item {
    Batch batch;                         // without receipts; none: on disk alone
    std::vector<model::Receipt> owners;  // to be settled when it is safe
    std::size_t entries = 0;
    std::size_t weight = 0;  // of `batch`
    std::optional<std::uint64_t> record;
    bool sent = false;  // consumed, and not come back
    bool done = false;
  };
  using ItemPtr = std::shared_ptr<Item>;

  Outbox(const component::Host& host, component::LogFanout& fanout, const std::string& prefix,
         component::Counter sent);
  static std::vector<ItemPtr> items_of(model::EntryBatch batch);
  bool fits(std::size_t weight) const REQUIRES(mutex_) {
    return !spilling_ && (weight_ == 0 || weight_ + weight <= kMemory);
  }
  bool spill(std::vector<ItemPtr>& items) EXCLUDES(mutex_, saving_);
  bool save_waiting(component::BatchQueue& disk) REQUIRES(saving_) EXCLUDES(mutex_);
  void release(Item& item) REQUIRES(mutex_);
  void ended(const ItemPtr& item, bool delivered) EXCLUDES(mutex_);
  void send_all(const std::stop_token& stop) EXCLUDES(mutex_);
  ItemPtr take(model::EntryBatch& batch, const std::stop_token& stop) EXCLUDES(mutex_);
  bool commit() EXCLUDES(mutex_, saving_);
  void disk_failed(const Error& error) const;
  void show() const EXCLUDES(mutex_);
  void count_dropped(std::uint64_t entries) const;
  std::shared_ptr<component::BatchQueue> disk() const EXCLUDES(mutex_);

  const component::Host host_;
  component::LogFanout& fanout_;
  const Delivery delivery_;  // of what it has passed on
  const std::filesystem::path folder_;
  component::Counter sent_;
  component::Counter dropped_;
  component::Counter damaged_;
  component::Counter failures_;

  Mutex saving_;  // taken before mutex_: what comes first is written first
  mutable Mutex mutex_;
  Condition changed_;
  Settings settings_ GUARDED_BY(mutex_);
  std::shared_ptr<component::BatchQueue> disk_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
  std::deque<ItemPtr> waiting_ GUARDED_BY(mutex_);  // to be passed on, in order
  std::deque<ItemPtr> unsaved_ GUARDED_BY(mutex_);  // to be written unless they are done first
  std::size_t weight_ GUARDED_BY(mutex_) = 0;       // of all batches in memory
  std::size_t entries_ GUARDED_BY(mutex_) = 0;      // not delivered and not on disk
  // The disk holds what is next in line behind waiting_, so that new batches go there, too.
  bool spilling_ GUARDED_BY(mutex_) = false;
  std::uint64_t spills_ GUARDED_BY(mutex_) = 0;  // times that became true
  bool dirty_ GUARDED_BY(mutex_) = false;        // the disk has to be synced
  bool lost_ GUARDED_BY(mutex_) = false;         // something came back undelivered
  std::uint64_t commits_ GUARDED_BY(mutex_) = 0;
  std::uint64_t damaged_seen_ GUARDED_BY(mutex_) = 0;
  component::Gauge queued_;
  component::Gauge bytes_;
  std::shared_ptr<void> collecting_;
};

}  // namespace agent::source
