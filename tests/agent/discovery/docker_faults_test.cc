// discovery.docker against a daemon that fails in ways a real one cannot be asked for; over TCP.
#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <thread>

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

}  // namespace agent::discovery
