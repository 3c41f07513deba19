// loki.write: pushes entries to one or more Lokis.
//
// The receiver hands each batch to every endpoint. The component's thread starts and joins the
// endpoints' threads as the configuration says, and ends them at a stop.
#include <pthread.h>

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/pulse.h"
#include "agent/component/component.h"
#include "agent/component/delivers.h"
#include "agent/component/http_args.h"
#include "agent/component/receiver.h"
#include "agent/write/endpoint.h"
#include "agent/write/endpoint_list.h"

namespace agent::write {
namespace {

using component::ByteSize;
using component::Schema;
using component::StringMap;

// systemd waits 20 s for the whole process (packaging/fleet-agent.service), then it kills.
constexpr Duration kLongestDrain = std::chrono::seconds(15);

void not_negative(const lang::Body& body, std::string_view name, Duration value,
                  lang::Diagnostics& diagnostics) {
  if (value < Duration::zero())
    diagnostics.error(body.span_of(name), std::string(name) + " must not be negative");
}

struct QueueArgs {
  ByteSize capacity{10 << 20};
  std::int64_t min_shards = 1;
  Duration drain_timeout = kLongestDrain;
  bool block_on_overflow = true;
  ByteSize overflow_budget{512 << 20};
  static Schema<QueueArgs> schema() {
    return Schema<QueueArgs>()
        .optional("capacity", &QueueArgs::capacity,
                  "Bytes that may wait for this endpoint in memory.")
        .optional("min_shards", &QueueArgs::min_shards,
                  "Accepted for compatibility: an endpoint has one connection, which keeps order. "
                  "More than 1 makes a warning.")
        .optional("drain_timeout", &QueueArgs::drain_timeout,
                  "Longest time to go on sending at a stop, while the endpoint keeps taking "
                  "pushes; at most 15s, because systemd kills after 20.")
        .optional("block_on_overflow", &QueueArgs::block_on_overflow,
                  "Makes sources wait while the queue is full; false drops entries instead.")
        .optional("overflow_budget", &QueueArgs::overflow_budget,
                  "Bytes that may wait for this endpoint on disk, when it is one of several or "
                  "wal is enabled.");
  }

  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (capacity.bytes <= 0)
      diagnostics.error(body.span_of("capacity"), "capacity must be above 0");
    if (overflow_budget.bytes <= 0)
      diagnostics.error(body.span_of("overflow_budget"), "overflow_budget must be above 0");
    not_negative(body, "drain_timeout", drain_timeout, diagnostics);
    if (min_shards < 1) diagnostics.error(body.span_of("min_shards"), "min_shards must be above 0");
    if (min_shards > 1) {
      diagnostics.warning(body.span_of("min_shards"),
                          "an endpoint has one connection, which keeps order; min_shards has no "
                          "effect");
    }
  }
};

struct EndpointArgs {
  std::string name;
  std::string url;
  Duration batch_wait = std::chrono::seconds(1);
  ByteSize batch_size{1 << 20};
  Duration remote_timeout = std::chrono::seconds(10);
  StringMap headers;
  Duration min_backoff_period = std::chrono::milliseconds(500);
  Duration max_backoff_period = std::chrono::minutes(5);
  std::int64_t max_backoff_retries = 0;
  Duration max_entry_age{};
  std::string tenant_id;
  bool retry_on_http_429 = true;
  component::HttpClientArgs http;
  QueueArgs queue_config;

