// Reading a mapped file that was cut short meanwhile, or whose disk fails, ends a process with
// SIGBUS. While a BusGuard lives on a thread, that thread reads zeros there instead, which whoever
// maps the file takes for damage. For libraries that map files (the journal).
#pragma once

#include <atomic>
#include <cstddef>

namespace agent::io {

// Cheap: no system call but for the first in the process. Guards of a thread may nest.
class BusGuard {
 public:
  BusGuard();
  ~BusGuard();
  BusGuard(const BusGuard&) = delete;
  BusGuard& operator=(const BusGuard&) = delete;

 private:
  std::atomic<unsigned long>* slot_ = nullptr;  // null: no slot was free, and no guard
};

}  // namespace agent::io
