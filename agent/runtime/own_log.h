// The agent's own log lines: on standard error, and as entries for the receivers that
// logging { write_to = ... } names.
//
// They pass like any source's, but nothing waits for them: what finds no room, or comes faster than
// 100 lines a second for long, is dropped here and counted. That is also what ends a loop, of
// receivers that log about the lines of the log.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/component/metrics.h"
#include "agent/component/receiver.h"
#include "agent/model/labels.h"

namespace agent::runtime {

// Thread-safe. Outlives the logs that write to it.
class OwnLog {
 public:
  static constexpr std::size_t kMostLines = 2000;
  static constexpr std::size_t kMostBytes = std::size_t{1} << 20;
  static constexpr std::size_t kRecentBytes = std::size_t{64} << 10;

  // `screen` gets every line, too. References outlive it.
  OwnLog(Clock& clock, model::Interner& labels, const component::Metrics& metrics,
         Log::Sink screen);
  ~OwnLog() { stop(); }

  Log::Sink sink() {
    return [this](std::string_view line) { take(line); };
  }
  // From now on to these; none: lines are not kept.
  void send_to(component::LogFanout::Targets targets) EXCLUDES(mutex_);
  // The last lines, oldest first, of kRecentBytes at most.
  std::string recent() const EXCLUDES(mutex_);
  // Sends nothing more; ends within a second.
  void stop() EXCLUDES(mutex_);

 private:
  struct Line {
    std::int64_t time_ns = 0;
    std::string text;
  };
  void take(std::string_view line) EXCLUDES(mutex_);
  void run(const std::stop_token& stop) EXCLUDES(mutex_);

  Clock& clock_;
  const model::LabelSet labels_;
  const Log::Sink screen_;
  component::Counter sent_;
  component::Counter dropped_;
  component::LogFanout fanout_;
  mutable Mutex mutex_;
  Condition changed_;
  std::deque<std::string> recent_ GUARDED_BY(mutex_);
  std::size_t recent_bytes_ GUARDED_BY(mutex_) = 0;
  bool wanted_ GUARDED_BY(mutex_) = false;  // there are receivers
  std::deque<Line> lines_ GUARDED_BY(mutex_);
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;  // of their texts
  Mono refilled_ GUARDED_BY(mutex_);
  double tokens_ GUARDED_BY(mutex_);
  std::thread::id sender_ GUARDED_BY(mutex_);  // what it logs itself is not sent
  std::jthread thread_ GUARDED_BY(mutex_);     // from the first send_to() with receivers on
};

}  // namespace agent::runtime
