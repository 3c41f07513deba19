#include "agent/discovery/docker_targets.h"

#include <catch2/catch.hpp>

namespace agent::discovery {
namespace {

wire::DockerContainer web() {
  wire::DockerContainer c;
  c.id = "abc";
  c.name = "/web";
  c.state = "running";
  c.network_mode = "shop";
  c.labels = {{"com.docker.compose.project", "shop"}};
  c.endpoints = {{"back", "n2", "10.2.0.2"}, {"shop", "n1", "10.1.0.2"}};
  c.ports = {{"0.0.0.0", 80, 8080, "tcp"}, {"", 443, 0, "tcp"}, {"", 53, 0, "udp"}};
  return c;
}

const DockerNetworks kNetworks = {{"n1", {"n1", "shop", "local", true, false, {{"a-b", "c"}}}},
                                  {"n2", {"n2", "back", "local", false, false, {}}}};

std::vector<std::string> texts(const std::vector<model::Target>& targets) {
  std::vector<std::string> out;
  for (const auto& target : targets) out.push_back(model::labels_text(target));
  return out;
}

}  // namespace

TEST_CASE("docker targets: one per network and TCP port, with what Docker says of each") {
  DockerTargetOptions options;
  options.match_first_network = false;
  const auto targets = texts(docker_targets(web(), {}, kNetworks, options));
  REQUIRE(targets.size() == 4);
  CHECK(
      targets[0] ==
      R"({__address__="10.2.0.2:80", __meta_docker_container_id="abc", )"
      R"(__meta_docker_container_label_com_docker_compose_project="shop", __meta_docker_container_name="/web", )"
      R"(__meta_docker_container_network_mode="shop", __meta_docker_network_id="n2", )"
      R"(__meta_docker_network_ingress="false", __meta_docker_network_internal="false", )"
      R"(__meta_docker_network_ip="10.2.0.2", __meta_docker_network_name="back", )"
      R"(__meta_docker_network_scope="local", __meta_docker_port_private="80", __meta_docker_port_public="8080", )"
      R"(__meta_docker_port_public_ip="0.0.0.0"})");
  CHECK(targets[3].find(R"(__address__="10.1.0.2:443")") != std::string::npos);
  CHECK(targets[3].find(R"(__meta_docker_network_label_a_b="c")") != std::string::npos);
  CHECK(targets[3].find("port_public") == std::string::npos);
}

TEST_CASE("docker targets: of several networks the first by name") {
  const auto targets = texts(docker_targets(web(), {}, kNetworks, {}));
  REQUIRE(targets.size() == 2);
  CHECK(targets[1].find(R"(__meta_docker_network_name="back")") != std::string::npos);
}

TEST_CASE("docker targets: without a TCP port the given one, host networking without") {
  wire::DockerContainer c = web();
  c.ports = {{"", 53, 0, "udp"}};
  DockerTargetOptions options;
  options.port = 9100;
  auto targets = docker_targets(c, {}, kNetworks, options);
  REQUIRE(targets.size() == 1);
  CHECK(model::LabelBuilder(targets[0]).get("__address__") == "10.2.0.2:9100");
  c.network_mode = "host";
  options.host_networking_host = "puck";
  targets = docker_targets(c, {}, kNetworks, options);
  CHECK(model::LabelBuilder(targets.at(0)).get("__address__") == "puck");
}

TEST_CASE(
    "docker targets: a network is borrowed from another container, and none is a target too") {
  wire::DockerContainer c = web();
  c.endpoints.clear();
  c.ports.clear();
  c.network_mode = "container:abc";
  c.id = "side";
  auto targets = docker_targets(c, {web()}, kNetworks, {});
  REQUIRE(targets.size() == 1);
  CHECK(model::LabelBuilder(targets[0]).get("__address__") == "10.2.0.2:80");
  c.network_mode = "none";
  targets = docker_targets(c, {web()}, kNetworks, {});
  REQUIRE(targets.size() == 1);
  CHECK(model::LabelBuilder(targets[0]).get("__address__").empty());
  CHECK(model::LabelBuilder(targets[0]).get("__meta_docker_container_id") == "side");
  // Two that borrow from each other.
  wire::DockerContainer loop = c;
  loop.network_mode = "container:side";
  CHECK(docker_targets(loop, {loop}, kNetworks, {}).size() == 1);
}

}  // namespace agent::discovery
