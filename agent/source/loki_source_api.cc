// loki.source.api: Loki's own push API, for other agents to push to.
//
//   POST /loki/api/v1/push   protobuf in snappy, or JSON, plain or gzipped      204, 400, 413, 503
//   GET  /ready                                                                  200
#include <algorithm>
#include <memory>
#include <stop_token>
#include <utility>

#include "agent/component/component.h"
#include "agent/component/receiver.h"
#include "agent/component/relabel_args.h"
#include "agent/io/gzip.h"
#include "agent/io/http_server.h"
#include "agent/wire/loki_push.h"

namespace agent::source {
namespace {

constexpr std::size_t kRelabelCache = 10'000;
constexpr std::size_t kLargestBody = 100U << 20;
constexpr unsigned kThreads = 4;

struct HttpArgs {
  std::string listen_address;
  std::int64_t listen_port = 8080;
  std::int64_t conn_limit = 0;
  Duration server_read_timeout = std::chrono::seconds(30);
  Duration server_write_timeout = std::chrono::seconds(30);
  Duration server_idle_timeout = std::chrono::minutes(2);
  static component::Schema<HttpArgs> schema() {
    return component::Schema<HttpArgs>()
        .optional("listen_address", &HttpArgs::listen_address,
                  "Address to listen on; empty is every address.")
        .optional("listen_port", &HttpArgs::listen_port, "Port to listen on; 0 picks one.")
        .optional("conn_limit", &HttpArgs::conn_limit, "Most connections at a time; 0 is 256.")
        .optional("server_read_timeout", &HttpArgs::server_read_timeout,
                  "Accepted; the idle timeout holds.")
        .optional("server_write_timeout", &HttpArgs::server_write_timeout,
                  "Accepted; the idle timeout holds.")
        .optional("server_idle_timeout", &HttpArgs::server_idle_timeout,
                  "Time after which a quiet connection is closed.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    const lang::Attribute* port = body.find("listen_port");
    if (port != nullptr && (listen_port < 0 || listen_port > 65535))
      diagnostics.error(port->value_span, "a port is a number from 0 to 65535");
  }
};

struct ApiArgs {
  std::vector<std::shared_ptr<component::LogReceiver>> forward_to;
  HttpArgs http;
  component::StringMap labels;
  std::shared_ptr<model::RelabelRules> relabel_rules;
  bool use_incoming_timestamp = false;
  component::ByteSize max_send_message_size{100 << 20};
  Duration graceful_shutdown_timeout = std::chrono::seconds(30);
  static component::Schema<ApiArgs> schema() {
    return component::Schema<ApiArgs>()
        .required("forward_to", &ApiArgs::forward_to, "Receivers that get the entries.")
        .optional("labels", &ApiArgs::labels, "Labels added to every entry.")
        .optional("relabel_rules", &ApiArgs::relabel_rules, "Rules for the labels of each stream.")
        .optional("use_incoming_timestamp", &ApiArgs::use_incoming_timestamp,
                  "Keeps the entries' own times instead of the time of their arrival.")
        .optional("max_send_message_size", &ApiArgs::max_send_message_size,
                  "Largest push, as sent and as decompressed.")
        .optional("graceful_shutdown_timeout", &ApiArgs::graceful_shutdown_timeout,
                  "Accepted; requests under way are finished or refused within a second.")
        .block("http", &ApiArgs::http, "Where to listen.");
  }
};

// What is in force; replaced as a whole by a commit.
struct Settings {
  model::Labels labels;
  std::shared_ptr<model::Relabeler> relabeler;  // null: no rules
  bool keep_times = false;
  std::size_t max_bytes = 0;
};

class ApiSource final : public component::Configured<ApiArgs> {
 public:
  explicit ApiSource(component::Host host)
      : host_(std::move(host)),
        entries_(
            host_.metrics.counter("loki_source_api_entries_total", "Entries that were taken.")),
        refused_(host_.metrics.counter("loki_source_api_refused_requests_total",
                                       "Pushes that were refused.")) {}

  ~ApiSource() override {
    stop_.request_stop();  // handlers that wait for room give up
    std::shared_ptr<io::HttpServer> server;
    {
      MutexLock lock(mutex_);
      server = std::move(server_);
    }
    server.reset();  // waits for the handlers
  }

