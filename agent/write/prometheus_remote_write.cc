// prometheus.remote_write: sends samples to one or more receivers of Prometheus' remote write, by
// way of a queue on disk.
#include <pthread.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/pulse.h"
#include "agent/base/strings.h"
#include "agent/component/component.h"
#include "agent/component/http_args.h"
#include "agent/component/receiver.h"
#include "agent/component/relabel_args.h"
#include "agent/write/cloud_login.h"
#include "agent/write/endpoint_list.h"
#include "agent/write/remote_endpoint.h"

namespace agent::write {
namespace {

using component::Schema;

constexpr std::string_view kMessage1 = "prometheus.WriteRequest";
constexpr std::string_view kMessage2 = "io.prometheus.write.v2.Request";

struct QueueConfigArgs {
  std::int64_t capacity = 10'000;
  std::int64_t max_shards = 50;
  std::int64_t min_shards = 1;
  std::int64_t max_samples_per_send = 2000;
  Duration batch_send_deadline = std::chrono::seconds(5);
  Duration min_backoff = std::chrono::milliseconds(30);
  Duration max_backoff = std::chrono::seconds(5);
  bool retry_on_http_429 = true;
  Duration sample_age_limit = Duration::zero();

  static Schema<QueueConfigArgs> schema() {
    using A = QueueConfigArgs;
    return Schema<A>()
        .optional("capacity", &A::capacity,
                  "Without effect: the queue is on disk, and bounded in bytes by the wal block.")
        .optional("max_shards", &A::max_shards,
                  "Most requests on their way at the same time, while there is a backlog.")
        .optional("min_shards", &A::min_shards, "Fewest such requests.")
        .optional("max_samples_per_send", &A::max_samples_per_send, "Most samples in a request.")
        .optional("batch_send_deadline", &A::batch_send_deadline,
                  "Longest time a sample waits for its request to fill.")
        .optional("min_backoff", &A::min_backoff,
                  "First pause before a request is tried again; it doubles with each try.")
        .optional("max_backoff", &A::max_backoff, "Longest such pause.")
        .optional("retry_on_http_429", &A::retry_on_http_429,
                  "Tries again after status 429; false drops the request.")
        .optional("sample_age_limit", &A::sample_age_limit,
                  "Samples older than this are dropped instead of sent; 0s sends all.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    for (const auto& [name, value] :
         {std::pair{"max_shards", max_shards}, std::pair{"min_shards", min_shards},
          std::pair{"max_samples_per_send", max_samples_per_send}})
      if (value < 1)
        diagnostics.error(body.span_of(name), std::string(name) + " must be at least 1");
    if (min_shards > max_shards)
      diagnostics.error(body.span_of("min_shards"), "min_shards is greater than max_shards");
    for (const auto& [name, value] :
         {std::pair{"min_backoff", min_backoff}, std::pair{"max_backoff", max_backoff}})
      if (value <= Duration::zero())
        diagnostics.error(body.span_of(name), std::string(name) + " must be greater than 0");
    for (const auto& [name, value] : {std::pair{"batch_send_deadline", batch_send_deadline},
                                      std::pair{"sample_age_limit", sample_age_limit}})
      if (value < Duration::zero())
        diagnostics.error(body.span_of(name), std::string(name) + " must not be negative");
  }
};

struct MetadataConfigArgs {
  bool send = true;
  Duration send_interval = std::chrono::minutes(1);
  std::int64_t max_samples_per_send = 2000;

  static Schema<MetadataConfigArgs> schema() {
    using A = MetadataConfigArgs;
    return Schema<A>()
        .optional("send", &A::send, "Sends types, help texts and units where scrapes pass them on.")
        .optional("send_interval", &A::send_interval, "Time between two sends of all of them.")
        .optional("max_samples_per_send", &A::max_samples_per_send, "Most families in a request.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (send_interval <= Duration::zero())
      diagnostics.error(body.span_of("send_interval"), "send_interval must be greater than 0");
    if (max_samples_per_send < 1)
      diagnostics.error(body.span_of("max_samples_per_send"),
                        "max_samples_per_send must be at least 1");
  }
};

struct RemoteEndpointArgs {
  std::string name;
  std::string url;
  Duration remote_timeout = std::chrono::seconds(30);
  component::StringMap headers;
  bool send_exemplars = true;
  bool send_native_histograms = false;
  std::string protobuf_message{kMessage1};
  bool round_robin_dns = false;
  component::HttpClientArgs client = [] {
    component::HttpClientArgs http;
    http.enable_http2 = false;
    return http;
  }();
  CloudArgs cloud;
  QueueConfigArgs queue_config;
  MetadataConfigArgs metadata_config;
  std::vector<component::RuleArgs> write_relabel_config;

