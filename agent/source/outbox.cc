#include "agent/source/outbox.h"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <thread>
#include <utility>

#include "agent/base/pulse.h"

namespace agent::source {

using component::BatchQueue;
using model::EntryBatch;

namespace {

// Larger batches are divided: into records, and into what the write's queue takes at a time.
constexpr std::size_t kPart = 1U << 20;
constexpr Duration kPause = std::chrono::seconds(1);  // after a failure, of the disk or behind us

}  // namespace

std::shared_ptr<Outbox> Outbox::make(const component::Host& host, component::LogFanout& fanout,
                                     const std::string& prefix, component::Counter sent) {
  auto outbox = std::shared_ptr<Outbox>(new Outbox(host, fanout, prefix, std::move(sent)));
  outbox->collecting_ = host.metrics.on_collect(
      [self = std::weak_ptr<Outbox>(outbox)](std::vector<model::MetricFamily>&) {
        if (const auto alive = self.lock()) alive->show();
      });
  return outbox;
}

void Outbox::show() const {
  MutexLock lock(mutex_);
  queued_->set(static_cast<double>(entries_ + (disk_ == nullptr ? 0 : disk_->entries())));
  bytes_->set(static_cast<double>(disk_ == nullptr ? 0 : disk_->bytes()));
}

Outbox::Outbox(const component::Host& host, component::LogFanout& fanout, const std::string& prefix,
               component::Counter sent)
    : host_(host),
      fanout_(fanout),
      delivery_(host.clock),
      folder_(host.data_dir / "queue"),
      sent_(std::move(sent)),
      dropped_(host_.metrics.counter(prefix + "_queue_dropped_entries_total",
                                     "Entries that the queue's limits dropped, oldest first.")),
      damaged_(host_.metrics.counter(prefix + "_queue_damaged_total",
                                     "Places in the queue on disk that could not be read.")),
      failures_(host_.metrics.counter(prefix + "_queue_failures_total",
                                      "Times that the queue on disk could not be written.")),
      queued_(host_.metrics.gauge(prefix + "_queue_entries",
                                  "Entries that were received and are not delivered yet.")),
      bytes_(host_.metrics.gauge(prefix + "_queue_bytes", "Bytes of the queue on disk.")) {}

std::shared_ptr<BatchQueue> Outbox::disk() const {
  MutexLock lock(mutex_);
  return disk_;
}

void Outbox::configure(Settings settings) {
  MutexLock lock(mutex_);
  const Settings before = std::exchange(settings_, settings);
  if (disk_ != nullptr) disk_->limit(settings.limits);
  if (settings.on_disk != before.on_disk) {
    unsaved_.clear();
    for (const ItemPtr& item : waiting_) {
      if (settings.on_disk && !item->record) unsaved_.push_back(item);
    }
  }
  changed_.notify_all();
}

std::uint64_t Outbox::entries() const {
  MutexLock lock(mutex_);
  return entries_ + (disk_ == nullptr ? 0 : disk_->entries());
}

void Outbox::debug_info(component::DebugWriter& out) const {
  out.value("queue.entries", std::to_string(entries()));
  MutexLock lock(mutex_);
  out.value("queue.bytes_in_memory", std::to_string(weight_));
  if (disk_ != nullptr) out.value("queue.bytes_on_disk", std::to_string(disk_->bytes()));
  delivery_.debug_info(out);
}

void Outbox::disk_failed(const Error& error) const {
  failures_->increment();
  host_.log.limited(Level::kWarn, "the queue on disk cannot be written, entries stay in memory",
                    {{"folder", folder_.string()}, {"err", error.message}});
}

void Outbox::count_dropped(std::uint64_t entries) const {
  if (entries == 0) return;
  dropped_->add(static_cast<double>(entries));
  host_.log.limited(Level::kWarn, "the queue is full, the oldest entries are dropped",
                    {{"entries", entries}});
}

// One item, or several of a large batch, which share its receipts.
std::vector<Outbox::ItemPtr> Outbox::items_of(EntryBatch batch) {
  std::vector<ItemPtr> out;
  const auto add = [&](EntryBatch part, std::vector<model::Receipt> owners) {
    auto item = std::make_shared<Item>();
    item->owners = std::move(owners);
    item->entries = part.entries.size();
    item->weight = part.bytes() + part.entries.size() * sizeof(model::Entry);
    item->batch = std::make_shared<const EntryBatch>(std::move(part));
    out.push_back(std::move(item));
  };
  std::vector<model::Receipt> receipts = batch.take_receipts();
  if (batch.bytes() <= kPart) {
    add(std::move(batch), std::move(receipts));
    return out;
  }
  for (auto begin = batch.entries.begin(); begin != batch.entries.end();) {
    auto end = begin;
    for (std::size_t bytes = 0; end != batch.entries.end() && bytes < kPart; ++end)
      bytes += end->line.size() + 1;
    EntryBatch part;
    part.entries.assign(std::make_move_iterator(begin), std::make_move_iterator(end));
    part.arena = batch.arena.share();
    std::vector<model::Receipt> owners;
    for (const model::Receipt& receipt : receipts) owners.push_back(receipt.share());
    add(std::move(part), std::move(owners));
    begin = end;
  }
  for (model::Receipt& receipt : receipts) receipt.settle();  // the parts have theirs
  return out;
}

Result<> Outbox::accept(EntryBatch batch, bool wait, const std::stop_token& stop) {
  if (batch.empty()) {
    batch.settle();
    return {};
  }
  std::vector<ItemPtr> items = items_of(std::move(batch));
  for (;;) {
    std::size_t weight = 0;
    for (const ItemPtr& item : items) weight += item->weight;
    bool try_disk = false;
    bool accepted = false;
    std::shared_ptr<BatchQueue> write_to;
    std::uint64_t commits = 0;
    {
      MutexLock lock(mutex_);
      if (closed_) return fail(ErrorCode::kUnavailable, "the queue is closed");
      if (fits(weight)) {
        for (const ItemPtr& item : items) {
          waiting_.push_back(item);
          weight_ += item->weight;
          entries_ += item->entries;
          if (settings_.on_disk) unsaved_.push_back(item);
        }
        changed_.notify_all();
        accepted = true;
        if (settings_.on_disk && settings_.at_once) write_to = disk_;
      }
      try_disk = settings_.on_disk && disk_ != nullptr;
      commits = commits_;
    }
    if (write_to != nullptr) {
      MutexLock saving(saving_);
      save_waiting(*write_to);
    }
    if (accepted || (try_disk && spill(items))) return {};
    if (!wait) return fail(ErrorCode::kExhausted, "the queue is full");
    MutexLock lock(mutex_);
    host_.clock.wait(lock, changed_, kNever, stop, [&]() NO_THREAD_SAFETY_ANALYSIS {
      return closed_ || commits != commits_ || fits(weight);
    });
    if (stop.stop_requested() && commits == commits_ && !fits(weight))
      return fail(ErrorCode::kCancelled, "stopped while the queue was full");
  }
}

// Writes what is in memory, then `items`, which will be read from there. False: not all of them
// were written; those that were are gone from `items`.
bool Outbox::spill(std::vector<ItemPtr>& items) {
  MutexLock saving(saving_);
  const auto disk = this->disk();
  if (disk == nullptr || !save_waiting(*disk)) return false;
  while (!items.empty()) {
    auto id = disk->append(*items.front()->batch, items.front()->owners, false);
    if (!id) {
      disk_failed(id.error());
      return false;
    }
    items.erase(items.begin());
    MutexLock lock(mutex_);
    spilling_ = true;
    ++spills_;
    dirty_ = true;
    changed_.notify_all();
  }
  return true;
}

void Outbox::release(Item& item) {
  if (item.batch == nullptr) return;
  item.batch.reset();
  weight_ -= item.weight;
  changed_.notify_all();
}

bool Outbox::save_waiting(BatchQueue& disk) {
  std::deque<ItemPtr> items;
  {
    MutexLock lock(mutex_);
    items.swap(unsaved_);
  }
  while (!items.empty()) {
    const ItemPtr item = items.front();
    Batch batch;
    std::vector<model::Receipt> owners;
    {
      MutexLock lock(mutex_);
      if (!item->done) {
        batch = item->batch;
        owners = std::move(item->owners);
      }
    }
    if (batch != nullptr) {
      auto id = disk.append(*batch, owners, true);
      MutexLock lock(mutex_);
      if (!id) {
        disk_failed(id.error());
        unsaved_.insert(unsaved_.begin(), items.begin(), items.end());
        if (!item->done) item->owners = std::move(owners);
        lock.unlock();
        for (model::Receipt& owner : owners) owner.settle();  // it was delivered meanwhile
        lock.lock();
        return false;
      }
      dirty_ = true;
      changed_.notify_all();
      if (item->done) {
        disk.acknowledge(*id);
      } else {
        entries_ -= item->entries;
        item->record = *id;
        if (item->sent) release(*item);
      }
    }
    items.pop_front();
  }
  return true;
}

// A batch was delivered, or lost on its way.
void Outbox::ended(const ItemPtr& item, bool delivered) {
  std::vector<model::Receipt> owners;
  std::uint64_t dropped = 0;
  {
    MutexLock lock(mutex_);
    if (item->done) return;
    if (closed_) {
      if (delivered) owners = std::move(item->owners);
    } else if (delivered) {
      item->done = true;
      release(*item);
      owners = std::move(item->owners);
      if (!item->record) {
        entries_ -= item->entries;
      } else if (disk_ != nullptr) {
        disk_->acknowledge(*item->record);
        dirty_ = true;
      }
    } else {
      item->sent = false;
      lost_ = true;
      if (item->batch != nullptr) {
        waiting_.push_front(item);
      } else if (item->record && disk_ != nullptr) {
        if (disk_->put_back(*item->record)) {
          spilling_ = true;
          ++spills_;
        } else {
          dropped = item->entries;
        }
      }
    }
    changed_.notify_all();
  }
  count_dropped(dropped);
  for (model::Receipt& owner : owners) owner.settle();
}

// The next batch in line, without a receipt; null at a stop.
Outbox::ItemPtr Outbox::take(EntryBatch& batch, const std::stop_token& stop) {
  for (;;) {
    std::shared_ptr<BatchQueue> disk;
    ItemPtr item;
    Batch kept;
    std::uint64_t spills = 0;
    {
      MutexLock lock(mutex_);
      host_.clock.wait(lock, changed_, kNever, stop, [&]() NO_THREAD_SAFETY_ANALYSIS {
        return !waiting_.empty() || (spilling_ && disk_ != nullptr);
      });
      if (stop.stop_requested()) return nullptr;
      if (!waiting_.empty()) {
        item = std::move(waiting_.front());
        waiting_.pop_front();
        kept = item->batch;
        item->sent = true;
        // On disk already: what goes on its way now is the last copy here.
        if (item->record) release(*item);
      }
      disk = disk_;
      spills = spills_;
    }
    if (item != nullptr) {
      batch = kept->clone();
      return item;
    }
    if (auto taken = disk->next()) {
      item = std::make_shared<Item>();
      item->record = taken->id;
      item->entries = taken->batch.entries.size();
      item->sent = true;
      batch = std::move(taken->batch);
      return item;
    }
    MutexLock lock(mutex_);
    if (spills == spills_) spilling_ = false;
    changed_.notify_all();
  }
}

void Outbox::send_all(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "outbox.send");
  const std::weak_ptr<Outbox> self = weak_from_this();
  for (;;) {
    EntryBatch batch;
    const ItemPtr item = take(batch, stop);
    if (item == nullptr) return;
    batch.add_receipt(model::Receipt([self, item](bool delivered) {
      if (const auto outbox = self.lock()) outbox->ended(item, delivered);
    }));
    delivery_.watch(batch);
    const std::size_t count = item->entries;
    const auto sent = fanout_.consume(std::move(batch), stop);
    if (sent) {
      sent_->add(static_cast<double>(count));
    } else if (!stop.stop_requested()) {
      host_.log.limited(Level::kWarn, "entries were not taken, they will be offered again",
                        {{"err", sent.error().message}});
    }
    bool pause = false;
    {
      MutexLock lock(mutex_);
      pause = std::exchange(lost_, false);
    }
    if (pause && !host_.clock.sleep_for(kPause, stop)) return;
  }
}

