#include "agent/scrape/target.h"

#include <catch2/catch.hpp>
#include <set>

#include "agent/component/collector.h"

namespace agent::scrape {
namespace {

TargetDefaults defaults() {
  TargetDefaults out;
  out.job_name = "prometheus.scrape.x";
  out.interval = std::chrono::seconds(60);
  out.timeout = std::chrono::seconds(10);
  return out;
}

model::Target target(model::Labels labels) {
  model::LabelBuilder out;
  for (const auto& label : labels) out.set(label.name, label.value);
  return std::move(out).take();
}

std::string refusal(model::Labels labels) {
  const auto out = scrape_target(target(std::move(labels)), defaults());
  return out ? "" : out.error().message;
}

}  // namespace

TEST_CASE("scrape target: address, scheme, path and labels") {
  const auto plain = scrape_target(target({{"__address__", "host:9100"}}), defaults()).value();
  CHECK(plain.url == "http://host:9100/metrics");
  CHECK(model::labels_text(plain.labels) == R"({instance="host:9100", job="prometheus.scrape.x"})");
  CHECK(plain.exporter.empty());
  const auto own = scrape_target(target({{"__address__", "[::1]:1"},
                                         {"__scheme__", "https"},
                                         {"__metrics_path__", "probe?x=1"},
                                         {"__meta_docker_container_id", "abc"},
                                         {"job", "mine"},
                                         {"instance", "puck"},
                                         {"zone", "a"}}),
                                 defaults())
                       .value();
  CHECK(own.url == "https://[::1]:1/probe?x=1");
  CHECK(model::labels_text(own.labels) == R"({instance="puck", job="mine", zone="a"})");
}

TEST_CASE("scrape target: parameters come from the arguments and from labels") {
  TargetDefaults with = defaults();
  with.params = {{"module", {"http 2xx", "second"}}, {"debug", {"true"}}};
  const auto out = scrape_target(
      target({{"__address__", "h"}, {"__param_module", "icmp&"}, {"__param_target", "a/b"}}), with);
  CHECK(out->url == "http://h/metrics?module=icmp%26&module=second&debug=true&target=a%2Fb");
}

TEST_CASE("scrape target: its own interval and timeout") {
  const auto out = scrape_target(target({{"__address__", "h"},
                                         {"__scrape_interval__", "1m30s"},
                                         {"__scrape_timeout__", "1500ms"}}),
                                 defaults());
  CHECK(out->interval == std::chrono::seconds(90));
  CHECK(out->timeout == std::chrono::milliseconds(1500));
  CHECK(refusal({{"__address__", "h"}, {"__scrape_interval__", "5s"}}) ==
        "target h: its timeout 10s is above its interval 5s");
  for (const char* bad : {"x", "5", "1.5s", "0s", "-1s", "99999999999y", "1s2"})
    CHECK(refusal({{"__address__", "h"}, {"__scrape_interval__", bad}}).find("is no duration") !=
          std::string::npos);
}

TEST_CASE("scrape target: what cannot be an address is refused") {
  CHECK(refusal({{"job", "x"}}) == "the target has no __address__");
  CHECK(refusal({{"__address__", "http://h"}}) == "not an address: http://h");
  CHECK(refusal({{"__address__", "user:password@h"}}) == "not an address: user:password@h");
  CHECK(refusal({{"__address__", "h"}, {"__scheme__", "file"}}) == "target h: not a scheme: file");
}

TEST_CASE("scrape target: an exporter of this process is known by its address") {
  const auto out = scrape_target(
      component::exporter_target("prometheus.exporter.unix.x", "unix", "puck"), defaults());
  CHECK(out->exporter == "prometheus.exporter.unix.x");
  CHECK(model::labels_text(out->labels) == R"({instance="puck", job="integrations/unix"})");
}

TEST_CASE("scrape target: targets spread over the interval, each keeps its place") {
  const std::int64_t now = 1'700'000'000'123'456'789;
  std::set<std::int64_t> places;
  for (int i = 0; i < 200; ++i) {
    const auto one =
        scrape_target(target({{"__address__", "h:" + std::to_string(i)}}), defaults()).value();
    const std::int64_t due = first_due_ns(one, "puck", now);
    REQUIRE(due >= now);
    REQUIRE(due < now + one.interval.count());
    CHECK(first_due_ns(one, "puck", due) == due);
    CHECK(first_due_ns(one, "puck", due + 1) == due + one.interval.count());
    CHECK(first_due_ns(one, "other", now) != due);
    places.insert((due - now) / 6'000'000'000);  // tenths of the interval
  }
  CHECK(places.size() == 10);
}

}  // namespace agent::scrape