  Result<component::Commit> prepare(ApiArgs args) override {
    auto next = std::make_shared<Settings>();
    model::LabelBuilder labels;
    for (const auto& [name, value] : args.labels) labels.set(name, value);
    next->labels = std::move(labels).take();
    if (args.relabel_rules != nullptr && !args.relabel_rules->empty())
      next->relabeler =
          std::make_shared<model::Relabeler>(host_.labels, *args.relabel_rules, kRelabelCache);
    next->keep_times = args.use_incoming_timestamp;
    next->max_bytes =
        static_cast<std::size_t>(std::max<std::int64_t>(args.max_send_message_size.bytes, 1));

    std::shared_ptr<io::HttpServer> server;
    const std::string address =
        args.http.listen_address + ":" + std::to_string(args.http.listen_port);
    {
      // A server that listens where it should goes on; its connection limits hold from its next
      // start.
      MutexLock lock(mutex_);
      if (address == address_) server = server_;
    }
    if (server == nullptr) {
      io::HttpServer::Options options;
      options.address = address;
      options.max_body = std::max(next->max_bytes, kLargestBody);
      options.threads = kThreads;
      options.max_connections =
          args.http.conn_limit > 0 ? static_cast<unsigned>(args.http.conn_limit) : 256;
      options.idle_timeout = args.http.server_idle_timeout;
      auto started =
          io::HttpServer::start(options, [this](const io::ServerRequest& r) { return handle(r); });
      if (!started) return fail(std::move(started.error()));
      server = std::move(*started);
    }
    return component::Commit([this, next, server, address, targets = std::move(args.forward_to)] {
      fanout_.set(targets);
      std::shared_ptr<io::HttpServer> old = server;
      {
        MutexLock lock(mutex_);
        settings_ = next;
        address_ = address;
        std::swap(server_, old);
      }
      // `old` ends here, outside the lock that its handlers take.
    });
  }

  void debug_info(component::DebugWriter& out) const override {
    MutexLock lock(mutex_);
    if (server_ != nullptr) out.value("listening", server_->address());
  }

 private:
  std::shared_ptr<const Settings> settings() const {
    MutexLock lock(mutex_);
    return settings_;
  }

  io::ServerReply refuse(int status, std::string why) const {
    refused_->increment();
    host_.log.limited(Level::kWarn, "a push is refused", {{"status", status}, {"err", why}});
    return {status, "text/plain; charset=utf-8", std::move(why) + "\n", {}};
  }

  io::ServerReply handle(const io::ServerRequest& request) {
    if (request.path == "/ready") return {200, "text/plain; charset=utf-8", "ready\n", {}};
    if (request.path != "/loki/api/v1/push" && request.path != "/api/v1/push")
      return {404, "text/plain; charset=utf-8", "push to /loki/api/v1/push\n", {}};
    if (request.method != "POST") return {405, "text/plain; charset=utf-8", "POST it\n", {}};

    const std::shared_ptr<const Settings> now = settings();
    wire::PushLimits limits;
    limits.max_bytes = now->max_bytes;
    if (request.body.size() > limits.max_bytes) return refuse(413, "the push is too large");
    model::EntryBatch batch;
    Result<> decoded;
    if (request.header("content-type").starts_with("application/json")) {
      std::string plain;
      std::string_view body = request.body;
      if (request.header("content-encoding") == "gzip") {
        auto inflated = io::gunzip(body, limits.max_bytes);
        if (!inflated)
          return refuse(inflated.error().code == ErrorCode::kExhausted ? 413 : 400,
                        inflated.error().message);
        plain = std::move(*inflated);
        body = plain;
      }
      decoded = wire::decode_json_push(body, limits, host_.labels, batch);
    } else {
      decoded = wire::decode_push(request.body, limits, host_.labels, batch);
    }
    if (!decoded)
      return refuse(decoded.error().code == ErrorCode::kExhausted ? 413 : 400,
                    decoded.error().message);

    label(batch, *now, request.header("x-scope-orgid"));
    const auto count = static_cast<double>(batch.entries.size());
    if (batch.empty()) return {204, "text/plain", "", {}};
    if (auto sent = fanout_.consume(std::move(batch), stop_.get_token()); !sent)
      return refuse(503, sent.error().message);
    entries_->add(count);
    return {204, "text/plain", "", {}};
  }

  void label(model::EntryBatch& batch, const Settings& settings, std::string_view tenant) const {
    const std::int64_t now = host_.clock.wall_ns();
    model::LabelSet before;
    std::optional<model::LabelSet> after;
    bool known = false;
    std::vector<model::Entry> kept;
    kept.reserve(batch.entries.size());
    for (model::Entry& entry : batch.entries) {
      if (!known || !(entry.labels == before)) {
        before = entry.labels;
        model::LabelBuilder labels(entry.labels);
        for (const model::Label& extra : settings.labels) labels.set(extra.name, extra.value);
        after = host_.labels.intern(std::move(labels).take());
        if (settings.relabeler != nullptr) after = settings.relabeler->apply(*after);
        if (after) {
          model::LabelBuilder visible(*after);
          visible.remove_prefix("__");
          visible.set("__tenant_id__", tenant);
          after = host_.labels.intern(std::move(visible).take());
        }
        known = true;
      }
      if (!after) continue;
      entry.labels = *after;
      if (!settings.keep_times) entry.time_ns = now;
      kept.push_back(std::move(entry));
    }
    batch.entries = std::move(kept);
  }

  component::Host host_;
  component::Counter entries_;
  component::Counter refused_;
  component::LogFanout fanout_;
  std::stop_source stop_;
  mutable Mutex mutex_;
  std::shared_ptr<const Settings> settings_ GUARDED_BY(mutex_) = std::make_shared<const Settings>();
  std::string address_ GUARDED_BY(mutex_);  // that server_ was asked for
  std::shared_ptr<io::HttpServer> server_ GUARDED_BY(mutex_);
};

}  // namespace

component::Declaration loki_source_api() {
  return component::declare<ApiSource>("loki.source.api",
                                       "Takes entries that others push with Loki's push API.");
}

}  // namespace agent::source
