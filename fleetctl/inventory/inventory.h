// Hosts, groups and the variables that the inventory sources themselves give them, as Ansible
// relates them: declaration order is kept, since templates loop over `groups`.
//
// Built by the readers (ini.h, yaml_inventory.h, sources.h), then finished by reconcile() and only
// read. Host and Group objects live as long as the Inventory and do not move.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/value/value.h"

namespace fleetctl::inventory {

struct Host {
  std::string name;
  value::Dict vars;
};

struct Group {
  std::string name;
  value::Dict vars;
  std::vector<Host*> hosts;  // own ones, in the order they were added
  std::vector<Group*> children;
  std::vector<Group*> parents;
  std::unordered_set<const Host*> host_set;
  int depth = 0;           // longest way down from `all`
  long long priority = 1;  // ansible_group_priority
};

class Inventory {
 public:
  Inventory();  // with `all` and `ungrouped`
  Inventory(const Inventory&) = delete;
  Inventory& operator=(const Inventory&) = delete;

  // The file that is being read: gives new hosts their inventory_file and inventory_dir.
  void set_source(std::string file, std::string folder);

  agent::Result<Group*> add_group(std::string_view name);
  agent::Result<Host*> add_host(std::string_view name, Group* group, std::optional<int> port);
  // Fails when the edge would close a circle.
  agent::Result<> add_child(Group& parent, Group& child);
  void add_host_to(Group& group, Host& host);
  // Sets a variable of the group of that name or, when there is none, of the host.
  agent::Result<> set_variable(std::string_view entity, std::string_view name, value::Value value);
  // After the last source: every group below `all`, hosts without a group into `ungrouped`, depths.
  agent::Result<> reconcile();

  Group* group(std::string_view name) const;
  Host* host(std::string_view name) const;
  Group& all() const { return *groups_.front(); }
  const std::vector<std::unique_ptr<Group>>& groups() const { return groups_; }
  const std::vector<std::unique_ptr<Host>>& hosts() const { return hosts_; }
  // Its own hosts, then those of its descendants level by level, none twice.
  std::vector<const Host*> hosts_of(const Group& group) const;
  // All groups of the host but `all`, in the order in which their variables override each other:
  // depth, priority, name.
  std::vector<const Group*> groups_of(const Host& host) const;

  std::vector<std::string>& warnings() { return warnings_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  void compute_depths();

  std::vector<std::unique_ptr<Group>> groups_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::unordered_map<std::string, Group*> group_by_name_;
  std::unordered_map<std::string, Host*> host_by_name_;
  std::unordered_map<const Host*, std::vector<const Group*>> direct_groups_;
  std::string source_file_;
  std::string source_folder_;
  std::vector<std::string> warnings_;
};

}  // namespace fleetctl::inventory
