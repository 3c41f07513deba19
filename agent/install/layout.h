// Where things lie on a host. The unit file (packaging/fleet-agent.service), the bootstrap
// (fleetctl/plan/bootstrap.sh) and docs/deploy.md name the same places.
#pragma once

#include <string_view>

namespace agent::install {

inline constexpr std::string_view kUser = "fleet-agent";  // and its primary group
inline constexpr std::string_view kUnitName = "fleet-agent.service";
inline constexpr std::string_view kUnitFile = "/etc/systemd/system/fleet-agent.service";
// There while it is enabled, as the unit's [Install] has it.
inline constexpr std::string_view kBootLink =
    "/etc/systemd/system/multi-user.target.wants/fleet-agent.service";
inline constexpr std::string_view kConfigFolder = "/etc/fleet-agent";  // 0750 root:fleet-agent
inline constexpr std::string_view kConfigFile = "/etc/fleet-agent/config.alloy";
inline constexpr std::string_view kStateFolder = "/var/lib/fleet-agent";  // the agent's own
// Where it answers its own host (agent/ui/own_server.h).
inline constexpr std::string_view kAgentSocket = "/var/lib/fleet-agent/agent.sock";
inline constexpr std::string_view kReleases =
    "/opt/fleet-agent";                                          // <release>/, current -> <release>
inline constexpr std::string_view kBooks = "/var/lib/fleetctl";  // 0700 root: what deploys remember
inline constexpr std::string_view kLock = "/run/fleetctl.lock";

}  // namespace agent::install
