#include "fleetctl/inventory/layers.h"

#include <algorithm>
#include <system_error>

#include "fleetctl/inventory/address.h"
#include "fleetctl/value/text.h"

namespace fleetctl::inventory {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using value::Dict;
using value::Value;

namespace {

// Python's dict order: what is known keeps its place.
Dict merged_maps(const Dict& low, const Dict& high, int depth) {
  Dict out = low;
  for (const auto& [key, value] : high) {
    const Value* before = out.find(key);
    if (before != nullptr && before->is_dict() && value.is_dict() && depth < 100) {
      Value both = Value::dict(merged_maps(before->as_dict(), value.as_dict(), depth + 1));
      both.set_mark(value.shared_mark());
      out.set(key, std::move(both));
    } else {
      out.set(key, value);
    }
  }
  return out;
}

}  // namespace

void Layers::add(const Dict& from, Dict& into) const {
  if (merges_maps) {
    into = merged_maps(into, from, 0);
    return;
  }
  for (const auto& [key, value] : from) into.set(key, value);
}

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

Result<> Layers::visit(const Host& host, const Visitor& told, Reader reader) {
  static const std::vector<PlayOfHosts> kNone;
  const std::vector<PlayOfHosts>& its_plays = reader == Reader::kOwn ? plays : kNone;
  Dict so_far;  // for the names of files in vars_files
  const Visitor noting = [&](std::string_view source, const Dict& from) {
    add(from, so_far);
    told(source, from);
  };
  const Visitor& visitor = its_plays.empty() ? told : noting;
  std::vector<std::string> group_names;
  for (const Group* group : inventory_.groups_of(host)) group_names.push_back(group->name);

  for (const PlayOfHosts& of : its_plays) {
    if (!of.hosts.contains(&host)) continue;
    for (const Dict& defaults : of.play.defaults) visitor("role", defaults);
  }
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
  if (const auto known = facts.find(host.name); known != facts.end())
    visitor("facts", known->second);
  for (const PlayOfHosts& of : its_plays) {
    if (!of.hosts.contains(&host)) continue;
    if (auto done = visit_play(of.play, so_far, visitor); !done) return done;
  }
  visitor("--extra-vars", extra_vars);
  return {};
}

Result<> Layers::visit_play(const Play& play, const Dict& so_far, const Visitor& visitor) {
  visitor("playbook", play.vars);
  Dict known = so_far;
  add(play.vars, known);
  add(extra_vars, known);
  for (const Value& entry : play.vars_files) {
    const std::vector<Value> names =
        entry.is_sequence() ? entry.items() : std::vector<Value>{entry};
    bool found = false;
    std::string tried;
    for (const Value& name : names) {
      auto text = name_of_file(name, known);
      if (!text) return fail(std::move(text.error()).within("vars_files: " + value::str(name)));
      tried += (tried.empty() ? "" : ", ") + *text;
      for (const std::filesystem::path& folder : play.folders) {
        std::error_code error;
        const std::filesystem::path file = folder / *text;
        if (found || !std::filesystem::is_regular_file(file, error)) continue;
        auto document = loader_.yaml(file);
        if (!document) return fail(document.error());
        found = true;
        if (!document->is_dict()) continue;
        visitor("file", document->as_dict());
        add(document->as_dict(), known);
        add(extra_vars, known);
      }
      if (found) break;
    }
    if (!found)
      return fail(ErrorCode::kNotFound,
                  "vars_files: there is no " + tried + " in " + shown_path(play.folders.back()));
  }
  for (const Dict& vars : play.role_vars) visitor("role", vars);
  return {};
}

Result<Dict> Layers::merged(const Host& host, Reader reader) {
  Dict all;
  const auto done = visit(
      host, [&](std::string_view, const Dict& from) { add(from, all); }, reader);
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
