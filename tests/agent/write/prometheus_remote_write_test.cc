#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <ctime>
#include <fstream>
#include <map>

#include "agent/component/component.h"
#include "agent/wire/classic_histogram.h"
#include "agent/wire/remote_write.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/sample_collector.h"
#include "tests/support/scripted_server.h"

namespace agent::write {
component::Declaration prometheus_remote_write();
}  // namespace agent::write

namespace agent {
namespace {

using lang::Value;

// A receiver of remote write that answers as told and keeps what it took.
class Receiver {
 public:
  using Answer = ScriptedServer::Answer;
  using Rows = std::vector<std::string>;

  explicit Receiver(std::function<Answer(std::size_t)> answers = {})
      : Receiver(
            [answers](const Rows&, std::size_t n) { return answers ? answers(n) : Answer(); }) {}
  // One that looks at what it gets. Requests of protocol 2.0 are answered as 2.0 wants it.
  explicit Receiver(std::function<Answer(const Rows& rows, std::size_t n)> answers)
      : server([this, answers](const ScriptedServer::Request& request, std::size_t n) {
          Rows rows = read(request);
          Answer answer = answers(rows, n);
          if (answer.status / 100 != 2 || answer.reset || answer.stream) return answer;
          if (request.headers.at("x-prometheus-remote-write-version") == "2.0.0" &&
              answer.headers.empty())
            answer.headers = {
                {"X-Prometheus-Remote-Write-Samples-Written", std::to_string(rows.size())}};
          MutexLock lock(mutex_);
          taken_.push_back(std::move(rows));
          return answer;
        }) {}

  // What was taken, request after request.
  std::vector<std::vector<std::string>> requests() const {
    MutexLock lock(mutex_);
    return taken_;
  }
  std::vector<std::string> rows() const {
    std::vector<std::string> out;
    for (const auto& request : requests()) out.insert(out.end(), request.begin(), request.end());
    return out;
  }

 private:
  Rows read(const ScriptedServer::Request& request) {
    model::SampleBatch batch;
    Rows rows;
    const bool second = request.headers.at("x-prometheus-remote-write-version") == "2.0.0";
    if (request.headers.at("content-type") !=
        (second ? "application/x-protobuf;proto=io.prometheus.write.v2.Request"
                : "application/x-protobuf"))
      rows.push_back("broken: its type");
    if (auto r = second ? wire::decode_write_request_2(request.body, {}, interner_, batch)
                        : wire::decode_write_request(request.body, {}, interner_, batch);
        !r) {
      rows.push_back("broken: " + r.error().message);
    }
    for (const auto& one : batch.samples)
      rows.push_back(SampleCollector::text(one.series) + " " + format_number(one.value) + " @" +
                     std::to_string(one.time_ms));
    for (const auto& one : batch.exemplars)
      rows.push_back(SampleCollector::text(one.series) + " exemplar " + format_number(one.value));
    for (const auto& one : batch.histograms)
      rows.push_back(SampleCollector::text(one.series) + " histogram");
    for (const auto& one : batch.metadata) rows.push_back("metadata " + one.family);
    return rows;
  }
  model::Interner interner_;
  mutable Mutex mutex_;
  std::vector<std::vector<std::string>> taken_ GUARDED_BY(mutex_);

