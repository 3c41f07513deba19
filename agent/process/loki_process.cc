// loki.process: entries run through stages in source order and go on to forward_to.
//
// One pipeline, one lock: several sources may call consume at once. The lock covers the stages
// only, never the receivers behind them and no wait. The component's thread exists for what stages
// keep back (multiline, cri): it lets go what is due.
//
// Entries that are kept back hold their batches' receipts. At a change of the arguments they go
// on through the old stages to the new receivers, at a stop through the stages to the receivers
// without waiting for room; what finds none is not delivered, and its source reads it again.
#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "agent/component/component.h"
#include "agent/component/receiver.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

using component::LogFanout;
using component::LogReceiver;

struct ProcessArgs {
  std::vector<std::shared_ptr<LogReceiver>> forward_to;
  std::vector<StageSpec> stages;
  static component::Schema<ProcessArgs> schema() {
    return component::Schema<ProcessArgs>()
        .required("forward_to", &ProcessArgs::forward_to,
                  "Receivers that get the entries which the stages leave.")
        .variants(&ProcessArgs::stages, stage_declarations(false));
  }
};

// What the exported receiver and the component share.
class Processor final : public LogReceiver {
 public:
  Processor(Clock& clock, const component::Metrics& metrics, std::shared_ptr<component::Tap> tap)
      : clock_(clock),
        tap_(std::move(tap)),
        received_(metrics.counter("loki_process_received_lines_total",
                                  "Lines that reached the component.")),
        sent_(metrics.counter("loki_process_sent_lines_total", "Lines that left the component.")) {}

  Result<> consume(model::EntryBatch entries, std::stop_token stop) override {
    received_->add(static_cast<double>(entries.entries.size()));
    Batch batch(std::move(entries));
    std::uint64_t generation = 0;
    {
      MutexLock lock(mutex_);
      if (pipeline_ == nullptr)
        return fail(ErrorCode::kUnavailable, "loki.process has no stages yet");
      pipeline_->process(batch);
      if (closed_) pipeline_->flush(batch, clock_.mono(), true);
      generation = generation_;
      if (const Mono due = pipeline_->deadline(); due < wake_at_) {
        wake_at_ = due;
        changed_.notify_all();
      }
    }
    return send(std::move(batch), generation, std::move(stop));
  }

  void set(std::unique_ptr<Pipeline> pipeline, const std::vector<component::Counter>& counters,
           LogFanout::Targets targets) {
    fanout_.set(std::move(targets));
    counters_.insert(counters.begin(), counters.end());
    MutexLock lock(mutex_);
    if (pipeline_ != nullptr) pipeline_->flush(left_over_, clock_.mono(), true);
    pipeline_ = std::move(pipeline);
    ++generation_;
    wake_at_ = left_over_.empty() ? kNever : clock_.mono();
    changed_.notify_all();
  }

  // Sends what stages let go when its time has come.
  Result<> run(const std::stop_token& stop) {
    for (;;) {
      Batch due;
      std::uint64_t generation = 0;
      const bool stopping = [&] {
        MutexLock lock(mutex_);
        const Mono wanted = wake_at_;
        clock_.wait(lock, changed_, wanted, stop,
                    [&]() NO_THREAD_SAFETY_ANALYSIS { return wake_at_ != wanted; });
        const bool stopped = stop.stop_requested();
        if (!stopped && clock_.mono() < wake_at_) return false;
        take_due(due, stopped);
        generation = generation_;
        return stopped;
      }();
      if (!due.empty())
        if (auto sent = send(std::move(due), generation, stop); !sent && !stopping) return sent;
      if (stopping) return {};
    }
  }

  // Nothing is kept back any more: nobody would let it go.
  void close() {
    Batch rest;
    {
      MutexLock lock(mutex_);
      closed_ = true;
      take_due(rest, true);
    }
    std::stop_source now;
    now.request_stop();
    // What finds no room is not delivered, which its source learns from the receipt.
    if (!rest.empty()) {
      [[maybe_unused]] const Result<> sent = send(std::move(rest), 0, now.get_token());
    }
  }

 private:
  void take_due(Batch& due, bool all) REQUIRES(mutex_) {
    due.append(std::exchange(left_over_, {}));
    if (pipeline_ != nullptr) pipeline_->flush(due, clock_.mono(), all);
    wake_at_ = pipeline_ == nullptr ? kNever : pipeline_->deadline();
  }

