// The arguments that a component works by, when its work begins anew with each change of them.
#pragma once

#include <memory>
#include <stop_token>
#include <utility>

#include "agent/base/mutex.h"

namespace agent::component {

template <class Settings>
class InForce {
 public:
  // Ends the work under the old ones. Any thread.
  void set(std::shared_ptr<const Settings> next) {
    std::stop_source old;
    {
      MutexLock lock(mutex_);
      settings_ = std::move(next);
      std::swap(old, session_);
    }
    old.request_stop();
  }

  // Calls work(settings, token) until `stop`; the token ends it also when there are newer
  // settings. set() comes first.
  template <class Work>
  void run(const std::stop_token& stop, Work work) {
    while (!stop.stop_requested()) {
      std::shared_ptr<const Settings> settings;
      std::stop_source session;
      {
        MutexLock lock(mutex_);
        settings = settings_;
        session = session_;
      }
      const std::stop_callback both(stop, [&session] { session.request_stop(); });
      work(*settings, session.get_token());
    }
  }

 private:
  Mutex mutex_;
  std::shared_ptr<const Settings> settings_ GUARDED_BY(mutex_);
  std::stop_source session_ GUARDED_BY(mutex_);
};

}  // namespace agent::component