 public:
  ScriptedServer server;
};

ScriptedServer::Answer status(int number, std::string body = "") {
  ScriptedServer::Answer answer;
  answer.status = number;
  answer.body = std::move(body);
  return answer;
}

using Attributes = std::vector<std::pair<std::string, Value>>;
using Blocks = std::vector<std::pair<std::string, lang::Body>>;

lang::Body endpoint(const std::string& url, Attributes queue = {}, Blocks more = {},
                    Attributes own = {}) {
  queue.emplace_back("batch_send_deadline", Value("50ms"));
  Attributes attributes = std::move(own);
  attributes.emplace_back("url", Value(url));
  Blocks blocks = std::move(more);
  blocks.emplace_back("queue_config", body_of(std::move(queue)));
  return body_of(std::move(attributes), std::move(blocks));
}

struct Bed {
  Bed() { restart(); }
  // As a new process would: what is on disk stays.
  void restart() { running = std::make_unique<RunningComponent>(box, declaration); }
  std::string configure(std::vector<lang::Body> endpoints, Attributes attributes = {}) {
    Blocks blocks;
    for (auto& one : endpoints) blocks.emplace_back("endpoint", std::move(one));
    return running->configure(body_of(std::move(attributes), std::move(blocks)));
  }
  void send(const std::string& name, std::int64_t time_ms, double value,
            model::Labels labels = {}) {
    model::SampleBatch batch;
    labels.push_back({"__name__", name});
    batch.samples.push_back({box.labels.intern(std::move(labels)), time_ms, value});
    REQUIRE(box.metrics_receiver()->consume(std::move(batch), {}));
  }
  FakeClock clock;
  ComponentBox box{"prometheus.remote_write.x", clock};
  const component::Declaration declaration = write::prometheus_remote_write();
  std::unique_ptr<RunningComponent> running;
  bool until(const std::function<bool()>& done) {
    return clock.advance_until(done, std::chrono::milliseconds(20));
  }
};

}  // namespace

TEST_CASE("prometheus.remote_write: a request is as the protocol wants it") {
  Receiver receiver;
  Bed bed;
  REQUIRE(bed.configure({endpoint(receiver.server.url("/api/v1/write"), {}, {},
                                  {{"headers", Value(Value::Object{{"X-Extra", Value("1")}})}})})
              .empty());
  bed.running->start();
  bed.send("a", 1000, 1.5, {{"job", "j"}, {"Z", "z"}});
  REQUIRE(bed.until([&] { return receiver.rows().size() == 1; }));
  CHECK(receiver.rows() == std::vector<std::string>{"a{Z=\"z\", job=\"j\"} 1.5 @1000"});
  const auto request = receiver.server.requests().at(0);
  CHECK(request.method == "POST");
  CHECK(request.target == "/api/v1/write");
  CHECK(request.headers.at("content-encoding") == "snappy");
  CHECK(request.headers.at("content-type") == "application/x-protobuf");
  CHECK(request.headers.at("x-prometheus-remote-write-version") == "0.1.0");
  CHECK(request.headers.at("user-agent").starts_with("fleet-agent/"));
  CHECK(request.headers.at("x-extra") == "1");
  CHECK(request.headers.count("retry-attempt") == 0);
  REQUIRE(
      bed.until([&] { return bed.box.metric("prometheus_remote_storage_samples_total") == 1; }));
  CHECK(bed.box.metric("prometheus_remote_storage_samples_in_total") == 1);
  CHECK(
      bed.until([&] { return bed.box.metric("prometheus_remote_storage_samples_pending") == 0; }));
}

TEST_CASE("prometheus.remote_write: what a receiver cannot take now is sent until it can, once") {
  Receiver receiver([](std::size_t n) {
    if (n == 0) return status(503, "later");
    if (n == 1) return status(500);
    if (n == 2) {
      auto answer = status(429);
      answer.headers = {{"Retry-After", "7"}};
      return answer;
    }
    return status(204);
  });
  Bed bed;
  bed.configure({endpoint(receiver.server.url("/"))});
  bed.running->start();
  bed.send("a", 1, 1);
  REQUIRE(bed.until([&] { return receiver.server.requests().size() == 3; }));
  CHECK_FALSE(bed.box.health.state().healthy);
  const std::int64_t refused = bed.clock.wall_ns();
  REQUIRE(bed.until([&] { return receiver.rows().size() == 1; }));
  CHECK(bed.clock.wall_ns() - refused >= 6'500'000'000);  // as Retry-After asked
  REQUIRE(bed.until([&] { return bed.box.health.state().healthy; }));
  const auto requests = receiver.server.requests();
  CHECK(requests.at(1).headers.at("retry-attempt") == "1");
  CHECK(requests.at(3).headers.at("retry-attempt") == "3");
  CHECK(requests.at(0).body == requests.at(3).body);
  CHECK(bed.box.metric("prometheus_remote_storage_samples_retried_total") == 3);
  CHECK(bed.box.metric("prometheus_remote_storage_samples_total") == 1);
}

TEST_CASE("prometheus.remote_write: what a receiver refuses for good is dropped and counted") {
  Receiver receiver([](std::size_t n) {
    return n == 0 ? status(400, "out of order sample\nmore") : n == 1 ? status(429) : status(204);
  });
  Bed bed;
  bed.configure({endpoint(receiver.server.url("/"), {{"retry_on_http_429", Value(false)}})});
  bed.running->start();
  bed.send("a", 1, 1);
  REQUIRE(bed.until([&] { return receiver.server.requests().size() == 1; }));
  bed.send("b", 2, 1);
  REQUIRE(bed.until([&] { return receiver.server.requests().size() == 2; }));
  bed.send("c", 3, 1);
  REQUIRE(bed.until([&] { return !receiver.rows().empty(); }));
  CHECK(receiver.rows() == std::vector<std::string>{"c 1 @3"});
  CHECK(bed.box.metric("prometheus_remote_storage_samples_failed_total") == 2);
  CHECK(bed.box.logged().find("status 400: out of order sample") != std::string::npos);
}

TEST_CASE("prometheus.remote_write: two hours of outage and five restarts cost nothing") {
  bool dead = true;
  Mutex mutex;
  Receiver receiver([&](std::size_t) {
    MutexLock lock(mutex);
    return status(dead ? 503 : 204);
  });
  Bed bed;
  std::vector<std::string> wanted;
  for (int life = 0; life < 5; ++life) {
    bed.configure(
        {endpoint(receiver.server.url("/"), {{"max_samples_per_send", Value(std::int64_t{7})}})});
    bed.running->start();
    for (int i = 0; i < 25; ++i) {
      const int n = life * 25 + i;
      bed.send(n % 2 == 0 ? "even" : "odd", n, n);
      wanted.push_back((n % 2 == 0 ? "even " : "odd ") + std::to_string(n) + " @" +
                       std::to_string(n));
    }
    const std::size_t before = receiver.server.requests().size();
    REQUIRE(bed.until([&] { return receiver.server.requests().size() > before; }));
    bed.clock.advance(std::chrono::minutes(24));
    bed.restart();  // without any farewell
  }
  {
    MutexLock lock(mutex);
    dead = false;
  }
  bed.configure(
      {endpoint(receiver.server.url("/"), {{"max_samples_per_send", Value(std::int64_t{7})}})});
  bed.running->start();
  REQUIRE(bed.until([&] { return receiver.rows().size() >= wanted.size(); }));
  auto rows = receiver.rows();
  for (const auto& request : receiver.requests()) CHECK(request.size() <= 7);
  // Per series in order, each once.
  for (const std::string series : {"even ", "odd "}) {
    std::vector<std::string> got;
    std::vector<std::string> expected;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(got),
                 [&](const std::string& row) { return row.starts_with(series); });
    std::copy_if(wanted.begin(), wanted.end(), std::back_inserter(expected),
                 [&](const std::string& row) { return row.starts_with(series); });
    CHECK(got == expected);
  }
  // What was delivered does not come again.
  bed.running->shut_down();
  bed.restart();
  bed.configure({endpoint(receiver.server.url("/"))});
  bed.running->start();
  bed.send("last", 1000, 1);
  REQUIRE(bed.until([&] { return receiver.rows().back() == "last 1 @1000"; }));
  CHECK(receiver.rows().size() == wanted.size() + 1);
}

TEST_CASE("prometheus.remote_write: external labels, write_relabel_config, and what is left out") {
  Receiver receiver;
  Bed bed;
  bed.configure(
      {endpoint(receiver.server.url("/"), {},
                {{"write_relabel_config", body_of({{"source_labels", string_list({"__name__"})},
                                                   {"regex", Value("go_.*")},
                                                   {"action", Value("drop")}})},
                 {"write_relabel_config", body_of({{"source_labels", string_list({"cluster"})},
                                                   {"target_label", Value("seen")}})}},
                {{"send_exemplars", Value(false)}})},
      {{"external_labels", Value(Value::Object{{"cluster", Value("$1x")}, {"host", Value("e")}})}});
  bed.running->start();
  model::SampleBatch batch;
  const auto series = [&](model::Labels labels) {
    return bed.box.labels.intern(std::move(labels));
  };
  const auto a = series({{"__name__", "a"}, {"host", "own"}});
  batch.samples = {{a, 1, 1}, {series({{"__name__", "go_x"}}), 1, 1}};
  batch.exemplars.push_back({a, {}, 1, 1});
  batch.histograms.push_back({a, 1, std::make_shared<const std::string>("x")});
  REQUIRE(bed.box.metrics_receiver()->consume(std::move(batch), {}));
  REQUIRE(bed.until([&] { return !receiver.rows().empty(); }));
  CHECK(receiver.rows() ==
        std::vector<std::string>{"a{cluster=\"$1x\", host=\"own\", seen=\"$1x\"} 1 @1"});
  CHECK(bed.box.metric("prometheus_remote_storage_samples_dropped_total",
                       {{"reason", "dropped_series"}}) == 1);
}

TEST_CASE("prometheus.remote_write: metadata goes out from time to time, in requests of its own") {
  Receiver receiver;
  Bed bed;
  bed.configure({endpoint(receiver.server.url("/"), {},
                          {{"metadata_config", body_of({{"send_interval", Value("10s")}})}})});
  bed.running->start();
  model::SampleBatch batch;
  batch.metadata.push_back({"a", model::MetricType::kGauge, "A.", ""});
  REQUIRE(bed.box.metrics_receiver()->consume(std::move(batch), {}));
  REQUIRE(bed.until([&] { return receiver.requests().size() >= 2; }));
  for (const auto& request : receiver.requests())
    CHECK(request == std::vector<std::string>{"metadata a"});
  CHECK(bed.until([&] { return bed.box.metric("prometheus_remote_storage_metadata_total") >= 2; }));
}

TEST_CASE("prometheus.remote_write: a backlog goes out in several requests at once") {
  Receiver receiver;
  Bed bed;
  for (int time = 1; time <= 20; ++time) {
    if (time == 1)
      bed.configure(
          {endpoint(receiver.server.url("/"), {{"max_samples_per_send", Value(std::int64_t{50})},
                                               {"max_shards", Value(std::int64_t{4})}})});
    for (int i = 0; i < 20; ++i) bed.send("s" + std::to_string(i), time, time);
  }
  bed.running->start();
  REQUIRE(bed.until([&] { return receiver.rows().size() == 400; }));
  std::map<std::string, int> last;
  for (const std::string& row : receiver.rows()) {
    const std::string name = row.substr(0, row.find(' '));
    const int time = std::stoi(row.substr(row.find('@') + 1));
    CHECK(time == last[name] + 1);
    last[name] = time;
  }
  CHECK(receiver.requests().size() >= 8);
}

TEST_CASE("prometheus.remote_write: a dead endpoint does not hold up the other one") {
  Receiver good;
  Receiver bad([](std::size_t) { return status(500); });
  Bed bed;
  bed.configure({endpoint(bad.server.url("/")), endpoint(good.server.url("/"))});
  bed.running->start();
  for (int i = 1; i <= 5; ++i) {
    bed.send("a", i, i);
    REQUIRE(bed.until([&] { return good.rows().size() == static_cast<std::size_t>(i); }));
  }
  CHECK(bad.rows().empty());
  CHECK_FALSE(bed.box.health.state().healthy);
  // Taken out of the configuration it goes, with what waited for it.
  bed.configure({endpoint(good.server.url("/"))});
  REQUIRE(bed.until([&] { return bed.box.health.state().healthy; }));
  bed.send("a", 6, 6);
  REQUIRE(bed.until([&] { return good.rows().size() == 6; }));
  const auto folders =
      std::distance(std::filesystem::directory_iterator(bed.box.data_dir / "queue"),
                    std::filesystem::directory_iterator());
  CHECK(folders == 1);
}

TEST_CASE("prometheus.remote_write: who answers nothing is ill before remote_timeout has passed") {
  Receiver mute([](std::size_t) { return ScriptedServer::silence(); });
  Bed bed;
  bed.configure({endpoint(mute.server.url("/"), {}, {}, {{"remote_timeout", Value("1h")}})});
  bed.running->start();
  bed.send("a", 1, 1);
  REQUIRE(bed.until([&] { return !bed.box.health.state().healthy; }));
  CHECK(bed.box.health.state().message.ends_with(": no answer for 20 s"));
}

TEST_CASE("prometheus.remote_write: new settings reach what is being tried, also a new address") {
  Receiver bad([](std::size_t) { return status(503); });
  Receiver good;
  Bed bed;
  bed.configure({endpoint(bad.server.url("/"),
                          {{"min_backoff", Value("1h")}, {"max_backoff", Value("1h")}})});
  bed.running->start();
  bed.send("a", 1, 1);
  REQUIRE(bed.until([&] { return bad.server.requests().size() == 1; }));
  bed.configure({endpoint(bad.server.url("/"), {{"max_backoff", Value("2h")}}, {},
                          {{"bearer_token", Value("token")}})});
  REQUIRE(bed.until([&] { return bad.server.requests().size() == 2; }));
  CHECK(bad.server.requests().at(1).headers.at("authorization") == "Bearer token");
  bed.configure({endpoint(good.server.url("/"))});
  REQUIRE(bed.until([&] { return good.rows().size() == 1; }));
  // The same while nothing runs.
  bed.configure({endpoint(bad.server.url("/"))});
  bed.send("b", 2, 1);
  REQUIRE(bed.until([&] { return bad.server.requests().size() == 3; }));
  bed.running->shut_down();
  bed.restart();
  bed.configure({endpoint(good.server.url("/"))});
  bed.running->start();
  REQUIRE(bed.until([&] { return good.rows().size() == 2; }));
  CHECK(good.rows().back() == "b 1 @2");
}

TEST_CASE("prometheus.remote_write: samples older than sample_age_limit are dropped") {
  Receiver receiver;
  Bed bed;
  bed.configure({endpoint(receiver.server.url("/"), {{"sample_age_limit", Value("1h")}})});
  const std::int64_t now_ms = bed.clock.wall_ns() / 1'000'000;
  bed.send("old", now_ms - 2 * 3'600'000, 1);
  bed.send("new", now_ms, 1);
  bed.running->start();
  REQUIRE(bed.until([&] { return !receiver.rows().empty(); }));
  CHECK(receiver.rows().size() == 1);
  CHECK(bed.box.metric("prometheus_remote_storage_samples_dropped_total",
                       {{"reason", "too_old"}}) == 1);
}

TEST_CASE("prometheus.remote_write: arguments that cannot be are refused") {
  Bed bed;
  CHECK(bed.configure({endpoint("http://h/", {}, {}, {{"protobuf_message", Value("x")}})}) ==
        "protobuf_message must be prometheus.WriteRequest or io.prometheus.write.v2.Request");
  CHECK(bed.configure({endpoint("http://h/", {{"min_shards", Value(std::int64_t{9})},
                                              {"max_shards", Value(std::int64_t{3})}})}) ==
        "min_shards is greater than max_shards");
  CHECK(bed.configure({endpoint("http://h/"), endpoint("http://h/")}) ==
        "two endpoints with the same url need names");
  CHECK(bed.configure(
            {endpoint("http://h/", {}, {},
                      {{"headers", Value(Value::Object{{"Content-Type", Value("x")}})}})}) ==
        "the header Content-Type cannot be changed");
}

namespace {

bool holds(const Receiver::Rows& rows, const std::string& start) {
  return std::any_of(rows.begin(), rows.end(),
                     [&](const std::string& row) { return row.starts_with(start); });
}

// One batch with a sample of each of these series.
model::SampleBatch batch_of(model::Interner& labels, const std::vector<std::string>& names,
                            std::int64_t time_ms) {
  model::SampleBatch batch;
  for (const std::string& name : names)
    batch.samples.push_back(
        {labels.intern({{"__name__", name}}), time_ms, static_cast<double>(time_ms)});
  return batch;
}

std::vector<std::string> numbered(int count) {
  std::vector<std::string> out;
  for (int i = 0; i < count; ++i) out.push_back("s" + std::to_string(i) + "_");
  return out;
}

// Everything that came in is somewhere.
void check_books(Bed& bed) {
  const auto of = [&](const char* name) {
    return bed.box.metric(std::string("prometheus_remote_storage_") + name);
  };
  CHECK(bed.until([&] { return of("samples_pending") == 0; }));
  CHECK(of("samples_in_total") == of("samples_total") + of("samples_failed_total") +
                                      of("samples_dropped_total") + of("samples_lost_total"));
}

}  // namespace

TEST_CASE("prometheus.remote_write: one series that is refused costs no other one") {
  const int code = GENERATE(400, 409, 413, 422);
  const bool second = GENERATE(false, true);
  CAPTURE(code, second);
  Receiver receiver([&](const Receiver::Rows& rows, std::size_t) {
    return holds(rows, "s3_ ") || holds(rows, "s77_ ") ? status(code, "no") : status(204);
  });
  Bed bed;
  bed.configure({endpoint(receiver.server.url("/"), {}, {},
                          {{"protobuf_message", Value(second ? "io.prometheus.write.v2.Request"
                                                             : "prometheus.WriteRequest")}})});
  if (second) {  // it is known to speak 2.0
    bed.send("first", 1, 1);
    bed.running->start();
    REQUIRE(bed.until([&] { return receiver.rows().size() == 1; }));
  }
  for (int time = 1; time <= 5; ++time)
    REQUIRE(bed.box.metrics_receiver()->consume(batch_of(bed.box.labels, numbered(100), time), {}));
  if (!second) bed.running->start();
  const std::size_t wanted = 490 + (second ? 1 : 0);
  REQUIRE(bed.until([&] { return receiver.rows().size() >= wanted; }));
  std::map<std::string, int> last;
  for (const std::string& row : receiver.rows())
    if (!row.starts_with("first"))
      CHECK(std::stoi(row.substr(row.find('@') + 1)) == ++last[row.substr(0, row.find(' '))]);
  CHECK(last.size() == 98);
  check_books(bed);
  CHECK(bed.box.metric("prometheus_remote_storage_samples_failed_total") == 10);
}

TEST_CASE("prometheus.remote_write: a receiver that refuses everything is not asked for ever") {
  Receiver receiver([](std::size_t) { return status(400, "too old"); });
  Bed bed;
  bed.configure(
      {endpoint(receiver.server.url("/"), {{"max_samples_per_send", Value(std::int64_t{500})}})});
  for (int time = 1; time <= 30; ++time)
    REQUIRE(bed.box.metrics_receiver()->consume(batch_of(bed.box.labels, numbered(500), time), {}));
  bed.running->start();
  REQUIRE(bed.until([&] {
    return bed.box.metric("prometheus_remote_storage_samples_failed_total") == 30 * 500;
  }));
  CHECK(receiver.server.requests().size() < 500);
  check_books(bed);
  // About one line in 10 s says so, not one a request.
  const std::string log = bed.box.logged();
  std::size_t lines = 0;
  for (std::size_t at = 0; (at = log.find("refused samples", at)) != std::string::npos; ++at)
    ++lines;
  CHECK(lines < 20);
}

TEST_CASE("prometheus.remote_write: protocol 2.0 is spoken, and what was written is counted") {
  Receiver receiver([](std::size_t n) {
    auto answer = status(n == 1 ? 400 : 204, n == 1 ? "one was out of order" : "");
    answer.headers = {{"X-Prometheus-Remote-Write-Samples-Written", n == 1 ? "2" : "3"}};
    return answer;
  });
  Bed bed;
  bed.configure({endpoint(receiver.server.url("/"), {},
                          {{"metadata_config", body_of({{"send_interval", Value("1s")}})}},
                          {{"protobuf_message", Value("io.prometheus.write.v2.Request")},
                           {"send_native_histograms", Value(true)}})});
  bed.running->start();
  auto batch = batch_of(bed.box.labels, {"a_total", "b", "c"}, 1);
  batch.metadata.push_back({"a_total", model::MetricType::kCounter, "A.", ""});
  batch.exemplars.push_back({batch.samples[0].series, {{"trace", "1"}}, 7, 1});
  REQUIRE(bed.box.metrics_receiver()->consume(std::move(batch), {}));
  REQUIRE(bed.until([&] { return receiver.requests().size() == 1; }));
  CHECK(receiver.rows() == std::vector<std::string>{"a_total 1 @1", "b 1 @1", "c 1 @1",
                                                    "a_total exemplar 7", "metadata a_total"});
  REQUIRE(
      bed.box.metrics_receiver()->consume(batch_of(bed.box.labels, {"a_total", "b", "c"}, 2), {}));
  REQUIRE(bed.until([&] { return receiver.server.requests().size() == 2; }));
  check_books(bed);
  // What a receiver has written of a refused request is not sent again.
  CHECK(receiver.server.requests().size() == 2);
  CHECK(bed.box.metric("prometheus_remote_storage_samples_total") == 5);
  CHECK(bed.box.metric("prometheus_remote_storage_samples_failed_total") == 1);
  CHECK(bed.box.metric("prometheus_remote_storage_exemplars_failed_total") == 1);
  CHECK(bed.box.logged().find("one was out of order") != std::string::npos);
}

TEST_CASE(
    "prometheus.remote_write: a receiver that does not know 2.0 gets 1.0, and loses nothing") {
  // It says so; it says that the request is bad; it takes it for an empty one.
  const int code = GENERATE(415, 400, 204);
  CAPTURE(code);
  ScriptedServer old([&](const ScriptedServer::Request& request, std::size_t) {
    if (request.headers.at("x-prometheus-remote-write-version") == "2.0.0") return status(code);
    return status(204);
  });
  Bed bed;
  bed.configure(
      {endpoint(old.url("/"), {}, {{"metadata_config", body_of({{"send_interval", Value("1s")}})}},
                {{"protobuf_message", Value("io.prometheus.write.v2.Request")}})});
  bed.running->start();
  auto batch = batch_of(bed.box.labels, {"a"}, 1);
  batch.metadata.push_back({"a", model::MetricType::kGauge, "A.", ""});
  REQUIRE(bed.box.metrics_receiver()->consume(std::move(batch), {}));
  REQUIRE(bed.until([&] { return old.requests().size() >= 3; }));
  const auto requests = old.requests();
  CHECK(requests[0].headers.at("x-prometheus-remote-write-version") == "2.0.0");
  CHECK(requests[1].headers.at("x-prometheus-remote-write-version") == "0.1.0");
  CHECK(requests[2].headers.at("x-prometheus-remote-write-version") == "0.1.0");
  CHECK(bed.box.metric("prometheus_remote_storage_samples_total") == 1);
  REQUIRE(
      bed.until([&] { return bed.box.metric("prometheus_remote_storage_metadata_total") >= 1; }));
  check_books(bed);
}

TEST_CASE("prometheus.remote_write: what 1.0 cannot carry goes by 2.0, or is dropped and counted") {
  const bool second = GENERATE(true, false);
  const bool falls_back = GENERATE(true, false);
  if (!second && falls_back) return;
  CAPTURE(second, falls_back);
  Receiver receiver([&](const Receiver::Rows&, std::size_t n) {
    return status(falls_back && n == 0 ? 415 : 204);
  });
  Bed bed;
  Attributes own = {{"send_native_histograms", Value(true)}};
  if (second) own.emplace_back("protobuf_message", Value("io.prometheus.write.v2.Request"));
  bed.configure({endpoint(receiver.server.url("/"), {}, {}, own)});
  auto batch = batch_of(bed.box.labels, {"a", "b"}, 5);
  batch.samples[0].start_ms = 3;
  wire::ClassicHistogram classic;
  classic.bucket(1, 2);
  batch.histograms.push_back(
      {batch.samples[1].series, 6,
       std::make_shared<const std::string>(wire::encode_native_histogram(*classic.convert(), 6)),
       true});
  batch.exemplars.push_back({bed.box.labels.intern({{"__name__", "c"}}), {}, 9, 5});
  REQUIRE(bed.box.metrics_receiver()->consume(std::move(batch), {}));
  bed.running->start();
  const bool sent = second && !falls_back;
  REQUIRE(bed.until([&] { return receiver.rows().size() == (sent ? 4 : 3); }));
  CHECK((receiver.rows().back() == "b histogram") == sent);
  CHECK(bed.box.metric("prometheus_remote_storage_histograms_dropped_total",
                       {{"reason", "nhcb_in_rw1_not_supported"}}) == (sent ? 0 : 1));
  CHECK(bed.box.metric("prometheus_remote_storage_histograms_in_total") == 1);
  // Nothing of 2.0 is in a request of 1.0: it reads back as what has no start.
  model::Interner interner;
  model::SampleBatch read;
  const auto request = receiver.server.requests().back();
  REQUIRE((sent ? wire::decode_write_request_2 : wire::decode_write_request)(request.body, {},
                                                                             interner, read));
  CHECK(read.samples.at(0).start_ms == (sent ? 3 : 0));
}

TEST_CASE("prometheus.remote_write: what relabelling makes equal goes out once") {
  Receiver receiver;
  Bed bed;
  bed.configure({endpoint(receiver.server.url("/"), {},
                          {{"write_relabel_config",
                            body_of({{"regex", Value("n")}, {"action", Value("labeldrop")}})}})});
  bed.running->start();
  model::SampleBatch batch;
  for (const char* n : {"1", "2", "3"})
    batch.samples.push_back(
        {bed.box.labels.intern({{"__name__", "a"}, {"n", n}}), 5, std::stod(n)});
  batch.samples.push_back({bed.box.labels.intern({{"__name__", "a"}, {"n", "1"}}), 6, 9});
  REQUIRE(bed.box.metrics_receiver()->consume(std::move(batch), {}));
  REQUIRE(bed.until([&] { return !receiver.rows().empty(); }));
  CHECK(receiver.rows() == std::vector<std::string>{"a 1 @5", "a 9 @6"});
  CHECK(bed.box.metric("prometheus_remote_storage_samples_dropped_total",
                       {{"reason", "duplicate"}}) == 2);
  check_books(bed);
}

TEST_CASE("prometheus.remote_write: an exemplar leaves with its sample, a histogram as it came") {
  Receiver receiver;
  Bed bed;
  bed.configure({endpoint(
      receiver.server.url("/"),
      {{"max_samples_per_send", Value(std::int64_t{2})}, {"max_shards", Value(std::int64_t{1})}},
      {}, {{"send_native_histograms", Value(true)}})});
  auto batch = batch_of(bed.box.labels, {"a", "b", "c"}, 1);
  batch.exemplars.push_back({batch.samples[1].series, {}, 8, 1});
  batch.exemplars.push_back({batch.samples[1].series, {}, 9, 2});
  batch.exemplars.push_back({bed.box.labels.intern({{"__name__", "x"}}), {}, 10, 2});
  batch.histograms.push_back(
      {batch.samples[0].series, 99,
       std::make_shared<const std::string>(std::string("\x08\x03\x78\x63", 4))});
  REQUIRE(bed.box.metrics_receiver()->consume(std::move(batch), {}));
  bed.running->start();
  REQUIRE(bed.until([&] { return receiver.rows().size() == 7; }));
  CHECK(receiver.requests() ==
        std::vector<std::vector<std::string>>{{"a 1 @1", "b 1 @1", "b exemplar 8", "b exemplar 9"},
                                              {"c 1 @1", "x exemplar 10", "a histogram"}});
}

TEST_CASE("prometheus.remote_write: metadata that nobody takes does not hold up samples") {
  Receiver receiver([](const Receiver::Rows& rows, std::size_t) {
    return holds(rows, "metadata") ? status(500) : status(204);
  });
  Bed bed;
  bed.configure({endpoint(receiver.server.url("/"), {},
                          {{"metadata_config", body_of({{"send_interval", Value("1s")}})}})});
  bed.running->start();
  auto batch = batch_of(bed.box.labels, {"a"}, 1);
  batch.metadata.push_back({"a", model::MetricType::kGauge, "A.", ""});
  REQUIRE(bed.box.metrics_receiver()->consume(std::move(batch), {}));
  REQUIRE(bed.until(
      [&] { return bed.box.metric("prometheus_remote_storage_metadata_failed_total") >= 2; }));
  bed.send("a", 2, 2);
  REQUIRE(bed.until([&] { return receiver.rows().size() == 2; }));
}

TEST_CASE(
    "prometheus.remote_write: a dead receiver is asked with one request, a live one with more") {
  std::atomic<bool> dead = true;
  Receiver receiver([&](std::size_t) { return status(dead ? 503 : 204); });
  Bed bed;
  bed.configure(
      {endpoint(receiver.server.url("/"), {{"max_samples_per_send", Value(std::int64_t{10})},
                                           {"max_shards", Value(std::int64_t{8})}})});
  for (int time = 1; time <= 100; ++time)
    REQUIRE(bed.box.metrics_receiver()->consume(batch_of(bed.box.labels, numbered(20), time), {}));
  bed.running->start();
  REQUIRE(bed.until([&] { return receiver.server.requests().size() >= 5; }));
  for (const auto& request : receiver.server.requests())
    CHECK(request.body == receiver.server.requests().front().body);
  CHECK(bed.box.metric("prometheus_remote_storage_shards") == 1);
  CHECK(bed.box.metric("prometheus_remote_storage_shards_desired") == 200);
  dead = false;
  REQUIRE(bed.until([&] { return receiver.rows().size() == 2000; }));
  int connections = 0;
  for (const auto& request : receiver.server.requests())
    connections = std::max(connections, request.connection + 1);
  CHECK(connections >= 4);   // several at once
  CHECK(connections <= 20);  // and kept
  std::map<std::string, int> last;
  for (const std::string& row : receiver.rows())
    CHECK(std::stoi(row.substr(row.find('@') + 1)) == ++last[row.substr(0, row.find(' '))]);
}

TEST_CASE(
    "prometheus.remote_write: two hours without a receiver, five restarts, every sample once") {
  std::atomic<bool> dead = true;
  Receiver receiver([&](std::size_t) { return status(dead ? 503 : 204); });
  Bed bed;
  const auto names = numbered(20);
  int scrapes = 0;
  for (int life = 0; life < 6; ++life) {
    bed.configure({endpoint(receiver.server.url("/"))});
    bed.running->start();
    for (int i = 0; i < 80; ++i) {  // 20 minutes
      REQUIRE(bed.box.metrics_receiver()->consume(batch_of(bed.box.labels, names, ++scrapes), {}));
      bed.clock.advance(std::chrono::seconds(15));
    }
    const std::size_t before = receiver.server.requests().size();
    REQUIRE(bed.until([&] { return receiver.server.requests().size() > before; }));
    if (life == 5) break;
    if (life % 2 == 0) bed.running->shut_down();  // the others end as by kill -9
    bed.restart();
  }
  CHECK(scrapes == 480);
  dead = false;
  REQUIRE(bed.until([&] { return receiver.rows().size() >= 20 * 480; }));
  std::map<std::string, int> last;
  for (const std::string& row : receiver.rows())
    CHECK(std::stoi(row.substr(row.find('@') + 1)) == ++last[row.substr(0, row.find(' '))]);
  CHECK(last.size() == 20);
  CHECK(receiver.rows().size() == 20 * 480);
  CHECK(bed.box.metric("prometheus_remote_storage_samples_lost_total") == 0);
}

TEST_CASE("prometheus.remote_write: a damaged queue costs what was hit, and says so") {
  Receiver receiver;
  Bed bed;
  bed.configure({endpoint(receiver.server.url("/"))});
  for (int i = 1; i <= 5; ++i) bed.send("a", i, i);
  bed.restart();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(bed.box.data_dir)) {
    if (!entry.is_regular_file()) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(entry.file_size() / 2));
    file.put('\x55');
  }
  bed.configure({endpoint(receiver.server.url("/"))});
  bed.running->start();
  REQUIRE(bed.until([&] { return receiver.rows().size() == 4; }));
  CHECK(receiver.rows() == std::vector<std::string>{"a 1 @1", "a 2 @2", "a 4 @4", "a 5 @5"});
  CHECK(bed.until(
      [&] { return bed.box.metric("prometheus_remote_write_wal_corruptions_total") == 1; }));
  CHECK(bed.box.logged().find("the queue on disk is damaged") != std::string::npos);
}