  static Schema<RemoteEndpointArgs> schema() {
    using A = RemoteEndpointArgs;
    return Schema<A>()
        .required("url", &A::url, "URL to send to, with its path.")
        .optional("name", &A::name, "Name of the endpoint, in metrics. Empty: made from its URL.")
        .optional("remote_timeout", &A::remote_timeout, "Time limit of a request.")
        .optional("headers", &A::headers, "Headers of each request.")
        .optional("send_exemplars", &A::send_exemplars, "Sends exemplars.")
        .optional("send_native_histograms", &A::send_native_histograms,
                  "Sends native histograms, as they came in.")
        .optional("protobuf_message", &A::protobuf_message,
                  "prometheus.WriteRequest for protocol 1.0, io.prometheus.write.v2.Request for "
                  "2.0 with receivers that know it.")
        .optional("round_robin_dns", &A::round_robin_dns,
                  "Makes each connection to any of the addresses that the host's name has.")
        .include(&A::client)
        .include(&A::cloud)
        .block("queue_config", &A::queue_config, "How samples are grouped, sent and tried again.")
        .block("metadata_config", &A::metadata_config, "Sending of metadata.")
        .block("write_relabel_config", &A::write_relabel_config,
               "Rules for what goes to this endpoint, applied in order, behind external_labels.");
  }

  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    component::validate_url(body, "url", url, diagnostics);
    if (remote_timeout <= Duration::zero())
      diagnostics.error(body.span_of("remote_timeout"), "remote_timeout must be greater than 0");
    if (protobuf_message != kMessage1 && protobuf_message != kMessage2)
      diagnostics.error(
          body.span_of("protobuf_message"),
          "protobuf_message must be " + std::string(kMessage1) + " or " + std::string(kMessage2));
    constexpr std::array<std::string_view, 6> kOurs = {
        "content-encoding", "content-type", "x-prometheus-remote-write-version",
        "user-agent",       "host",         "content-length"};
    for (const auto& [header, value] : headers) {
      std::string lower = header;
      std::transform(lower.begin(), lower.end(), lower.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      if (std::find(kOurs.begin(), kOurs.end(), lower) != kOurs.end())
        diagnostics.error(body.span_of("headers"), "the header " + header + " cannot be changed");
    }
    client.validate(body, diagnostics);
    cloud.validate(body, client, diagnostics);
  }
};

struct RemoteWalArgs {
  Duration truncate_frequency = std::chrono::hours(2);
  Duration min_keepalive_time = std::chrono::minutes(5);
  Duration max_keepalive_time = std::chrono::hours(8);
  component::ByteSize max_bytes{512LL << 20};

  static Schema<RemoteWalArgs> schema() {
    using A = RemoteWalArgs;
    return Schema<A>()
        .optional("truncate_frequency", &A::truncate_frequency,
                  "Accepted for compatibility: samples leave the disk when they are delivered.")
        .optional("min_keepalive_time", &A::min_keepalive_time,
                  "Accepted for compatibility: samples leave the disk when they are delivered.")
        .optional("max_keepalive_time", &A::max_keepalive_time,
                  "Samples that wait for longer are dropped and counted; 0s keeps them until they "
                  "are sent.")
        .optional("max_bytes", &A::max_bytes,
                  "Room on disk for samples that wait, for each endpoint; the oldest go first. Not "
                  "an argument of Alloy's.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (max_keepalive_time < Duration::zero())
      diagnostics.error(body.span_of("max_keepalive_time"),
                        "max_keepalive_time must not be negative");
    if (max_bytes.bytes < (16LL << 20))
      diagnostics.error(body.span_of("max_bytes"), "max_bytes must be at least 16MiB");
  }
};

struct RemoteWriteArgs {
  component::StringMap external_labels;
  std::vector<RemoteEndpointArgs> endpoints;
  RemoteWalArgs wal;

