#include "fleetctl/inventory/inventory.h"

#include <algorithm>
#include <charconv>

#include "fleetctl/value/text.h"

namespace fleetctl::inventory {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using value::Value;

namespace {

// Ansible keeps such names but they cannot be reached as `groups.name`.
bool odd_group_name(std::string_view name) {
  const auto word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
  };
  return (name[0] >= '0' && name[0] <= '9') || !std::all_of(name.begin(), name.end(), word);
}

bool descends(const Group& from, const Group& wanted) {
  std::vector<const Group*> open = {&from};
  std::unordered_set<const Group*> seen;
  while (!open.empty()) {
    const Group* group = open.back();
    open.pop_back();
    if (group == &wanted) return true;
    if (!seen.insert(group).second) continue;
    open.insert(open.end(), group->children.begin(), group->children.end());
  }
  return false;
}

}  // namespace

Inventory::Inventory() {
  for (const char* name : {"all", "ungrouped"}) {
    groups_.push_back(std::make_unique<Group>());
    groups_.back()->name = name;
    group_by_name_[name] = groups_.back().get();
  }
  groups_[0]->children.push_back(groups_[1].get());
  groups_[1]->parents.push_back(groups_[0].get());
}

void Inventory::set_source(std::string file, std::string folder) {
  source_file_ = std::move(file);
  source_folder_ = std::move(folder);
}

Result<Group*> Inventory::add_group(std::string_view name) {
  if (name.empty()) return fail(ErrorCode::kInvalid, "a group needs a name");
  if (Group* known = group(name)) return known;
  if (odd_group_name(name))
    warnings_.push_back("group name '" + std::string(name) +
                        "' holds characters that a variable name cannot hold; it is kept");
  groups_.push_back(std::make_unique<Group>());
  Group* added = groups_.back().get();
  added->name = std::string(name);
  group_by_name_[added->name] = added;
  return added;
}

Result<Host*> Inventory::add_host(std::string_view name, Group* group, std::optional<int> port) {
  if (name.empty()) return fail(ErrorCode::kInvalid, "a host needs a name");
  Host* known = host(name);
  if (known == nullptr) {
    hosts_.push_back(std::make_unique<Host>());
    known = hosts_.back().get();
    known->name = std::string(name);
    host_by_name_[known->name] = known;
    if (port) known->vars.set("ansible_port", Value::integer(*port));
    known->vars.set("inventory_file", Value::string(source_file_));
    known->vars.set("inventory_dir", Value::string(source_folder_));
  }
  if (group != nullptr) add_host_to(*group, *known);
  return known;
}

void Inventory::add_host_to(Group& group, Host& host) {
  if (!group.host_set.insert(&host).second) return;
  group.hosts.push_back(&host);
  direct_groups_[&host].push_back(&group);
}

Result<> Inventory::add_child(Group& parent, Group& child) {
  if (&parent == &child)
    return fail(ErrorCode::kInvalid, "group '" + child.name + "' cannot be its own child");
  if (std::find(parent.children.begin(), parent.children.end(), &child) != parent.children.end())
    return {};
  if (descends(child, parent))
    return fail(ErrorCode::kInvalid, "making group '" + child.name + "' a child of '" +
                                         parent.name + "' closes a circle");
  parent.children.push_back(&child);
  child.parents.push_back(&parent);
  return {};
}

Result<> Inventory::set_variable(std::string_view entity, std::string_view name, Value value) {
  if (Group* g = group(entity)) {
    if (name != "ansible_group_priority") {
      g->vars.set(name, std::move(value));
      return {};
    }
    const std::string text = value::str(value);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), g->priority);
    if (error != std::errc() || end != text.data() + text.size())
      return fail(ErrorCode::kInvalid, "ansible_group_priority of group '" + g->name +
                                           "' is not a whole number: " + value::repr(value));
    return {};
  }
  if (Host* h = host(entity)) {
    h->vars.set(name, std::move(value));
    return {};
  }
  return fail(ErrorCode::kNotFound, "no group or host is named '" + std::string(entity) + "'");
}

Result<> Inventory::reconcile() {
  for (const auto& g : groups_) {
    if (g.get() == &all() || !g->parents.empty()) continue;
    if (auto added = add_child(all(), *g); !added) return added;
  }
  Group& ungrouped = *groups_[1];
  for (const auto& h : hosts_) {
    const bool grouped =
        std::any_of(direct_groups_[h.get()].begin(), direct_groups_[h.get()].end(),
                    [&](const Group* g) { return g != &all() && g != &ungrouped; });
    if (!grouped) {
      add_host_to(ungrouped, *h);
    } else if (ungrouped.host_set.erase(h.get()) > 0) {
      std::erase(ungrouped.hosts, h.get());
      std::erase(direct_groups_[h.get()], &ungrouped);
    }
    if (group(h->name) != nullptr)
      warnings_.push_back("'" + h->name + "' is the name of a group and of a host");
  }
  compute_depths();
  return {};
}

void Inventory::compute_depths() {
  // Longest paths in a graph without circles: parents before children (Kahn's order).
  std::unordered_map<const Group*, std::size_t> waiting;
  for (const auto& g : groups_) waiting[g.get()] = g->parents.size();
  std::vector<Group*> ready = {&all()};
  while (!ready.empty()) {
    Group* parent = ready.back();
    ready.pop_back();
    for (Group* child : parent->children) {
      child->depth = std::max(child->depth, parent->depth + 1);
      if (--waiting[child] == 0) ready.push_back(child);
    }
  }
}

Group* Inventory::group(std::string_view name) const {
  const auto found = group_by_name_.find(std::string(name));
  return found == group_by_name_.end() ? nullptr : found->second;
}

Host* Inventory::host(std::string_view name) const {
  const auto found = host_by_name_.find(std::string(name));
  return found == host_by_name_.end() ? nullptr : found->second;
}

std::vector<const Host*> Inventory::hosts_of(const Group& group) const {
  std::vector<const Host*> result;
  std::unordered_set<const Host*> seen_hosts;
  std::unordered_set<const Group*> seen_groups = {&group};
  std::vector<const Group*> level = {&group};
  while (!level.empty()) {
    std::vector<const Group*> below;
    for (const Group* g : level) {
      for (const Host* h : g->hosts)
        if (seen_hosts.insert(h).second) result.push_back(h);
      for (const Group* child : g->children)
        if (seen_groups.insert(child).second) below.push_back(child);
    }
    level = std::move(below);
  }
  return result;
}

std::vector<const Group*> Inventory::groups_of(const Host& host) const {
  std::vector<const Group*> result;
  std::unordered_set<const Group*> seen = {&all()};
  std::vector<const Group*> open;
  if (const auto direct = direct_groups_.find(&host); direct != direct_groups_.end())
    open = direct->second;
  while (!open.empty()) {
    const Group* g = open.back();
    open.pop_back();
    if (!seen.insert(g).second) continue;
    result.push_back(g);
    open.insert(open.end(), g->parents.begin(), g->parents.end());
  }
  std::sort(result.begin(), result.end(), [](const Group* a, const Group* b) {
    return std::tie(a->depth, a->priority, a->name) < std::tie(b->depth, b->priority, b->name);
  });
  return result;
}

}  // namespace fleetctl::inventory