  static Schema<EndpointArgs> schema() {
    return Schema<EndpointArgs>()
        .required("url", &EndpointArgs::url, "URL to push to, with its path.")
        .optional("name", &EndpointArgs::name, "Name of the endpoint.")
        .optional("batch_wait", &EndpointArgs::batch_wait,
                  "Longest time an entry waits for its push to fill.")
        .optional("batch_size", &EndpointArgs::batch_size,
                  "Bytes of lines and metadata after which a push is sent at once.")
        .optional("remote_timeout", &EndpointArgs::remote_timeout, "Time limit of a request.")
        .optional("headers", &EndpointArgs::headers, "Headers of each request.")
        .optional("min_backoff_period", &EndpointArgs::min_backoff_period,
                  "First pause before a push is tried again; it doubles with each try.")
        .optional("max_backoff_period", &EndpointArgs::max_backoff_period, "Longest such pause.")
        .optional("max_backoff_retries", &EndpointArgs::max_backoff_retries,
                  "Tries after which a push is dropped; 0 never gives up.")
        .optional("max_entry_age", &EndpointArgs::max_entry_age,
                  "Entries older than this are dropped and counted before they are sent, as Loki "
                  "would refuse them; 0s sends any.")
        .optional("tenant_id", &EndpointArgs::tenant_id,
                  "Tenant of entries without the label __tenant_id__.")
        .optional("retry_on_http_429", &EndpointArgs::retry_on_http_429,
                  "Tries again after status 429, a second apart or more; false drops the push.")
        .include(&EndpointArgs::http)
        .block("queue_config", &EndpointArgs::queue_config, "The queue of this endpoint.");
  }

  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    component::validate_url(body, "url", url, diagnostics);
    http.validate(body, diagnostics);
    if (batch_size.bytes <= 0)
      diagnostics.error(body.span_of("batch_size"), "batch_size must be above 0");
    if (batch_wait <= Duration::zero())
      diagnostics.error(body.span_of("batch_wait"), "batch_wait must be above 0");
    if (remote_timeout <= Duration::zero())
      diagnostics.error(body.span_of("remote_timeout"), "remote_timeout must be above 0");
    if (min_backoff_period <= Duration::zero() || max_backoff_period < min_backoff_period) {
      diagnostics.error(body.span_of("min_backoff_period"),
                        "min_backoff_period must be above 0 and at most max_backoff_period");
    }
    if (max_backoff_retries < 0)
      diagnostics.error(body.span_of("max_backoff_retries"),
                        "max_backoff_retries must not be negative");
    not_negative(body, "max_entry_age", max_entry_age, diagnostics);
  }

  EndpointSettings settings() const;
};

struct WalArgs {
  bool enabled = false;
  Duration max_segment_age{};
  Duration min_read_frequency = std::chrono::milliseconds(250);
  Duration max_read_frequency = std::chrono::seconds(1);
  Duration drain_timeout = kLongestDrain;
  static Schema<WalArgs> schema() {
    return Schema<WalArgs>()
        .optional("enabled", &WalArgs::enabled,
                  "Sends every entry by way of the disk: sources count it as delivered when it is "
                  "safe there. Without it only what has no room in memory waits on disk, and with "
                  "a single endpoint nothing does.")
        .optional("max_segment_age", &WalArgs::max_segment_age,
                  "Entries that wait on disk for longer are dropped and counted; 0s keeps them "
                  "until they are sent.")
        .optional("min_read_frequency", &WalArgs::min_read_frequency,
                  "Accepted for compatibility: what is on disk is read without polling.")
        .optional("max_read_frequency", &WalArgs::max_read_frequency,
                  "Accepted for compatibility: what is on disk is read without polling.")
        .optional("drain_timeout", &WalArgs::drain_timeout,
                  "With enabled, what drain_timeout of queue_config is without; what is left then "
                  "stays on disk for the next start.");
  }

  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    not_negative(body, "max_segment_age", max_segment_age, diagnostics);
    not_negative(body, "drain_timeout", drain_timeout, diagnostics);
  }
};

struct LokiWriteArgs {
  std::vector<EndpointArgs> endpoints;
  StringMap external_labels;
  std::int64_t max_streams = 0;
  WalArgs wal;

  static Schema<LokiWriteArgs> schema() {
    return Schema<LokiWriteArgs>()
        .optional("external_labels", &LokiWriteArgs::external_labels,
                  "Labels for entries that do not have them.")
        .optional("max_streams", &LokiWriteArgs::max_streams,
                  "Most streams in one push; entries of further ones are dropped. 0: no limit.")
        .block("endpoint", &LokiWriteArgs::endpoints, "A Loki to push to.")
        .block("wal", &LokiWriteArgs::wal, "Queueing on disk.");
  }

  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (max_streams < 0) diagnostics.error(body.span, "max_streams must not be negative");
    std::size_t i = 0;
    for (const lang::Block& block : body.blocks) {
      if (block.name != "endpoint") continue;
      for (std::size_t j = 0; j < i; ++j) {
        if (endpoints[i].settings() == endpoints[j].settings())
          diagnostics.error(block.span, "two endpoints with equal settings");
      }
      ++i;
    }
    for (const auto& [name, value] : external_labels) {
      if (!model::is_valid_label_name(name))
        diagnostics.error(body.span, "external_labels: \"" + name + "\" is not a label name");
    }
  }

  std::vector<EndpointSettings> settings() const {
    std::vector<EndpointSettings> out;
    model::LabelBuilder external;
    for (const auto& [name, value] : external_labels) external.set(name, value);
    for (const EndpointArgs& endpoint : endpoints) {
      out.push_back(endpoint.settings());
      out.back().external_labels = external.labels();
      out.back().max_streams = static_cast<std::size_t>(max_streams);
    }
    return out;
  }
};

