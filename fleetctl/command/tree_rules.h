// What fleet.yaml says of the tree itself, beside the options: the same in every run.
//   select: "'observability' in group_names"    which hosts get an agent
//   docker-when: "'docker' in services"         which agents join the group docker
//   files:                                      what lies beside the configuration
//     - {template: endpoints.json.j2, path: /etc/fleet-agent/endpoints.json, mode: "0640", when:
//     ...}
//     - {copy: limits.conf, path: /etc/systemd/system/fleet-agent.service.d/limits.conf}
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace fleetctl::value {
class Value;
}

namespace fleetctl::command {

// True or false for each host.
struct Rule {
  std::string name;        // "select"
  std::string expression;  // Jinja's, without braces, of the host's variables
  std::string place;       // "fleet.yaml:3"
};

// One more file for hosts, in a place that `fleet-agent apply` takes files for.
struct FileRule {
  std::string source;  // below the templates' folder, or a host's folder in it
  bool is_template;    // no: its bytes as they are
  std::string path;    // on the host
  std::string mode;    // "0640"
  std::optional<Rule> when;
  std::string place;
};
inline constexpr std::string_view kFilesFolder = "/etc/fleet-agent/";
inline constexpr std::string_view kDropInFolder = "/etc/systemd/system/fleet-agent.service.d/";

struct TreeRules {
  std::optional<Rule> select;
  std::optional<Rule> docker_when;
  std::vector<FileRule> files;
};

// False: `key` is none of them. Errors begin with the place.
agent::Result<bool> read_tree_rule(std::string_view key, const value::Value& value,
                                   const std::string& place, TreeRules& rules);

}  // namespace fleetctl::command
