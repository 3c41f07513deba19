// Standard error as the agent's log writes to it: nobody who logs waits for it. Whoever reads it
// may have stopped (journald, a pager, a pipe's other end); lines then wait in a bounded buffer,
// and what finds no room there is dropped and counted.
//
// As long as it flows a line is written before write() returns, so that the last words of a process
// that dies are there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/component/metrics.h"

namespace agent::runtime {

// Thread-safe. One thread, from the first line on that finds no room in the descriptor.
class Screen {
 public:
  static constexpr std::size_t kMostBytes = std::size_t{1} << 20;

  // `fd` stays its owner's and open. `flows_again` is called, on this object's thread and without
  // a lock, when all that waited is written and `dropped` lines were not kept. `clock` outlives it.
  Screen(int fd, Clock& clock, const component::Metrics& metrics,
         std::function<void(std::uint64_t dropped)> flows_again);
  ~Screen() { close(); }

  // Whole lines. Never waits.
  void write(std::string_view line) EXCLUDES(mutex_);
  // Writes what waits, for a second at most, and ends the thread. Lines that come later are written
  // if they can be at once.
  void close() EXCLUDES(mutex_);

 private:
  // As much of the buffer as the descriptor takes now.
  void push() REQUIRES(mutex_);
  void run(const std::stop_token& stop) EXCLUDES(mutex_);

  const int fd_;
  Clock& clock_;
  const std::function<void(std::uint64_t)> flows_again_;
  const component::Counter dropped_lines_;
  Mutex mutex_;
  Condition changed_;
  std::string waiting_ GUARDED_BY(mutex_);
  std::uint64_t dropped_ GUARDED_BY(mutex_) = 0;  // since it was last told
  bool closed_ GUARDED_BY(mutex_) = false;
  std::jthread thread_ GUARDED_BY(mutex_);
};

}  // namespace agent::runtime