EndpointSettings EndpointArgs::settings() const {
  EndpointSettings out;
  out.name = name;
  out.max_entry_age = max_entry_age;
  out.url = url;
  out.batch_wait = batch_wait;
  out.batch_size = static_cast<std::size_t>(batch_size.bytes);
  out.remote_timeout = remote_timeout;
  for (const auto& [header, value] : headers) {
    // Those that make the push a push are ours.
    std::string lower = header;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (lower != "content-type" && lower != "x-scope-orgid" && lower != "content-length" &&
        lower != "user-agent")
      out.headers.emplace_back(header, value);
  }
  out.min_backoff = min_backoff_period;
  out.max_backoff = max_backoff_period;
  out.max_retries = max_backoff_retries;
  out.tenant = tenant_id;
  out.retry_on_429 = retry_on_http_429;
  out.capacity = static_cast<std::size_t>(queue_config.capacity.bytes);
  out.block_on_overflow = queue_config.block_on_overflow;
  out.drain = queue_config.drain_timeout;
  out.overflow_limits.bytes = static_cast<std::uint64_t>(queue_config.overflow_budget.bytes);
  out.http = http.options();
  return out;
}

using Endpoints = EndpointList<Endpoint>::Endpoints;

// What other components hold; it may outlive the component.
class Inlet final : public component::LogReceiver, public EndpointList<Endpoint> {
 public:
  explicit Inlet(std::shared_ptr<component::Tap> tap) : tap_(std::move(tap)) {}
  Result<> consume(model::EntryBatch batch, std::stop_token stop) override {
    if (tap_->watched()) tap_->show("in", batch);
    const std::shared_ptr<const Endpoints> endpoints = get();
    if (endpoints == nullptr) return fail(ErrorCode::kUnavailable, "this loki.write does not run");
    if (batch.empty() || endpoints->empty()) {
      batch.settle();
      return {};
    }
    Result<> failure;
    for (std::size_t i = 0; i + 1 < endpoints->size(); ++i) {
      if (auto r = (*endpoints)[i]->accept(batch.clone(), stop); !r) failure = std::move(r);
    }
    if (auto r = endpoints->back()->accept(std::move(batch), stop); !r) failure = std::move(r);
    return failure;
  }

 private:
  const std::shared_ptr<component::Tap> tap_;
};

