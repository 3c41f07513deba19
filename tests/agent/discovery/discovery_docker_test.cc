// discovery.docker against a real Docker Engine.
#include <catch2/catch.hpp>
#include <thread>

#include "tests/support/component_box.h"
#include "tests/support/private_docker.h"

namespace agent::discovery {

component::Declaration discovery_docker();

namespace {

// The component on a thread, as the runtime would run it.
class Running {
 public:
  Running(ComponentBox& box, const lang::Body& body) : component_(box, discovery_docker()) {
    REQUIRE(component_.configure(body) == "");
    component_.start();
  }
  ~Running() { component_.shut_down(); }
  RunningComponent& component() { return component_; }

 private:
  RunningComponent component_;
};

std::vector<std::string> names(const std::map<std::string, lang::Value>& exports) {
  std::vector<std::string> out;
  const auto it = exports.find("targets");
  if (it == exports.end()) return out;
  for (const lang::Value& target : it->second.list())
    out.push_back(target.find("__meta_docker_container_name")->string());
  return out;
}

bool has(const std::map<std::string, lang::Value>& exports, const std::string& name) {
  const auto all = names(exports);
  return std::find(all.begin(), all.end(), name) != all.end();
}

}  // namespace

TEST_CASE("discovery.docker: follows a real daemon by its events") {
  const PrivateDocker docker("dsc");
  docker.run("before", "exit 0");
  docker.docker("wait before");
  docker.run("web", "sleep 1000", "--label com.docker.compose.project=shop --network none");
  docker.run("job", "sleep 1000", "--label kind=job");

  ComponentBox box("discovery.docker.x");
  // So long an interval that only events can tell.
  const lang::Body body = body_of({{"host", docker.host()}, {"refresh_interval", "30s"}});
  {
    Running running(box, body);
    REQUIRE(box.wait_exports([](const auto& e) { return has(e, "/web") && has(e, "/job"); }));
    // It ended before the agent came here, but not long before.
    CHECK(box.wait_exports([](const auto& e) { return has(e, "/before"); }));
    const lang::Value targets = box.exported("targets");
    for (const lang::Value& target : targets.list()) {
      if (target.find("__meta_docker_container_name")->string() != "/web") continue;
      CHECK(target.find("__meta_docker_container_label_com_docker_compose_project")->string() ==
            "shop");
      CHECK(target.find("__meta_docker_container_network_mode")->string() == "none");
      CHECK(target.find("__meta_docker_network_name")->string() == "none");
      CHECK(target.find("__meta_docker_container_id")->string().size() == 64);
    }

    docker.run("late", "sleep 1000");
    CHECK(box.wait_exports([](const auto& e) { return has(e, "/late"); }, std::chrono::seconds(2)));
    docker.run("short", "sleep 0.2");
    CHECK(
        box.wait_exports([](const auto& e) { return has(e, "/short"); }, std::chrono::seconds(2)));
    docker.docker("rm -f late");
    CHECK(
        box.wait_exports([](const auto& e) { return !has(e, "/late"); }, std::chrono::seconds(2)));

    // The daemon goes: the last targets stay, the component says that it is ill.
    const std::size_t published = box.publications();
    docker.stop_daemon();
    while (box.health.state().healthy) std::this_thread::yield();
    CHECK(box.health.state().message.find("list the containers of unix://") == 0);
    CHECK(box.publications() == published);
    docker.start_daemon();
    docker.docker("start web");
    REQUIRE(box.wait_exports([](const auto& e) { return has(e, "/web"); }));
    while (!box.health.state().healthy) std::this_thread::yield();

    // By label only; and by state.
    REQUIRE(
        running.component().configure(body_of(
            {{"host", docker.host()}},
            {{"filter", body_of({{"name", "label"}, {"values", lang::Value::List{"kind=job"}}})},
             {"filter",
              body_of({{"name", "status"}, {"values", lang::Value::List{"exited"}}})}})) == "");
    CHECK(box.wait_exports(
        [](const auto& e) { return names(e) == std::vector<std::string>{"/job"}; }));
  }

  // What exited while the agent was down is a target after its start; what had exited before is
  // not.
  docker.run("meanwhile", "echo while you were away");
  docker.docker("wait meanwhile");
  Running running(box, body);
  CHECK(box.wait_exports([](const auto& e) { return has(e, "/meanwhile") && !has(e, "/before"); }));
}

TEST_CASE("discovery.docker: a daemon that is not there yet is waited for") {
  ComponentBox box("discovery.docker.x");
  Running running(box, body_of({{"host", "unix://" + (box.dir / "docker.sock").string()}}));
  while (box.health.state().healthy) std::this_thread::yield();
  CHECK(box.exported("targets").list().empty());
}

TEST_CASE("discovery.docker: a host that cannot be one is an error of the configuration") {
  ComponentBox box("discovery.docker.x");
  RunningComponent component(box, discovery_docker());
  CHECK(
      component.configure(body_of({{"host", "/var/run/docker.sock"}})).find("is not an address") !=
      std::string::npos);
}

}  // namespace agent::discovery