TEST_CASE("prometheus.remote_write: Retry-After is a date, too, and a redirect loses nothing") {
  FakeClock* clock = nullptr;
  Receiver receiver([&](std::size_t n) {
    auto answer = status(n == 0 ? 503 : n == 1 ? 302 : 204);
    if (n == 0) {
      const std::time_t at = static_cast<std::time_t>(clock->wall_ns() / 1'000'000'000 + 30);
      std::tm tm{};
      gmtime_r(&at, &tm);
      char text[64];
      strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
      answer.headers = {{"Retry-After", text}};
    }
    return answer;
  });
  Bed bed;
  clock = &bed.clock;
  bed.configure({endpoint(receiver.server.url("/"))});
  bed.running->start();
  bed.send("a", 1, 1);
  REQUIRE(bed.until([&] { return receiver.server.requests().size() == 1; }));
  const std::int64_t refused = bed.clock.wall_ns();
  REQUIRE(bed.until([&] { return receiver.rows().size() == 1; }));
  CHECK(bed.clock.wall_ns() - refused >= 25'000'000'000);
  CHECK(receiver.rows() == std::vector<std::string>{"a 1 @1"});
}

TEST_CASE("prometheus.remote_write: a proxy is asked, with the headers that are for it") {
  Receiver proxy;
  Bed bed;
  bed.configure({endpoint("http://receiver.invalid:1234/api/v1/write", {}, {},
                          {{"proxy_url", Value(proxy.server.url(""))}})});
  bed.running->start();
  bed.send("a", 1, 1);
  REQUIRE(bed.until([&] { return proxy.rows().size() == 1; }));
  const auto request = proxy.server.requests().at(0);
  CHECK(request.target == "http://receiver.invalid:1234/api/v1/write");
  CHECK(request.headers.at("host") == "receiver.invalid:1234");
  // no_proxy takes it out of the way.
  Receiver direct;
  bed.configure(
      {endpoint(direct.server.url("/"), {}, {},
                {{"proxy_url", Value(proxy.server.url(""))}, {"no_proxy", Value("127.0.0.1")}})});
  bed.send("b", 1, 1);
  REQUIRE(bed.until([&] { return direct.rows().size() == 1; }));
}

}  // namespace agent
