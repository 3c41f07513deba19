#include "agent/wire/docker_api.h"

#include <catch2/catch.hpp>

namespace agent::wire {

TEST_CASE("docker api: a list of containers") {
  const auto list = parse_docker_containers(R"([
    {"Id":"abc","Names":["/web","/proxy/web"],"State":"running","HostConfig":{"NetworkMode":"bridge"},
     "Labels":{"com.docker.compose.project":"shop","odd":1},"Unknown":[{}],
     "Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"PrivatePort":70000,"Type":"udp"}],
     "NetworkSettings":{"Networks":{"z":{"NetworkID":"2","IPAddress":"10.0.0.2"},"a":{"NetworkID":"1"},"n":null}}},
    {"Names":["/no-id"]}, 7, {"Id":"def","State":"exited","Names":[],"Labels":null,"Ports":null}])");
  REQUIRE(list);
  REQUIRE(list->size() == 2);
  const DockerContainer& web = list->front();
  CHECK(web.name == "/web");
  CHECK(web.alive());
  CHECK(web.labels == DockerLabels{{"com.docker.compose.project", "shop"}});
  REQUIRE(web.ports.size() == 2);
  CHECK(web.ports[0].public_port == 8080);
  CHECK(web.ports[1].private_port == 0);
  REQUIRE(web.endpoints.size() == 2);
  CHECK(web.endpoints[0].network == "a");
  CHECK(web.endpoints[1].ip == "10.0.0.2");
  CHECK_FALSE(list->back().alive());
}

TEST_CASE("docker api: an inspection") {
  const auto one = parse_docker_inspection(
      R"({"Id":"abc","Name":"/t","State":{"Running":false,"StartedAt":"2026-11-21T09:48:14.883289504Z",
          "FinishedAt":"0001-01-01T00:00:00Z"},"Config":{"Tty":true,"Labels":{"a":"b"}},
          "HostConfig":{"LogConfig":{"Type":"json-file","Config":{}}}})");
  REQUIRE(one);
  CHECK(one->tty);
  CHECK(one->started_ns == 1795254494883289504);
  CHECK(one->finished_ns == 0);
  CHECK(one->log_driver == "json-file");
  CHECK_FALSE(parse_docker_inspection(R"({"message":"No such container"})"));
}

TEST_CASE("docker api: where containers' files are, of each image store") {
  const auto files = [](const std::string& status, const std::string& address) {
    const auto daemon =
        parse_docker_info(R"({"ServerVersion":"29.1.3","DockerRootDir":"/data",)"
                          R"("DriverStatus":)" +
                          status + R"(,"Containerd":{"Address":")" + address + R"("}})");
    return daemon ? daemon->files : "failed";
  };
  const std::string containerd = R"([["driver-type","io.containerd.snapshotter.v1"]])";
  CHECK(files(R"([["Backing Filesystem","extfs"],["driver-type"],7])",
              "/run/containerd/containerd.sock") == "/data");
  CHECK(files("null", "") == "/data");
  CHECK(files(containerd, "/run/containerd/containerd.sock") == "/var/lib/containerd");
  CHECK(files(containerd, "/var/run/containerd/containerd.sock") == "/var/lib/containerd");
  CHECK(files(containerd, "") == "/var/lib/containerd");
  CHECK(files(containerd, "/run/k3s/containerd.sock") == "/var/lib/containerd");
  CHECK(files(containerd, "/var/run/docker/containerd/containerd.sock") ==
        "/data/containerd/daemon");
}

TEST_CASE("docker api: what a container has written, where that was asked for") {
  const auto list = parse_docker_containers(
      R"([{"Id":"a","SizeRw":7,"SizeRootFs":9},{"Id":"b","SizeRootFs":9},{"Id":"c"},
          {"Id":"d","SizeRw":-1,"SizeRootFs":-1}])");
  REQUIRE(list);
  std::vector<std::int64_t> sizes;
  for (const DockerContainer& one : *list) sizes.push_back(one.own_bytes);
  CHECK(sizes == std::vector<std::int64_t>{7, 0, -1, -1});
}

TEST_CASE("docker api: networks and filters") {
  const auto networks = parse_docker_networks(
      R"([{"Id":"1","Name":"bridge","Scope":"local","Internal":false,"Ingress":true,"Labels":{"x":"y"}}])");
  REQUIRE(networks);
  CHECK(networks->at(0).ingress);
  CHECK(networks->at(0).labels == DockerLabels{{"x", "y"}});
  CHECK(docker_filters({{"label", {"a=b"}}, {"name", {"\"q\""}}, {"label", {"c"}}}) ==
        R"({"label":["a=b","c"],"name":["\"q\""]})");
}

TEST_CASE("docker api: events arrive in any pieces, broken ones are skipped") {
  const std::string bytes =
      "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"abc\"},\"timeNano\":5}\n\n{"
      "broken\n"
      "{\"Type\":\"network\",\"Action\":\"connect\",\"id\":\"n\"}\r\n" +
      std::string(2U << 20U, 'x') + "\n{\"Type\":\"container\",\"Action\":\"die\"}\n";
  for (const std::size_t step : {std::size_t{3}, std::size_t{100000}}) {
    DockerEvents events;
    std::vector<std::string> seen;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      events.feed(std::string_view(bytes).substr(at, step), [&](const DockerEvent& event) {
        seen.push_back(event.type + " " + event.action + " " + event.id + " " +
                       std::to_string(event.time_ns));
      });
    }
    CHECK(seen == std::vector<std::string>{"container start abc 5", "network connect n 0",
                                           "container die  0"});
  }
}

TEST_CASE("docker api: what is not what it should be is an error, at any depth") {
  CHECK_FALSE(parse_docker_containers("{}"));
  CHECK_FALSE(parse_docker_containers("[{"));
  CHECK_FALSE(parse_docker_containers(std::string(1'000'000, '[')));
  CHECK_FALSE(parse_docker_networks("null"));
  CHECK(docker_error_message(R"({"message":"no such thing"})") == "no such thing");
  CHECK(docker_error_message("<html>\n") == "<html>");
}

}  // namespace agent::wire
