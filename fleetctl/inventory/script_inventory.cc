#include "fleetctl/inventory/script_inventory.h"

#include <string_view>
#include <vector>

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

  Result<> read(const Value& document, const AskHost& ask_host) {
    if (!document.is_dict()) return complain("it prints no map of groups");
    for (const auto& [name, body] : document.as_dict()) {
      if (!name.is_string() || name.as_string().empty()) return complain("a group has no name");
      if (name.as_string() == "_meta") continue;
      if (auto done = read_group(name.as_string(), body); !done) return done;
    }
    const Value* meta = document.get("_meta");
    const Value* known = meta == nullptr ? nullptr : meta->get("hostvars");
    for (const std::string& host : hosts_) {
      Value asked;
      const Value* variables = nullptr;
      if (known != nullptr) {
        variables = known->get(host);
      } else {
        auto answer = ask_host(host);
        if (!answer) return fail(answer.error());
        asked = std::move(*answer);
        variables = &asked;
      }
      if (variables == nullptr || variables->is_none()) continue;
      if (!variables->is_dict()) return complain("the variables of " + host + " are no map");
      if (auto done = set_all(host, *variables); !done) return done;
    }
    return {};
  }

 private:
  Result<> complain(const std::string& what) const {
    return fail(ErrorCode::kInvalid, "inventory " + file_ + ": " + what);
  }

  Result<> set_all(const std::string& entity, const Value& variables) {
    for (const auto& [key, value] : variables.as_dict()) {
      Value copy = value;
      copy.set_mark(std::make_shared<value::Mark>(value::Mark{file_, 0, 0}));
      if (auto done = inventory_.set_variable(entity, value::str(key), std::move(copy)); !done)
        return complain(done.error().message);
    }
    return {};
  }

  Result<> add_host(const std::string& group_name, Group& group, const Value& host) {
    if (!host.is_string())
      return complain("group '" + group_name + "' holds a host that is not a text");
    auto added = inventory_.add_host(host.as_string(), &group, std::nullopt);
    if (!added) return complain(added.error().message);
    hosts_.push_back(host.as_string());
    return {};
  }

  Result<> read_group(const std::string& name, const Value& body) {
    auto group = inventory_.add_group(name);
    if (!group) return complain(group.error().message);
    const Value* hosts = body.is_dict() ? body.get("hosts") : &body;
    const Value* variables = body.get("vars");
    const Value* children = body.get("children");
    // The short form: a host of the group's name with these variables.
    if (body.is_dict() && hosts == nullptr && variables == nullptr && children == nullptr) {
      if (auto done = add_host(name, **group, Value::string(name)); !done) return done;
      return set_all(name, body);
    }
    if (hosts != nullptr) {
      if (!hosts->is_list()) return complain("the hosts of group '" + name + "' are no list");
      for (const Value& host : hosts->items()) {
        if (auto done = add_host(name, **group, host); !done) return done;
      }
    }
    if (variables != nullptr) {
      if (!variables->is_dict()) return complain("the vars of group '" + name + "' are no map");
      if (auto done = set_all(name, *variables); !done) return done;
    }
    if (children == nullptr) return {};
    if (!children->is_list()) return complain("the children of group '" + name + "' are no list");
    for (const Value& child : children->items()) {
      if (!child.is_string()) return complain("a child of group '" + name + "' is not a text");
      auto below = inventory_.add_group(child.as_string());
      if (!below) return complain(below.error().message);
      if (auto done = inventory_.add_child(**group, **below); !done)
        return complain(done.error().message);
    }
    return {};
  }

  const std::string& file_;
  Inventory& inventory_;
  std::vector<std::string> hosts_;
};

}  // namespace

Result<> read_script_inventory(const Value& document, const std::string& file,
                               const AskHost& ask_host, Inventory& inventory) {
  return Reader(file, inventory).read(document, ask_host);
}

}  // namespace fleetctl::inventory
