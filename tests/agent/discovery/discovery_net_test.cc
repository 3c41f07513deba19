// discovery.http and discovery.dns: what asks over the network.
#include <catch2/catch.hpp>
#include <functional>

#include "agent/discovery/discovery_dns.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/name_server.h"
#include "tests/support/scripted_server.h"

namespace agent::discovery {

component::Declaration discovery_http();

namespace {

constexpr char kJson[] = "application/json";

ScriptedServer::Answer list(std::string body, std::string type = kJson) {
  ScriptedServer::Answer answer;
  answer.status = 200;
  answer.body = std::move(body);
  answer.headers = {{"Content-Type", std::move(type)}};
  return answer;
}

struct Fixture {
  Fixture(std::string id, const component::Declaration& declaration)
      : box(std::move(id), clock), component(box, declaration) {}
  FakeClock clock;
  ComponentBox box;
  RunningComponent component;

  bool wait_addresses(const std::vector<std::string>& wanted) {
    return box.wait_exports([&](const ComponentBox::Published& exports) {
      std::vector<std::string> now;
      for (const lang::Value& one : exports.at("targets").list())
        now.push_back(one.find("__address__")->string());
      return now == wanted;
    });
  }
  // One more round, until what it does is done.
  void next_round(const std::function<bool()>& done) {
    while (clock.sleepers() == 0) std::this_thread::yield();
    clock.advance(std::chrono::minutes(1));
    while (!done()) std::this_thread::yield();
  }
  std::string label(const std::string& name) {
    const lang::Value first = box.exported("targets").list().at(0);
    const lang::Value* value = first.find(name);
    return value == nullptr ? "" : value->string();
  }
};

}  // namespace

TEST_CASE("discovery.http: a list becomes targets, again after refresh_interval") {
  ScriptedServer server([](const auto&, std::size_t number) {
    return list(number == 0 ? R"([{"targets":["a:1"],"labels":{"job":"j"}}])"
                            : R"([{"targets":["a:1","b:1"]}])",
                number == 0 ? "application/json; charset=utf-8" : kJson);
  });
  Fixture f("discovery.http.x", discovery_http());
  REQUIRE(
      f.component
          .configure(body_of({{"url", server.url("/sd?x=1")}, {"bearer_token", Secret("hush")}}))
          .empty());
  f.component.start();
  REQUIRE(f.wait_addresses({"a:1"}));
  CHECK(f.label("__meta_url") == server.url("/sd?x=1"));
  CHECK(f.label("job") == "j");
  f.next_round([&] { return f.wait_addresses({"a:1", "b:1"}); });
  const auto request = server.requests().at(0);
  CHECK(request.target == "/sd?x=1");
  CHECK(request.headers.at("accept") == kJson);
  CHECK(request.headers.at("x-prometheus-refresh-interval-seconds") == "60");
  CHECK(request.headers.at("authorization") == "Bearer hush");
}

TEST_CASE("discovery.http: what is no list leaves the last one, and is told") {
  std::vector<ScriptedServer::Answer> bad(5);
  bad[0].status = 500;
  bad[1] = list(R"([{"targets":["b:1"]}])", "text/html");
  bad[2] = list(R"([{"targets":)");
  bad[3] = list(std::string((16U << 20) + 1, ' '));
  bad[3].close = true;  // on a connection of its own a reset is not tried again
  bad[4] = ScriptedServer::reset();
  ScriptedServer server([&](const auto&, std::size_t number) {
    return number == 0 || number > bad.size() ? list(R"([{"targets":["a:1"]}])") : bad[number - 1];
  });
  Fixture f("discovery.http.x", discovery_http());
  REQUIRE(f.component.configure(body_of({{"url", server.url("/")}})).empty());
  f.component.start();
  REQUIRE(f.wait_addresses({"a:1"}));
  for (std::size_t i = 1; i <= bad.size(); ++i) {
    f.next_round([&] {
      return f.box.metric("prometheus_sd_http_failures_total") == static_cast<double>(i) &&
             !f.box.health.state().healthy;
    });
    CHECK(f.box.exported("targets").list().size() == 1);
  }
  f.next_round([&] { return f.box.health.state().healthy; });
}

TEST_CASE("discovery.http: another URL is asked at once, whatever the old one does") {
  ScriptedServer deaf([](const auto&, std::size_t) { return ScriptedServer::silence(); });
  ScriptedServer server([](const auto&, std::size_t) { return list(R"([{"targets":["a:1"]}])"); });
  Fixture f("discovery.http.x", discovery_http());
  REQUIRE(f.component.configure(body_of({{"url", deaf.url("/")}})).empty());
  f.component.start();
  REQUIRE(deaf.wait_for(1));
  REQUIRE(f.component.configure(body_of({{"url", server.url("/")}})).empty());
  REQUIRE(f.wait_addresses({"a:1"}));
  CHECK(f.box.metric("prometheus_sd_http_failures_total") == 0);
}

TEST_CASE("discovery.http: arguments that cannot work are refused") {
  Fixture f("discovery.http.x", discovery_http());
  CHECK(f.component.configure(body_of({{"url", "ftp://x"}})) ==
        "url is not a URL that can be requested");
  CHECK(f.component.configure(body_of({{"url", "http://x"}, {"refresh_interval", "0s"}})) ==
        "refresh_interval must be greater than 0s");
}

TEST_CASE("discovery.dns: SRV records become targets with their ports") {
  NameServer server;
  server.set("_x._tcp.test", io::DnsType::kSrv,
             {0, {NameServer::srv("n2.test", 9100), NameServer::srv("n1.test", 9101)}});
  Fixture f("discovery.dns.x", discovery_dns_from(server.servers()));
  REQUIRE(f.component.configure(body_of({{"names", string_list({"_x._tcp.test."})}})).empty());
  f.component.start();
  REQUIRE(f.wait_addresses({"n1.test:9101", "n2.test:9100"}));
  CHECK(f.label("__meta_dns_name") == "_x._tcp.test.");
  CHECK(f.label("__meta_dns_srv_record_target") == "n1.test.");
  CHECK(f.label("__meta_dns_srv_record_port") == "9101");
}

TEST_CASE("discovery.dns: other types take the configured port") {
  NameServer server;
  server.set("h.test", io::DnsType::kA, {0, {NameServer::address("10.0.0.1")}});
  server.set("h.test", io::DnsType::kAaaa, {0, {NameServer::address("2001:db8::1")}});
  server.set("h.test", io::DnsType::kMx, {0, {NameServer::mx("mail.test")}});
  server.set("h.test", io::DnsType::kNs, {0, {NameServer::name("ns.test")}});
  Fixture f("discovery.dns.x", discovery_dns_from(server.servers()));
  const auto configure = [&](const char* type) {
    return f.component.configure(
        body_of({{"names", string_list({"h.test."})}, {"type", type}, {"port", 80}}));
  };
  REQUIRE(configure("a").empty());
  f.component.start();
  REQUIRE(f.wait_addresses({"10.0.0.1:80"}));
  CHECK(f.label("__meta_dns_srv_record_port").empty());
  REQUIRE(configure("AAAA").empty());
  REQUIRE(f.wait_addresses({"[2001:db8::1]:80"}));
  REQUIRE(configure("MX").empty());
  REQUIRE(f.wait_addresses({"mail.test:80"}));
  CHECK(f.label("__meta_dns_mx_record_target") == "mail.test.");
  REQUIRE(configure("NS").empty());
  REQUIRE(f.wait_addresses({"ns.test:80"}));
  CHECK(f.label("__meta_dns_ns_record_target") == "ns.test.");
}

TEST_CASE("discovery.dns: the last targets of a name that nobody tells about stay") {
  NameServer server;
  const auto one = NameServer::srv("n.test", 1);
  server.set("a.test", io::DnsType::kSrv, {0, {one}});
  server.set("b.test", io::DnsType::kSrv, {0, {one}});
  Fixture f("discovery.dns.x", discovery_dns_from(server.servers()));
  REQUIRE(f.component.configure(body_of({{"names", string_list({"a.test.", "b.test."})}})).empty());
  f.component.start();
  REQUIRE(f.wait_addresses({"n.test:1", "n.test:1"}));
  server.set("a.test", io::DnsType::kSrv, {2, {}});
  server.set("b.test", io::DnsType::kSrv, {3, {}});
  f.next_round([&] { return f.wait_addresses({"n.test:1"}); });
  CHECK(f.label("__meta_dns_name") == "a.test.");
  while (f.box.health.state().healthy) std::this_thread::yield();
  CHECK(f.box.metric("prometheus_sd_dns_lookup_failures_total") == 1);
  CHECK(f.box.metric("prometheus_sd_dns_lookups_total") == 4);
}

TEST_CASE("discovery.dns: arguments that cannot work are refused") {
  Fixture f("discovery.dns.x", discovery_dns_from({}));
  const auto said = [&](std::vector<std::pair<std::string, lang::Value>> attributes) {
    return f.component.configure(body_of(std::move(attributes)));
  };
  const lang::Value names = string_list({"a"});
  CHECK(said({{"names", names}, {"type", "TXT"}}) == "unknown type of DNS records");
  CHECK(said({{"names", names}, {"type", "A"}}) ==
        "a port is needed for all types of DNS records but SRV");
  CHECK(said({{"names", names}, {"port", 65536}}) == "a port is a number from 0 to 65535");
  CHECK(said({{"names", string_list({})}}) == "names must have at least one name");
  CHECK(said({{"names", string_list({""})}}) == "\"\" is not a DNS name");
  CHECK(said({{"names", names}, {"refresh_interval", "0s"}}) ==
        "refresh_interval must be greater than 0s");
}

}  // namespace agent::discovery
