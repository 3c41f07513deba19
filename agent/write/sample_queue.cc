// record := version samples exemplars histograms newest_ms body      numbers as varints
// version 2: the body has what remote write 1.0 cannot carry
#include "agent/write/sample_queue.h"

#include <algorithm>
#include <utility>

#include "agent/base/varint.h"

namespace agent::write {
namespace {

constexpr char kVersion = 1;
constexpr char kVersionOnly2 = 2;

std::string record_of(const SampleCounts& counts, std::string_view body) {
  std::string out(1, counts.only_2 ? kVersionOnly2 : kVersion);
  put_varint(out, counts.samples);
  put_varint(out, counts.exemplars);
  put_varint(out, counts.histograms);
  put_varint(out, static_cast<std::uint64_t>(counts.newest_ms));
  out += body;
  return out;
}

std::optional<SampleQueue::Part> part_of(std::string_view record) {
  if (record.empty() || (record.front() != kVersion && record.front() != kVersionOnly2))
    return std::nullopt;
  const bool only_2 = record.front() == kVersionOnly2;
  record.remove_prefix(1);
  std::uint64_t numbers[4];
  for (std::uint64_t& number : numbers)
    if (!take_varint(record, number)) return std::nullopt;
  SampleQueue::Part part;
  part.counts.samples = static_cast<std::uint32_t>(numbers[0]);
  part.counts.exemplars = static_cast<std::uint32_t>(numbers[1]);
  part.counts.histograms = static_cast<std::uint32_t>(numbers[2]);
  part.counts.newest_ms = static_cast<std::int64_t>(numbers[3]);
  part.counts.only_2 = only_2;
  part.body = record;
  return part;
}

}  // namespace

void SampleCounts::add(const SampleCounts& other) {
  samples += other.samples;
  exemplars += other.exemplars;
  histograms += other.histograms;
  newest_ms = std::max(newest_ms, other.newest_ms);
  only_2 = only_2 || other.only_2;
}

SampleCounts SampleCounts::without(const SampleCounts& part) const {
  SampleCounts out = *this;
  out.samples -= part.samples;
  out.exemplars -= part.exemplars;
  out.histograms -= part.histograms;
  return out;
}

SampleQueue::SampleQueue(std::filesystem::path folder, const Clock& clock, Limits limits)
    : folder_(std::move(folder)), clock_(clock), limits_(limits) {
  MutexLock lock(mutex_);
  open();
}

void SampleQueue::open() {
  io::DiskQueue::Options options;
  options.folder = folder_;
  options.max_bytes = limits_.max_bytes;
  options.max_age = limits_.max_age;
  auto disk = io::DiskQueue::open(std::move(options), clock_);
  if (disk) {
    disk_ = std::move(*disk);
    disk_error_.clear();
  } else {
    disk_error_ = disk.error().message;
  }
}

void SampleQueue::limit(Limits limits) {
  MutexLock lock(mutex_);
  if (limits_ == limits) return;
  limits_ = limits;
  if (disk_ != nullptr) disk_->limit(limits.max_bytes, limits.max_age, true);
}

bool SampleQueue::write(std::uint32_t items, std::string_view record) {
  if (disk_ == nullptr) return false;
  auto written = disk_->append(record, items);
  disk_error_ = written ? std::string() : written.error().message;
  return written.has_value();
}

void SampleQueue::move_to_disk() {
  while (!waiting_.empty() && write(waiting_.front().items, waiting_.front().record)) {
    waiting_bytes_ -= waiting_.front().record.size();
    waiting_items_ -= waiting_.front().items;
    waiting_.pop_front();
  }
}

std::uint64_t SampleQueue::append(const SampleCounts& counts, std::string_view body) {
  std::string record = record_of(counts, body);
  MutexLock lock(mutex_);
  move_to_disk();  // what waits in memory is older
  if (waiting_.empty() && write(counts.all(), record)) return 0;
  waiting_bytes_ += record.size();
  waiting_items_ += counts.all();
  waiting_.push_back({counts.all(), std::move(record)});
  std::uint64_t dropped = 0;
  while (waiting_bytes_ > kMemory) {
    dropped += waiting_.front().items;
    waiting_bytes_ -= waiting_.front().record.size();
    waiting_items_ -= waiting_.front().items;
    waiting_.pop_front();
  }
  return dropped;
}

std::optional<SampleQueue::Part> SampleQueue::next() {
  MutexLock lock(mutex_);
  while (disk_ != nullptr) {
    auto record = disk_->next();
    if (!record) break;
    auto part = part_of(record->bytes);
    const bool old = limits_.max_age > Duration::zero() &&
                     record->time_ns < clock_.wall_ns() - limits_.max_age.count();
    if (!part || old) {  // of another version: it would come again and again
      disk_->acknowledge(record->id);
      losses_.items += record->items;
      continue;
    }
    part->record = record->id;
    return part;
  }
  while (!waiting_.empty()) {
    auto part = part_of(waiting_.front().record);
    waiting_bytes_ -= waiting_.front().record.size();
    waiting_items_ -= waiting_.front().items;
    waiting_.pop_front();
    if (!part) continue;
    in_hands_ += part->counts.all();
    return part;
  }
  return std::nullopt;
}

void SampleQueue::give_back(std::vector<Part> parts) {
  MutexLock lock(mutex_);
  for (auto it = parts.rbegin(); it != parts.rend(); ++it) {
    if (it->record) {
      // False: the limits took its place meanwhile.
      if (!disk_->put_back(*it->record)) losses_.items += it->counts.all();
      continue;
    }
    std::string record = record_of(it->counts, it->body);
    in_hands_ -= it->counts.all();
    waiting_bytes_ += record.size();
    waiting_items_ += it->counts.all();
    waiting_.push_front({it->counts.all(), std::move(record)});
  }
  move_to_disk();
}

void SampleQueue::done(const std::vector<Part>& parts) {
  MutexLock lock(mutex_);
  for (const Part& part : parts) {
    if (part.record) {
      disk_->acknowledge(*part.record);
    } else {
      in_hands_ -= part.counts.all();
    }
  }
}

Result<> SampleQueue::move_to(const std::filesystem::path& folder) {
  MutexLock lock(mutex_);
  return disk_ != nullptr ? disk_->move_to(folder) : Result<>();
}

SampleQueue::Losses SampleQueue::sync() {
  io::DiskQueue* disk = nullptr;
  {
    MutexLock lock(mutex_);
    if (disk_ == nullptr) open();
    disk = disk_.get();  // stays once it is there
  }
  const auto synced = disk != nullptr ? disk->sync() : Result<>();
  MutexLock lock(mutex_);
  if (!synced) disk_error_ = synced.error().message;
  if (disk != nullptr) {
    const auto stats = disk->stats();
    losses_.items += stats.dropped_items - std::exchange(dropped_seen_, stats.dropped_items);
    losses_.damaged += stats.damaged - std::exchange(damaged_seen_, stats.damaged);
  }
  return std::exchange(losses_, {});
}

std::uint64_t SampleQueue::items() const {
  MutexLock lock(mutex_);
  return (disk_ != nullptr ? disk_->stats().items : 0) + waiting_items_ + in_hands_;
}
std::uint64_t SampleQueue::bytes() const {
  MutexLock lock(mutex_);
  return (disk_ != nullptr ? disk_->stats().bytes : 0) + waiting_bytes_;
}
std::string SampleQueue::disk_error() const {
  MutexLock lock(mutex_);
  return disk_error_;
}

}  // namespace agent::write