class LokiWrite final : public component::Configured<LokiWriteArgs>,
                        public component::Worker,
                        public component::Delivers {
 public:
  explicit LokiWrite(component::Host host) : host_(std::move(host)) {
    host_.exports({{"receiver", component::capsule<component::LogReceiver>(inlet_)}});
  }
  ~LokiWrite() override { inlet_->set(nullptr); }

  using Configured::prepare;
  Result<component::Commit> prepare(LokiWriteArgs args) override {
    auto settings = std::make_shared<std::vector<EndpointSettings>>(args.settings());
    for (EndpointSettings& endpoint : *settings) {
      endpoint.has_siblings = settings->size() > 1;
      endpoint.overflow = endpoint.has_siblings || args.wal.enabled;
      endpoint.disk_first = args.wal.enabled;
      if (args.wal.enabled) {
        endpoint.drain = args.wal.drain_timeout;
        endpoint.overflow_limits.age = args.wal.max_segment_age;
      }
      // Where nobody else would have to wait, a full disk makes sources wait, as full memory does.
      endpoint.overflow_limits.drop_oldest = endpoint.has_siblings || !endpoint.block_on_overflow;
      endpoint.drain = std::min(endpoint.drain, kLongestDrain);
      endpoint.overflow_folder =
          overflow_folder() /
          sha256_hex(endpoint.name + "\n" + endpoint.url + "\n" + endpoint.tenant).substr(0, 16);
    }
    return component::Commit([this, settings] { apply(std::move(*settings)); });
  }

  Result<> run(std::stop_token stop) override;

  void deliver_soon() override {
    const auto endpoints = inlet_->get();
    if (endpoints == nullptr) return;
    for (const auto& endpoint : *endpoints) endpoint->deliver_soon();
  }

  void debug_info(component::DebugWriter& out) const override {
    const auto endpoints = inlet_->get();
    if (endpoints == nullptr) return;
    for (std::size_t i = 0; i < endpoints->size(); ++i) {
      const Endpoint& endpoint = *(*endpoints)[i];
      const auto settings = endpoint.settings();
      const std::string name =
          "endpoint." + (settings.name.empty() ? std::to_string(i) : settings.name) + ".";
      const Endpoint::Health health = endpoint.health();
      out.value(name + "url", io::url_for_people(settings.url));
      out.value(name + "queued_bytes", std::to_string(endpoint.queued_bytes()));
      out.value(name + "overflow_bytes", std::to_string(endpoint.overflow_bytes()));
      out.value(name + "oldest_queued_seconds",
                std::to_string(endpoint.oldest_queued() / std::chrono::seconds(1)));
      out.value(name + "last_delivery_unix_seconds",
                std::to_string(endpoint.last_delivery_ns() / 1'000'000'000));
      out.value(name + "last_error", health.error);
    }
  }

 private:
  static constexpr Duration kSync = std::chrono::milliseconds(100);
  static constexpr Duration kLook = std::chrono::seconds(5);  // where a push may take long

  struct Running {
    std::shared_ptr<Endpoint> endpoint;
    std::stop_source stop;
    std::stop_source hard;
    bool ended = false;
    std::thread thread;
  };

  std::filesystem::path overflow_folder() const { return host_.data_dir / "overflow"; }
  void remove_strangers(const std::vector<EndpointSettings>& settings);
  void apply(std::vector<EndpointSettings> settings);
  void drain();
  std::shared_ptr<Endpoint> make(EndpointSettings settings);
  void report();
  bool all_ended() const REQUIRES(mutex_);

  component::Host host_;
  const std::shared_ptr<Inlet> inlet_ = std::make_shared<Inlet>(host_.tap);
  mutable Mutex mutex_;
  Condition changed_;
  std::uint64_t version_ GUARDED_BY(mutex_) = 0;  // of the list in inlet_
  bool overflowed_ GUARDED_BY(mutex_) = false;    // since the last sync of the endpoints' disks
  std::vector<std::unique_ptr<Running>> running_ GUARDED_BY(mutex_);  // changed by run() alone
};

std::shared_ptr<Endpoint> LokiWrite::make(EndpointSettings settings) {
  return std::make_shared<Endpoint>(
      EndpointContext{host_.clock, host_.labels, host_.log, host_.metrics, [this] { report(); },
                      [this] {
                        MutexLock lock(mutex_);
                        overflowed_ = true;
                        changed_.notify_all();
                      }},
      std::move(settings));
}

// What an endpoint left on disk that was removed from the configuration while nothing ran.
void LokiWrite::remove_strangers(const std::vector<EndpointSettings>& settings) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(overflow_folder(), error), end; !error && it != end;
       it.increment(error)) {
    const bool known = std::any_of(settings.begin(), settings.end(),
                                   [&](const auto& s) { return s.overflow_folder == it->path(); });
    if (known) continue;
    host_.log.warn("removes what waited on disk for an endpoint that is not configured any more",
                   {{"folder", it->path().string()}});
    std::error_code none;
    std::filesystem::remove_all(it->path(), none);
  }
}

// Which endpoint that runs is which of the new ones: equal settings, else the same name, else the
// same URL, else what is left over when one changed altogether. An endpoint that lives on keeps its
// queue.
void LokiWrite::apply(std::vector<EndpointSettings> settings) {
  Endpoints old;
  if (const auto now = inlet_->get()) {
    old = *now;
  } else {
    remove_strangers(settings);
  }
  Endpoints next(settings.size());
  const auto match = [&](const auto& same) {
    for (std::size_t i = 0; i < settings.size(); ++i) {
      if (next[i] != nullptr) continue;
      const auto it = std::find_if(old.begin(), old.end(), [&](const auto& endpoint) {
        return endpoint != nullptr && same(endpoint->settings(), settings[i]);
      });
      if (it != old.end()) next[i] = std::exchange(*it, nullptr);
    }
  };
  using S = EndpointSettings;
  match([](const S& a, const S& b) { return a == b; });
  match([](const S& a, const S& b) { return !a.name.empty() && a.name == b.name; });
  match([](const S& a, const S& b) { return a.url == b.url; });
  const auto left = [](const Endpoints& list, bool null) {
    return std::count_if(list.begin(), list.end(),
                         [&](const auto& e) { return (e == nullptr) == null; });
  };
  if (left(old, false) == 1 && left(next, true) == 1)
    match([](const S&, const S&) { return true; });
  for (std::size_t i = 0; i < settings.size(); ++i) {
    if (next[i] != nullptr) {
      next[i]->update(std::move(settings[i]));
    } else {
      next[i] = make(std::move(settings[i]));
    }
  }
  inlet_->set(std::make_shared<const Endpoints>(std::move(next)));
  for (const auto& endpoint : old) {
    if (endpoint != nullptr) endpoint->retire();
  }
  MutexLock lock(mutex_);
  ++version_;
  changed_.notify_all();
}

