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

Result<> Layers::add_files(const std::vector<std::filesystem::path>& folders, Kind kind,
                           const std::vector<std::string>& names, Dict& into) {
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
          add(document->as_dict(), into);
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

Result<Dict> Layers::merged(const Host& host) {
  Dict all;
  std::vector<std::string> group_names;
  for (const Group* group : inventory_.groups_of(host)) group_names.push_back(group->name);

  add(inventory_.all().vars, all);
  for (const Group* group : inventory_.groups_of(host)) add(group->vars, all);
  for (const auto* folders : {&inventory_folders, &play_folders}) {
    if (auto done = add_files(*folders, Kind::kGroup, {"all"}, all); !done)
      return fail(done.error());
  }
  for (const auto* folders : {&inventory_folders, &play_folders}) {
    if (auto done = add_files(*folders, Kind::kGroup, group_names, all); !done)
      return fail(done.error());
  }
  add(host.vars, all);
  all.set("inventory_hostname", Value::string(host.name));
  all.set("inventory_hostname_short", Value::string(short_name(host.name)));
  std::sort(group_names.begin(), group_names.end());
  std::vector<Value> names;
  for (std::string& name : group_names) names.push_back(Value::string(std::move(name)));
  all.set("group_names", Value::list(std::move(names)));
  for (const auto* folders : {&inventory_folders, &play_folders}) {
    if (auto done = add_files(*folders, Kind::kHost, {host.name}, all); !done)
      return fail(done.error());
  }
  add(extra_vars, all);
  return all;
}

}  // namespace fleetctl::inventory
