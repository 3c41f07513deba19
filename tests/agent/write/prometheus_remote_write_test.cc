#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "agent/registration.h"
#include "agent/wire/remote_write.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/sample_collector.h"
#include "tests/support/scripted_server.h"

namespace agent {
namespace {

using lang::Value;

const component::Declaration& declaration() {
  static const component::Registry registry = [] {
    component::Registry all;
    register_components(all);
    return all;
  }();
  return *registry.find("prometheus.remote_write");
}

// A receiver of remote write that answers as told and keeps what it took.
class Receiver {
 public:
  explicit Receiver(std::function<ScriptedServer::Answer(std::size_t)> answers = {})
      : server([this, answers](const ScriptedServer::Request& request, std::size_t n) {
          ScriptedServer::Answer answer;
          if (answers) answer = answers(n);
          if (answer.status / 100 == 2 && !answer.reset && !answer.stream) take(request.body);
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
  void take(const std::string& body) {
    model::SampleBatch batch;
    std::vector<std::string> rows;
    if (auto r = wire::decode_write_request(body, {}, interner_, batch); !r) {
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
    MutexLock lock(mutex_);
    taken_.push_back(std::move(rows));
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
  void restart() { running = std::make_unique<RunningComponent>(box, declaration()); }
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
  CHECK(request.headers.at("user-agent").starts_with("fleet-agent"));
  CHECK(request.headers.at("x-extra") == "1");
  CHECK(request.headers.count("retry-attempt") == 0);
  REQUIRE(
      bed.until([&] { return bed.box.metric("prometheus_remote_storage_samples_pending") == 0; }));
  CHECK(bed.box.metric("prometheus_remote_storage_samples_total") == 1);
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

TEST_CASE("prometheus.remote_write: an outage with restarts costs nothing, and order stays") {
  bool dead = true;
  Mutex mutex;
  Receiver receiver([&](std::size_t) {
    MutexLock lock(mutex);
    return status(dead ? 503 : 204);
  });
  Bed bed;
  std::vector<std::string> wanted;
  for (int life = 0; life < 4; ++life) {
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
  REQUIRE(bed.until([&] { return receiver.requests().size() == 2; }));
  CHECK(receiver.rows() == std::vector<std::string>{"metadata a", "metadata a"});
  CHECK(bed.until([&] { return bed.box.metric("prometheus_remote_storage_metadata_total") == 2; }));
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
        "only prometheus.WriteRequest is supported");
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

}  // namespace agent
