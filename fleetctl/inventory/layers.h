// A host's variables before any template in them is resolved, merged in Ansible's order, low to
// high:
//   defaults of roles; inventory: all, other groups; group_vars/all beside the inventory, beside
//   the templates; group_vars of the other groups beside the inventory, beside the templates;
//   inventory: host; host_vars beside the inventory, beside the templates; facts; the plays' vars,
//   vars_files and vars of roles; extra variables
// A map replaces a map of a lower layer whole, unless hash_behaviour = merge.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/inventory/inventory.h"
#include "fleetctl/inventory/loader.h"
#include "fleetctl/inventory/playbook.h"
#include "fleetctl/value/value.h"

namespace fleetctl::inventory {

class Layers {
 public:
  // Inventory and loader outlive this object.
  Layers(const Inventory& inventory, Loader& loader) : inventory_(inventory), loader_(loader) {}

  std::vector<std::filesystem::path> inventory_folders;  // each may hold group_vars/ and host_vars/
  std::vector<std::filesystem::path> play_folders;
  value::Dict extra_vars;
  bool merges_maps = false;  // hash_behaviour = merge: maps of two layers become one, lists do not
  struct PlayOfHosts {
    Play play;
    std::set<const Host*> hosts;  // whom it is for
  };
  std::vector<PlayOfHosts> plays;  // a later one counts more
  // What a template in the name of a file of vars_files says. Needed where there are plays.
  std::function<agent::Result<std::string>(const value::Value& name, const value::Dict& variables)>
      name_of_file;
  std::map<std::string, value::Dict, std::less<>> facts;  // by host

  // Who reads a host's variables: its own template, or another one through `hostvars`, which knows
  // of no play: neither its vars nor vars_files, nor what its roles say.
  enum class Reader { kOwn, kHostvars };
  // With inventory_hostname, inventory_hostname_short and group_names. The containers are shared
  // with other hosts: copy before changing. The error names the file.
  agent::Result<value::Dict> merged(const Host& host, Reader reader = Reader::kOwn);

  // Gets the variables of one source, low to high. `source` is a word for what has no mark.
  using Visitor = std::function<void(std::string_view source, const value::Dict& variables)>;
  // The same one by one.
  agent::Result<> visit(const Host& host, const Visitor& visitor, Reader reader = Reader::kOwn);
  // What the group or the host itself says, in the inventory and in its own files.
  agent::Result<value::Dict> own(const Group& group);
  agent::Result<value::Dict> own(const Host& host);

 private:
  enum class Kind { kGroup, kHost };
  void add(const value::Dict& from, value::Dict& into) const;
  // `so_far`: what the host's variables are below the play's.
  agent::Result<> visit_play(const Play& play, const value::Dict& so_far, const Visitor& visitor);
  agent::Result<> visit_files(const std::vector<std::filesystem::path>& folders, Kind kind,
                              const std::vector<std::string>& names, const Visitor& visitor);

  const Inventory& inventory_;
  Loader& loader_;
  std::map<std::string, std::vector<std::filesystem::path>> found_;
};

// The name up to its first dot; an IP address whole.
std::string short_name(const std::string& name);

}  // namespace fleetctl::inventory
