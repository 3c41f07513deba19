// Containers -> targets, the way Prometheus' Docker discovery makes them. Pure.
//
// One target per network and TCP port of a container, with
//   __meta_docker_container_{id,name,network_mode}, __meta_docker_container_label_<name>
//   __meta_docker_network_{id,name,scope,internal,ingress,ip}, __meta_docker_network_label_<name>
//   __meta_docker_port_private, and of published ports __meta_docker_port_{public,public_ip}
// and __address__ = ip:port. Without a TCP port one target per network with the given port; in host
// networking
// __address__ is `host_networking_host`.
// Beyond Prometheus: a container without any network (mode none, or borrowing from one that is
// gone) is one target without __address__, so that its logs are collected.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/model/labels.h"
#include "agent/wire/docker_api.h"

namespace agent::discovery {

struct DockerTargetOptions {
  std::int64_t port = 80;
  std::string host_networking_host = "localhost";
  bool match_first_network = true;  // of several networks only the first by name
};

using DockerNetworks = std::map<std::string, wire::DockerNetwork, std::less<>>;  // by id

// The targets of `container`; `all` are those whose networks it may borrow (mode container:<id>).
std::vector<model::Target> docker_targets(const wire::DockerContainer& container,
                                          const std::vector<wire::DockerContainer>& all,
                                          const DockerNetworks& networks,
                                          const DockerTargetOptions& options);

}  // namespace agent::discovery
