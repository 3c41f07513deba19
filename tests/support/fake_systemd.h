// Stands for systemd where sockets outlive a process: takes what a SocketStore tells it, and hands
// the sockets over to the next one.
#pragma once

#include <fcntl.h>

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/io/socket_store.h"

namespace agent {

// Thread-safe. It outlives the stores.
class FakeSystemd {
 public:
  io::SocketStore::Notify notify() {
    return [this](const std::string& message, int fd) {
      const std::string name = message.substr(message.find("FDNAME=") + 7);
      MutexLock lock(mutex_);
      if (message.starts_with("FDSTORE=1\n")) {
        kept_[name].reset(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
      } else {
        kept_.erase(name);
      }
      changed_.notify_all();
      return true;
    };
  }
  // What a new process of the unit is given.
  std::vector<io::SocketStore::Given> hand_over() const {
    std::vector<io::SocketStore::Given> out;
    MutexLock lock(mutex_);
    for (const auto& [name, fd] : kept_)
      out.push_back({name, FileDescriptor(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0))});
    return out;
  }
  std::size_t kept() const {
    MutexLock lock(mutex_);
    return kept_.size();
  }
  // Waits for real time until it keeps so many.
  bool wait_for(std::size_t sockets) const {
    MutexLock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(1),
                             [&]() NO_THREAD_SAFETY_ANALYSIS { return kept_.size() == sockets; });
  }

 private:
  mutable Mutex mutex_;
  mutable Condition changed_;
  std::map<std::string, FileDescriptor> kept_ GUARDED_BY(mutex_);
};

}  // namespace agent
