// prometheus.receive_http: takes samples that others send with Prometheus' remote write
// (prometheus.io/docs/specs/prw/remote_write_spec and remote_write_spec_2_0).
//
//   POST /api/v1/metrics/write   protobuf in snappy
//   204  taken over by every receiver; 503 not, send it again; 400 no such request; 413 too large;
//   415  another encoding or message
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/strings.h"
#include "agent/component/component.h"
#include "agent/component/http_listener.h"
#include "agent/component/listen_args.h"
#include "agent/component/receiver.h"
#include "agent/model/type_labels.h"
#include "agent/wire/remote_write.h"
#include "agent/wire/remote_write_2.h"

namespace agent::source {
namespace {

constexpr std::size_t kMaxBody = 32U << 20;  // as sent; wire::WriteLimits has what it may become
constexpr std::size_t kSmallBody = 64U << 10;
constexpr Duration kLook = std::chrono::seconds(1);
constexpr char kPath[] = "/api/v1/metrics/write";
constexpr char kText[] = "text/plain; charset=utf-8";
constexpr char kMessage1[] = "prometheus.WriteRequest";
constexpr char kMessage2[] = "io.prometheus.write.v2.Request";

struct ReceiveArgs {
  std::vector<std::shared_ptr<component::MetricsReceiver>> forward_to;
  component::ListenArgs http;
  std::optional<component::GrpcArgs> grpc;
  Duration graceful_shutdown_timeout = std::chrono::seconds(30);
  bool append_metadata = false;
  bool enable_type_and_unit_labels = false;
  std::vector<std::string> accepted_remote_write_protobuf_messages = {kMessage1};

  static component::Schema<ReceiveArgs> schema() {
    using A = ReceiveArgs;
    return component::Schema<A>()
        .required("forward_to", &A::forward_to, "Receivers that get the samples.")
        .optional("graceful_shutdown_timeout", &A::graceful_shutdown_timeout,
                  "Without effect: at a stop requests under way are answered within a second.")
        .optional("append_metadata", &A::append_metadata,
                  "Types, help texts and units are passed on.")
        .optional("enable_type_and_unit_labels", &A::enable_type_and_unit_labels,
                  "Adds __type__ and __unit__ to the series of requests of protocol 2.0.")
        .optional("accepted_remote_write_protobuf_messages",
                  &A::accepted_remote_write_protobuf_messages,
                  "Messages that are taken: prometheus.WriteRequest (protocol 1.0) and "
                  "io.prometheus.write.v2.Request (2.0).")
        .block("http", &A::http, "Where to listen.")
        .block("grpc", &A::grpc, "Without effect: nothing listens for gRPC.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    component::validate_graceful_shutdown(body, graceful_shutdown_timeout, diagnostics);
    const auto& names = accepted_remote_write_protobuf_messages;
    if (names.empty())
      diagnostics.error(body.span_of("accepted_remote_write_protobuf_messages"),
                        "accepted_remote_write_protobuf_messages is empty");
    for (const std::string& name : names)
      if (name != kMessage1 && name != kMessage2)
        diagnostics.error(body.span_of("accepted_remote_write_protobuf_messages"),
                          "unknown message " + json_string(name),
                          "known: " + std::string(kMessage1) + ", " + kMessage2);
  }
  bool accepts(std::string_view message) const {
    const auto& names = accepted_remote_write_protobuf_messages;
    return std::find(names.begin(), names.end(), message) != names.end();
  }
};

// The message that a Content-Type names; "" when it is none of remote write's.
std::string_view message_of(std::string_view content_type) {
  const auto parts = split(content_type, ';');
  std::string_view message = kMessage1;
  const std::string_view type = trim(parts.front());
  if (type != "application/x-protobuf" && !type.empty()) return {};
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const std::string_view part = trim(parts[i]);
    if (part.starts_with("proto=")) message = part.substr(6);
  }
  return message == kMessage1 || message == kMessage2 ? message : std::string_view();
}

class ReceiveHttp final : public component::Configured<ReceiveArgs>, public component::Worker {
 public:
  explicit ReceiveHttp(component::Host host)
      : host_(std::move(host)),
        requests_(host_.metrics, "prometheus_receive_http"),
        forwarded_(
            host_.metrics.counter("prometheus_forwarded_samples_total", "Samples passed on.")),
        latency_(host_.metrics.histogram("prometheus_fanout_latency",
                                         "Seconds that receivers took for a batch.",
                                         component::default_buckets())),
        nameless_(host_.metrics.counter("prometheus_receive_http_nameless_samples_total",
                                        "Samples dropped because their series has no name.")) {}

