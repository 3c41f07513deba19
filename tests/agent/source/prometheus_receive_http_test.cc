#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "agent/io/http_client.h"
#include "agent/wire/remote_write.h"
#include "agent/wire/remote_write_2.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/sample_collector.h"

namespace agent::source {
component::Declaration prometheus_receive_http();
namespace {

using lang::Value;
using Options = std::vector<std::pair<std::string, Value>>;
using Row = SampleCollector::Row;

constexpr char kProto[] = "application/x-protobuf";
constexpr char kProto2[] = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

struct Fixture {
  ComponentBox box{"prometheus.receive_http.x"};
  std::shared_ptr<SampleCollector> receiver = std::make_shared<SampleCollector>();
  RunningComponent component{box, prometheus_receive_http()};
  io::HttpClient client{{}};
  wire::RemoteWriteEncoder encoder;
  io::HttpResponse answer;

  explicit Fixture(Options more = {}) {
    more.emplace_back("forward_to", receivers(receiver));
    REQUIRE(component.configure(body_of(
                std::move(more),
                {{"http", body_of({{"listen_address", "127.0.0.1"}, {"listen_port", 0}})}})) == "");
    component.start();
  }
  model::LabelSet series(model::Labels labels) { return box.labels.intern(std::move(labels)); }
  int post(std::string_view body,
           io::HttpHeaders headers = {{"Content-Type", kProto}, {"Content-Encoding", "snappy"}},
           const std::string& path = "/api/v1/metrics/write") {
    io::HttpRequest request;
    request.method = "POST";
    request.url = "http://" + component.debug("listening") + path;
    request.headers = std::move(headers);
    request.body = body;
    auto got = client.send(request, {});
    if (!got) FAIL(got.error().message);
    answer = std::move(*got);
    return answer.status;
  }
  int post_message() { return post(wire::compress_message(encoder.message())); }
};

}  // namespace

TEST_CASE("prometheus.receive_http: samples, markers and exemplars arrive as they were sent") {
  Fixture f;
  const auto series = f.series({{"__name__", "a_total"}, {"job", "j"}});
  f.encoder.add(model::Sample{series, 1000, 1.5});
  f.encoder.add(model::Sample{series, 2000, model::stale_marker()});
  f.encoder.add(model::Exemplar{series, {{"trace", "t"}}, 2, 1000});
  f.encoder.add(model::Metadata{"a_total", model::MetricType::kCounter, "Help.", ""});
  CHECK(f.post_message() == 204);
  CHECK(f.receiver->rows() == std::vector<Row>{{"a_total{job=\"j\"}", 1000, "1.5"},
                                               {"a_total{job=\"j\"}", 2000, "stale"}});
  CHECK(f.receiver->exemplars() == std::vector<std::string>{"a_total{job=\"j\"} {trace=\"t\"} 2"});
  CHECK(f.receiver->metadata().empty());
  CHECK(f.box.metric("prometheus_forwarded_samples_total") == 2);
  CHECK(f.box.metric("prometheus_receive_http_request_duration_seconds",
                     {{"method", "POST"}, {"status_code", "204"}}) >= 0);
}

TEST_CASE("prometheus.receive_http: metadata is passed on when that is asked for") {
  Fixture f(Options{{"append_metadata", true}});
  f.encoder.add(model::Metadata{"a_total", model::MetricType::kCounter, "Help.", ""});
  CHECK(f.post_message() == 204);
  REQUIRE(f.receiver->metadata().size() == 1);
  CHECK(f.receiver->metadata().front().help == "Help.");
}

TEST_CASE("prometheus.receive_http: requests of protocol 2.0, where they are accepted") {
  const io::HttpHeaders headers = {{"Content-Type", kProto2}, {"Content-Encoding", "snappy"}};
  const model::Metadata told{"a", model::MetricType::kHistogram, "", "seconds"};
  const auto make = [&](Fixture& f) {
    f.encoder.add(model::Sample{f.series({{"__name__", "a_sum"}}), 1000, 1});
    f.encoder.add(model::Sample{f.series({{"__name__", "b"}}), 1000, 2});
    const auto second = wire::to_write_request_2(f.encoder.message(), [&](std::string_view family) {
      return family == "a" ? &told : nullptr;
    });
    REQUIRE(second);
    return wire::compress_message(*second);
  };
  {
    Fixture f;
    CHECK(f.post(make(f), headers) == 415);
  }
  {
    Fixture f(Options{{"accepted_remote_write_protobuf_messages",
                       string_list({"io.prometheus.write.v2.Request"})},
                      {"enable_type_and_unit_labels", true}});
    CHECK(f.post(make(f), headers) == 204);
    CHECK(f.answer.header("X-Prometheus-Remote-Write-Samples-Written") == "2");
    CHECK(f.answer.header("X-Prometheus-Remote-Write-Exemplars-Written") == "0");
    CHECK(f.receiver->rows() ==
          std::vector<Row>{{"a_sum{__type__=\"histogram\", __unit__=\"seconds\"}", 1000, "1"},
                           {"b", 1000, "2"}});
    CHECK(f.post_message() == 415);
  }
}

TEST_CASE("prometheus.receive_http: what is no request is refused, and told why") {
  Fixture f;
  CHECK(f.post("no snappy") == 400);
  CHECK(f.post(wire::compress_message("no message")) == 400);
  CHECK(f.post(wire::compress_message(std::string((32U << 20) + 1, '\0'))) == 413);
  CHECK(f.post("", {{"Content-Type", "text/plain"}}) == 415);
  CHECK(f.post("", {{"Content-Type", "application/x-protobuf;proto=other.Message"}}) == 415);
  CHECK(f.post("", {{"Content-Type", kProto}, {"Content-Encoding", "gzip"}}) == 415);
  CHECK(f.answer.body == "this Content-Encoding is not accepted, only snappy is\n");
  CHECK(f.post("", {}, "/elsewhere") == 404);
  CHECK(f.receiver->rows().empty());
}

TEST_CASE("prometheus.receive_http: a series without a name is dropped alone") {
  Fixture f;
  f.encoder.add(model::Sample{f.series({{"job", "j"}}), 1000, 1});
  f.encoder.add(model::Sample{f.series({{"__name__", "b"}}), 1000, 2});
  CHECK(f.post_message() == 204);
  CHECK(f.receiver->rows() == std::vector<Row>{{"b", 1000, "2"}});
  CHECK(f.box.metric("prometheus_receive_http_nameless_samples_total") == 1);
}

TEST_CASE("prometheus.receive_http: the sender hears 503 when samples are not taken") {
  Fixture f;
  f.receiver->refuse(true);
  f.encoder.add(model::Sample{f.series({{"__name__", "b"}}), 1000, 2});
  CHECK(f.post_message() == 503);
  CHECK(f.answer.header("Retry-After") == "1");
  f.receiver->refuse(false);
  CHECK(f.post_message() == 204);
  CHECK(f.receiver->rows().size() == 1);
}

TEST_CASE(
    "prometheus.receive_http: tells what is not taken over yet, and when something last was") {
  // Asks the component while it waits for this one.
  struct Asking final : component::MetricsReceiver {
    explicit Asking(Fixture& fixture) : f(fixture) {}
    Result<> consume(model::SampleBatch, std::stop_token) override {
      waiting = f.component.debug("unacknowledged_samples");
      return {};
    }
    Fixture& f;
    std::string waiting;
  };
  Fixture f;
  CHECK(f.component.debug("last_delivery_unix_seconds") == "0");
  const auto asking = std::make_shared<Asking>(f);
  REQUIRE(f.component.configure(body_of(
              {{"forward_to", receivers(asking)}},
              {{"http", body_of({{"listen_address", "127.0.0.1"}, {"listen_port", 0}})}})) == "");
  f.encoder.add(model::Sample{f.series({{"__name__", "b"}}), 1000, 2});
  f.encoder.add(model::Sample{f.series({{"__name__", "c"}}), 1000, 2});
  CHECK(f.post_message() == 204);
  CHECK(asking->waiting == "2");
  CHECK(f.component.debug("unacknowledged_samples") == "0");
  CHECK(f.component.debug("oldest_unacknowledged_seconds") == "0");
  CHECK(f.component.debug("last_delivery_unix_seconds").size() == 10);
}

TEST_CASE("prometheus.receive_http: the sender hears 503 when samples are not taken in time") {
  class Full final : public component::MetricsReceiver {
   public:
    explicit Full(Clock& clock) : clock_(clock) {}
    Result<> consume(model::SampleBatch, std::stop_token stop) override {
      while (clock_.sleep_for(std::chrono::hours(1), stop)) continue;
      return fail(ErrorCode::kCancelled, "stopped");
    }

   private:
    Clock& clock_;
  };
  FakeClock clock;
  ComponentBox box("prometheus.receive_http.x", clock);
  RunningComponent component(box, prometheus_receive_http());
  const auto full = std::make_shared<Full>(clock);
  REQUIRE(component.configure(body_of({{"forward_to", receivers(full)}},
                                      {{"http", body_of({{"listen_address", "127.0.0.1"},
                                                         {"listen_port", 0},
                                                         {"server_write_timeout", "7s"}})}})) ==
          "");
  component.start();
  wire::RemoteWriteEncoder encoder;
  encoder.add(model::Sample{box.labels.intern({{"__name__", "b"}}), 1000, 2});
  const std::string body = wire::compress_message(encoder.message());
  std::string heard;
  std::atomic<bool> answered = false;
  std::jthread sender([&](const std::stop_token& stop) {
    io::HttpClient client{{}};
    io::HttpRequest request;
    request.method = "POST";
    request.url = "http://" + component.debug("listening") + "/api/v1/metrics/write";
    request.headers = {{"Content-Type", kProto}, {"Content-Encoding", "snappy"}};
    request.body = body;
    request.timeout = std::chrono::minutes(2);
    const auto got = client.send(request, stop);
    heard = got ? std::to_string(got->status) + " " + got->body : got.error().message;
    answered = true;
  });
  const Mono before = clock.mono();
  CHECK(clock.advance_until([&] { return answered.load(); }, std::chrono::milliseconds(500)));
  sender.join();
  CHECK(heard == "503 not taken in time\n");
  CHECK(clock.mono() - before >= std::chrono::seconds(7));
}

TEST_CASE("prometheus.receive_http: many send at once, and arguments change meanwhile") {
  Fixture f;
  f.encoder.add(model::Sample{f.series({{"__name__", "b"}}), 1000, 2});
  const std::string body = wire::compress_message(f.encoder.message());
  const std::string url = "http://" + f.component.debug("listening") + "/api/v1/metrics/write";
  std::vector<std::jthread> senders;
  std::atomic<int> good{0};
  for (int i = 0; i < 4; ++i) {
    senders.emplace_back([&] {
      io::HttpClient client{{}};
      for (int n = 0; n < 25; ++n) {
        io::HttpRequest request;
        request.method = "POST";
        request.url = url;
        request.headers = {{"Content-Type", kProto}};
        request.body = body;
        const auto answer = client.send(request, {});
        good += answer && answer->status == 204 ? 1 : 0;
      }
    });
  }
  for (int i = 0; i < 5; ++i)
    CHECK(f.component.configure(body_of(
              {{"forward_to", receivers(f.receiver)}, {"append_metadata", i % 2 == 0}},
              {{"http", body_of({{"listen_address", "127.0.0.1"}, {"listen_port", 0}})}})) == "");
  senders.clear();
  CHECK(good == 100);
  CHECK(f.receiver->rows().size() == 100);
}

TEST_CASE("prometheus.receive_http: arguments that cannot work are refused") {
  Fixture f;
  const auto said = [&](Value messages) {
    return f.component.configure(
        body_of({{"forward_to", receivers(f.receiver)},
                 {"accepted_remote_write_protobuf_messages", std::move(messages)}}));
  };
  CHECK(said(string_list({})) == "accepted_remote_write_protobuf_messages is empty");
  CHECK(said(string_list({"x"})) == "unknown message \"x\"");
}

TEST_CASE("prometheus.receive_http: what has no effect is warned of, what does not exist refused") {
  Fixture f;
  const auto said = [&](Options more, std::vector<std::pair<std::string, lang::Body>> http,
                        std::vector<std::pair<std::string, lang::Body>> blocks) {
    more.emplace_back("forward_to", receivers(f.receiver));
    blocks.emplace_back(
        "http", body_of({{"listen_address", "127.0.0.1"}, {"listen_port", 0}}, std::move(http)));
    return f.component.configure(body_of(std::move(more), std::move(blocks)));
  };
  CHECK(said({}, {{"http2", body_of({{"max_concurrent_streams", 7}, {"ping_timeout", "1s"}})}},
             {}) == "");
  CHECK(said({}, {{"http2", body_of({{"enabled", true}})}}, {}) ==
        "HTTP/2 is not spoken: clients are served over HTTP/1.1");
  CHECK_FALSE(f.component.refused());
  CHECK(said({}, {}, {{"grpc", body_of({{"listen_port", 9095}}, {{"tls", body_of({})}})}}) ==
        "the block grpc has no effect: nothing listens for gRPC");
  CHECK_FALSE(f.component.refused());
  CHECK(said({{"graceful_shutdown_timeout", "1m"}}, {}, {})
            .starts_with("graceful_shutdown_timeout has no effect: "));
  CHECK_FALSE(f.component.refused());
  CHECK(said({}, {{"http2", body_of({{"enable", true}})}}, {})
            .starts_with("unrecognized attribute name \"enable\""));
  CHECK(f.component.refused());
  CHECK(said({}, {}, {{"grpc", body_of({{"port", 1}})}})
            .starts_with("unrecognized attribute name \"port\""));
  CHECK(f.component.refused());
}

}  // namespace agent::source
