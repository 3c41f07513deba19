// loki.process: entries run through stages in source order and go on to forward_to.
//
// One pipeline, one lock: several sources may call consume at once. The lock covers the stages
// only, never the receivers behind them. The component's thread exists for stages that keep entries
// back for a time (multiline).
#include <memory>
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
  Processor(Clock& clock, const component::Metrics& metrics)
      : clock_(clock),
        received_(metrics.counter("loki_process_received_lines_total",
                                  "Lines that reached the component.")),
        sent_(metrics.counter("loki_process_sent_lines_total", "Lines that left the component.")) {}

  Result<> consume(model::EntryBatch entries, std::stop_token stop) override {
    received_->add(static_cast<double>(entries.entries.size()));
    Batch batch;
    batch.items.reserve(entries.entries.size());
    for (const model::Entry& entry : entries.entries) batch.items.emplace_back(entry);
    batch.arena = std::move(entries.arena);
    batch.receipts = entries.take_receipts();
    {
      MutexLock lock(mutex_);
      if (pipeline_ == nullptr)
        return fail(ErrorCode::kUnavailable, "loki.process has no stages yet");
      pipeline_->process(batch);
      if (const Mono next = pipeline_->deadline(); next != deadline_) {
        deadline_ = next;
        changed_.notify_all();
      }
    }
    return send(std::move(batch), std::move(stop));
  }

  void set(std::unique_ptr<Pipeline> pipeline, LogFanout::Targets targets) {
    Batch rest;
    {
      MutexLock lock(mutex_);
      if (pipeline_ != nullptr) pipeline_->flush(rest, clock_.mono(), true);
      pipeline_ = std::move(pipeline);
      deadline_ = kNever;
      changed_.notify_all();
    }
    // What the old stages held goes the old way without waiting; what finds no room there, its
    // source reads again.
    if (!rest.items.empty() || !rest.receipts.empty()) {
      std::stop_source now;
      now.request_stop();
      [[maybe_unused]] const Result<> sent = send(std::move(rest), now.get_token());
    }
    fanout_.set(std::move(targets));
  }

  // Waits for stages' deadlines and sends what becomes due.
  Result<> run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      Batch due;
      {
        MutexLock lock(mutex_);
        const Mono wanted = deadline_;
        clock_.wait(lock, changed_, wanted, stop,
                    [&]() NO_THREAD_SAFETY_ANALYSIS { return deadline_ != wanted; });
        const bool stopping = stop.stop_requested();
        if (pipeline_ != nullptr && (stopping || clock_.mono() >= deadline_)) {
          pipeline_->flush(due, clock_.mono(), stopping);
          deadline_ = pipeline_->deadline();
        }
      }
      if (due.items.empty() && due.receipts.empty()) continue;
      if (auto sent = send(std::move(due), stop); !sent && !stop.stop_requested()) return sent;
    }
    return {};
  }

 private:
  Result<> send(Batch batch, std::stop_token stop) {
    model::EntryBatch out;
    for (model::Receipt& receipt : batch.receipts) out.add_receipt(std::move(receipt));
    if (batch.items.empty()) {
      out.settle();
      return {};
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
  component::Counter received_;
  component::Counter sent_;
  LogFanout fanout_;
  Mutex mutex_;
  Condition changed_;
  std::unique_ptr<Pipeline> pipeline_ GUARDED_BY(mutex_);
  Mono deadline_ GUARDED_BY(mutex_) = kNever;
};

class LokiProcess final : public component::Configured<ProcessArgs>, public component::Worker {
 public:
  explicit LokiProcess(component::Host host)
      : host_(std::move(host)),
        processor_(std::make_shared<Processor>(host_.clock, host_.metrics)) {
    host_.exports({{"receiver", component::capsule<LogReceiver>(processor_)}});
  }

  Result<component::Commit> prepare(ProcessArgs args) override {
    const StageHost stage_host{host_.id, host_.clock, host_.log, host_.metrics, host_.labels};
    auto pipeline = std::make_shared<std::unique_ptr<Pipeline>>(
        std::make_unique<Pipeline>(args.stages, stage_host));
    return component::Commit([this, pipeline, targets = std::move(args.forward_to)] {
      processor_->set(std::move(*pipeline), targets);
    });
  }

  Result<> run(std::stop_token stop) override { return processor_->run(stop); }

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