  ~ReceiveHttp() override {
    ending_.request_stop();
    listener_.close();
  }

  using Configured::prepare;
  Result<component::Commit> prepare(ReceiveArgs args) override {
    const io::HttpServer::Options options = args.http.options(kMaxBody);
    auto next = std::make_shared<const ReceiveArgs>(std::move(args));
    return listener_.prepare(options, [this, next] {
      forward_.set(next->forward_to);
      MutexLock lock(mutex_);
      args_ = next;
    });
  }

  Result<> run(std::stop_token stop) override {
    while (host_.clock.sleep_for(kLook, stop)) {
      requests_.set_connections(listener_.tend());
      end_late();
    }
    ending_.request_stop();  // whoever waits for room below ends now
    return {};
  }

  void debug_info(component::DebugWriter& out) const override {
    if (std::string at = listener_.address(); !at.empty()) out.value("listening", std::move(at));
    MutexLock lock(mutex_);
    std::size_t samples = 0;
    for (const auto& [since, one] : passing_) samples += one.samples;
    const Duration oldest =
        passing_.empty() ? Duration::zero() : host_.clock.mono() - passing_.begin()->first;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(oldest).count();
    out.value("unacknowledged_samples", std::to_string(samples));
    out.value("oldest_unacknowledged_seconds", std::to_string(seconds));
    out.value("last_delivery_unix_seconds", std::to_string(delivered_ns_ / 1'000'000'000));
  }

 private:
  // Samples that receivers have not taken over yet.
  struct Passing {
    std::size_t samples = 0;
    Mono until{};
    bool late = false;
    std::stop_source end;
  };

  void handle(io::ServerRequest request, const io::HttpServer::Answer& answer) {
    if (request.path == "/ready") return answer({200, kText, "ready\n", {}});
    if (request.path != kPath)
      return answer({404, kText, "send to " + std::string(kPath) + "\n", {}});
    if (request.method != "POST") return answer({405, kText, "POST it\n", {}});
    const component::RequestMetrics::Request counted{request.method, kPath, request.body.size(),
                                                     host_.clock.mono()};
    requests_.began();
    io::ServerReply reply = take(std::move(request), counted.since);
    if (reply.status >= 400)
      host_.log.limited(Level::kWarn, "a request is refused",
                        {{"status", reply.status}, {"err", trim(reply.body)}});
    requests_.answered(counted, reply, host_.clock.mono());
    answer(std::move(reply));
  }

  static io::ServerReply refusal(int status, std::string why) {
    io::ServerReply reply{status, kText, std::move(why) + "\n", {}};
    if (status == 503) reply.headers.emplace_back("Retry-After", "1");
    return reply;
  }

  io::ServerReply take(io::ServerRequest request, Mono since) {
    std::shared_ptr<const ReceiveArgs> args;
    {
      MutexLock lock(mutex_);
      args = args_;
    }
    if (args == nullptr) return refusal(503, "not started yet");
    const std::string_view message = message_of(request.header("content-type"));
    if (message.empty() || !args->accepts(message))
      return refusal(415, "this Content-Type is not accepted");
    const std::string_view encoding = request.header("content-encoding");
    if (!encoding.empty() && encoding != "snappy")
      return refusal(415, "this Content-Encoding is not accepted, only snappy is");

    const bool second = message == kMessage2;
    model::SampleBatch batch;
    {
      // What becomes large in memory does so one after another.
      std::optional<MutexLock> alone;
      if (request.body.size() > kSmallBody) alone.emplace(decoding_);
      const auto decode = second ? &wire::decode_write_request_2 : &wire::decode_write_request;
      if (auto decoded = decode(request.body, {}, host_.labels, batch); !decoded)
        return refusal(decoded.error().code == ErrorCode::kExhausted ? 413 : 400,
                       decoded.error().message);
    }
    request.body = {};
    drop_nameless(batch);
    if (second && args->enable_type_and_unit_labels) add_types(batch);
    if (!args->append_metadata) batch.metadata.clear();

    io::ServerReply reply{204, "text/plain", "", {}};
    const std::size_t samples = batch.samples.size();
    if (second) {
      for (const auto& [name, count] :
           {std::pair{"Samples", samples}, std::pair{"Histograms", batch.histograms.size()},
            std::pair{"Exemplars", batch.exemplars.size()}})
        reply.headers.emplace_back("X-Prometheus-Remote-Write-" + std::string(name) + "-Written",
                                   std::to_string(count));
    }
    if (batch.empty()) return reply;
    const Mono before = host_.clock.mono();
    const Mono until = since + args->http.server_write_timeout;
    if (auto passed = pass_on(std::move(batch), {samples, until, false, {}}, before); !passed)
      return refusal(503, passed.error().message);
    latency_->observe(std::chrono::duration<double>(host_.clock.mono() - before).count());
    forwarded_->add(static_cast<double>(samples));
    return reply;
  }

  // Fails at a stop, and after passing.until.
  Result<> pass_on(model::SampleBatch batch, const Passing& passing, Mono now) {
    const std::stop_callback stopped(ending_.get_token(),
                                     [end = passing.end]() mutable { end.request_stop(); });
    std::multimap<Mono, Passing>::iterator place;
    {
      MutexLock lock(mutex_);
      place = passing_.emplace(now, passing);
    }
    auto passed = forward_.consume(std::move(batch), passing.end.get_token());
    MutexLock lock(mutex_);
    const bool late = place->second.late;
    passing_.erase(place);
    if (passed) delivered_ns_ = host_.clock.wall_ns();
    if (!passed && late) return fail(ErrorCode::kUnavailable, "not taken in time");
    return passed;
  }

  void end_late() {
    const Mono now = host_.clock.mono();
    std::vector<std::stop_source> late;
    {
      MutexLock lock(mutex_);
      for (auto& [since, one] : passing_) {
        if (one.late || now < one.until) continue;
        one.late = true;
        late.push_back(one.end);
      }
    }
    for (std::stop_source& one : late) one.request_stop();
  }

  void drop_nameless(model::SampleBatch& batch) {
    const auto nameless = [](const auto& one) {
      return one.series.get(model::kMetricNameLabel).empty();
    };
    const auto dropped = std::erase_if(batch.samples, nameless) +
                         std::erase_if(batch.histograms, nameless) +
                         std::erase_if(batch.exemplars, nameless);
    if (dropped == 0) return;
    nameless_->add(static_cast<double>(dropped));
    host_.log.limited(Level::kWarn, "samples of a series without a name are dropped",
                      {{"samples", dropped}});
  }

  void add_types(model::SampleBatch& batch) {
    std::map<std::string_view, const model::Metadata*> families;
    for (const model::Metadata& one : batch.metadata) families.emplace(one.family, &one);
    const wire::FindMetadata find = [&](std::string_view family) {
      const auto found = families.find(family);
      return found == families.end() ? nullptr : found->second;
    };
    model::LabelSet before;
    model::LabelSet after;
    const auto label = [&](auto& all) {
      for (auto& one : all) {
        if (!(one.series == before)) {
          before = one.series;
          after = before;
          if (const auto* known = wire::metadata_of(before.get(model::kMetricNameLabel), find)) {
            model::LabelBuilder labels(before);
            model::set_type_and_unit(labels, known->type, known->unit);
            after = host_.labels.intern(std::move(labels).take());
          }
        }
        one.series = after;
      }
    };
    label(batch.samples);
    label(batch.histograms);
    label(batch.exemplars);
  }

  component::Host host_;
  component::RequestMetrics requests_;
  const component::Counter forwarded_;
  const component::Histogram latency_;
  const component::Counter nameless_;
  component::MetricsFanout forward_{host_.tap};
  std::stop_source ending_;
  Mutex decoding_;
  mutable Mutex mutex_;
  std::shared_ptr<const ReceiveArgs> args_ GUARDED_BY(mutex_);
  std::multimap<Mono, Passing> passing_ GUARDED_BY(mutex_);  // by when they came
  std::int64_t delivered_ns_ GUARDED_BY(mutex_) = 0;
  component::HttpListener listener_{
      host_, [this](io::ServerRequest request, const io::HttpServer::Answer& answer) {
        handle(std::move(request), answer);
      }};
};

}  // namespace

component::Declaration prometheus_receive_http() {
  return component::declare<ReceiveHttp>(
      "prometheus.receive_http", "Takes samples that others send with Prometheus' remote write.");
}

}  // namespace agent::source