  static Schema<RemoteWriteArgs> schema() {
    using A = RemoteWriteArgs;
    return Schema<A>()
        .optional("external_labels", &A::external_labels,
                  "Labels for series that do not have them.")
        .block("endpoint", &A::endpoints, "A receiver to send to.")
        .block("wal", &A::wal, "Queueing on disk.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    for (const auto& [name, value] : external_labels)
      if (!model::is_valid_label_name(name))
        diagnostics.error(body.span_of("external_labels"),
                          "external_labels: " + json_string(name) + " is not a label name");
    std::size_t i = 0;
    for (const lang::Block& block : body.blocks) {
      if (block.name != "endpoint" || i >= endpoints.size()) continue;
      for (std::size_t k = 0; k < i; ++k)
        if (endpoints[k].name == endpoints[i].name &&
            (!endpoints[k].name.empty() || endpoints[k].url == endpoints[i].url))
          diagnostics.error(block.span, endpoints[k].name.empty()
                                            ? "two endpoints with the same url need names"
                                            : "two endpoints with the same name");
      ++i;
    }
  }
};

// A label that is only set where there is none is a rule, too.
component::RuleArgs external_label(const std::string& name, std::string_view value) {
  component::RuleArgs rule;
  rule.source_labels = {name};
  rule.regex = "";
  rule.target_label = name;
  rule.replacement.clear();
  for (const char c : value) {
    if (c == '$') rule.replacement += '$';
    rule.replacement += c;
  }
  return rule;
}

using Endpoints = EndpointList<RemoteEndpoint>::Endpoints;

// What other components hold; it may outlive the component.
class Inlet final : public component::MetricsReceiver, public EndpointList<RemoteEndpoint> {
 public:
  explicit Inlet(std::shared_ptr<component::Tap> tap) : tap_(std::move(tap)) {}
  Result<> consume(model::SampleBatch batch, std::stop_token) override {
    if (tap_->watched()) tap_->show("in", batch);
    const auto endpoints = get();
    if (endpoints == nullptr)
      return fail(ErrorCode::kUnavailable, "this prometheus.remote_write does not run");
    for (const auto& endpoint : *endpoints) endpoint->accept(batch);
    return {};
  }

 private:
  const std::shared_ptr<component::Tap> tap_;
};

class RemoteWrite final : public component::Configured<RemoteWriteArgs>, public component::Worker {
 public:
  explicit RemoteWrite(component::Host host) : host_(std::move(host)) {
    host_.exports({{"receiver", component::capsule<component::MetricsReceiver>(inlet_)}});
  }
  ~RemoteWrite() override { inlet_->set(nullptr); }

  using Configured::prepare;
  Result<component::Commit> prepare(RemoteWriteArgs args) override {
    auto settings = std::make_shared<std::vector<RemoteEndpointSettings>>();
    for (const RemoteEndpointArgs& endpoint : args.endpoints) {
      auto one = settings_of(args, endpoint);
      if (!one) return fail(std::move(one.error()));
      settings->push_back(std::move(*one));
    }
    return component::Commit([this, settings] { apply(std::move(*settings)); });
  }

