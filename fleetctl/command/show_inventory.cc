#include "fleetctl/command/show_inventory.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/base/strings.h"
#include "fleetctl/command/report.h"
#include "fleetctl/command/tree.h"
#include "fleetctl/inventory/pattern.h"
#include "fleetctl/template/filters/yaml_writer.h"
#include "fleetctl/value/encrypted.h"
#include "fleetctl/value/text.h"

namespace fleetctl::command {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using inventory::Group;
using value::Dict;
using value::Value;

// What ansible-inventory leaves out of its answers.
constexpr std::array<std::string_view, 19> kInternal = {"ansible_diff_mode",
                                                        "ansible_config_file",
                                                        "ansible_facts",
                                                        "ansible_forks",
                                                        "ansible_inventory_sources",
                                                        "ansible_limit",
                                                        "ansible_playbook_python",
                                                        "ansible_run_tags",
                                                        "ansible_skip_tags",
                                                        "ansible_verbosity",
                                                        "ansible_version",
                                                        "inventory_dir",
                                                        "inventory_file",
                                                        "inventory_hostname",
                                                        "inventory_hostname_short",
                                                        "groups",
                                                        "group_names",
                                                        "omit",
                                                        "playbook_dir"};

Dict without_internal(Dict variables) {
  for (const std::string_view name : kInternal) variables.erase(Value::string(std::string(name)));
  return variables;
}

// JSON has neither encrypted nor unsafe text: Ansible writes maps with a name that says so.
Value for_json(const Value& value) {
  const auto marked = [](std::string_view name, const std::string& text) {
    Dict dict;
    dict.set(name, Value::string(text));
    return Value::dict(std::move(dict));
  };
  if (value.is_string() && value.has(value::kUnsafe))
    return marked("__ansible_unsafe", value.as_string());
  if (value.is_object()) return marked("__ansible_vault", value.as_object()->text());
  if (value.is_sequence()) {
    std::vector<Value> items;
    for (const Value& item : value.items()) items.push_back(for_json(item));
    return Value::list(std::move(items));
  }
  if (value.is_dict()) {
    Dict dict;
    for (const auto& [key, item] : value.as_dict()) dict.set(key, for_json(item));
    return Value::dict(std::move(dict));
  }
  return value;
}

Result<std::string> dump(Dict data, const std::string& format) {
  if (format == "yaml") {
    template_::YamlFormat yaml;
    yaml.flow = template_::YamlFormat::Flow::kNever;
    auto text = template_::write_yaml(Value::dict(std::move(data)), yaml);
    if (!text) return fail(ErrorCode::kInvalid, text.error()->message);
    return std::move(*text);
  }
  value::JsonFormat json;
  json.indent = 4;
  json.item_separator = ",";
  json.sort_keys = true;
  json.ascii = false;
  const Value shown = for_json(Value::dict(std::move(data)));
  auto text = value::to_json(shown, json);
  if (text) return text;
  // Keys of several types in one map have no order: then, as with Ansible, nothing is sorted.
  json.sort_keys = false;
  return value::to_json(shown, json);
}

class View {
 public:
  View(const InventoryOptions& options, Tree& tree) : options_(options), tree_(tree) {}

  // Before anything is shown: which hosts --limit leaves.
  Result<> select() {
    auto selection = inventory::select_hosts(tree_.inventory(), options_.fleet.limit);
    if (!selection) return fail(selection.error());
    auto& warnings = tree_.warnings();
    warnings.insert(warnings.end(), selection->warnings.begin(), selection->warnings.end());
    hosts_ = std::move(selection->hosts);
    selected_.insert(hosts_.begin(), hosts_.end());
    return {};
  }

  Result<std::string> list() { return options_.format == "yaml" ? yaml() : json(); }

  Result<std::string> host() {
    auto host = one_host();
    if (!host) return fail(host.error());
    auto variables = variables_of(**host);
    if (!variables) return fail(variables.error());
    return dump(std::move(*variables), options_.format);
  }

