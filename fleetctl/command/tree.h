// The operator's tree in memory: inventory, variable files, extra variables, vault. Everything that
// renders reads variables through it. One thread at a time.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/inventory/inventory.h"
#include "fleetctl/inventory/layers.h"
#include "fleetctl/inventory/loader.h"
#include "fleetctl/template/world.h"
#include "fleetctl/value/value.h"
#include "fleetctl/vault/vault.h"

namespace fleetctl::command {

class AnsibleConfiguration;

// One host's variables, templates in them unresolved; encrypted values are decrypted when they are
// read. A value that cannot be decrypted looks undefined and adds a line to `failures`.
class HostVariables final : public template_::Variables {
 public:
  HostVariables(value::Dict variables, vault::Vault& vault, std::vector<std::string>& failures)
      : variables_(std::move(variables)), vault_(vault), failures_(failures) {}
  const value::Value* find(std::string_view name) const override;
  std::vector<std::string> names() const override;
  // Magic variables, above all others.
  void set(std::string_view name, value::Value value) { variables_.set(name, std::move(value)); }
  // Whether there is one of that name; it is not read.
  bool has(std::string_view name) const { return variables_.find(name) != nullptr; }
  // Whether a fact was looked for that is not known.
  bool misses_facts() const { return misses_facts_; }

 private:
  value::Value decrypt(std::string_view name, const value::Value& value, int depth) const;

  value::Dict variables_;
  vault::Vault& vault_;
  mutable std::map<std::string, value::Value, std::less<>> decrypted_;
  mutable std::map<std::string, bool, std::less<>> looked_at_;
  std::vector<std::string>& failures_;
  mutable bool misses_facts_ = false;
};

// What a command reads of a tree. Where no template is rendered, there need not be any.
enum class Part { kVariables, kTemplatesToo };

class Tree final : public template_::Hosts {
 public:
  // Reads everything but the hosts' variable files, which are read when a host is asked for.
  static agent::Result<std::unique_ptr<Tree>> load(const FleetOptions& options,
                                                   Part part = Part::kTemplatesToo);

  const inventory::Inventory& inventory() const { return inventory_; }
  const std::filesystem::path& templates() const { return templates_; }  // absolute
  const std::filesystem::path& play_folder() const { return play_folder_; }
  // The text behind `ansible_managed`, with {file}, {host}, {uid} and strftime's signs in it.
  const std::string& managed() const { return managed_; }
  // What a play for the host says about reaching it, else ansible.cfg, by the name of the variable
  // that counts more; templates are not resolved. nullptr: nothing.
  const value::Value* connection_default(const inventory::Host& host, std::string_view name) const;
  std::vector<std::string>& warnings() { return inventory_.warnings(); }
  // Variables of one host without what belongs to one template; they live as long as the tree.
  agent::Result<const HostVariables*> variables(const inventory::Host& host) const;
  // A copy to which a template's own variables can be added.
  agent::Result<std::unique_ptr<HostVariables>> own_variables(const inventory::Host& host) const;

  // Whether a template asked for a fact of the host through `hostvars` that is not known.
  bool misses_facts(std::string_view host) const;

  inventory::Loader& loader() { return loader_; }
  inventory::Layers& layers() { return layers_; }
  // Whether a password of this run opens the text; kNotFound when there is no password at all.
  agent::Result<> opens(std::string_view envelope) const;
  // Encrypted values that could not be read since the last call.
  std::vector<std::string> take_failures() const { return std::exchange(failures_, {}); }

  // `hostvars`
  const template_::Variables* find(std::string_view host) const override;
  std::vector<std::string> names() const override;

 private:
  explicit Tree(const FleetOptions& options);
  agent::Result<> read(const FleetOptions& options, Part part);
  void read_settings(const AnsibleConfiguration& configuration);
  agent::Result<> read_facts(const FleetOptions& options);
  agent::Result<> read_plays(const FleetOptions& options, const std::vector<std::string>& roles);
  agent::Result<std::unique_ptr<HostVariables>> read_by(inventory::Layers::Reader reader,
                                                        const inventory::Host& host) const;

  std::filesystem::path templates_;
  std::filesystem::path play_folder_;
  mutable vault::Vault vault_;
  mutable std::vector<std::string> failures_;
  inventory::Inventory inventory_;
  inventory::Loader loader_;
  mutable inventory::Layers layers_;
  std::string managed_;
  value::Dict connection_defaults_;  // of ansible.cfg
  value::Dict magic_;                // the same for all hosts
  using Known = std::map<const inventory::Host*, agent::Result<std::unique_ptr<HostVariables>>>;
  mutable Known known_;
  mutable Known known_to_others_;  // what `hostvars` shows, where plays make that another thing
};

}  // namespace fleetctl::command
