#include "agent/discovery/docker_targets.h"

#include <algorithm>

namespace agent::discovery {
namespace {

constexpr std::string_view kContainer = "__meta_docker_container_";
constexpr std::string_view kNetwork = "__meta_docker_network_";
constexpr std::string_view kPort = "__meta_docker_port_";
constexpr int kLongestBorrowing = 16;

std::string name_of(std::string_view prefix, std::string_view name) {
  return std::string(prefix) + std::string(name);
}

std::string address(const std::string& host, std::int64_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

const char* text(bool value) { return value ? "true" : "false"; }

// The container's own endpoints, or those of the container that it shares its network with.
std::vector<wire::DockerEndpoint> endpoints_of(const wire::DockerContainer& container,
                                               const std::vector<wire::DockerContainer>& all) {
  constexpr std::string_view kMode = "container:";
  const wire::DockerContainer* at = &container;
  for (int i = 0; i < kLongestBorrowing && at->endpoints.empty(); ++i) {
    if (at->network_mode.compare(0, kMode.size(), kMode) != 0) break;
    const std::string_view other = std::string_view(at->network_mode).substr(kMode.size());
    const auto it =
        std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.id == other; });
    if (it == all.end()) break;
    at = &*it;
  }
  return at->endpoints;
}

}  // namespace

std::vector<model::Target> docker_targets(const wire::DockerContainer& container,
                                          const std::vector<wire::DockerContainer>& all,
                                          const DockerNetworks& networks,
                                          const DockerTargetOptions& options) {
  std::vector<model::Target> out;
  if (container.name.empty()) return out;
  model::LabelBuilder common;
  common.set(name_of(kContainer, "id"), container.id);
  common.set(name_of(kContainer, "name"), container.name);
  common.set(name_of(kContainer, "network_mode"), container.network_mode);
  for (const auto& [key, value] : container.labels)
    common.set(name_of(kContainer, "label_") + model::sanitize_label_name(key), value);

  std::vector<wire::DockerEndpoint> endpoints = endpoints_of(container, all);
  if (options.match_first_network && endpoints.size() > 1) endpoints.resize(1);
  if (endpoints.empty()) out.push_back(common.labels());

  for (const wire::DockerEndpoint& endpoint : endpoints) {
    model::LabelBuilder base = common;
    if (const auto it = networks.find(endpoint.network_id); it != networks.end()) {
      const wire::DockerNetwork& network = it->second;
      base.set(name_of(kNetwork, "id"), network.id);
      base.set(name_of(kNetwork, "name"), network.name);
      base.set(name_of(kNetwork, "scope"), network.scope);
      base.set(name_of(kNetwork, "internal"), text(network.internal));
      base.set(name_of(kNetwork, "ingress"), text(network.ingress));
      for (const auto& [key, value] : network.labels)
        base.set(name_of(kNetwork, "label_") + model::sanitize_label_name(key), value);
    }
    base.set(name_of(kNetwork, "ip"), endpoint.ip);
    bool has_port = false;
    for (const wire::DockerPort& port : container.ports) {
      if (port.type != "tcp") continue;
      has_port = true;
      model::LabelBuilder one = base;
      one.set(name_of(kPort, "private"), std::to_string(port.private_port));
      if (port.public_port > 0) {
        one.set(name_of(kPort, "public"), std::to_string(port.public_port));
        one.set(name_of(kPort, "public_ip"), port.ip);
      }
      one.set("__address__", address(endpoint.ip, port.private_port));
      out.push_back(std::move(one).take());
    }
    if (has_port) continue;
    base.set("__address__", container.network_mode == "host" ? options.host_networking_host
                                                             : address(endpoint.ip, options.port));
    out.push_back(std::move(base).take());
  }
  return out;
}

}  // namespace agent::discovery
