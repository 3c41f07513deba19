// discovery.docker against a daemon that fails in ways a real one cannot be asked for; over TCP.
#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <thread>

#include "agent/base/file.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_dockerd.h"

namespace agent::discovery {

component::Declaration discovery_docker();

namespace {

struct Bed {
  void start(const std::string& interval) {
    const lang::Body body = body_of({{"host", docker.tcp_host()}, {"refresh_interval", interval}});
    REQUIRE(component.configure(body) == "");
    component.start();
  }
  bool wait_ids(const std::vector<std::string>& ids,
                std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    return box.wait_exports(
        [&](const auto& exports) {
          std::vector<std::string> found;
          const auto it = exports.find("targets");
          if (it != exports.end())
            for (const lang::Value& target : it->second.list())
              found.push_back(target.find("__meta_docker_container_id")->string());
          std::sort(found.begin(), found.end());
          return found == ids;
        },
        limit);
  }
  ComponentBox box{"discovery.docker.x"};
  FakeDockerd docker{""};
  RunningComponent component{box, discovery_docker()};
};

}  // namespace

TEST_CASE("discovery.docker: without events the lists tell, one per refresh_interval") {
  Bed bed;
  bed.docker.refuse_events(403);
  bed.docker.set("a", {true, {}, 0, ""});
  bed.start("1s");
  REQUIRE(bed.wait_ids({"a"}));
  bed.docker.set("b", {true, {}, 0, ""});
  CHECK(bed.wait_ids({"a", "b"}, std::chrono::seconds(5)));
  CHECK(bed.box.health.state().healthy);
}

TEST_CASE("discovery.docker: while lists fail the last targets stay and the component is ill") {
  Bed bed;
  bed.docker.set("a", {true, {}, 0, ""});
  bed.start("1m");
  REQUIRE(bed.wait_ids({"a"}));
  bed.docker.fail_lists(500);
  bed.docker.set("b", {true, {}, 0, ""});
  bed.docker.event("start", "b");
  while (bed.box.health.state().healthy) std::this_thread::yield();
  CHECK(bed.box.health.state().message.find("status 500: out of order") != std::string::npos);
  CHECK(bed.wait_ids({"a"}, std::chrono::milliseconds(1)));
  CHECK(bed.box.metric("prometheus_sd_refresh_failures_total") >= 1);
  bed.docker.fail_lists(0);
  CHECK(bed.wait_ids({"a", "b"}));
  while (!bed.box.health.state().healthy) std::this_thread::yield();
}

TEST_CASE("discovery.docker: an event that was missed while the stream was broken is made up for") {
  Bed bed;
  bed.docker.set("a", {true, {}, 0, ""});
  bed.start("1m");
  REQUIRE(bed.wait_ids({"a"}));
  bed.docker.set("b", {true, {}, 0, ""});
  bed.docker.reset_all();
  CHECK(bed.wait_ids({"a", "b"}));
}

TEST_CASE("discovery.docker: equal lists are published once") {
  Bed bed;
  bed.docker.set("a", {true, {}, 0, ""});
  bed.start("1m");
  REQUIRE(bed.wait_ids({"a"}));
  const std::size_t before = bed.box.publications();
  const std::size_t lists = bed.docker.requests("/containers/json");
  for (int i = 0; i < 5; ++i) bed.docker.event("start", "a");
  while (bed.docker.requests("/containers/json") == lists) std::this_thread::yield();
  bed.docker.set("b", {true, {}, 0, ""});
  bed.docker.event("start", "b");
  REQUIRE(bed.wait_ids({"a", "b"}));
  CHECK(bed.box.publications() == before + 1);
}

// Answers as the documentation of Docker's API 1.52 has them.
TEST_CASE("discovery.docker: targets of a daemon with the image store of containerd") {
  const ScriptedServer docker([](const ScriptedServer::Request& request, std::size_t) {
    ScriptedServer::Answer out;
    const std::string path = request.target.substr(1, request.target.find('?') - 1);
    const std::string file = path == "containers/json" ? "containers" : path;
    const auto text = read_file(SOURCE_DIR "/tests/fixtures/docker/engine_29/" + file + ".json");
    out.status = text ? 200 : 403;  // as a proxy that lets no events pass
    out.body = text ? *text : R"({"message":"forbidden"})";
    return out;
  });
  ComponentBox box("discovery.docker.x");
  RunningComponent component(box, discovery_docker());
  REQUIRE(component.configure(body_of({{"host", docker.url("")}})) == "");
  component.start();
  REQUIRE(box.wait_exports([](const auto& exports) {
    const auto targets = exports.find("targets");
    return targets != exports.end() && !targets->second.list().empty();
  }));
  std::vector<std::string> found;
  for (const lang::Value& target : box.exported("targets").list()) {
    std::string line;
    for (const char* label :
         {"__address__", "__meta_docker_container_name", "__meta_docker_container_network_mode",
          "__meta_docker_network_name", "__meta_docker_port_public",
          "__meta_docker_container_label_com_docker_compose_service"}) {
      const lang::Value* const value = target.find(label);
      line += (line.empty() ? "" : " ") + (value == nullptr ? "-" : value->string());
    }
    found.push_back(std::move(line));
  }
  std::sort(found.begin(), found.end());
  CHECK(found == std::vector<std::string>{"172.17.0.2:80 /web bridge bridge 8088 web",
                                          "172.17.0.2:80 /web bridge bridge 8088 web",
                                          "172.17.0.3:80 /idle bridge bridge - idle"});
}

}  // namespace agent::discovery
