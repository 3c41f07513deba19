// How far what a source passed on is with being delivered, for those who look at it. Costs a lock
// per batch.
#pragma once

#include <memory>

#include "agent/base/clock.h"
#include "agent/component/component.h"
#include "agent/model/entry.h"

namespace agent::source {

// Thread-safe.
class Delivery {
 public:
  explicit Delivery(const Clock& clock);  // outlives all batches
  // The batch counts as unacknowledged until its receipts are settled or lost.
  void watch(model::EntryBatch& batch) const;
  // unacknowledged_entries, oldest_unacknowledged_seconds (by the entries' own time; 0: nothing
  // waits) and last_delivery_unix_seconds (0: none yet).
  void debug_info(component::DebugWriter& out) const;

 private:
  struct Core;
  std::shared_ptr<Core> core_;
};

}  // namespace agent::source
