#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "agent/base/file.h"
#include "agent/component/decode.h"
#include "agent/registration.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/protobuf_page.h"
#include "tests/support/sample_collector.h"
#include "tests/support/scripted_server.h"

namespace agent {
namespace {

using component::MetricsReceiver;
using lang::Value;
using model::MetricFamily;

const component::Declaration& declaration() {
  static const component::Registry registry = [] {
    component::Registry all;
    register_components(all);
    return all;
  }();
  return *registry.find("prometheus.scrape");
}

// An exporter whose value is what the test says.
class OneGauge final : public component::Collector {
 public:
  Result<std::vector<MetricFamily>> collect(std::stop_token) override {
    MutexLock lock(mutex_);
    ++calls_;
    if (broken_) return fail(ErrorCode::kIo, "broken by the test");
    return std::vector<MetricFamily>{{"a", "A.", model::MetricType::kGauge, {{"", {}, value_}}}};
  }
  void set(double value, bool broken = false) {
    MutexLock lock(mutex_);
    value_ = value;
    broken_ = broken;
  }
  int calls() const {
    MutexLock lock(mutex_);
    return calls_;
  }

 private:
  mutable Mutex mutex_;
  double value_ GUARDED_BY(mutex_) = 1;
  bool broken_ GUARDED_BY(mutex_) = false;
  int calls_ GUARDED_BY(mutex_) = 0;
};

struct Bed {
  explicit Bed(Clock* clock = nullptr)
      : box(clock != nullptr ? std::make_unique<ComponentBox>("prometheus.scrape.x", *clock)
                             : std::make_unique<ComponentBox>("prometheus.scrape.x")) {
    running = std::make_unique<RunningComponent>(*box, declaration());
  }
  std::string configure(std::vector<model::Target> targets,
                        std::vector<std::pair<std::string, Value>> more = {}) {
    std::vector<std::pair<std::string, Value>> attributes = {
        {"targets", component::targets_value(targets)},
        {"forward_to", Value::List{component::capsule<MetricsReceiver>(out)}}};
    for (auto& one : more) attributes.push_back(std::move(one));
    return running->configure(body_of(std::move(attributes)));
  }