  // Keeps a thread for each endpoint.
  Result<> run(std::stop_token stop) override {
    struct Running {
      std::shared_ptr<RemoteEndpoint> endpoint;
      std::jthread thread;
    };
    std::vector<Running> running;
    do {
      std::uint64_t seen = 0;
      {
        MutexLock lock(mutex_);
        seen = version_;
      }
      const auto endpoints = inlet_->get();
      for (auto it = running.begin(); it != running.end();) {
        const bool wanted = endpoints != nullptr && std::find(endpoints->begin(), endpoints->end(),
                                                              it->endpoint) != endpoints->end();
        if (wanted) {
          ++it;
          continue;
        }
        const std::uint64_t left = it->endpoint->queue().items();
        it->thread.request_stop();
        it->thread.join();
        std::filesystem::path folder = it->endpoint->settings().folder;
        folder += ".gone";
        it = running.erase(it);
        if (left > 0)
          host_.log.warn("drops what waited for an endpoint that is not configured any more",
                         {{"samples", left}});
        std::error_code ignored;
        std::filesystem::remove_all(folder, ignored);
      }
      if (endpoints != nullptr) {
        for (const auto& endpoint : *endpoints) {
          if (std::any_of(running.begin(), running.end(),
                          [&](const Running& one) { return one.endpoint == endpoint; }))
            continue;
          running.push_back({endpoint, std::jthread([endpoint, origin = Pulse::origin()](
                                                        const std::stop_token& own) {
                               const Pulse pulse(origin);
                               pthread_setname_np(pthread_self(), "remote_write");
                               endpoint->run(own);
                             })});
        }
      }
      report();
      MutexLock lock(mutex_);
      host_.clock.wait(lock, changed_, kNever, stop,
                       [&]() NO_THREAD_SAFETY_ANALYSIS { return version_ != seen; });
    } while (!stop.stop_requested());
    for (Running& one : running) one.thread.request_stop();
    running.clear();
    return {};
  }

