#include "agent/source/delivery.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "agent/base/mutex.h"

namespace agent::source {
namespace {

struct Slot {
  std::int64_t oldest_ns = 0;
  std::size_t entries = 0;
  bool open = true;
};

}  // namespace

struct Delivery::Core {
  explicit Core(const Clock& c) : clock(c) {}

  const Clock& clock;
  Mutex mutex;
  std::deque<Slot> slots GUARDED_BY(mutex);
  std::uint64_t first GUARDED_BY(mutex) = 0;  // number of slots.front()
  std::size_t entries GUARDED_BY(mutex) = 0;
  std::int64_t last_ns GUARDED_BY(mutex) = 0;

  void ended(std::uint64_t number, bool delivered) {
    MutexLock lock(mutex);
    Slot& slot = slots[static_cast<std::size_t>(number - first)];
    slot.open = false;
    entries -= slot.entries;
    if (delivered) last_ns = clock.wall_ns();
    for (; !slots.empty() && !slots.front().open; ++first) slots.pop_front();
  }
};

Delivery::Delivery(const Clock& clock) : core_(std::make_shared<Core>(clock)) {}

void Delivery::watch(model::EntryBatch& batch) const {
  if (batch.empty()) return;
  std::uint64_t number = 0;
  {
    MutexLock lock(core_->mutex);
    number = core_->first + core_->slots.size();
    core_->slots.push_back({batch.entries.front().time_ns, batch.entries.size()});
    core_->entries += batch.entries.size();
  }
  batch.add_receipt(
      model::Receipt([core = core_, number](bool delivered) { core->ended(number, delivered); }));
}

void Delivery::debug_info(component::DebugWriter& out) const {
  MutexLock lock(core_->mutex);
  std::int64_t age_ns = 0;
  const std::int64_t now = core_->clock.wall_ns();
  for (const Slot& slot : core_->slots)
    if (slot.open) age_ns = std::max({age_ns, now - slot.oldest_ns, std::int64_t{1'000'000'000}});
  out.value("unacknowledged_entries", std::to_string(core_->entries));
  out.value("oldest_unacknowledged_seconds", std::to_string(age_ns / 1'000'000'000));
  out.value("last_delivery_unix_seconds", std::to_string(core_->last_ns / 1'000'000'000));
}

}  // namespace agent::source