  // What was meant, perhaps.
  std::string nearest_group() const {
    std::vector<std::string_view> names;
    for (const auto& group : tree_.inventory().groups()) names.push_back(group->name);
    const std::string_view near = agent::nearest(options_.group, names);
    return near.empty() ? "" : "; did you mean '" + std::string(near) + "'?";
  }

  Result<std::string> graph() {
    const Group* group = tree_.inventory().group(options_.group);
    if (group == nullptr)
      return fail(ErrorCode::kNotFound,
                  "there is no group '" + options_.group + "'" + nearest_group());
    std::string out;
    if (auto done = draw(*group, 0, out); !done) return fail(done.error());
    out.pop_back();
    return out;
  }

  Result<std::string> origins() {
    auto host = one_host();
    if (!host) return fail(host.error());
    std::vector<Variable> variables;
    std::unordered_map<std::string, std::size_t> known;
    const auto note = [&](std::string_view source, const Dict& from) {
      for (const auto& [key, value] : from) {
        const std::string name = value::str(key);
        const auto [found, fresh] = known.try_emplace(name, variables.size());
        if (fresh) variables.push_back({name, {}});
        variables[found->second].history.push_back({source, value});
      }
    };
    if (auto done = tree_.layers().visit(**host, note); !done) return fail(done.error());
    std::sort(variables.begin(), variables.end(),
              [](const Variable& a, const Variable& b) { return a.name < b.name; });
    return options_.format == "text" ? origins_text(variables) : origins_json(variables);
  }

 private:
  struct Written {
    std::string_view source;
    Value value;
  };
  struct Variable {
    std::string name;
    std::vector<Written> history;  // low to high; the last one counts
  };

  Result<const inventory::Host*> one_host() const {
    auto selection = inventory::select_hosts(tree_.inventory(), {options_.host});
    if (!selection) return fail(selection.error());
    if (selection->hosts.size() != 1)
      return fail(ErrorCode::kInvalid, "--host " + options_.host + " selects " +
                                           std::to_string(selection->hosts.size()) +
                                           " hosts, not one");
    return selection->hosts.front();
  }

  Result<Dict> variables_of(const inventory::Host& host) {
    auto variables = options_.own_only ? tree_.layers().own(host) : tree_.layers().merged(host);
    if (!variables) return fail(variables.error());
    return without_internal(std::move(*variables));
  }
  Result<Dict> variables_of(const Group& group) {
    auto variables = tree_.layers().own(group);
    if (!variables) return fail(variables.error());
    return without_internal(std::move(*variables));
  }

  std::vector<const inventory::Host*> own_hosts(const Group& group) const {
    std::vector<const inventory::Host*> hosts;
    if (&group == &tree_.inventory().all()) return hosts;
    for (const inventory::Host* host : group.hosts)
      if (selected_.contains(host)) hosts.push_back(host);
    return hosts;
  }

  // Every group by its name: {"web": {"children": [...], "hosts": [...]}, ..., "_meta": {...}}.
  Result<std::string> json() {
    Dict groups;
    std::unordered_set<const Group*> seen;
    if (auto done = add_json(tree_.inventory().all(), seen, groups); !done)
      return fail(done.error());
    Dict all;
    for (const auto& [name, entry] : groups)
      if (value::truthy(entry)) all.set(name, entry);
    Dict hostvars;
    for (const inventory::Host* host : hosts_) {
      auto variables = variables_of(*host);
      if (!variables) return fail(variables.error());
      if (!variables->empty()) hostvars.set(host->name, Value::dict(std::move(*variables)));
    }
    Dict meta;
    meta.set("hostvars", Value::dict(std::move(hostvars)));
    all.set("_meta", Value::dict(std::move(meta)));
    return dump(std::move(all), "json");
  }
  Result<> add_json(const Group& group, std::unordered_set<const Group*>& seen, Dict& all) {
    all.set(group.name, Value::dict());  // a group comes before its children
    Dict entry;
    std::vector<Value> hosts;
    for (const inventory::Host* host : own_hosts(group)) hosts.push_back(Value::string(host->name));
    if (!hosts.empty()) entry.set("hosts", Value::list(std::move(hosts)));
    std::vector<Value> children;
    for (const Group* child : group.children) {
      children.push_back(Value::string(child->name));
      if (!seen.insert(child).second) continue;
      if (auto done = add_json(*child, seen, all); !done) return done;
    }
    if (!children.empty()) entry.set("children", Value::list(std::move(children)));
    if (options_.own_only) {
      auto variables = variables_of(group);
      if (!variables) return fail(variables.error());
      if (!variables->empty()) entry.set("vars", Value::dict(std::move(*variables)));
    }
    all.set(group.name, Value::dict(std::move(entry)));
    return {};
  }

