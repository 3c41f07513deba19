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
#include <utility>

#include "agent/base/pulse.h"
#include "agent/base/strings.h"
#include "agent/component/component.h"
#include "agent/component/http_listener.h"
#include "agent/component/listen_args.h"
#include "agent/component/receiver.h"
#include "agent/component/relabel_args.h"
#include "agent/io/gzip.h"
#include "agent/source/long_line.h"
#include "agent/source/outbox.h"
#include "agent/wire/loki_push.h"

namespace agent::source {
namespace {

constexpr std::size_t kRelabelCache = 10'000;
constexpr std::size_t kSmallBody = 64U << 10;
constexpr Duration kSweep = std::chrono::seconds(1);
constexpr char kText[] = "text/plain; charset=utf-8";

struct ApiArgs {
  std::vector<std::shared_ptr<component::LogReceiver>> forward_to;
  component::ListenArgs http;
  std::optional<component::GrpcArgs> grpc;
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
                  "Without effect: at a stop pushes under way are answered within a second.")
        .block("http", &ApiArgs::http, "Where to listen.")
        .block("queue", &ApiArgs::queue,
               "Keeps entries on disk until they are delivered. Not a block of Alloy.")
        .block("grpc", &ApiArgs::grpc, "Without effect: nothing listens for gRPC.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    component::validate_graceful_shutdown(body, graceful_shutdown_timeout, diagnostics);
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
    component::RequestMetrics::Request request;
  };

  explicit Pushes(const component::Host& host)
      : clock_(host.clock),
        log_(host.log),
        requests_(host.metrics, "loki_source_api"),
        refused_(host.metrics.counter("loki_source_api_refused_requests_total",
                                      "Pushes that were refused.")) {}

  std::uint64_t add(Push push) {
    requests_.began();
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
    requests_.answered(push->request, reply, clock_.mono());
    push->answer(std::move(reply));
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
        if (clock_.mono() - push.request.since >= patience) late.push_back(number);
    }
    for (std::uint64_t number : late) refuse(number, 503, "not delivered in time");
  }

  void set_connections(unsigned count) { requests_.set_connections(count); }

 private:
  Clock& clock_;
  const Log log_;
  component::RequestMetrics requests_;
  const component::Counter refused_;
  Mutex mutex_;
  std::map<std::uint64_t, Push> waiting_ GUARDED_BY(mutex_);
  std::uint64_t next_ GUARDED_BY(mutex_) = 0;
};

class ApiSource final : public component::Configured<ApiArgs>, public component::Worker {
 public:
  explicit ApiSource(component::Host host)
      : host_(std::move(host)),
        outbox_(Outbox::make(host_, fanout_, "loki_source_api",
                             host_.metrics.counter("loki_source_api_entries_written",
                                                   "Entries that were passed on."))) {}

  ~ApiSource() override {
    pushes_->refuse_late(Duration::zero());
    listener_.close();
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

    return listener_.prepare(args.http.options(next->max_bytes),
                             [this, next, queue = Outbox::settings_of(args.queue),
                              targets = std::move(args.forward_to)] {
                               fanout_.set(targets);
                               outbox_->configure(queue);
                               MutexLock lock(mutex_);
                               settings_ = next;
                             });
  }

  Result<> run(std::stop_token stop) override {
    {
      std::jthread passing([this, origin = Pulse::origin()](const std::stop_token& own) {
        const Pulse pulse(origin);
        outbox_->run(own);
      });
      while (host_.clock.sleep_for(kSweep, stop)) {
        pushes_->refuse_late(settings()->patience);
        pushes_->set_connections(listener_.tend());
      }
    }
    // The outbox has ended: what it could not make safe by now it will not.
    pushes_->refuse_late(Duration::zero());
    return {};
  }

  void flush() override { outbox_->flush(); }

  void debug_info(component::DebugWriter& out) const override {
    if (std::string at = listener_.address(); !at.empty()) out.value("listening", std::move(at));
    outbox_->debug_info(out);
  }

 private:
  std::shared_ptr<const Settings> settings() const {
    MutexLock lock(mutex_);
    return settings_;
  }

  void handle(io::ServerRequest request, io::HttpServer::Answer answer) {
    if (request.path == "/ready") return answer({200, kText, "ready\n", {}});
    const bool raw = request.path == "/loki/api/v1/raw" || request.path == "/api/v1/raw";
    if (!raw && request.path != "/loki/api/v1/push" && request.path != "/api/v1/push")
      return answer({404, kText, "push to /loki/api/v1/push\n", {}});
    if (request.method != "POST") return answer({405, kText, "POST it\n", {}});

    const std::uint64_t push =
        pushes_->add({std::move(answer),
                      {request.method, request.path, request.body.size(), host_.clock.mono()}});
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
  component::LogFanout fanout_{host_.tap};
  const std::shared_ptr<Outbox> outbox_;
  const std::shared_ptr<Pushes> pushes_ = std::make_shared<Pushes>(host_);
  Mutex decoding_;
  mutable Mutex mutex_;
  std::shared_ptr<const Settings> settings_ GUARDED_BY(mutex_) = std::make_shared<const Settings>();
  component::HttpListener listener_{
      host_, [this](io::ServerRequest request, io::HttpServer::Answer answer) {
        handle(std::move(request), std::move(answer));
      }};
};

}  // namespace

component::Declaration loki_source_api() {
  return component::declare<ApiSource>("loki.source.api",
                                       "Takes entries that others push with Loki's push API.");
}

}  // namespace agent::source
