// The endpoints of a write as its inlet sees them: replaced by a reload while batches come in. An
// inlet may outlive its component; then there are none.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"

namespace agent::write {

// Thread-safe.
template <class Endpoint>
class EndpointList {
 public:
  using Endpoints = std::vector<std::shared_ptr<Endpoint>>;

  void set(std::shared_ptr<const Endpoints> endpoints) {
    MutexLock lock(mutex_);
    endpoints_ = std::move(endpoints);
  }
  // Null before the first configuration and after the component.
  std::shared_ptr<const Endpoints> get() const {
    MutexLock lock(mutex_);
    return endpoints_;
  }

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const Endpoints> endpoints_ GUARDED_BY(mutex_);
};

}  // namespace agent::write
