// The fleet as the operator's tree describes it: inventory + variables + templates, read, selected
// and rendered. Every command starts from here, so that all of them see the same hosts and the
// same text.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/lang/diagnostic.h"
#include "fleetctl/command/rolling.h"
#include "fleetctl/command/tree_rules.h"
#include "fleetctl/command/vault_passwords.h"
#include "fleetctl/inventory/connection.h"
#include "fleetctl/plan/diff.h"
#include "fleetctl/plan/plan.h"

namespace fleetctl::value {
class Value;
}

namespace fleetctl::command {

enum class Rendering {
  kRequired,    // a template that fails is a problem
  kWhereItCan,  // it is a warning, and that host's configuration is empty
  kNone,        // all configurations are empty
};

// The options that every command shares, spelt as Ansible spells them.
struct FleetOptions {
  std::vector<std::string>
      inventories;  // -i; none: ANSIBLE_INVENTORY or ansible.cfg, else <root>/inventory
  bool inventory_programs = false;     // --allow-inventory-script
  std::filesystem::path templates;     // --templates; "": <root>/templates
  std::filesystem::path playbook;      // --playbook: its variables count; "": none
  std::filesystem::path playbook_dir;  // --playbook-dir; "": the playbook's folder, else the one
                                       // above the templates
  std::vector<std::string> limit;      // --limit, several are a union; none: all hosts
  std::vector<std::string> canary;     // --canary, a pattern: which of them go first
  std::optional<std::set<std::string>> only;  // --retry-failed, --resume: and these alone
  std::vector<std::string> extra_vars;        // -e: "k=v k=v", JSON/YAML in braces, @file
  std::filesystem::path facts;                // --facts: what `fleetctl facts` saved; "": none
  std::string gathered_facts;                 // the same as text, above those; "": none
  VaultOptions vault;
  std::filesystem::path root = ".";  // the tree
  Rendering rendering = Rendering::kRequired;
  std::shared_ptr<const TreeRules> rules;  // of fleet.yaml; none: the usual ones
};

// The agent's own parser and schemas; main wires them in. `file` names the text in diagnostics.
using ConfigurationCheck =
    std::function<agent::lang::Diagnostics(std::string_view text, std::string file)>;

// Whether an agent joins the group docker.
enum class DockerGroup {
  kNo,
  kAsSaid,           // `docker` is in its services, or docker-when of fleet.yaml holds
  kByConfiguration,  // no host of the tree has services, and its configuration names the socket
};

// One managed host: it is to have an agent, and the limit selects it. variable() and text() read
// the tree: only one thread at a time may call them, over all hosts; the rest is constant.
class Host {
 public:
  virtual ~Host() = default;
  virtual const std::string& name() const = 0;        // inventory_hostname
  virtual const std::string& short_name() const = 0;  // up to the first dot
  virtual const inventory::Connection& connection() const = 0;
  virtual const std::vector<std::string>& services() const = 0;
  bool has_service(std::string_view service) const;
  virtual DockerGroup docker_group() const = 0;
  virtual const std::string& configuration() const = 0;  // rendered and checked; "": Rendering
  virtual const plan::Secrets& secrets() const = 0;      // in it, from encrypted variables
  virtual const std::vector<plan::WantedFile>& files() const = 0;  // beside it, as fleet.yaml says
  virtual const std::filesystem::path& template_path() const = 0;  // where it came from
  // A variable as a template would see it; nullopt when the host has none of that name. The error
  // names host, variable and file.
  virtual agent::Result<std::optional<value::Value>> variable(std::string_view name) const = 0;
  // The same as text, `otherwise` when it is not defined.
  virtual agent::Result<std::string> text(std::string_view name, std::string otherwise) const = 0;
};

// What is wrong with one host (or, with an empty host, with the tree): a block of one or more
// lines, ready to be shown, without a trailing newline.
struct Problem {
  std::string host;
  std::string text;
};

struct Fleet {
  std::vector<std::shared_ptr<const Host>> hosts;  // in inventory order; only those without problem
  std::vector<Problem> problems;                   // nothing may be touched when there is one
  std::vector<std::string> warnings;               // blocks of one or more lines, as problems are
  std::vector<std::string> unmanaged;              // named by --limit itself, and get no agent
  std::string why_unmanaged;       // these and others: "its services do not hold 'alloy'"
  std::vector<std::string> first;  // those of --canary
  // What --playbook says for these hosts; an error where that cannot be told.
  agent::Result<Rolling> playbook_rolling = Rolling();
  // Hosts whose facts a template asked for and nobody knows, even where that is no problem.
  std::vector<std::shared_ptr<const Host>> without_facts;
};

// Reads, selects, renders and checks. An Error is what stops everything: no inventory, a limit
// that matches nothing.
agent::Result<Fleet> load_fleet(const FleetOptions& options, const ConfigurationCheck& check);
// The same of a tree that is read already.
class Tree;
agent::Result<Fleet> load_fleet(const std::shared_ptr<Tree>& tree, const FleetOptions& options,
                                const ConfigurationCheck& check);

}  // namespace fleetctl::command