  // Sends the items, those with a not_before in the future when its time has come; earlier at a
  // stop, and when the stages of `generation` are no longer the present ones.
  Result<> send(Batch batch, std::uint64_t generation, std::stop_token stop) {
    for (;;) {
      const Mono now = clock_.mono();
      const auto early = std::find_if(batch.items.begin(), batch.items.end(),
                                      [&](const Item& item) { return item.not_before > now; });
      if (early == batch.items.end()) return forward(std::move(batch), stop);
      if (early != batch.items.begin()) {
        Batch part = batch.split(static_cast<std::size_t>(early - batch.items.begin()));
        if (auto sent = forward(std::move(part), stop); !sent) return sent;
      }
      if (wait(batch, generation, stop)) return forward(std::move(batch), stop);
    }
  }

  // True when nothing has to be waited for any more. Items that are due within a short time go
  // together.
  bool wait(const Batch& batch, std::uint64_t generation, const std::stop_token& stop) {
    constexpr Duration kTogether = std::chrono::milliseconds(50);
    Mono until = batch.items.front().not_before;
    for (const Item& item : batch.items) {
      if (item.not_before > batch.items.front().not_before + kTogether) break;
      until = std::max(until, item.not_before);
    }
    MutexLock lock(mutex_);
    const bool changed = clock_.wait(lock, changed_, until, stop, [&]() NO_THREAD_SAFETY_ANALYSIS {
      return generation_ != generation || closed_;
    });
    return changed || stop.stop_requested();
  }

  Result<> forward(Batch batch, std::stop_token stop) {
    model::EntryBatch out;
    for (model::Receipt& receipt : batch.receipts) out.add_receipt(std::move(receipt));
    if (batch.items.empty()) {
      out.settle();
      return {};
    }
    if (tap_->watched()) {
      for (const Item& item : batch.items)
        tap_->show({"out", item.number, item.line, item.labels},
                   [&] { return item.sighting(batch.arena); });
    }
    out.entries.reserve(batch.items.size());
    for (Item& item : batch.items)
      out.entries.push_back({std::move(item.labels), item.time_ns, item.line,
                             batch.arena.store(std::span<const model::MetadataPair>(item.metadata)),
                             std::move(item.context)});
    out.arena = std::move(batch.arena);
    sent_->add(static_cast<double>(out.entries.size()));
    return fanout_.consume(std::move(out), std::move(stop));
  }

  Clock& clock_;
  const std::shared_ptr<component::Tap> tap_;
  component::Counter received_;
  component::Counter sent_;
  std::set<component::Counter> counters_;  // of all stages that ever were; of set()
  LogFanout fanout_;
  Mutex mutex_;
  Condition changed_;
  std::unique_ptr<Pipeline> pipeline_ GUARDED_BY(mutex_);
  std::uint64_t generation_ GUARDED_BY(mutex_) = 0;  // of pipeline_
  Batch left_over_ GUARDED_BY(mutex_);               // what the stages before this generation held
  Mono wake_at_ GUARDED_BY(mutex_) = kNever;         // when the component's thread has work
  bool closed_ GUARDED_BY(mutex_) = false;
};

class LokiProcess final : public component::Configured<ProcessArgs>, public component::Worker {
 public:
  explicit LokiProcess(component::Host host)
      : host_(std::move(host)),
        processor_(std::make_shared<Processor>(host_.clock, host_.metrics, host_.tap)) {
    host_.exports({{"receiver", component::capsule<LogReceiver>(processor_)}});
  }

  Result<component::Commit> prepare(ProcessArgs args) override {
    StageHost stage_host(host_.id, host_.clock, host_.log, host_.metrics, host_.labels);
    stage_host.tap = host_.tap;
    auto pipeline = std::make_shared<std::unique_ptr<Pipeline>>(
        std::make_unique<Pipeline>(args.stages, stage_host));
    return component::Commit(
        [this, pipeline, counters = stage_host.counters, targets = std::move(args.forward_to)] {
          processor_->set(std::move(*pipeline), *counters, targets);
        });
  }

  Result<> run(std::stop_token stop) override { return processor_->run(stop); }
  void flush() override { processor_->close(); }

 private:
  component::Host host_;
  std::shared_ptr<Processor> processor_;
};

}  // namespace

component::Declaration loki_process() {
  return component::declare<LokiProcess>(
      "loki.process", "Runs log entries through stages that parse, change, label and drop them.",
      {{"receiver", "LogsReceiver", "Takes the entries to process."}});
}

}  // namespace agent::process