bool LokiWrite::all_ended() const {
  return std::all_of(running_.begin(), running_.end(), [](const auto& r) { return r->ended; });
}

Result<> LokiWrite::run(std::stop_token stop) {
  std::uint64_t seen = 0;
  do {
    const auto endpoints = inlet_->get();
    std::vector<std::unique_ptr<Running>> gone;
    {
      MutexLock lock(mutex_);
      seen = version_;
      const auto wanted = [&](const Running& running) {
        return std::find(endpoints->begin(), endpoints->end(), running.endpoint) !=
               endpoints->end();
      };
      const auto keep = std::stable_partition(running_.begin(), running_.end(),
                                              [&](const auto& r) { return wanted(*r); });
      std::move(keep, running_.end(), std::back_inserter(gone));
      running_.erase(keep, running_.end());
    }
    for (const auto& running : gone) {
      running->stop.request_stop();
      running->hard.request_stop();
      running->thread.join();
    }
    if (endpoints != nullptr) {
      for (const auto& endpoint : *endpoints) {
        MutexLock lock(mutex_);
        if (std::any_of(running_.begin(), running_.end(),
                        [&](const auto& r) { return r->endpoint == endpoint; }))
          continue;
        auto running = std::make_unique<Running>();
        running->endpoint = endpoint;
        running->thread = std::thread([this, r = running.get(), origin = Pulse::origin()] {
          const Pulse pulse(origin);
          pthread_setname_np(pthread_self(), "loki.write");
          r->endpoint->run(r->stop.get_token(), r->hard.get_token());
          MutexLock own(mutex_);
          r->ended = true;
          changed_.notify_all();
        });
        running_.push_back(std::move(running));
      }
    }
    report();
    Mono look = kNever;
    if (endpoints != nullptr) {
      for (const auto& endpoint : *endpoints) {
        if (endpoint->settings().remote_timeout <= kSilence) continue;
        endpoint->look_for_silence();
        look = host_.clock.mono() + kLook;
      }
    }
    bool sync = false;
    {
      MutexLock lock(mutex_);
      host_.clock.wait(lock, changed_, look, stop,
                       [&]() NO_THREAD_SAFETY_ANALYSIS { return version_ != seen || overflowed_; });
      sync = std::exchange(overflowed_, false);
    }
    if (!sync || endpoints == nullptr) continue;
    // One fsync for all that arrives in a tenth of a second.
    host_.clock.sleep_for(kSync, stop);
    for (const auto& endpoint : *endpoints) endpoint->sync_overflow();
  } while (!stop.stop_requested());

  drain();
  return {};
}

// Lets the endpoints send what they have, each for as long as it is allowed to and does get
// something delivered. Nothing is gained by waiting for one that does not answer.
void LokiWrite::drain() {
  std::vector<std::unique_ptr<Running>> ending;
  {
    MutexLock lock(mutex_);
    const Mono begun = host_.clock.mono();
    for (const auto& running : running_) running->stop.request_stop();
    while (!all_ended()) {
      const Mono now = host_.clock.mono();
      Mono next = kNever;
      for (const auto& running : running_) {
        const Endpoint& endpoint = *running->endpoint;
        const Mono until = std::min(begun + endpoint.settings().drain, endpoint.expected_by(begun));
        if (until <= now || endpoint.failing()) {
          running->hard.request_stop();
        } else {
          next = std::min(next, until);
        }
      }
      host_.clock.wait(lock, changed_, next, {},
                       [&]() NO_THREAD_SAFETY_ANALYSIS { return all_ended(); });
    }
    ending.swap(running_);
  }
  for (const auto& running : ending) {
    running->thread.join();
    running->endpoint->sync_overflow();
  }
}

void LokiWrite::report() {
  const auto endpoints = inlet_->get();
  if (endpoints == nullptr) return;
  std::string errors;
  for (const auto& endpoint : *endpoints) {
    const Endpoint::Health health = endpoint->health();
    if (health.healthy) continue;
    if (!errors.empty()) errors += "; ";
    errors += health.error;
  }
  if (errors.empty()) {
    host_.health.good();
  } else {
    host_.health.bad(errors);
  }
}

}  // namespace

component::Declaration loki_write() {
  return component::declare<LokiWrite>(
      "loki.write", "Pushes log entries to one or more Lokis.",
      {{"receiver", "LogsReceiver", "Receiver of the entries to push."}});
}

}  // namespace agent::write
