// Where batches go. A batch moves by plain calls on the source's own thread up to the bounded queue
// of a write; a full queue makes consume wait, the source stops reading, and the kernel, Docker or
// journald holds the data.
#pragma once

#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/component/tap.h"
#include "agent/model/entry.h"
#include "agent/model/sample.h"

namespace agent::component {

// Any thread may call consume, several at once. It waits for room and ends within a second of a
// stop. On failure the batch is destroyed unsettled, so that its source reads it again.
template <class Batch>
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual Result<> consume(Batch batch, std::stop_token stop) = 0;
};

using LogReceiver = Receiver<model::EntryBatch>;
using MetricsReceiver = Receiver<model::SampleBatch>;

// Passes each batch to all receivers that forward_to names, one after another. Thread-safe; no lock
// is held across consume. Without receivers a batch is settled: nobody wants it. What passes can be
// watched at `tap` as what leaves the component.
template <class Batch>
class Fanout final : public Receiver<Batch> {
 public:
  using Targets = std::vector<std::shared_ptr<Receiver<Batch>>>;
  explicit Fanout(std::shared_ptr<Tap> tap = nullptr) : tap_(std::move(tap)) {}

  void set(Targets targets) {
    auto next = std::make_shared<const Targets>(std::move(targets));
    MutexLock lock(mutex_);
    targets_ = std::move(next);
  }

  Result<> consume(Batch batch, std::stop_token stop) override {
    std::shared_ptr<const Targets> targets;
    {
      MutexLock lock(mutex_);
      targets = targets_;
    }
    if (tap_ != nullptr && tap_->watched()) tap_->show("out", batch);
    if (targets->empty()) {
      batch.settle();
      return {};
    }
    Result<> first_failure;
    for (std::size_t i = 0; i + 1 < targets->size(); ++i) {
      if (auto r = (*targets)[i]->consume(batch.clone(), stop); !r && first_failure)
        first_failure = r;
    }
    if (auto r = targets->back()->consume(std::move(batch), stop); !r && first_failure)
      first_failure = r;
    return first_failure;
  }

 private:
  const std::shared_ptr<Tap> tap_;
  Mutex mutex_;
  std::shared_ptr<const Targets> targets_ GUARDED_BY(mutex_) = std::make_shared<const Targets>();
};

using LogFanout = Fanout<model::EntryBatch>;
using MetricsFanout = Fanout<model::SampleBatch>;

}  // namespace agent::component
