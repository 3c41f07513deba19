// What fleet.yaml says of the tree itself, beside the options: the same in every run.
//   select: "'observability' in group_names"    which hosts get an agent
//   docker-when: "'docker' in services"         which agents join the group docker
#pragma once

#include <optional>
#include <string>
#include <string_view>

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

struct TreeRules {
  std::optional<Rule> select;
  std::optional<Rule> docker_when;
};

// False: `key` is none of them. Errors begin with the place.
agent::Result<bool> read_tree_rule(std::string_view key, const value::Value& value,
                                   const std::string& place, TreeRules& rules);

}  // namespace fleetctl::command
