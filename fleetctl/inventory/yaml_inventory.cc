#include "fleetctl/inventory/yaml_inventory.h"

#include "fleetctl/inventory/address.h"
#include "fleetctl/value/text.h"

namespace fleetctl::inventory {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using value::Value;

class Reader {
 public:
  Reader(const std::string& file, Inventory& inventory) : file_(file), inventory_(inventory) {}

  Result<> read(const Value& document) {
    if (!document.is_dict())
      return complain(document, "an inventory is a map of groups, this is a " + type(document));
    if (const Value* plugin = document.get("plugin"); plugin != nullptr && value::truthy(*plugin))
      return complain(*plugin,
                      "this configures the inventory plugin " + value::repr(*plugin) +
                          ", which only Ansible can run; save what it finds with "
                          "`ansible-inventory --list --export -y --output hosts.yml` and use that");
    for (const auto& [name, body] : document.as_dict()) {
      if (auto group = read_group(name, body, 0); !group) return fail(group.error());
    }
    return {};
  }

 private:
  static std::string type(const Value& value) { return std::string(value::type_name(value)); }

  std::string place(const Value& value) const {
    const value::Mark* mark = value.mark();
    if (mark == nullptr || mark->line == 0) return file_;
    return file_ + ":" + std::to_string(mark->line) + ":" + std::to_string(mark->column);
  }
  tl::unexpected<agent::Error> complain(const Value& at, const std::string& what) const {
    return fail(ErrorCode::kInvalid, place(at) + ": " + what);
  }
  void warn(const Value& at, const std::string& what) {
    inventory_.warnings().push_back(place(at) + ": " + what);
  }

  Result<Group*> read_group(const Value& name, const Value& body, int depth) {
    if (depth > 100) return complain(name, "groups are nested too deeply");
    if (!name.is_string() || name.as_string().empty())
      return complain(name, "the name of a group is a text, this is " + value::repr(name) +
                                "; put it in quotes");
    // Ansible skips such an entry, and below `children` it then fails because the group is missing.
    if (!body.is_dict() && !body.is_none()) {
      if (depth > 0)
        return complain(body, "group '" + name.as_string() + "' is a map, this is a " + type(body));
      warn(body,
           "'" + name.as_string() + "' is skipped, a group is a map and this is a " + type(body));
      return nullptr;
    }
    auto group = inventory_.add_group(name.as_string());
    if (!group) return complain(name, group.error().message);
    if (body.is_none()) return *group;
    for (const auto& [key, section] : body.as_dict()) {
      if (auto done = read_section(**group, key, section, depth); !done) return fail(done.error());
    }
    return *group;
  }

  Result<> read_section(Group& group, const Value& key, const Value& section, int depth) {
    const std::string name = key.is_string() ? key.as_string() : std::string();
    const bool known = name == "vars" || name == "hosts" || name == "children";
    if (section.is_none()) return {};
    if (!known) {
      warn(key, "group '" + group.name + "': " + value::repr(key) +
                    " is skipped, only hosts, vars and children are valid");
      return {};
    }
    value::Dict single;
    if (section.is_string()) {
      single.set(section, Value::none());
    } else if (!section.is_dict()) {
      return complain(section, "group '" + group.name + "': '" + name + "' is a map, this is a " +
                                   type(section));
    }
    const value::Dict& entries = section.is_string() ? single : section.as_dict();
    for (const auto& [entry, body] : entries) {
      Result<> done;
      if (name == "vars") {
        done = inventory_.set_variable(group.name, value::str(entry), body);
        if (!done) return complain(entry, done.error().message);
      } else if (name == "hosts") {
        done = read_host(group, entry, body);
      } else {
        auto child = read_group(entry, body, depth + 1);
        if (!child) return fail(child.error());
        done = inventory_.add_child(group, **child);
        if (!done) return complain(entry, done.error().message);
      }
      if (!done) return done;
    }
    return {};
  }

  Result<> read_host(Group& group, const Value& pattern, const Value& body) {
    if (!pattern.is_string())
      return complain(pattern, "the name of a host is a text, this is " + value::repr(pattern) +
                                   "; put it in quotes");
    auto hosts = expand_host_pattern(pattern.as_string());
    if (!hosts) return complain(pattern, hosts.error().message);
    if (!body.is_dict() && value::truthy(body))
      return complain(body, "the variables of host '" + pattern.as_string() +
                                "' are a map, this is a " + type(body));
    for (const std::string& name : hosts->names) {
      auto host = inventory_.add_host(name, &group, hosts->port);
      if (!host) return complain(pattern, host.error().message);
      if (!body.is_dict()) continue;
      for (const auto& [key, value] : body.as_dict()) {
        if (auto done = inventory_.set_variable(name, value::str(key), value); !done)
          return complain(key, done.error().message);
      }
    }
    return {};
  }

  const std::string& file_;
  Inventory& inventory_;
};

}  // namespace

Result<> read_yaml_inventory(const Value& document, const std::string& file, Inventory& inventory) {
  return Reader(file, inventory).read(document);
}

}  // namespace fleetctl::inventory