  // An inventory in Ansible's YAML format; a host's variables stand where it comes first.
  Result<std::string> yaml() {
    std::unordered_set<const inventory::Host*> seen;
    auto entry = yaml_entry(tree_.inventory().all(), seen);
    if (!entry) return fail(entry.error());
    Dict all;
    all.set("all", Value::dict(std::move(*entry)));
    return dump(std::move(all), "yaml");
  }
  Result<Dict> yaml_entry(const Group& group, std::unordered_set<const inventory::Host*>& seen) {
    Dict entry;
    Dict children;
    for (const Group* child : group.children) {
      auto below = yaml_entry(*child, seen);
      if (!below) return below;
      children.set(child->name, Value::dict(std::move(*below)));
    }
    if (!children.empty()) entry.set("children", Value::dict(std::move(children)));
    Dict hosts;
    for (const inventory::Host* host : own_hosts(group)) {
      Dict variables;
      if (seen.insert(host).second) {
        auto own = variables_of(*host);
        if (!own) return own;
        variables = std::move(*own);
      }
      hosts.set(host->name, Value::dict(std::move(variables)));
    }
    if (!hosts.empty()) entry.set("hosts", Value::dict(std::move(hosts)));
    if (options_.own_only) {
      auto variables = variables_of(group);
      if (!variables) return variables;
      if (!variables->empty()) entry.set("vars", Value::dict(std::move(*variables)));
    }
    return entry;
  }

  static void draw_line(const std::string& text, int depth, std::string& out) {
    for (int i = 0; i < depth; ++i) out += "  |";
    if (depth > 0) out += "--";
    out += text + "\n";
  }
  static void draw_variables(const Dict& variables, int depth, std::string& out) {
    std::vector<std::pair<std::string, std::string>> sorted;
    for (const auto& [key, value] : variables)
      sorted.emplace_back(value::str(key), shown(value, value::str(value)));
    std::sort(sorted.begin(), sorted.end());
    for (const auto& [name, text] : sorted) draw_line("{" + name + " = " + text + "}", depth, out);
  }
  Result<> draw(const Group& group, int depth, std::string& out) {
    draw_line("@" + group.name + ":", depth, out);
    for (const Group* child : group.children) {
      if (auto done = draw(*child, depth + 1, out); !done) return done;
    }
    for (const inventory::Host* host : own_hosts(group)) {
      draw_line(host->name, depth + 1, out);
      if (!options_.show_variables) continue;
      auto variables = variables_of(*host);
      if (!variables) return fail(variables.error());
      draw_variables(*variables, depth + 2, out);
    }
    if (!options_.show_variables) return {};
    auto variables = variables_of(group);
    if (!variables) return fail(variables.error());
    draw_variables(*variables, depth + 1, out);
    return {};
  }

