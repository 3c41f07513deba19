// One `endpoint` of prometheus.remote_write: what it is to get is encoded at once and put into its
// queue on disk; its thread sends what lies there, the oldest first.
//
// Samples of a series arrive in their order: requests that are on their way at the same time hold
// different series, and the next ones wait for them. What cannot be delivered is tried again for
// ever; an answer that says "never" (4xx but 429) drops, and counts, what it was given to. Many
// receivers refuse a whole request for one sample, so a refused one is divided first, as long as
// that finds something to accept.
//
// Protocol 2.0 is spoken to a receiver that answers as it should, else 1.0.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/component/metrics.h"
#include "agent/io/http_client.h"
#include "agent/io/http_streams.h"
#include "agent/model/relabel.h"
#include "agent/model/sample.h"
#include "agent/wire/remote_write.h"
#include "agent/write/cloud_login.h"
#include "agent/write/remote_requests.h"
#include "agent/write/sample_queue.h"

namespace agent::write {

struct RemoteEndpointSettings {
  std::string name;
  std::string url;
  bool version_2 = false;  // of the protocol
  Duration remote_timeout{};
  io::HttpHeaders headers;
  io::HttpOptions http;
  CloudArgs cloud;
  bool exemplars = true;
  bool histograms = false;
  model::RelabelRules rules;  // external labels included
  std::size_t per_send = 2000;
  std::size_t min_shards = 1;  // requests on their way at the same time
  std::size_t max_shards = 50;
  Duration send_deadline{};
  Duration min_backoff{};
  Duration max_backoff{};
  bool retry_on_429 = true;
  Duration age_limit{};  // 0: none
  bool metadata = true;
  Duration metadata_interval{};
  std::size_t metadata_per_send = 2000;
  SampleQueue::Limits queue;
  std::filesystem::path folder;
};

// References outlive the endpoint.
struct RemoteContext {
  Clock& clock;
  model::Interner& labels;
  Log log;
  component::Metrics metrics;
  std::function<void()> on_health;  // health() changed; its thread
};

class RemoteEndpoint {
 public:
  RemoteEndpoint(RemoteContext context, RemoteEndpointSettings settings);

  // Puts new settings in force; the queue stays. Any thread.
  void update(RemoteEndpointSettings settings);
  RemoteEndpointSettings settings() const;
  // The configuration does not know it any more: its folder is free for another, its thread is to
  // be stopped. Its queue then lies beside, in the folder's name with ".gone", to be removed.
  void retire();
  // Takes what is for it. Any thread.
  void accept(const model::SampleBatch& batch);
  // Sends until `stop`. What is not delivered then stays on disk.
  void run(const std::stop_token& stop);

  // "" while it delivers, else what its last attempt said.
  std::string error() const;
  // Wall time of the last accepted request; 0: none yet.
  std::int64_t last_delivery_ns() const { return last_delivery_ns_; }
  const SampleQueue& queue() const { return queue_; }

 private:
  using Part = SampleQueue::Part;
  // One request, and what became of it.
  struct Request {
    SampleGroup group;
    std::string body_2;        // the same in protocol 2.0, once it was needed
    std::size_t metadata = 0;  // families, of which group.body is then the message
    int attempt = 0;
    Mono not_before{};
    Mono started{};
    std::optional<io::HttpStreams::Id> on_its_way;
    bool version_2 = false;
    bool new_token = false;  // was asked for because of it
    int status = 0;
    Duration retry_after{};
    std::optional<SampleCounts> written;  // as the receiver counts; 2.0 only
    std::string answer;                   // the beginning of its body
    bool done = false;
    std::vector<SampleGroup> pieces;  // what is sent instead of it
  };
  using Requests = std::vector<std::unique_ptr<Request>>;
  struct Metric;

  std::shared_ptr<const RemoteEndpointSettings> current() const;
  void adopt();
  bool too_old(const SampleCounts& counts) const;
  std::vector<Part> gather(const std::stop_token& stop);
  Requests requests_of(const std::vector<Part>& parts);
  bool deliver(Requests requests, const std::stop_token& stop);
  void begin(Request& request);
  bool reduce_to_1(Request& request);
  bool encode_2(Request& request);
  void ended(Request& request, Result<> end);
  void accepted(Request& request);
  void refused(Request& request, const std::string& why);
  void retry(Request& request, const std::string& why);
  void send_metadata(const std::stop_token& stop);
  void tidy();
  void report(std::string error);

  RemoteContext context_;
  mutable Mutex mutex_;
  Condition changed_;
  std::shared_ptr<const RemoteEndpointSettings> settings_ GUARDED_BY(mutex_);
  bool more_ GUARDED_BY(mutex_) = false;  // came since the thread looked last
  std::string error_ GUARDED_BY(mutex_);
  std::atomic<std::int64_t> last_delivery_ns_{0};
  std::map<std::string, model::Metadata, std::less<>> metadata_ GUARDED_BY(mutex_);  // by family
  std::size_t metadata_bytes_ GUARDED_BY(mutex_) = 0;

  SampleQueue queue_;
  const std::shared_ptr<Metric> metric_;

  Mutex encode_mutex_;
  std::shared_ptr<const RemoteEndpointSettings> encode_settings_ GUARDED_BY(encode_mutex_);
  std::unique_ptr<model::Relabeler> relabeler_ GUARDED_BY(encode_mutex_);

  // Of the thread in run():
  std::shared_ptr<const RemoteEndpointSettings> used_;
  std::unique_ptr<io::HttpStreams> streams_;
  std::unique_ptr<io::HttpClient> oauth_;
  std::unique_ptr<CloudLogin> cloud_;
  std::optional<Part> ahead_;  // taken, and too much for the request before it
  std::size_t in_flight_ = 0;
  std::size_t lanes_ = 1;     // of the next requests; grows while all goes well
  bool trouble_ = false;      // something was tried again since lanes_ was set
  int credit_ = 0;            // requests that dividing may cost
  bool fallen_back_ = false;  // to protocol 1.0
  bool speaks_2_ = false;     // it has answered as 2.0 wants it
  Mono tidy_at_{};
  Mono metadata_at_{};
  std::minstd_rand random_;
};

}  // namespace agent::write
