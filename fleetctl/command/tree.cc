#include "fleetctl/command/tree.h"

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/wiped.h"
#include "fleetctl/command/ansible_configuration.h"
#include "fleetctl/inventory/extra_vars.h"
#include "fleetctl/inventory/pattern.h"
#include "fleetctl/inventory/playbook.h"
#include "fleetctl/inventory/sources.h"
#include "fleetctl/plan/host_facts.h"
#include "fleetctl/template/engine.h"
#include "fleetctl/value/encrypted.h"
#include "fleetctl/value/text.h"

namespace fleetctl::command {

namespace fs = std::filesystem;
using agent::ErrorCode;
using agent::fail;
using agent::Result;
using value::Value;

namespace {

constexpr int kDeepest = 200;

bool holds_encrypted(const Value& value, int depth) {
  if (depth > kDeepest) return false;
  if (value.is_object())
    return dynamic_cast<const value::Encrypted*>(value.as_object().get()) != nullptr;
  if (value.is_sequence()) {
    const auto& items = value.items();
    return std::any_of(items.begin(), items.end(),
                       [&](const Value& item) { return holds_encrypted(item, depth + 1); });
  }
  if (!value.is_dict()) return false;
  const value::Dict& entries = value.as_dict();
  return std::any_of(entries.begin(), entries.end(), [&](const value::Dict::Item& entry) {
    return holds_encrypted(entry.second, depth + 1);
  });
}

}  // namespace

const Value* HostVariables::find(std::string_view name) const {
  const Value* raw = variables_.find(name);
  if (raw == nullptr) {
    misses_facts_ = misses_facts_ ||
                    (plan::is_fact_variable(name) && variables_.find("ansible_facts") == nullptr);
    return nullptr;
  }
  auto looked_at = looked_at_.find(name);
  if (looked_at == looked_at_.end()) {
    const std::size_t before = failures_.size();
    if (holds_encrypted(*raw, 0)) decrypted_[std::string(name)] = decrypt(name, *raw, 0);
    looked_at = looked_at_.emplace(std::string(name), failures_.size() == before).first;
  } else if (!looked_at->second) {
    decrypt(name, *raw, 0);  // says again what is wrong
  }
  if (!looked_at->second) return nullptr;
  const auto decrypted = decrypted_.find(name);
  return decrypted == decrypted_.end() ? raw : &decrypted->second;
}

Value HostVariables::decrypt(std::string_view name, const Value& value, int depth) const {
  if (depth > kDeepest) return value;
  Value made = value;
  if (value.is_object()) {
    const auto* encrypted = dynamic_cast<const value::Encrypted*>(value.as_object().get());
    if (encrypted == nullptr) return value;
    auto plaintext = vault_.decrypt(encrypted->text());
    if (!plaintext) {
      std::string place;
      if (const value::Mark* mark = value.mark(); mark != nullptr) {
        place = " (" + mark->file;
        if (mark->line > 0) place += ":" + std::to_string(mark->line);
        place += ")";
      }
      failures_.push_back("variable '" + std::string(name) + "'" + place + ": " +
                          plaintext.error().message);
      return value;
    }
    // Ansible renders no template inside an encrypted value, only inside encrypted files.
    made = Value::string(std::move(*plaintext),
                         static_cast<std::uint8_t>(value::kTainted | value::kUnsafe));
  } else if (value.is_sequence()) {
    std::vector<Value> items;
    for (const Value& item : value.items()) items.push_back(decrypt(name, item, depth + 1));
    made = value.is_list() ? Value::list(std::move(items)) : Value::tuple(std::move(items));
  } else if (value.is_dict()) {
    value::Dict entries;
    for (const auto& [key, entry] : value.as_dict())
      entries.set(key, decrypt(name, entry, depth + 1));
    made = Value::dict(std::move(entries));
  }
  made.set_mark(value.shared_mark());
  return made;
}

std::vector<std::string> HostVariables::names() const {
  std::vector<std::string> names;
  for (const auto& [key, value] : variables_)
    if (key.is_string()) names.push_back(key.as_string());
  return names;
}

namespace {

fs::path absolute_path(const fs::path& path) {
  std::error_code error;
  fs::path absolute = fs::absolute(path, error).lexically_normal();
  if (!absolute.has_filename()) absolute = absolute.parent_path();
  return absolute;
}

Value strings(const std::vector<std::string>& texts) {
  std::vector<Value> items;
  for (const std::string& text : texts) items.push_back(Value::string(text));
  return Value::list(std::move(items));
}

}  // namespace

Tree::Tree(const FleetOptions& options)
    : templates_(absolute_path(options.templates.empty() ? options.root / "templates"
                                                         : options.templates)),
      play_folder_(!options.playbook_dir.empty() ? absolute_path(options.playbook_dir)
                   : options.playbook.empty()    ? templates_.parent_path()
                                                 : absolute_path(options.playbook).parent_path()),
      loader_([this](std::string_view text) { return vault_.decrypt(text); },
              [this](std::string text) { vault_.expect(std::move(text)); }, inventory_.warnings()),
      layers_(inventory_, loader_) {}

Result<std::unique_ptr<Tree>> Tree::load(const FleetOptions& options, Part part) {
  std::unique_ptr<Tree> tree(new Tree(options));
  if (auto done = tree->read(options, part); !done) return fail(done.error());
  return tree;
}

Result<> Tree::read(const FleetOptions& options, Part part) {
  const AnsibleConfiguration configuration = AnsibleConfiguration::find(options.root);
  if (const auto why = passed_over(options.root, "ansible.cfg");
      !why.empty() && environment("ANSIBLE_CONFIG").empty())
    inventory_.warnings().push_back(why);
  const std::string hash_behaviour = configuration.text("ANSIBLE_HASH_BEHAVIOUR", "hash_behaviour");
  if (!hash_behaviour.empty() && hash_behaviour != "replace" && hash_behaviour != "merge")
    return fail(ErrorCode::kInvalid,
                "hash_behaviour = " + hash_behaviour + ": it is replace or merge");
  layers_.merges_maps = hash_behaviour == "merge";
  read_settings(configuration);
  if (auto added = add_passwords(options.vault, Purpose::kRead, false, configuration, vault_,
                                 inventory_.warnings());
      !added)
    return added;

  std::vector<std::string> sources = options.inventories;
  std::error_code error;
  if (sources.empty()) sources = configuration.paths("ANSIBLE_INVENTORY", "inventory");
  if (sources.empty() && fs::exists(options.root / "inventory", error))
    sources = {(options.root / "inventory").string()};
  if (sources.empty())
    return fail(ErrorCode::kNotFound,
                "there is no inventory: " + absolute_path(options.root / "inventory").string() +
                    " does not exist; go to the folder of your tree, name another with -i, or let "
                    "`fleetctl init` look for one and for templates");
  if (part == Part::kTemplatesToo && !fs::is_directory(templates_, error))
    return fail(ErrorCode::kNotFound,
                "there are no templates: " + inventory::shown_path(templates_) +
                    " is not a folder; --templates names another");
  if (auto done =
          inventory::read_sources(sources, loader_, inventory_,
                                  options.inventory_programs ? inventory::Programs::kAllowed
                                                             : inventory::Programs::kRefused);
      !done)
    return done;

  layers_.inventory_folders = inventory::variable_folders(sources);
  // Beside the templates, and in the templates' own folder where it is also the playbook's.
  layers_.play_folders = {play_folder_, templates_};
  auto extra = inventory::read_extra_vars(options.extra_vars, loader_, inventory_.warnings());
  if (!extra) return fail(extra.error());
  layers_.extra_vars = std::move(*extra);
  if (auto done = read_facts(options); !done) return done;
  if (auto done = read_plays(options, configuration.paths("ANSIBLE_ROLES_PATH", "roles_path"));
      !done)
    return done;

  value::Dict groups;
  for (const auto& group : inventory_.groups()) {
    std::vector<std::string> names;
    for (const inventory::Host* host : inventory_.hosts_of(*group)) names.push_back(host->name);
    groups.set(group->name, strings(names));
  }
  magic_.set("groups", Value::dict(std::move(groups)));
  magic_.set("playbook_dir", Value::string(play_folder_.string()));
  magic_.set("ansible_inventory_sources", strings(sources));
  value::Dict version;  // whose rules are followed
  version.set("string", Value::string("2.14.18"));
  version.set("full", Value::string("2.14.18"));
  version.set("major", Value::integer(2));
  version.set("minor", Value::integer(14));
  version.set("revision", Value::integer(18));
  magic_.set("ansible_version", Value::dict(std::move(version)));
  magic_.set("ansible_run_tags", strings({"all"}));
  magic_.set("ansible_skip_tags", strings({}));
  magic_.set("ansible_verbosity", Value::integer(0));
  magic_.set("ansible_check_mode", Value::boolean(false));
  magic_.set("ansible_diff_mode", Value::boolean(false));
  if (!options.limit.empty()) {
    std::string limit;
    for (const std::string& one : options.limit) limit += (limit.empty() ? "" : ",") + one;
    magic_.set("ansible_limit", Value::string(std::move(limit)));
  }
  return {};
}

void Tree::read_settings(const AnsibleConfiguration& configuration) {
  managed_ = configuration.text(nullptr, "ansible_managed");
  if (managed_.empty()) managed_ = "Ansible managed";

  struct Setting {
    const char* variable;
    std::string_view section;
    std::string_view key;
    std::string_view name;  // of the connection variable
  };
  static constexpr std::array<Setting, 11> kConnection{{
      {"ANSIBLE_TRANSPORT", "defaults", "transport", "ansible_connection"},
      {"ANSIBLE_REMOTE_PORT", "defaults", "remote_port", "ansible_ssh_port"},
      {"ANSIBLE_TIMEOUT", "defaults", "timeout", "ansible_timeout"},
      {"ANSIBLE_SSH_TIMEOUT", "ssh_connection", "timeout", "ansible_ssh_timeout"},
      {"ANSIBLE_HOST_KEY_CHECKING", "defaults", "host_key_checking", "ansible_host_key_checking"},
      {"ANSIBLE_SSH_HOST_KEY_CHECKING", "ssh_connection", "host_key_checking",
       "ansible_ssh_host_key_checking"},
      {"ANSIBLE_SSH_ARGS", "ssh_connection", "ssh_args", "ansible_ssh_args"},
      {"ANSIBLE_SSH_COMMON_ARGS", "ssh_connection", "ssh_common_args", "ansible_ssh_common_args"},
      {"ANSIBLE_SSH_EXTRA_ARGS", "ssh_connection", "ssh_extra_args", "ansible_ssh_extra_args"},
      {"ANSIBLE_BECOME_METHOD", "privilege_escalation", "become_method", "ansible_become_method"},
      {"ANSIBLE_BECOME_USER", "privilege_escalation", "become_user", "ansible_become_user"},
  }};
  for (const Setting& one : kConnection) {
    const std::string text = configuration.text(one.variable, one.key, one.section);
    if (!text.empty()) connection_defaults_.set(one.name, Value::string(text, value::kUnsafe));
  }

  static constexpr std::array<Setting, 6> kNotFollowed{{
      {"ANSIBLE_JINJA2_NATIVE", "defaults", "jinja2_native", ""},
      {"ANSIBLE_PRECEDENCE", "defaults", "precedence", ""},
      {"ANSIBLE_INVENTORY_IGNORE", "defaults", "inventory_ignore_extensions", ""},
      {"ANSIBLE_INVENTORY_IGNORE_REGEX", "defaults", "inventory_ignore_patterns", ""},
      {nullptr, "inventory", "ignore_extensions", ""},
      {nullptr, "inventory", "ignore_patterns", ""},
  }};
  for (const Setting& one : kNotFollowed) {
    const std::string text = configuration.text(one.variable, one.key, one.section);
    if (text.empty() || (one.key == "jinja2_native" && !configuration.flag(one.variable, one.key)))
      continue;
    inventory_.warnings().push_back("ansible.cfg: " + std::string(one.key) + " = " + text +
                                    " is not followed");
  }
}

// {"host": {"architecture": ..., ...}}
Result<> Tree::read_facts(const FleetOptions& options) {
  std::string saved;
  if (!options.facts.empty()) {
    auto text = agent::read_file(options.facts);
    if (!text) return fail(std::move(text.error()).within("--facts"));
    saved = std::move(*text);
  }
  for (const std::string* text :
       std::initializer_list<const std::string*>{&saved, &options.gathered_facts}) {
    if (text->empty()) continue;
    const auto document = value::parse_json(*text);
    if (!document || !document->is_dict())
      return fail(ErrorCode::kInvalid,
                  "--facts " + options.facts.string() + ": it is not what `fleetctl facts` saves");
    for (const auto& [host, facts] : document->as_dict()) {
      if (!facts.is_dict()) continue;
      // A host's words are never templates.
      Value told = facts;
      value::set_flag_deep(told, value::kUnsafe);
      value::Dict& variables = layers_.facts[value::str(host)];
      variables = {};
      for (const auto& [name, fact] : told.as_dict())
        variables.set("ansible_" + value::str(name), fact);
      variables.set("ansible_facts", told);
    }
  }
  return {};
}

Result<> Tree::read_plays(const FleetOptions& options, const std::vector<std::string>& roles) {
  auto plays = inventory::read_role_of(templates_, loader_);
  if (!options.playbook.empty()) {
    plays = inventory::read_playbook(absolute_path(options.playbook),
                                     {{roles.begin(), roles.end()}, templates_}, loader_,
                                     inventory_.warnings());
  }
  if (!plays) return fail(plays.error());
  for (inventory::Play& play : *plays) {
    auto selected = inventory::select_hosts(inventory_, play.hosts);
    // Ansible skips a play that nobody is in.
    if (!selected) {
      inventory_.warnings().push_back("playbook, hosts: " + selected.error().message);
      continue;
    }
    layers_.plays.push_back({std::move(play), {selected->hosts.begin(), selected->hosts.end()}});
  }
  layers_.name_of_file = [](const Value& name,
                            const value::Dict& variables) -> Result<std::string> {
    const template_::Engine engine({});
    auto text = engine.resolve(name, template_::DictVariables(variables));
    if (!text) return fail(ErrorCode::kInvalid, (*text.error()).text());
    return value::str(*text);
  };
  return {};
}

const Value* Tree::connection_default(const inventory::Host& host, std::string_view name) const {
  const Value* said = connection_defaults_.find(name);
  for (const auto& [play, hosts] : layers_.plays) {
    const Value* of_play = hosts.contains(&host) ? play.connection.find(name) : nullptr;
    if (of_play != nullptr) said = of_play;
  }
  return said;
}

Result<> Tree::opens(std::string_view envelope) const {
  auto text = vault_.decrypt(envelope);
  if (!text) return fail(text.error());
  agent::wipe(*text);
  return {};
}

Result<std::unique_ptr<HostVariables>> Tree::read_by(inventory::Layers::Reader reader,
                                                     const inventory::Host& host) const {
  auto variables = layers_.merged(host, reader);
  if (!variables) return fail(variables.error());
  for (const auto& [key, value] : magic_) variables->set(key, value);
  return std::make_unique<HostVariables>(std::move(*variables), vault_, failures_);
}

Result<std::unique_ptr<HostVariables>> Tree::own_variables(const inventory::Host& host) const {
  return read_by(inventory::Layers::Reader::kOwn, host);
}

Result<const HostVariables*> Tree::variables(const inventory::Host& host) const {
  auto known = known_.find(&host);
  if (known == known_.end()) known = known_.emplace(&host, own_variables(host)).first;
  if (!known->second) return fail(known->second.error());
  return known->second->get();
}

bool Tree::misses_facts(std::string_view host) const {
  for (const Known* hosts : {&known_, &known_to_others_}) {
    const auto known = hosts->find(inventory_.host(host));
    if (known != hosts->end() && known->second && (*known->second)->misses_facts()) return true;
  }
  return false;
}

const template_::Variables* Tree::find(std::string_view name) const {
  const inventory::Host* host = inventory_.host(name);
  if (host == nullptr) return nullptr;
  if (layers_.plays.empty()) {
    const auto found = variables(*host);
    return found ? *found : nullptr;
  }
  auto known = known_to_others_.find(host);
  if (known == known_to_others_.end())
    known =
        known_to_others_.emplace(host, read_by(inventory::Layers::Reader::kHostvars, *host)).first;
  return known->second ? known->second->get() : nullptr;
}

std::vector<std::string> Tree::names() const {
  std::vector<std::string> names;
  for (const auto& host : inventory_.hosts()) names.push_back(host->name);
  return names;
}

}  // namespace fleetctl::command