void Outbox::open() {
  component::QueueLimits limits;
  {
    MutexLock lock(mutex_);
    std::error_code none;
    if (closed_ || disk_ != nullptr) return;
    if (!settings_.on_disk && !std::filesystem::exists(folder_, none)) return;
    limits = settings_.limits;
  }
  auto opened = BatchQueue::open(folder_, host_.clock, host_.labels, limits);
  if (!opened) {
    disk_failed(opened.error());
    return;
  }
  const std::uint64_t entries = (*opened)->entries();
  if (entries > 0) host_.log.info("passes on what was left on disk", {{"entries", entries}});
  MutexLock lock(mutex_);
  if (closed_) return;
  disk_ = std::move(*opened);
  if (disk_->has_more()) {
    spilling_ = true;
    ++spills_;
  }
  dirty_ = true;
  changed_.notify_all();
}

// False when the disk does not do it now.
bool Outbox::commit() {
  auto disk = this->disk();
  if (disk == nullptr) {
    open();
    disk = this->disk();
    if (disk == nullptr) return false;
  }
  {
    MutexLock lock(mutex_);
    dirty_ = false;
  }
  bool good = false;
  {
    MutexLock saving(saving_);
    good = save_waiting(*disk);
  }
  auto dropped = disk->sync();
  if (dropped) {
    count_dropped(*dropped);
  } else {
    disk_failed(dropped.error());
    good = false;
  }
  MutexLock lock(mutex_);
  if (!good) dirty_ = true;
  const std::uint64_t damaged = disk->damaged();
  damaged_->add(static_cast<double>(damaged - std::exchange(damaged_seen_, damaged)));
  ++commits_;  // who waits for room tries the disk again
  changed_.notify_all();
  return good;
}