  // Views for people mask secrets.
  static std::string shown(const Value& value, std::string text) {
    if (value.is_object()) return "(vaulted)";
    return value::tainted_deep(value) ? "(secret)" : std::move(text);
  }
  static std::string place(const Written& written) {
    const value::Mark* mark = written.value.mark();
    if (mark == nullptr || mark->file.empty()) return std::string(written.source);
    std::string out = mark->file;
    if (mark->line > 0) out += ":" + std::to_string(mark->line);
    if (mark->line > 0 && mark->column > 0) out += ":" + std::to_string(mark->column);
    return out;
  }
  static Result<std::string> shown_json(const Value& value) {
    auto json = value::to_json(for_json(value), {{}, ", ", ": ", false, false});
    if (!json) return json;
    return shown(value, std::move(*json));
  }
  Result<std::string> origins_text(const std::vector<Variable>& variables) const {
    const bool color = wants_color(options_.colors, STDOUT_FILENO);
    std::string out;
    for (const Variable& variable : variables) {
      const Written& now = variable.history.back();
      auto text = shown_json(now.value);
      if (!text) return text;
      out += variable.name + ": " + *text + "\n  " + place(now) + "\n";
      for (auto before = variable.history.rbegin() + 1; before != variable.history.rend();
           ++before) {
        auto old = shown_json(before->value);
        if (!old) return old;
        out += painted("  overrides " + *old + " of " + place(*before), Tone::kFaint, color) + "\n";
      }
    }
    if (!out.empty()) out.pop_back();
    return out;
  }
  static Value described(const Written& written) {
    Dict entry;
    const bool secret = written.value.is_object() || value::tainted_deep(written.value);
    entry.set("value", secret ? Value::string(shown(written.value, {})) : for_json(written.value));
    entry.set("source", Value::string(std::string(written.source)));
    const value::Mark* mark = written.value.mark();
    if (mark != nullptr && !mark->file.empty()) {
      entry.set("file", Value::string(mark->file));
      if (mark->line > 0) entry.set("line", Value::integer(mark->line));
      if (mark->column > 0) entry.set("column", Value::integer(mark->column));
    }
    return Value::dict(std::move(entry));
  }
  static Result<std::string> origins_json(const std::vector<Variable>& variables) {
    Dict all;
    for (const Variable& variable : variables) {
      Value entry = described(variable.history.back());
      std::vector<Value> before;
      for (auto old = variable.history.rbegin() + 1; old != variable.history.rend(); ++old)
        before.push_back(described(*old));
      entry.mutable_dict().set("overrides", Value::list(std::move(before)));
      all.set(variable.name, std::move(entry));
    }
    return dump(std::move(all), "json");
  }

  const InventoryOptions& options_;
  Tree& tree_;
  std::vector<const inventory::Host*> hosts_;
  std::unordered_set<const inventory::Host*> selected_;
};

}  // namespace

ExitCode show_inventory(const InventoryOptions& options, std::ostream& out, std::ostream& err) {
  const int actions =
      (options.list ? 1 : 0) + (options.host.empty() ? 0 : 1) + (options.graph ? 1 : 0);
  if (actions != 1 || (options.origin && options.host.empty())) {
    err << "fleetctl: "
        << (actions != 1 ? "one of --list, --host and --graph says what to show\n"
                         : "--origin goes with --host\n");
    return ExitCode::kUsage;
  }
  auto tree = Tree::load(options.fleet, Part::kVariables);
  Result<std::string> text = std::string();
  if (!tree) {
    text = fail(tree.error());
  } else {
    View view(options, **tree);
    if (auto done = view.select(); !done) {
      text = fail(done.error());
    } else {
      text = options.origin          ? view.origins()
             : options.graph         ? view.graph()
             : !options.host.empty() ? view.host()
                                     : view.list();
    }
    print_warnings((*tree)->warnings(), err);
  }
  if (!text) {
    err << "fleetctl: " << text.error().message << "\n";
    return ExitCode::kRefused;
  }
  out << *text << "\n";
  return ExitCode::kDone;
}

}  // namespace fleetctl::command
