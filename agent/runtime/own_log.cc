#include "agent/runtime/own_log.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace agent::runtime {
namespace {

constexpr double kPerSecond = 100;
constexpr double kBurst = 2000;

}  // namespace

OwnLog::OwnLog(Clock& clock, model::Interner& labels, const component::Metrics& metrics,
               Log::Sink screen)
    : clock_(clock),
      labels_(labels.intern({{"component", "alloy"}})),
      screen_(std::move(screen)),
      sent_(metrics.counter("logging_sent_lines_total",
                            "Lines of the agent's own log that write_to's receivers took.")),
      dropped_(metrics.counter("logging_dropped_lines_total",
                               "Lines of the agent's own log that write_to's receivers did not "
                               "get: too many, or not taken.")),
      refilled_(clock.mono()),
      tokens_(kBurst) {}

void OwnLog::send_to(component::LogFanout::Targets targets) {
  const bool wanted = !targets.empty();
  fanout_.set(std::move(targets));
  MutexLock lock(mutex_);
  wanted_ = wanted;
  if (wanted && !thread_.joinable())
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void OwnLog::stop() {
  std::jthread ending;  // joined without the lock
  MutexLock lock(mutex_);
  wanted_ = false;
  ending = std::move(thread_);
}

void OwnLog::take(std::string_view line) {
  screen_(line);
  if (line.ends_with('\n')) line.remove_suffix(1);
  MutexLock lock(mutex_);
  recent_.emplace_back(line.substr(0, kRecentBytes / 8));
  recent_bytes_ += recent_.back().size() + 1;
  while (recent_bytes_ > kRecentBytes) {
    recent_bytes_ -= recent_.front().size() + 1;
    recent_.pop_front();
  }
  if (!wanted_ || sender_ == std::this_thread::get_id()) return;
  const Mono now = clock_.mono();
  tokens_ = std::min(kBurst,
                     tokens_ + std::chrono::duration<double>(now - refilled_).count() * kPerSecond);
  refilled_ = now;
  if (tokens_ < 1 || lines_.size() >= kMostLines || bytes_ + line.size() > kMostBytes) {
    dropped_->increment();
    return;
  }
  --tokens_;
  lines_.push_back({clock_.wall_ns(), std::string(line)});
  bytes_ += line.size();
  changed_.notify_all();
}

std::string OwnLog::recent() const {
  MutexLock lock(mutex_);
  std::string out;
  for (const std::string& line : recent_) out += line + "\n";
  return out;
}

void OwnLog::run(const std::stop_token& stop) {
  ::pthread_setname_np(::pthread_self(), "own log");
  while (!stop.stop_requested()) {
    std::deque<Line> lines;
    {
      MutexLock lock(mutex_);
      sender_ = std::this_thread::get_id();
      clock_.wait(lock, changed_, kNever, stop,
                  [&]() NO_THREAD_SAFETY_ANALYSIS { return !lines_.empty(); });
      lines = std::exchange(lines_, {});
      bytes_ = 0;
    }
    if (lines.empty()) continue;
    model::EntryBatch batch;
    for (const Line& line : lines)
      batch.entries.push_back({labels_, line.time_ns, batch.arena.store(line.text)});
    const Result<> sent = fanout_.consume(std::move(batch), stop);
    (sent ? sent_ : dropped_)->add(static_cast<double>(lines.size()));
  }
}

}  // namespace agent::runtime
