// loki.source.api: Loki's own push API, for other agents to push to.
//
//   POST /loki/api/v1/push, /api/v1/push   protobuf in snappy, or JSON, plain or gzipped
//   POST /loki/api/v1/raw, /api/v1/raw     lines of text
//   GET  /ready                            200
// A push is answered when its entries are delivered, or on disk for certain: 204. Nobody waits on a
// thread for that.
#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <tuple>
#include <utility>

#include "agent/base/strings.h"
#include "agent/component/component.h"
#include "agent/component/http_args.h"
#include "agent/component/receiver.h"
#include "agent/component/relabel_args.h"
#include "agent/io/gzip.h"
#include "agent/io/http_server.h"
#include "agent/source/long_line.h"
#include "agent/source/outbox.h"
#include "agent/wire/loki_push.h"

namespace agent::source {
namespace {

constexpr std::size_t kRelabelCache = 10'000;
constexpr std::size_t kBodies = 128U << 20;  // of all requests at a time
constexpr std::size_t kSmallBody = 64U << 10;
constexpr unsigned kThreads = 4;
constexpr Duration kSweep = std::chrono::seconds(1);
constexpr char kText[] = "text/plain; charset=utf-8";

using ClientAuth = io::HttpServerTls::ClientAuth;
constexpr std::pair<std::string_view, ClientAuth> kClientAuth[] = {
    {"", ClientAuth::kNone},
    {"NoClientCert", ClientAuth::kNone},
    {"RequestClientCert", ClientAuth::kRequest},
    {"RequireAnyClientCert", ClientAuth::kRequireAny},
    {"VerifyClientCertIfGiven", ClientAuth::kVerifyIfGiven},
    {"RequireAndVerifyClientCert", ClientAuth::kRequireAndVerify}};
constexpr std::pair<std::string_view, std::string_view> kVersions[] = {
    {"", ":-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3"},
    {"TLS10", ":-VERS-ALL:+VERS-TLS1.0:+VERS-TLS1.1:+VERS-TLS1.2:+VERS-TLS1.3"},
    {"TLS11", ":-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.2:+VERS-TLS1.3"},
    {"TLS12", ":-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3"},
    {"TLS13", ":-VERS-ALL:+VERS-TLS1.3"}};

template <class Table>
auto* look_up(const Table& table, std::string_view name) {
  const auto it = std::find_if(std::begin(table), std::end(table),
                               [&](const auto& row) { return row.first == name; });
  return it == std::end(table) ? nullptr : &*it;
}

struct ApiTlsArgs {
  std::string cert_pem, cert_file, key_file, client_auth_type, client_ca, client_ca_file,
      min_version;
  Secret key_pem;
  static component::Schema<ApiTlsArgs> schema() {
    using A = ApiTlsArgs;
    return component::Schema<A>()
        .optional("cert_pem", &A::cert_pem, "The server's certificate and chain, as PEM text.")
        .optional("cert_file", &A::cert_file, "File with the certificate and its chain.")
        .optional("key_pem", &A::key_pem, "The certificate's key, as PEM text.")
        .optional("key_file", &A::key_file, "File with the key.")
        .optional("client_auth_type", &A::client_auth_type,
                  "NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven "
                  "or RequireAndVerifyClientCert; empty is the first.")
        .optional("client_ca", &A::client_ca, "Authorities of clients, as PEM text.")
        .optional("client_ca_file", &A::client_ca_file, "File with the authorities of clients.")
        .optional("min_version", &A::min_version,
                  "Lowest version to speak: TLS10, TLS11, TLS12 or TLS13; TLS12 when empty.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    const auto one = [&](std::string_view text, bool has_text, std::string_view file, bool has_file,
                         bool needed) {
      component::validate_one_of(body, text, has_text, file, has_file, needed ? "TLS" : "",
                                 diagnostics);
    };
    one("cert_pem", !cert_pem.empty(), "cert_file", !cert_file.empty(), true);
    one("key_pem", !key_pem.empty(), "key_file", !key_file.empty(), true);
    const auto* auth = look_up(kClientAuth, client_auth_type);
    if (auth == nullptr) {
      diagnostics.error(body.span_of("client_auth_type"), "unknown client_auth_type",
                        "known: NoClientCert, RequestClientCert, RequireAnyClientCert, "
                        "VerifyClientCertIfGiven, RequireAndVerifyClientCert");
    }
    const bool verifies = auth != nullptr && (auth->second == ClientAuth::kVerifyIfGiven ||
                                              auth->second == ClientAuth::kRequireAndVerify);
    one("client_ca", !client_ca.empty(), "client_ca_file", !client_ca_file.empty(), verifies);
    component::validate_tls_version(body, min_version, diagnostics);
  }
  io::HttpServerTls options() const {
    io::HttpServerTls out;
    out.cert_pem = cert_pem;
    out.cert_file = cert_file;
    out.key_pem = key_pem;
    out.key_file = key_file;
    out.client_ca_pem = client_ca;
    out.client_ca_file = client_ca_file;
    out.client_auth = look_up(kClientAuth, client_auth_type)->second;
    out.priorities = "NORMAL" + std::string(look_up(kVersions, min_version)->second);
    return out;
  }
};

struct HttpArgs {
  std::string listen_address;
  std::int64_t listen_port = 8080;
  std::int64_t conn_limit = 0;
  Duration server_read_timeout = std::chrono::seconds(30);
  Duration server_write_timeout = std::chrono::seconds(30);
  Duration server_idle_timeout = std::chrono::minutes(2);
  std::optional<ApiTlsArgs> tls;
  static component::Schema<HttpArgs> schema() {
    return component::Schema<HttpArgs>()
        .optional("listen_address", &HttpArgs::listen_address,
                  "Address to listen on; empty is every address.")
        .optional("listen_port", &HttpArgs::listen_port, "Port to listen on; 0 picks one.")
        .optional("conn_limit", &HttpArgs::conn_limit, "Most connections at a time; 0 is 256.")
        .optional("server_read_timeout", &HttpArgs::server_read_timeout,
                  "Longest time for the body of a push.")
        .optional("server_write_timeout", &HttpArgs::server_write_timeout,
                  "Longest time until a push is answered; then 503 is.")
        .optional("server_idle_timeout", &HttpArgs::server_idle_timeout,
                  "Time after which a quiet connection is closed.")
        .block("tls", &HttpArgs::tls, "Speaks HTTPS.")
        .ignored_block("http2", "Accepted; HTTP/1.1 is spoken.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (listen_port < 0 || listen_port > 65535)
      diagnostics.error(body.span_of("listen_port"), "a port is a number from 0 to 65535");
    if (conn_limit < 0 || conn_limit > 65536)
      diagnostics.error(body.span_of("conn_limit"), "conn_limit must be from 0 to 65536");
    const auto positive = [&](std::string_view name, Duration value) {
      if (value < std::chrono::seconds(1))
        diagnostics.error(body.span_of(name), std::string(name) + " must be at least 1s");
    };
    positive("server_read_timeout", server_read_timeout);
    positive("server_write_timeout", server_write_timeout);
    positive("server_idle_timeout", server_idle_timeout);
  }
  io::HttpServer::Options options() const {
    io::HttpServer::Options out;
    const bool six = listen_address.find(':') != std::string::npos && listen_address[0] != '[';
    out.address =
        (six ? "[" + listen_address + "]" : listen_address) + ":" + std::to_string(listen_port);
    out.threads = kThreads;
    out.max_connections = conn_limit > 0 ? static_cast<unsigned>(conn_limit) : 256;
    out.read_timeout = server_read_timeout;
    out.idle_timeout = server_idle_timeout;
    if (tls) out.tls = tls->options();
    return out;
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
  QueueArgs<false> queue;
  static component::Schema<ApiArgs> schema() {
    return component::Schema<ApiArgs>()
        .required("forward_to", &ApiArgs::forward_to, "Receivers that get the entries.")
        .optional("labels", &ApiArgs::labels, "Labels added to every entry.")
        .optional("relabel_rules", &ApiArgs::relabel_rules, "Rules for the labels of each stream.")
        .optional("use_incoming_timestamp", &ApiArgs::use_incoming_timestamp,
                  "Keeps the entries' own times instead of the time of their arrival.")
        .optional("max_send_message_size", &ApiArgs::max_send_message_size,
                  "Largest push, as sent and as decompressed; 0 is 100MiB.")
        .optional("graceful_shutdown_timeout", &ApiArgs::graceful_shutdown_timeout,
                  "Accepted; at a stop pushes under way are answered within a second.")
        .block("http", &ApiArgs::http, "Where to listen.")
        .block("queue", &ApiArgs::queue,
               "Keeps entries on disk until they are delivered. Not a block of Alloy.")
        .ignored_block("grpc", "Accepted; pushes come over HTTP alone, as in Alloy.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    for (const auto& [name, value] : labels)
      if (!model::is_valid_label_name(name))
        diagnostics.error(body.span_of("labels"), json_string(name) + " is not a valid label name");
    if (max_send_message_size.bytes < 0)
      diagnostics.error(body.span_of("max_send_message_size"),
                        "max_send_message_size must not be negative");
  }
};

// What is in force; replaced as a whole by a commit.
struct Settings {
  model::LabelSet labels;
  std::shared_ptr<model::Relabeler> relabeler;  // null: no rules
  bool keep_times = false;
  std::size_t max_bytes = 0;
  Duration patience{};
};

// Pushes that are on their way, until they are answered. Thread-safe; receipts keep it beyond the
// component's end.
class Pushes {
 public:
  struct Push {
    io::HttpServer::Answer answer;
    Mono since;
    std::size_t bytes = 0;
    std::string route;
    std::string method;
  };

  explicit Pushes(const component::Host& host)
      : clock_(host.clock),
        log_(host.log),
        metrics_(host.metrics),
        refused_(metrics_.counter("loki_source_api_refused_requests_total",
                                  "Pushes that were refused.")),
        in_flight_(metrics_.gauge("loki_source_api_inflight_requests",
                                  "Pushes that are not answered yet.")),
        request_bytes_(metrics_.histogram("loki_source_api_request_message_bytes",
                                          "Sizes of pushes, as sent.", sizes())),
        response_bytes_(metrics_.histogram("loki_source_api_response_message_bytes",
                                           "Sizes of answers.", sizes())) {}

  std::uint64_t add(Push push) {
    in_flight_->add(1);
    MutexLock lock(mutex_);
    waiting_.emplace(next_, std::move(push));
    return next_++;
  }

  // Answers the push, unless somebody has.
  void answer(std::uint64_t number, io::ServerReply reply) {
    std::optional<Push> push;
    {
      MutexLock lock(mutex_);
      const auto it = waiting_.find(number);
      if (it == waiting_.end()) return;
      push = std::move(it->second);
      waiting_.erase(it);
    }
    finish(*push, std::move(reply));
  }

  void refuse(std::uint64_t number, int status, std::string why) {
    refused_->increment();
    log_.limited(Level::kWarn, "a push is refused", {{"status", status}, {"err", why}});
    io::ServerReply reply{status, kText, std::move(why) + "\n", {}};
    if (status == 503) reply.headers.emplace_back("Retry-After", "1");
    answer(number, std::move(reply));
  }

  // 503 to those that have waited for longer.
  void refuse_late(Duration patience) {
    std::vector<std::uint64_t> late;
    {
      MutexLock lock(mutex_);
      for (const auto& [number, push] : waiting_)
        if (clock_.mono() - push.since >= patience) late.push_back(number);
    }
    for (std::uint64_t number : late) refuse(number, 503, "not delivered in time");
  }

 private:
  static std::vector<double> sizes() {
    std::vector<double> out;
    for (double mib : {1, 2, 5, 10, 25, 50, 100, 250}) out.push_back(mib * (1 << 20));
    return out;
  }

  void finish(const Push& push, io::ServerReply reply) {
    const double seconds = std::chrono::duration<double>(clock_.mono() - push.since).count();
    component::Histogram& took = seconds_of(push, reply.status);
    took->observe(seconds);
    request_bytes_->observe(static_cast<double>(push.bytes));
    response_bytes_->observe(static_cast<double>(reply.body.size()));
    in_flight_->add(-1);
    push.answer(std::move(reply));
  }

  component::Histogram& seconds_of(const Push& push, int status) {
    MutexLock lock(mutex_);
    component::Histogram& known = seconds_[{push.method, push.route, status}];
    if (known == nullptr) {
      known = metrics_.histogram("loki_source_api_request_duration_seconds",
                                 "Time until a push is answered.", component::default_buckets(),
                                 {{"method", push.method},
                                  {"route", push.route},
                                  {"status_code", std::to_string(status)},
                                  {"ws", "false"}});
    }
    return known;
  }

  Clock& clock_;
  const Log log_;
  const component::Metrics metrics_;
  const component::Counter refused_;
  const component::Gauge in_flight_;
  const component::Histogram request_bytes_;
  const component::Histogram response_bytes_;
  Mutex mutex_;
  std::map<std::uint64_t, Push> waiting_ GUARDED_BY(mutex_);
  std::uint64_t next_ GUARDED_BY(mutex_) = 0;
  std::map<std::tuple<std::string, std::string, int>, component::Histogram> seconds_
      GUARDED_BY(mutex_);
};

class ApiSource final : public component::Configured<ApiArgs>, public component::Worker {
 public:
  explicit ApiSource(component::Host host)
      : host_(std::move(host)),
        connections_(host_.metrics.gauge("loki_source_api_tcp_connections", "Connections now.",
                                         {{"protocol", "http"}})),
        outbox_(Outbox::make(host_, fanout_, "loki_source_api",
                             host_.metrics.counter("loki_source_api_entries_written",
                                                   "Entries that were passed on."))) {}

  ~ApiSource() override {
    std::shared_ptr<io::HttpServer> server;
    {
      MutexLock lock(mutex_);
      server = std::move(server_);
    }
    pushes_->refuse_late(Duration::zero());
    server.reset();  // waits for the handlers
    outbox_->close();
  }

  Result<component::Commit> prepare(ApiArgs args) override {
    auto next = std::make_shared<Settings>();
    model::LabelBuilder labels;
    for (const auto& [name, value] : args.labels) labels.set(name, value);
    next->labels = host_.labels.intern(std::move(labels).take());
    if (args.relabel_rules != nullptr && !args.relabel_rules->empty())
      next->relabeler =
          std::make_shared<model::Relabeler>(host_.labels, *args.relabel_rules, kRelabelCache);
    next->keep_times = args.use_incoming_timestamp;
    const std::int64_t limit = args.max_send_message_size.bytes;
    next->max_bytes = static_cast<std::size_t>(limit > 0 ? limit : 100 << 20);
    next->patience = args.http.server_write_timeout;

    io::HttpServer::Options options = args.http.options();
    options.max_body = next->max_bytes;
    options.max_bodies = std::max(kBodies, next->max_bytes);
    if (options.tls) {
      // Certificates are tried before anything changes.
      io::HttpServer::Options trial = options;
      trial.address = "127.0.0.1:0";
      auto tried = io::HttpServer::start_slow(trial, [](auto, const auto&) {});
      if (!tried) return fail(std::move(tried.error()));
    }
    std::shared_ptr<io::HttpServer> server;
    {
      MutexLock lock(mutex_);
      if (server_ != nullptr && same(options, options_)) server = server_;
      // The same address with other options: the old server must let go of it first.
      if (server == nullptr && server_ != nullptr && options.address == options_.address &&
          !options.address.ends_with(":0"))
        return component::Commit([this, next, options, queue = Outbox::settings_of(args.queue),
                                  targets = std::move(args.forward_to)] {
          fanout_.set(targets);
          outbox_->configure(queue);
          restart(next, options);
        });
    }
    if (server == nullptr) {
      auto started = start(options);
      if (!started) return fail(std::move(started.error()));
      server = std::move(*started);
    }
    return component::Commit([this, next, server, options, queue = Outbox::settings_of(args.queue),
                              targets = std::move(args.forward_to)] {
      fanout_.set(targets);
      outbox_->configure(queue);
      std::shared_ptr<io::HttpServer> old = server;
      {
        MutexLock lock(mutex_);
        settings_ = next;
        options_ = options;
        std::swap(server_, old);
      }
      // `old` ends here, outside the lock that its handlers take.
    });
  }

  Result<> run(std::stop_token stop) override {
    {
      std::jthread passing([this](const std::stop_token& own) { outbox_->run(own); });
      while (host_.clock.sleep_for(kSweep, stop)) {
        pushes_->refuse_late(settings()->patience);
        show_connections();
      }
    }
    // The outbox has ended: what it could not make safe by now it will not.
    pushes_->refuse_late(Duration::zero());
    return {};
  }

  void flush() override { outbox_->flush(); }

  void debug_info(component::DebugWriter& out) const override {
    {
      MutexLock lock(mutex_);
      if (server_ != nullptr) out.value("listening", server_->address());
    }
    outbox_->debug_info(out);
  }

 private:
  static bool same(const io::HttpServer::Options& a, const io::HttpServer::Options& b) {
    return a.address == b.address && a.max_body == b.max_body &&
           a.max_connections == b.max_connections && a.idle_timeout == b.idle_timeout &&
           a.read_timeout == b.read_timeout && a.tls == b.tls;
  }

  Result<std::shared_ptr<io::HttpServer>> start(const io::HttpServer::Options& options) {
    auto started = io::HttpServer::start_slow(
        options, [this](io::ServerRequest request, io::HttpServer::Answer answer) {
          handle(std::move(request), std::move(answer));
        });
    if (!started) return fail(std::move(started.error()));
    return std::shared_ptr<io::HttpServer>(std::move(*started));
  }

  // A commit cannot fail: with options that turn out wrong the old ones go on.
  void restart(const std::shared_ptr<const Settings>& next,
               const io::HttpServer::Options& options) {
    std::shared_ptr<io::HttpServer> old;
    io::HttpServer::Options before;
    {
      MutexLock lock(mutex_);
      settings_ = next;
      old = std::move(server_);
      before = options_;
    }
    old.reset();
    auto started = start(options);
    const bool good = static_cast<bool>(started);
    if (!good) {
      host_.log.error("the server does not start with its new options, the old ones hold",
                      {{"err", started.error().message}});
      started = start(before);
    }
    if (!started) host_.health.bad("nothing listens: " + started.error().message);
    MutexLock lock(mutex_);
    options_ = good ? options : before;
    if (started) server_ = std::move(*started);
  }

  std::shared_ptr<const Settings> settings() const {
    MutexLock lock(mutex_);
    return settings_;
  }

  void show_connections() const {
    MutexLock lock(mutex_);
    connections_->set(server_ == nullptr ? 0 : server_->connections());
  }

  void handle(io::ServerRequest request, io::HttpServer::Answer answer) {
    if (request.path == "/ready") return answer({200, kText, "ready\n", {}});
    const bool raw = request.path == "/loki/api/v1/raw" || request.path == "/api/v1/raw";
    if (!raw && request.path != "/loki/api/v1/push" && request.path != "/api/v1/push")
      return answer({404, kText, "push to /loki/api/v1/push\n", {}});
    if (request.method != "POST") return answer({405, kText, "POST it\n", {}});

    const std::uint64_t push = pushes_->add(
        {std::move(answer), host_.clock.mono(), request.body.size(), request.path, request.method});
    const std::shared_ptr<const Settings> now = settings();
    model::EntryBatch batch;
    const std::string tenant(request.header("x-scope-orgid"));
    auto decoded = raw ? take_lines(std::move(request.body), *now, tenant, batch)
                       : decode(request, *now, batch);
    if (!decoded) {
      return pushes_->refuse(push, decoded.error().code == ErrorCode::kExhausted ? 413 : 400,
                             decoded.error().message);
    }
    if (!raw) label(batch, *now, tenant);
    if (batch.empty()) return pushes_->answer(push, {204, "text/plain", "", {}});
    // Told by whatever thread it is that ends the batch's journey, also when this component is
    // gone.
    batch.add_receipt(model::Receipt([pushes = pushes_, push](bool safe) {
      if (safe) {
        pushes->answer(push, {204, "text/plain", "", {}});
      } else {
        pushes->refuse(push, 503, "not delivered");
      }
    }));
    // When it is not taken, the receipt says so.
    if (auto taken = outbox_->accept(std::move(batch), false, {}); !taken)
      host_.log.limited(Level::kWarn, "no room for a push", {{"err", taken.error().message}});
  }

  Result<> decode(const io::ServerRequest& request, const Settings& now, model::EntryBatch& batch) {
    wire::PushLimits limits;
    limits.max_bytes = now.max_bytes;
    const std::string_view encoding = request.header("content-encoding");
    const bool packed = encoding == "gzip" || encoding == "deflate";
    // What becomes large in memory does so one after another.
    std::optional<MutexLock> alone;
    if (packed || request.body.size() > kSmallBody) alone.emplace(decoding_);
    if (!request.header("content-type").starts_with("application/json"))
      return wire::decode_push(request.body, limits, host_.labels, batch);
    if (!packed) return wire::decode_json_push(request.body, limits, host_.labels, batch);
    auto plain = io::gunzip(request.body, limits.max_bytes);
    if (!plain) return fail(std::move(plain.error()));
    return wire::decode_json_push(*plain, limits, host_.labels, batch);
  }

  // Each line is an entry, with the component's labels; rules do not apply, as in Alloy.
  Result<> take_lines(std::string body, const Settings& now, std::string_view tenant,
                      model::EntryBatch& batch) {
    auto text = std::make_shared<const std::string>(std::move(body));
    model::LabelBuilder builder(now.labels);
    builder.set("__tenant_id__", tenant);
    const model::LabelSet labels = host_.labels.intern(std::move(builder).take());
    std::int64_t time = host_.clock.wall_ns();
    batch.arena.adopt(text, text->size());
    for (std::string_view line : split(*text, '\n')) {
      while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      if (line.empty()) continue;
      if (batch.entries.size() >= wire::PushLimits().max_entries)
        return fail(ErrorCode::kExhausted, "more lines than one push may have");
      model::Entry entry;
      entry.labels = labels;
      entry.time_ns = time++;  // equal lines are different ones
      bool cut = false;
      entry.line = line.size() > kMaxLine ? store_line(batch.arena, line, cut) : line;
      batch.entries.push_back(std::move(entry));
    }
    return {};
  }

  void label(model::EntryBatch& batch, const Settings& settings, std::string_view tenant) const {
    std::int64_t now = host_.clock.wall_ns();
    model::LabelSet before;
    std::optional<model::LabelSet> after;
    bool known = false;
    std::vector<model::Entry> kept;
    kept.reserve(batch.entries.size());
    for (model::Entry& entry : batch.entries) {
      if (!known || !(entry.labels == before)) {
        before = entry.labels;
        model::LabelBuilder labels(entry.labels);
        for (const model::Label& extra : settings.labels.labels())
          labels.set(extra.name, extra.value);
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
      if (!settings.keep_times) entry.time_ns = now++;  // equal lines are different ones
      kept.push_back(std::move(entry));
    }
    batch.entries = std::move(kept);
  }

  component::Host host_;
  component::Gauge connections_;
  component::LogFanout fanout_;
  const std::shared_ptr<Outbox> outbox_;
  const std::shared_ptr<Pushes> pushes_ = std::make_shared<Pushes>(host_);
  Mutex decoding_;
  mutable Mutex mutex_;
  std::shared_ptr<const Settings> settings_ GUARDED_BY(mutex_) = std::make_shared<const Settings>();
  io::HttpServer::Options options_ GUARDED_BY(mutex_);  // of server_
  std::shared_ptr<io::HttpServer> server_ GUARDED_BY(mutex_);
};

}  // namespace

component::Declaration loki_source_api() {
  return component::declare<ApiSource>("loki.source.api",
                                       "Takes entries that others push with Loki's push API.");
}

}  // namespace agent::source
