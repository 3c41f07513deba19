// One `endpoint` of loki.write: a queue bounded in bytes and the thread that empties it into Loki.
//
// Endpoints know nothing of each other. Nothing that was accepted leaves without being counted as
// sent, dropped (and why) or returned (given back unsettled, so that its source reads it again).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/component/batch_queue.h"
#include "agent/component/metrics.h"
#include "agent/io/http_client.h"
#include "agent/model/entry.h"
#include "agent/wire/loki_push.h"
#include "agent/write/answer.h"
#include "agent/write/push.h"

namespace agent::write {

struct EndpointSettings {
  std::string name;
  std::string url;
  Duration batch_wait{};
  std::size_t batch_size = 0;
  Duration remote_timeout{};
  io::HttpHeaders headers;
  Duration min_backoff{};
  Duration max_backoff{};
  std::int64_t max_retries = 0;  // 0: for ever
  Duration max_entry_age{};      // 0: any
  std::string tenant;
  bool retry_on_429 = true;
  std::size_t capacity = 0;  // bytes
  bool block_on_overflow = true;
  Duration drain{};  // longest time that it may go on sending after a stop
  // When memory is full go on on disk, in this folder; else make sources wait. What lies in the
  // folder from before is sent in any case.
  bool overflow = false;
  bool disk_first = false;  // not only then: everything goes through the disk
  std::filesystem::path overflow_folder;
  component::QueueLimits overflow_limits;
  // Others get the same entries and must not wait for this one, even when its disk is full.
  bool has_siblings = false;
  io::HttpOptions http;
  model::Labels external_labels;
  std::size_t max_streams = 0;
  bool operator==(const EndpointSettings&) const = default;
};

// What all endpoints of a component share. References outlive the endpoints.
struct EndpointContext {
  Clock& clock;
  model::Interner& labels;
  Log log;
  component::Metrics metrics;
  std::function<void()> on_health;    // health() of some endpoint changed; its thread
  std::function<void()> on_overflow;  // sync_overflow() has work; any thread
};

class Endpoint {
 public:
  Endpoint(EndpointContext context, EndpointSettings settings);

  // Puts new settings in force; the queue stays. Any thread.
  void update(EndpointSettings settings);
  EndpointSettings settings() const;

  // Takes a batch; waits for room. Any thread.
  Result<> accept(model::EntryBatch batch, const std::stop_token& stop);

  // The next push does not wait for the whole batch_wait, as the first one does not. Any thread;
  // does not block.
  void deliver_soon() { soon_ = true; }

  // A push that has had no answer for kSilence makes ill. Any thread, now and then.
  void look_for_silence();

  // Makes what went to disk durable and settles it. Any thread, about ten times a second.
  void sync_overflow();

  // Sends until `stop`; then sends what is there without waiting, and ends at the first failure, or
  // when `hard` is asked for, or when all is sent. What is left is returned to its sources.
  void run(const std::stop_token& stop, const std::stop_token& hard);
  // The configuration does not know it any more: refuses batches, drops what it has (counted as
  // endpoint_removed). Any thread; run() then ends by its stops.
  void retire();

  struct Health {
    bool healthy = true;
    std::string error;  // the last one
  };
  Health health() const;
  bool is_retired() const;
  bool failing() const;  // its last request did
  // After a stop: no later than this it has delivered something more, or it is not worth waiting
  // for. `since` is when the stop was asked for.
  Mono expected_by(Mono since) const;
  std::size_t queued_bytes() const;
  // Wall time of the last accepted push; 0: none yet.
  std::int64_t last_delivery_ns() const;
  // How long the first in the queue has been there; zero: nothing is.
  Duration oldest_queued() const;
  std::uint64_t overflow_bytes() const;

 private:
  enum class Verdict { kDelivered, kRefused, kTooLarge, kDropped, kAbandoned };
  struct Counters {  // of one tenant
    component::Counter sent_entries, sent_bytes, retries;
    component::Histogram request_bytes;
    std::map<int, component::Histogram> request_seconds;  // by status; -1: no answer
    std::map<std::string, std::pair<component::Counter, component::Counter>, std::less<>> dropped;
  };

