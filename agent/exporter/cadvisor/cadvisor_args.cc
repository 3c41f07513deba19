#include "agent/exporter/cadvisor/cadvisor_args.h"

#include <algorithm>

#include "agent/base/strings.h"

namespace agent::exporter::cadvisor {

component::Schema<CadvisorArgs> CadvisorArgs::schema() {
  using A = CadvisorArgs;
  return component::Schema<A>()
      .optional("store_container_labels", &A::store_container_labels,
                "Turns all labels of a container into container_label_<name> on its series.")
      .optional("allowlisted_container_labels", &A::allowlisted_container_labels,
                "Labels of containers to turn, when store_container_labels is false.")
      .optional("env_metadata_allowlist", &A::env_metadata_allowlist,
                "Beginnings of names of environment variables of a container that become "
                "container_env_<name in lower case>.")
      .optional("raw_cgroup_prefix_allowlist", &A::raw_cgroup_prefix_allowlist,
                "Beginnings of paths of control groups that are told of although they are no "
                "containers; an empty one stands for all, unless docker_only is set.")
      .optional("perf_events_config", &A::perf_events_config,
                "Must be empty: events of the CPU are not counted.")
      .optional("resctrl_interval", &A::resctrl_interval,
                "Accepted for compatibility: nothing runs between scrapes.")
      .optional("disabled_metrics", &A::disabled_metrics,
                "Kinds of metrics to leave out. This list replaces the one that holds by default.")
      .optional("enabled_metrics", &A::enabled_metrics,
                "The kinds of metrics to tell, and no others; disabled_metrics is then not read.")
      .optional("storage_duration", &A::storage_duration,
                "Accepted for compatibility: nothing is stored.")
      .optional("containerd_host", &A::containerd_host,
                "Must stay as it is: only Docker is asked for names.")
      .optional("containerd_namespace", &A::containerd_namespace,
                "Must stay as it is: only Docker is asked for names.")
      .optional("docker_host", &A::docker_host,
                "Where the Docker daemon listens: unix:///var/run/docker.sock, tcp://host:port, "
                "http:// or https://.")
      .optional("use_docker_tls", &A::use_docker_tls,
                "Speaks TLS with the daemon, with the three files below.")
      .optional("docker_tls_cert", &A::docker_tls_cert, "File with this client's certificate.")
      .optional("docker_tls_key", &A::docker_tls_key, "File with the certificate's key.")
      .optional("docker_tls_ca", &A::docker_tls_ca,
                "File with the authority of the daemon's certificate.")
      .optional("docker_only", &A::docker_only,
                "Tells of Docker's containers and the root group only.")
      .optional("disable_root_cgroup_stats", &A::disable_root_cgroup_stats,
                "Leaves out the statistics of the root group.");
}

void CadvisorArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  if (const auto origin = docker(); !origin)
    diagnostics.error(body.span_of("docker_host"), origin.error().message);
  if (!perf_events_config.empty())
    diagnostics.error(body.span_of("perf_events_config"),
                      "perf_events_config is not supported: counting events of the CPU needs root "
                      "and goes on between scrapes");
  const CadvisorArgs defaults;
  for (const auto& [name, value, usual] :
       {std::tuple{"containerd_host", &containerd_host, &defaults.containerd_host},
        std::tuple{"containerd_namespace", &containerd_namespace,
                   &defaults.containerd_namespace}}) {
    if (*value == *usual) continue;
    diagnostics.error(body.span_of(name),
                      std::string(name) + " is not supported: only Docker is asked for names",
                      "without it, containers of containerd are told of by their control group");
  }
  std::vector<std::string_view> names;
  for (const KindName& one : kind_names()) names.push_back(one.name);
  for (const auto& [attribute, list] : {std::pair{"enabled_metrics", &enabled_metrics},
                                        std::pair{"disabled_metrics", &disabled_metrics}}) {
    for (const std::string& name : *list) {
      const KindName* const kind = find_kind(name);
      if (kind == nullptr) {
        const std::string_view near = nearest(name, names);
        diagnostics.error(body.span_of(attribute),
                          "there is no kind of metrics " + json_string(name),
                          near.empty() ? "" : "did you mean " + json_string(near) + "?");
      } else if (!kind->without.empty() && list == &enabled_metrics) {
        diagnostics.warning(body.span_of(attribute), "this agent has no metrics of the kind " +
                                                         json_string(name) + ": " +
                                                         std::string(kind->without));
      }
    }
  }
  if (!enabled_metrics.empty() && !disabled_metrics.empty())
    diagnostics.warning(body.span_of("disabled_metrics"),
                        "disabled_metrics has no effect beside enabled_metrics");
}

Result<DockerOptions> CadvisorArgs::docker() const {
  auto origin = io::parse_origin(docker_host);
  if (!origin) return fail(std::move(origin.error()));
  DockerOptions out;
  out.origin = std::move(*origin);
  out.http.unix_socket = out.origin.unix_socket;
  // What a daemon sends elsewhere would not be a daemon's answer.
  out.http.follow_redirects = false;
  out.http.connect_timeout = std::chrono::seconds(2);
  if (use_docker_tls) {
    if (!out.origin.unix_socket.empty())
      return fail(ErrorCode::kInvalid, "use_docker_tls has no effect with unix://");
    if (constexpr std::string_view kPlain = "http://"; out.origin.base_url.starts_with(kPlain))
      out.origin.base_url = "https://" + out.origin.base_url.substr(kPlain.size());
    out.http.tls.cert_file = docker_tls_cert;
    out.http.tls.key_file = docker_tls_key;
    out.http.tls.ca_file = docker_tls_ca;
  }
  out.all_labels = store_container_labels;
  out.labels = allowlisted_container_labels;
  out.environment = env_metadata_allowlist;
  out.sizes = kinds().has(Kind::kDisk);
  return out;
}

bool CadvisorArgs::wants_raw(std::string_view path) const {
  if (path == "/") return true;
  const auto& prefixes = raw_cgroup_prefix_allowlist;
  if (docker_only && (prefixes.empty() || prefixes.front().empty())) return false;
  // The mounts that systemd makes have no processes.
  if (path.ends_with(".mount")) return false;
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& prefix) { return path.starts_with(prefix); });
}

}  // namespace agent::exporter::cadvisor
