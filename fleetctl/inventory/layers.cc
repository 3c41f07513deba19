#include "fleetctl/inventory/layers.h"

#include <algorithm>

#include "fleetctl/inventory/address.h"

namespace fleetctl::inventory {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using value::Dict;
using value::Value;

namespace {

void add(const Dict& from, Dict& into) {
  for (const auto& [key, value] : from) into.set(key, value);
}

}  // namespace

std::string short_name(const std::string& name) {
  return is_ip_address(name) ? name : name.substr(0, name.find('.'));
}

Result<> Layers::visit_files(const std::vector<std::filesystem::path>& folders, Kind kind,
                             const std::vector<std::string>& names, const Visitor& visitor) {
  for (const std::filesystem::path& beside : folders) {
    const auto folder = beside / (kind == Kind::kGroup ? "group_vars" : "host_vars");
    for (const std::string& name : names) {
      const std::string key = (folder / name).string();
      auto known = found_.find(key);
      if (known == found_.end())
        known = found_.emplace(key, find_variable_files(folder, name)).first;
      for (const std::filesystem::path& file : known->second) {
        auto document = loader_.yaml(file);
        if (!document) return fail(document.error());
        if (document->is_dict()) {
          visitor("file", document->as_dict());
        } else if (value::truthy(*document)) {
          return fail(ErrorCode::kInvalid, shown_path(file) +
                                               ": a file of variables is a map, this is a " +
                                               std::string(value::type_name(*document)));
        }
      }
    }
  }
  return {};
}

Result<> Layers::visit(const Host& host, const Visitor& visitor) {
  std::vector<std::string> group_names;
  for (const Group* group : inventory_.groups_of(host)) group_names.push_back(group->name);

  visitor("inventory", inventory_.all().vars);
  for (const Group* group : inventory_.groups_of(host)) visitor("inventory", group->vars);
  for (const auto* folders : {&inventory_folders, &play_folders}) {
    if (auto done = visit_files(*folders, Kind::kGroup, {"all"}, visitor); !done) return done;
  }
  for (const auto* folders : {&inventory_folders, &play_folders}) {
    if (auto done = visit_files(*folders, Kind::kGroup, group_names, visitor); !done) return done;
  }
  visitor("inventory", host.vars);
  Dict magic;
  magic.set("inventory_hostname", Value::string(host.name));
  magic.set("inventory_hostname_short", Value::string(short_name(host.name)));
  std::sort(group_names.begin(), group_names.end());
  std::vector<Value> names;
  for (std::string& name : group_names) names.push_back(Value::string(std::move(name)));
  magic.set("group_names", Value::list(std::move(names)));
  visitor("magic", magic);
  for (const auto* folders : {&inventory_folders, &play_folders}) {
    if (auto done = visit_files(*folders, Kind::kHost, {host.name}, visitor); !done) return done;
  }
  visitor("--extra-vars", extra_vars);
  return {};
}

Result<Dict> Layers::merged(const Host& host) {
  Dict all;
  const auto done = visit(host, [&](std::string_view, const Dict& from) { add(from, all); });
  if (!done) return fail(done.error());
  return all;
}

Result<Dict> Layers::own(const Group& group) {
  Dict all = group.vars;
  const Visitor visitor = [&](std::string_view, const Dict& from) { add(from, all); };
  for (const auto* folders : {&inventory_folders, &play_folders}) {
    if (auto done = visit_files(*folders, Kind::kGroup, {group.name}, visitor); !done)
      return fail(done.error());
  }
  if (group.priority != 1) all.set("ansible_group_priority", Value::integer(group.priority));
  return all;
}

Result<Dict> Layers::own(const Host& host) {
  Dict all = host.vars;
  const Visitor visitor = [&](std::string_view, const Dict& from) { add(from, all); };
  for (const auto* folders : {&inventory_folders, &play_folders}) {
    if (auto done = visit_files(*folders, Kind::kHost, {host.name}, visitor); !done)
      return fail(done.error());
  }
  return all;
}

}  // namespace fleetctl::inventory