  std::shared_ptr<const EndpointSettings> current() const;
  std::shared_ptr<Held> take(Mono deadline, const std::stop_token& stop);
  bool distribute(const std::shared_ptr<Held>& held, const std::stop_token& hard);
  bool flush(Push& push, const std::stop_token& hard);
  bool flush_due(bool all, const std::stop_token& hard);
  bool submit(const Push& push, const std::vector<Push::Ref>& part, const std::stop_token& hard);
  bool divide(const Push& push, const std::vector<Push::Ref>& part, const std::stop_token& hard);
  void drop(const Push& push, const std::vector<Push::Ref>& part, std::string_view reason);
  Verdict post(const std::string& tenant, std::string_view body, std::size_t entries,
               std::size_t bytes, const std::stop_token& hard);
  bool wait_to_retry(int attempt, Duration at_least, const std::stop_token& hard);
  bool wait_for_rate_limit(const std::stop_token& hard);
  bool too_old(const std::string& tenant, const model::Entry& entry);
  void learn(const std::string& tenant, const Refusal& refusal);
  void failing(std::string error, bool at_once);
  void working();
  void give_back();
  void open_overflow() REQUIRES(mutex_);
  bool write_to_disk(model::EntryBatch& batch) REQUIRES(mutex_);
  bool spill_queue() REQUIRES(mutex_);
  bool spill(model::EntryBatch& batch) REQUIRES(mutex_);
  void spill_held();
  void refresh();
  void expect_delivery();
  void count_sent(const std::string& tenant, std::size_t entries, std::size_t bytes);

  Counters& counters(const std::string& tenant);
  component::Distribution& request_seconds(const std::string& tenant, int status);
  void count_dropped(const std::string& tenant, std::string_view reason, std::size_t entries,
                     std::size_t bytes);
  void released(std::size_t weight);

  EndpointContext context_;
  mutable Mutex mutex_;
  Condition changed_;
  std::shared_ptr<const EndpointSettings> settings_ GUARDED_BY(mutex_);
  struct Queued {
    model::EntryBatch batch;
    std::size_t weight = 0;
    Mono since;         // its oldest entry
    bool open = false;  // ours to append to
  };
  std::deque<Queued> queue_ GUARDED_BY(mutex_);
  std::size_t weight_ GUARDED_BY(mutex_) = 0;  // queued and held
  bool retired_ GUARDED_BY(mutex_) = false;
  std::shared_ptr<component::BatchQueue> overflow_
      GUARDED_BY(mutex_);  // made once, removed by give_back()
  // The overflow holds what is next in line, so that new batches go there, too.
  bool spilling_ GUARDED_BY(mutex_) = false;
  std::uint64_t syncs_ GUARDED_BY(mutex_) = 0;  // of the overflow, each of which may make room
  Health health_ GUARDED_BY(mutex_);
  std::optional<Mono> failing_since_ GUARDED_BY(mutex_);
  std::optional<Mono> asked_ GUARDED_BY(mutex_);    // when the push was sent that has no answer yet
  Mono last_answer_ GUARDED_BY(mutex_){};           // an accepted push
  Duration last_answer_took_ GUARDED_BY(mutex_){};  // that one
  // Accepted and neither sent, dropped nor returned yet.
  std::size_t outstanding_ GUARDED_BY(mutex_) = 0;
  component::Gauge queued_entries_;
  component::Gauge failing_;
  component::Gauge queued_bytes_;
  component::Counter returned_entries_;
  component::Counter dropped_full_;
  component::Counter dropped_removed_;
  component::Counter dropped_budget_;
  component::Histogram latency_;

  std::atomic<bool> soon_{true};  // until the next push goes out

  // Of the thread in run():
  std::shared_ptr<const EndpointSettings> used_;
  std::unique_ptr<io::HttpClient> client_;
  std::unique_ptr<OutgoingLabels> outgoing_;
  wire::LokiPushEncoder encoder_;
  std::map<std::string, Push> pushes_;     // by tenant
  std::vector<std::weak_ptr<Held>> live_;  // batches of the memory queue that are in pushes
  std::map<std::string, Counters> counters_;
  std::minstd_rand random_;
  std::string refusal_;     // the text of the last answer 400
  bool too_large_ = false;  // the last refusal was a 413
  // What Loki said about the age of entries, by tenant: the limit as it was at `when`. It moves on
  // with time, and is asked for again now and then, because it may have been raised.
  struct AgeLimit {
    std::int64_t oldest_ns = 0;
    Mono when;
  };
  std::map<std::string, AgeLimit> learned_;
  Mono rate_limited_until_{};
  std::stop_token stop_;
  bool draining_ = false;
};

}  // namespace agent::write