  void debug_info(component::DebugWriter& out) const override {
    const auto endpoints = inlet_->get();
    if (endpoints == nullptr) return;
    for (std::size_t i = 0; i < endpoints->size(); ++i) {
      const RemoteEndpoint& endpoint = *(*endpoints)[i];
      const std::string at = "endpoint." + std::to_string(i) + ".";
      out.value(at + "url", io::url_for_people(endpoint.settings().url));
      out.value(at + "waiting", std::to_string(endpoint.queue().items()));
      out.value(at + "waiting_bytes", std::to_string(endpoint.queue().bytes()));
      out.value(at + "last_delivery_unix_seconds",
                std::to_string(endpoint.last_delivery_ns() / 1'000'000'000));
      out.value(at + "last_error", endpoint.error());
      out.value(at + "disk_error", endpoint.queue().disk_error());
    }
  }

 private:
  std::filesystem::path queues() const { return host_.data_dir / "queue"; }

  Result<RemoteEndpointSettings> settings_of(const RemoteWriteArgs& args,
                                             const RemoteEndpointArgs& endpoint) const {
    RemoteEndpointSettings out;
    const std::string key =
        sha256_hex(endpoint.name.empty() ? "url " + endpoint.url : "name " + endpoint.name)
            .substr(0, 16);
    out.name = endpoint.name.empty() ? key.substr(0, 6) : endpoint.name;
    out.url = endpoint.url;
    out.version_2 = endpoint.protobuf_message == kMessage2;
    out.folder = queues() / key;
    out.remote_timeout = endpoint.remote_timeout;
    for (const auto& [name, value] : endpoint.headers) out.headers.emplace_back(name, value);
    out.http = endpoint.client.options();
    out.http.shuffle_addresses = endpoint.round_robin_dns;
    out.cloud = endpoint.cloud;
    if (endpoint.cloud.sigv4) {
      if (auto region = region_of(*endpoint.cloud.sigv4); !region)
        return fail(std::move(region.error()));
      // What is signed is signed for this host alone.
      out.http.follow_redirects = false;
    }
    out.exemplars = endpoint.send_exemplars;
    out.histograms = endpoint.send_native_histograms;
    component::RelabelArgs relabel;
    for (const auto& [name, value] : args.external_labels)
      relabel.rules.push_back(external_label(name, value));
    relabel.rules.insert(relabel.rules.end(), endpoint.write_relabel_config.begin(),
                         endpoint.write_relabel_config.end());
    auto rules = component::compile_rules(relabel);
    if (!rules) return fail(std::move(rules.error()));
    out.rules = std::move(*rules);
    const QueueConfigArgs& queue = endpoint.queue_config;
    out.per_send = static_cast<std::size_t>(queue.max_samples_per_send);
    out.min_shards = static_cast<std::size_t>(queue.min_shards);
    out.max_shards = static_cast<std::size_t>(queue.max_shards);
    out.send_deadline = queue.batch_send_deadline;
    out.min_backoff = queue.min_backoff;
    out.max_backoff = std::max(queue.min_backoff, queue.max_backoff);
    out.retry_on_429 = queue.retry_on_http_429;
    out.age_limit = queue.sample_age_limit;
    out.metadata = endpoint.metadata_config.send;
    out.metadata_interval = endpoint.metadata_config.send_interval;
    out.metadata_per_send = static_cast<std::size_t>(endpoint.metadata_config.max_samples_per_send);
    out.queue.max_bytes = static_cast<std::uint64_t>(args.wal.max_bytes.bytes);
    out.queue.max_age = args.wal.max_keepalive_time;
    return out;
  }

  // An endpoint is known by its name, or else its URL: with these it keeps its queue, whatever else
  // changes. When a single one is gone and a single one is new, it is that one under another name.
  void apply(std::vector<RemoteEndpointSettings> settings) {
    const auto now = inlet_->get();
    if (now == nullptr) inherit_folders(settings);
    Endpoints old = now != nullptr ? *now : Endpoints();
    Endpoints next(settings.size());
    for (std::size_t i = 0; i < settings.size(); ++i) {
      const auto same = std::find_if(old.begin(), old.end(), [&](const auto& one) {
        return one->settings().folder == settings[i].folder;
      });
      if (same == old.end()) continue;
      next[i] = *same;
      old.erase(same);
    }
    if (old.size() == 1 && std::count(next.begin(), next.end(), nullptr) == 1) {
      *std::find(next.begin(), next.end(), nullptr) = old.front();
      old.clear();
    }
    for (std::size_t i = 0; i < settings.size(); ++i) {
      if (next[i] != nullptr) {
        next[i]->update(std::move(settings[i]));
      } else {
        next[i] =
            std::make_shared<RemoteEndpoint>(RemoteContext{host_.clock, host_.labels, host_.log,
                                                           host_.metrics, [this] { report(); }},
                                             std::move(settings[i]));
      }
    }
    for (const auto& gone : old) gone->retire();
    inlet_->set(std::make_shared<const Endpoints>(std::move(next)));
    MutexLock lock(mutex_);
    ++version_;
    changed_.notify_all();
  }

  // The same for what lies on disk when nothing ran while the configuration changed.
  void inherit_folders(const std::vector<RemoteEndpointSettings>& settings) {
    std::vector<std::filesystem::path> strangers;
    std::error_code error;
    for (std::filesystem::directory_iterator it(queues(), error), end; !error && it != end;
         it.increment(error)) {
      if (std::none_of(settings.begin(), settings.end(),
                       [&](const auto& one) { return one.folder == it->path(); }))
        strangers.push_back(it->path());
    }
    std::vector<std::filesystem::path> fresh;
    for (const RemoteEndpointSettings& one : settings)
      if (!std::filesystem::exists(one.folder, error)) fresh.push_back(one.folder);
    if (strangers.size() == 1 && fresh.size() == 1 && strangers[0].extension() != ".gone") {
      std::filesystem::rename(strangers[0], fresh[0], error);
      return;
    }
    for (const std::filesystem::path& folder : strangers) {
      host_.log.warn("removes what waited on disk for an endpoint that is not configured any more",
                     {{"folder", folder.string()}});
      std::filesystem::remove_all(folder, error);
    }
  }

  void report() {
    const auto endpoints = inlet_->get();
    if (endpoints == nullptr) return;
    for (const auto& endpoint : *endpoints) {
      if (const std::string error = endpoint->error(); !error.empty()) {
        host_.health.bad(error);
        return;
      }
    }
    host_.health.good();
  }

  component::Host host_;
  const std::shared_ptr<Inlet> inlet_ = std::make_shared<Inlet>(host_.tap);
  Mutex mutex_;
  Condition changed_;
  std::uint64_t version_ GUARDED_BY(mutex_) = 0;  // of the list in inlet_
};

}  // namespace

component::Declaration prometheus_remote_write() {
  return component::declare<RemoteWrite>(
      "prometheus.remote_write",
      "Sends samples to receivers of Prometheus' remote write, by way of a queue on disk.",
      {{"receiver", "MetricsReceiver", "Receiver of the samples to send."}});
}

}  // namespace agent::write