  const std::shared_ptr<SampleCollector> out = std::make_shared<SampleCollector>();
  std::unique_ptr<ComponentBox> box;
  std::unique_ptr<RunningComponent> running;
};

const std::vector<std::pair<std::string, Value>> kFast = {{"scrape_interval", Value("100ms")},
                                                          {"scrape_timeout", Value("100ms")}};

ScriptedServer::Answer page(std::string body, std::string type = "text/plain; version=0.0.4") {
  ScriptedServer::Answer answer;
  answer.status = 200;
  answer.body = std::move(body);
  answer.headers = {{"Content-Type", std::move(type)}};
  return answer;
}

model::Target at(const ScriptedServer& server) {
  const std::string url = server.url("");
  return {{"__address__", url.substr(url.find("//") + 2)}, {"instance", "h"}, {"job", "j"}};
}

}  // namespace

TEST_CASE("prometheus.scrape: an exporter of this process is asked on time, without a socket") {
  FakeClock clock;
  Bed bed(&clock);
  const auto gauge = std::make_shared<OneGauge>();
  const auto handle = bed.box->collectors.add("prometheus.exporter.unix.x", gauge);
  REQUIRE(bed.configure({component::exporter_target("prometheus.exporter.unix.x", "unix", "puck")})
              .empty());
  bed.running->start();
  const std::string series = R"(a{instance="puck", job="integrations/unix"})";
  const auto values = [&] { return bed.out->values(series); };
  REQUIRE(clock.advance_in_step([&] { return values().size() >= 3; }, std::chrono::seconds(1)));
  bed.running->stop();

  std::vector<std::int64_t> times;
  for (const auto& row : bed.out->rows())
    if (row.series == series) times.push_back(row.time_ms);
  CHECK(times.at(1) - times.at(0) == 60'000);
  CHECK(times.at(2) - times.at(1) == 60'000);
  const std::string labels = R"({instance="puck", job="integrations/unix"})";
  CHECK(bed.out->values("up" + labels).front() == "1");
  CHECK(bed.out->values("scrape_samples_scraped" + labels).front() == "1");
  CHECK(bed.out->values("scrape_samples_post_metric_relabeling" + labels).front() == "1");
  CHECK(bed.out->values("scrape_series_added" + labels).at(0) == "1");
  CHECK(bed.out->values("scrape_series_added" + labels).at(1) == "0");
  CHECK(bed.out->values("scrape_duration_seconds" + labels).front() == "0");
  CHECK(bed.out->values("scrape_timeout_seconds" + labels).empty());
}

TEST_CASE("prometheus.scrape: a failed scrape is up 0, and its series end; then they come back") {
  FakeClock clock;
  Bed bed(&clock);
  const auto gauge = std::make_shared<OneGauge>();
  const auto handle = bed.box->collectors.add("prometheus.exporter.unix.x", gauge);
  bed.configure({component::exporter_target("prometheus.exporter.unix.x", "unix", "puck")},
                {{"extra_metrics", Value(true)}});
  bed.running->start();
  const std::string labels = R"({instance="puck", job="integrations/unix"})";
  const auto ups = [&] { return bed.out->values("up" + labels); };
  REQUIRE(clock.advance_in_step([&] { return ups().size() == 1; }, std::chrono::seconds(1)));
  gauge->set(1, true);
  REQUIRE(clock.advance_in_step([&] { return ups().size() == 3; }, std::chrono::seconds(1)));
  CHECK(bed.running->debug("target.0.last_error") == "broken by the test");
  gauge->set(7);
  REQUIRE(clock.advance_in_step([&] { return ups().size() == 4; }, std::chrono::seconds(1)));
  CHECK(ups() == std::vector<std::string>{"1", "0", "0", "1"});
  CHECK(bed.out->values("a" + labels) == std::vector<std::string>{"1", "stale", "7"});
  CHECK(bed.out->values("scrape_timeout_seconds" + labels).front() == "10");
  CHECK(bed.running->debug("target.0.up") == "true");
  CHECK(bed.box->metric("prometheus_target_scrapes_failed_total") == 2);
}

TEST_CASE("prometheus.scrape: the series of a target that is gone end after two intervals") {
  FakeClock clock;
  Bed bed(&clock);
  const auto gauge = std::make_shared<OneGauge>();
  const auto handle = bed.box->collectors.add("prometheus.exporter.unix.x", gauge);
  const auto target = component::exporter_target("prometheus.exporter.unix.x", "unix", "puck");
  bed.configure({target});
  bed.running->start();
  const std::string labels = R"({instance="puck", job="integrations/unix"})";
  const auto seen = [&] { return bed.out->values("a" + labels); };
  REQUIRE(clock.advance_in_step([&] { return seen().size() == 2; }, std::chrono::seconds(1)));
  // Away and back again at once: nothing ends.
  bed.configure({});
  bed.configure({target});
  REQUIRE(clock.advance_in_step([&] { return seen().size() == 3; }, std::chrono::seconds(1)));
  CHECK(seen().back() == "1");
  bed.configure({});
  const std::int64_t gone_ms = clock.wall_ns() / 1'000'000;
  REQUIRE(clock.advance_in_step([&] { return seen().size() == 4; }, std::chrono::seconds(1)));
  CHECK(seen().back() == "stale");
  CHECK(bed.out->values("up" + labels).back() == "stale");
  CHECK(bed.out->rows().back().time_ms - gone_ms >= 120'000);
  CHECK(bed.out->rows().back().time_ms - gone_ms < 123'000);
}

TEST_CASE("prometheus.scrape: over HTTP it says what it understands, and reads what comes") {
  ScriptedServer server([](const ScriptedServer::Request&, std::size_t n) {
    if (n % 2 == 1)
      return page("# TYPE a counter\na_total 5 # {t=\"x\"} 1\n# EOF\n",
                  "application/openmetrics-text; version=1.0.0; charset=utf-8");
    return page("a_total 4\n");
  });
  Bed bed;
  REQUIRE(bed.configure({at(server)}, kFast).empty());
  bed.running->start();
  REQUIRE(bed.out->wait_values(R"(a_total{instance="h", job="j"})", 2));
  const auto request = server.requests().at(0);
  CHECK(request.target == "/metrics");
  CHECK(request.headers.at("accept") ==
        "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,"
        "application/openmetrics-text;version=0.0.1;q=0.5,"
        "text/plain;version=1.0.0;escaping=underscores;q=0.4,"
        "text/plain;version=0.0.4;q=0.3,*/*;q=0.2");
  CHECK(request.headers.at("x-prometheus-scrape-timeout-seconds") == "0.1");
  CHECK(request.headers.at("accept-encoding").find("gzip") != std::string::npos);
  const auto values = bed.out->values(R"(a_total{instance="h", job="j"})");
  CHECK(values.at(0) == "4");
  CHECK(values.at(1) == "5");
  CHECK(bed.out->exemplars().front() == R"(a_total{instance="h", job="j"} {t="x"} 1)");
}

TEST_CASE("prometheus.scrape: native histograms come in the protobuf format, asked for first") {
  namespace pb = agent::protobuf_page;
  ScriptedServer server([](const ScriptedServer::Request&, std::size_t) {
    const std::string histogram = pb::number(1, 1) + pb::number(5, pb::zigzag(3)) +
                                  pb::bytes(12, pb::number(1, 0) + pb::number(2, 1)) +
                                  pb::number(13, pb::zigzag(1));
    return page(pb::family("h", 4, {pb::bytes(7, histogram)}),
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
                "encoding=delimited");
  });
  Bed bed;
  auto arguments = kFast;
  arguments.emplace_back("scrape_native_histograms", Value(true));
  REQUIRE(bed.configure({at(server)}, arguments).empty());
  bed.running->start();
  REQUIRE(bed.out->wait_values(R"(up{instance="h", job="j"})", 1));
  CHECK(bed.out->values(R"(up{instance="h", job="j"})").front() == "1");
  REQUIRE_FALSE(bed.out->histograms().empty());
  CHECK(bed.out->histograms().front().find(R"(h{instance="h", job="j"} @)") == 0);
  CHECK(server.requests().at(0).headers.at("accept").find(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
            "encoding=delimited;q=0.7,application/openmetrics-text") == 0);
}

TEST_CASE("prometheus.scrape: a target that misbehaves costs its own scrape only") {
  ScriptedServer bad([](const ScriptedServer::Request&, std::size_t n) -> ScriptedServer::Answer {
    switch (n % 5) {
      case 0:
        return ScriptedServer::silence();
      case 1:
        return ScriptedServer::reset();
      case 2:
        return page("this is no page of metrics\n");
      case 3:
        return page(std::string(100'000, 'x'));
      default: {
        ScriptedServer::Answer answer;
        answer.status = 503;
        return answer;
      }
    }
  });
  ScriptedServer good([](const ScriptedServer::Request&, std::size_t) { return page("a 1\n"); });
  Bed bed;
  model::Target bad_target = at(bad);
  bad_target = {{"__address__", bad_target[0].value}, {"instance", "bad"}, {"job", "j"}};
  auto arguments = kFast;
  arguments.emplace_back("body_size_limit", Value("50KB"));
  REQUIRE(bed.configure({at(good), bad_target}, arguments).empty());
  bed.running->start();
  REQUIRE(bed.out->wait_values(R"(up{instance="bad", job="j"})", 6));
  REQUIRE(bed.out->wait_values(R"(up{instance="h", job="j"})", 6));
  for (const std::string& up : bed.out->values(R"(up{instance="bad", job="j"})")) CHECK(up == "0");
  const auto ups = bed.out->values(R"(up{instance="h", job="j"})");
  CHECK(std::count(ups.begin(), ups.end(), "1") == static_cast<std::ptrdiff_t>(ups.size()));
  CHECK(bed.box->metric("prometheus_target_scrapes_exceeded_body_size_limit_total") >= 1);
}

TEST_CASE("prometheus.scrape: more targets than target_limit, and one that cannot be scraped") {
  FakeClock clock;
  Bed bed(&clock);
  const auto gauge = std::make_shared<OneGauge>();
  const auto one = bed.box->collectors.add("prometheus.exporter.unix.x", gauge);
  const auto two = bed.box->collectors.add("prometheus.exporter.unix.y", gauge);
  bed.configure({component::exporter_target("prometheus.exporter.unix.x", "unix", "x"),
                 component::exporter_target("prometheus.exporter.unix.y", "unix", "y"),
                 {{"job", "no address"}}},
                {{"target_limit", Value(std::int64_t{1})}});
  bed.running->start();
  const auto ups = [&] { return bed.out->values(R"(up{instance="x", job="integrations/unix"})"); };
  REQUIRE(clock.advance_in_step([&] { return !ups().empty(); }, std::chrono::seconds(1)));
  CHECK(ups().front() == "0");
  CHECK(gauge->calls() == 0);
  CHECK(bed.running->debug("target.0.last_error") == "there are more targets than target_limit");
  CHECK(bed.box->metric("prometheus_target_sync_failed_total") == 1);
  CHECK(bed.box->metric("prometheus_scrape_targets_gauge") == 2);
}

TEST_CASE("prometheus.scrape: its pool's books, and which limit a page has met") {
  FakeClock clock;
  Bed bed(&clock);
  const auto gauge = std::make_shared<OneGauge>();
  const auto one = bed.box->collectors.add("prometheus.exporter.unix.x", gauge);
  const std::vector<model::Target> targets = {
      component::exporter_target("prometheus.exporter.unix.x", "unix", "x")};
  const auto ups = [&] { return bed.out->values(R"(up{instance="x", job="integrations/unix"})"); };
  const auto scraped = [&](std::size_t times) {
    const std::size_t wanted = ups().size() + times;
    return clock.advance_in_step([&] { return ups().size() >= wanted; }, std::chrono::seconds(1));
  };
  bed.configure(targets, {{"job_name", Value("pool")}, {"target_limit", Value(std::int64_t{5})}});
  bed.running->start();
  REQUIRE(scraped(3));
  const model::Labels pool = {{"scrape_job", "pool"}};
  CHECK(bed.box->metric("prometheus_target_scrape_pools_total") == 1);
  CHECK(bed.box->metric("prometheus_target_scrape_pool_targets", pool) == 1);
  CHECK(bed.box->metric("prometheus_target_scrape_pool_target_limit", pool) == 5);
  CHECK(bed.box->metric("prometheus_target_scrape_pool_sync_total", pool) == 1);
  CHECK(bed.box->metric("prometheus_target_scrape_pool_reloads_total") == 0);

  bed.configure(targets, {{"job_name", Value("pool")},
                          {"target_limit", Value(std::int64_t{5})},
                          {"label_limit", Value(std::int64_t{1})}});
  REQUIRE(scraped(2));
  CHECK(ups().back() == "0");
  CHECK(bed.box->metric("prometheus_target_scrape_pool_sync_total", pool) == 2);
  CHECK(bed.box->metric("prometheus_target_scrape_pool_reloads_total") == 1);
  CHECK(bed.box->metric("prometheus_target_scrape_pool_exceeded_label_limits_total") >= 1);
  CHECK(bed.box->metric("prometheus_target_scrapes_exceeded_sample_limit_total") == 0);
}

TEST_CASE("prometheus.scrape: failures are written to a file when it is asked for") {
  FakeClock clock;
  Bed bed(&clock);
  const auto file = bed.box->dir / "failures.json";
  bed.configure({component::exporter_target("prometheus.exporter.unix.gone", "unix", "x")},
                {{"scrape_failure_log_file", Value(file.string())}});
  bed.running->start();
  const std::string up = R"(up{instance="x", job="integrations/unix"})";
  REQUIRE(clock.advance_in_step([&] { return bed.out->values(up).size() == 1; },
                                std::chrono::seconds(1)));
  bed.running->stop();
  const std::string text = read_file(file).value();
  CHECK(text.find(R"("msg":"scrape failed")") != std::string::npos);
  CHECK(text.find("there is no exporter prometheus.exporter.unix.gone") != std::string::npos);
}

TEST_CASE("prometheus.scrape: arguments that cannot be are refused with their reason") {
  Bed bed;
  CHECK(bed.configure({}, {{"scrape_interval", Value("5s")}}) ==
        "scrape_timeout (10s) is greater than scrape_interval (5s)");
  CHECK(bed.configure({}, {{"scheme", Value("ftp")}}) == "scheme must be http or https");
  CHECK(bed.configure({}, {{"scrape_protocols", string_list({"Morse"})}})
            .find("unknown protocol \"Morse\"") == 0);
  CHECK(bed.configure({}, {{"sample_limit", Value(std::int64_t{-1})}}) ==
        "sample_limit must not be negative");
}

}  // namespace agent
