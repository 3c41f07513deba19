// What a playbook says about variables, batches and who we are on a host, read as data: `hosts`,
// `vars`, `vars_files`, `serial`, `max_fail_percentage`, `remote_user`, `port`, `become`, and the
// defaults and vars of the roles. Nothing is run, so what tasks would set is not known.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/inventory/loader.h"
#include "fleetctl/value/value.h"

namespace fleetctl::inventory {

struct Play {
  std::vector<std::string> hosts;     // patterns
  std::vector<value::Dict> defaults;  // of the roles, low to high
  value::Dict vars;
  std::vector<value::Value> vars_files;        // each a name, or a list of which the first counts
  std::vector<std::filesystem::path> folders;  // where those names are looked for
  std::vector<value::Dict> role_vars;          // low to high
  // As written, templates unresolved; none: not said.
  value::Value serial, max_fail_percentage;
  // remote_user, port, become, become_user and become_method, as written, by the names of the
  // variables that count more.
  value::Dict connection;
};

struct PlaybookOptions {
  std::vector<std::filesystem::path> roles_path;  // beside roles/ next to the playbook
  // The folder of the templates; a role that it belongs to counts more than the others.
  std::filesystem::path templates;
};

// All plays, imported playbooks too. Errors name the file. `warnings` gets what would be needed to
// know all variables and is not read: set_fact, include_vars, vars_prompt.
agent::Result<std::vector<Play>> read_playbook(const std::filesystem::path& path,
                                               const PlaybookOptions& options, Loader& loader,
                                               std::vector<std::string>& warnings);
// The role that the templates' folder belongs to, as a play of all hosts; empty when it is none.
agent::Result<std::vector<Play>> read_role_of(const std::filesystem::path& templates,
                                              Loader& loader);

}  // namespace fleetctl::inventory