void Outbox::run(const std::stop_token& stop) {
  open();
  std::jthread sender([this, origin = Pulse::origin()](const std::stop_token& own) {
    const Pulse pulse(origin);
    send_all(own);
  });
  const std::stop_callback with_us(stop, [&sender] { sender.request_stop(); });
  for (;;) {
    {
      MutexLock lock(mutex_);
      host_.clock.wait(lock, changed_, kNever, stop, [&]() NO_THREAD_SAFETY_ANALYSIS {
        return dirty_ || (settings_.on_disk && !unsaved_.empty());
      });
    }
    if (!host_.clock.sleep_for(kCommit, stop)) break;
    if (!commit() && !host_.clock.sleep_for(kPause, stop)) break;
  }
  sender.request_stop();
  sender.join();
  commit();
}

void Outbox::flush() {
  const auto disk = this->disk();
  if (disk == nullptr) return;
  if (auto synced = disk->sync(); !synced) disk_failed(synced.error());
}

void Outbox::close() {
  std::shared_ptr<BatchQueue> disk;
  std::deque<ItemPtr> waiting;
  std::deque<ItemPtr> unsaved;
  MutexLock lock(mutex_);
  closed_ = true;
  disk.swap(disk_);
  waiting.swap(waiting_);
  unsaved.swap(unsaved_);
  weight_ = 0;
  changed_.notify_all();
  lock.unlock();
  // The disk is let go of here, outside the lock, and so are receipts that nobody will settle.
  waiting.clear();
  unsaved.clear();
  disk.reset();
  lock.lock();
}

}  // namespace agent::source
