// The arguments of prometheus.exporter.cadvisor.
#pragma once

#include <string>
#include <vector>

#include "agent/component/schema.h"
#include "agent/exporter/cadvisor/docker.h"
#include "agent/exporter/cadvisor/kinds.h"

namespace agent::exporter::cadvisor {

struct CadvisorArgs {
  bool store_container_labels = true;
  std::vector<std::string> allowlisted_container_labels = {""};
  std::vector<std::string> env_metadata_allowlist = {""};
  std::vector<std::string> raw_cgroup_prefix_allowlist = {""};
  std::string perf_events_config;
  Duration resctrl_interval = Duration::zero();
  std::vector<std::string> disabled_metrics, enabled_metrics;
  Duration storage_duration = std::chrono::minutes(2);
  std::string containerd_host = "/run/containerd/containerd.sock";
  std::string containerd_namespace = "k8s.io";
  std::string docker_host = "unix:///var/run/docker.sock";
  bool use_docker_tls = false;
  std::string docker_tls_cert = "cert.pem";
  std::string docker_tls_key = "key.pem";
  std::string docker_tls_ca = "ca.pem";
  bool docker_only = false;
  bool disable_root_cgroup_stats = false;

  static component::Schema<CadvisorArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;

  Kinds kinds() const { return Kinds::chosen(enabled_metrics, disabled_metrics); }
  Result<DockerOptions> docker() const;
  // Whether a group that is no container of Docker's is told of.
  bool wants_raw(std::string_view cgroup_path) const;
};

}  // namespace agent::exporter::cadvisor
