#include "fleetctl/command/lint_tree.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "agent/lang/parser.h"
#include "agent/lang/printer.h"
#include "fleetctl/command/configuration_uses.h"
#include "fleetctl/command/report.h"
#include "fleetctl/inventory/yaml_reader.h"
#include "fleetctl/plan/container_logs.h"
#include "fleetctl/value/encrypted.h"
#include "fleetctl/value/text.h"

namespace fleetctl::command {
namespace {

namespace fs = std::filesystem;
using agent::ErrorCode;
using value::Value;

constexpr std::string_view kPortSuffix = "_syslog_port";
constexpr int kFirstPort = 51400;  // the convention for such ports
constexpr int kLastPort = 51499;
constexpr std::size_t kMaxFile = 4U << 20;
constexpr int kMaxFolders = 6;  // below the tree

// Files that say how containers log: Compose files, playbooks and their variables, units,
// Docker's daemon.json; templates of them, too.
bool may_start_containers(std::string_view name) {
  if (name.ends_with(".j2")) name.remove_suffix(3);
  for (const std::string_view extension : {".yml", ".yaml", ".json", ".service"})
    if (name.ends_with(extension)) return true;
  return false;
}

bool contains_any(std::string_view text, const auto& words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return text.find(word) != std::string_view::npos;
  });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool names_secret(std::string_view name) {
  static constexpr std::array<std::string_view, 8> kWords = {
      "password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "private_key"};
  static constexpr std::array<std::string_view, 9> kOthers = {
      "_file", "_path", "_name", "_id", "_url", "_length", "_type", "_user", "_enabled"};
  const std::string text = lower(name);
  return contains_any(text, kWords) &&
         std::none_of(kOthers.begin(), kOthers.end(),
                      [&](std::string_view other) { return text.ends_with(other); });
}

// "scheme://user:password@host" with the password written out.
bool holds_password_in_url(std::string_view line) {
  std::size_t at = 0;
  while ((at = line.find("://", at)) != std::string_view::npos) {
    at += 3;
    const std::string_view authority = line.substr(at, line.find_first_of("/\"' ", at) - at);
    const std::size_t sign = authority.rfind('@');
    const std::size_t colon = authority.find(':');
    if (sign != std::string_view::npos && colon < sign && colon + 1 < sign &&
        authority.find_first_of("{<$") == std::string_view::npos)
      return true;
  }
  return false;
}

// `password = "written out"`
bool sets_secret(std::string_view line) {
  line = agent::trim(line);
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view name = agent::trim(line.substr(0, equals));
  if (name.empty() || name.find_first_of(" \t\"{(") != std::string_view::npos ||
      !names_secret(name))
    return false;
  const std::string_view value = agent::trim(line.substr(equals + 1));
  const std::size_t end = value.find('"', 1);
  return value.starts_with('"') && end != std::string_view::npos && end > 1 &&
         value.substr(0, end).find("{{") == std::string_view::npos;
}

// The name of a variable file's owner: the file's name without .yml, .yaml or .json. "" for files
// that Ansible does not read.
std::string owner_of(const fs::directory_entry& entry) {
  const fs::path name = entry.path().filename();
  const std::string text = name.string();
  if (text.front() == '.' || text.back() == '~') return {};
  std::error_code error;
  if (entry.is_directory(error)) return text;
  for (const std::string_view extension : {".yml", ".yaml", ".json"})
    if (text.ends_with(extension)) return text.substr(0, text.size() - extension.size());
  return text;
}

class Review {
 public:
  Review(Tree& tree, const Fleet& fleet, const FleetOptions& options,
         std::vector<Finding>& findings)
      : tree_(tree), fleet_(fleet), options_(options), findings_(findings) {
    for (const auto& host : tree_.inventory().hosts()) {
      host_names_.insert(host->name);
      short_names_[inventory::short_name(host->name)].push_back(host->name);
    }
  }

  void run() {
    for (const auto& host : fleet_.hosts) uses_[host->name()] = uses_of(host->configuration());
    for (const auto& host : tree_.inventory().hosts()) variables(*host);
    vaults();
    ports();
    for (const auto& host : fleet_.hosts) docker(*host);
    files();
    playbooks();
    variable_files();
    template_folders();
    template_texts();
  }

 private:
  struct Reserved {  // a *_syslog_port of one host
    std::string name;
    int port = 0;
    std::shared_ptr<const value::Mark> mark;
  };

  Finding& add(std::string rule, std::string message, const std::string& host = {}) {
    Finding finding;
    finding.rule = std::move(rule);
    finding.message = std::move(message);
    if (!host.empty()) finding.hosts = {host};
    findings_.push_back(std::move(finding));
    return findings_.back();
  }
  static void place(Finding& finding, const value::Mark* mark) {
    if (mark == nullptr) return;
    finding.file = mark->file;
    finding.line = mark->line;
    finding.column = mark->column;
  }
  static void place(Finding& finding, const fs::path& path, int line = 0, int column = 0) {
    finding.file = inventory::shown_path(path);
    finding.line = line;
    finding.column = column;
  }

  const Host* managed(const std::string& name) const {
    for (const auto& host : fleet_.hosts)
      if (host->name() == name) return host.get();
    return nullptr;
  }

  void variables(const inventory::Host& host) {
    const Host* selected = managed(host.name);
    std::map<std::string, std::shared_ptr<const value::Mark>> reserved;
    const auto done = tree_.layers().visit(host, [&](std::string_view, const value::Dict& from) {
      for (const auto& [key, value] : from) {
        if (!key.is_string()) continue;
        const std::string& name = key.as_string();
        if (name.ends_with(kPortSuffix)) reserved[name] = value.shared_mark();
        look_at_value(name, value, 0);
      }
    });
    if (!done || selected == nullptr) return;  // said by whoever renders
    for (const auto& [name, mark] : reserved) {
      const auto value = selected->variable(name);
      if (!value || !value->has_value()) continue;
      if (const auto port = plan::port_of(value::str(**value)))
        reserved_[host.name].push_back({name, *port, mark});
    }
  }

  // Each value once, however many hosts share it.
  void look_at_value(const std::string& name, const Value& value, int depth) {
    if (depth > 50) return;
    if (value.is_object()) {
      if (const auto* encrypted = dynamic_cast<const value::Encrypted*>(value.as_object().get()))
        encrypted_.try_emplace(encrypted->text(), name, value.shared_mark());
    } else if (value.is_dict()) {
      if (!seen_.insert(&value.as_dict()).second) return;
      for (const auto& [key, item] : value.as_dict())
        look_at_value(key.is_string() ? key.as_string() : name, item, depth + 1);
    } else if (value.is_sequence()) {
      for (const Value& item : value.items()) look_at_value(name, item, depth + 1);
    } else if (value.is_string() && value.mark() != nullptr && !value.has(value::kTainted) &&
               seen_.insert(value.mark()).second) {
      const std::string& text = value.as_string();
      const bool clear =
          text.find("{{") == std::string::npos &&
          ((names_secret(name) && !text.empty()) ||
           text.find("PRIVATE KEY-----") != std::string::npos || holds_password_in_url(text));
      if (clear)
        place(add("secret-in-clear", "the value of '" + name +
                                         "' looks like a secret and is not encrypted; "
                                         "`fleetctl vault encrypt-string` makes a vault of it"),
              value.mark());
    }
  }

  void vaults() {
    std::size_t unread = 0;
    for (const auto& [envelope, where] : encrypted_) {
      const auto opened = tree_.opens(envelope);
      if (opened) continue;
      if (opened.error().code == ErrorCode::kNotFound) {
        ++unread;
        continue;
      }
      Finding& finding = add("vault", "variable '" + where.first + "': " + opened.error().message);
      finding.error = true;
      place(finding, where.second.get());
    }
    if (unread > 0)
      add("vault-unread",
          std::to_string(unread) +
              " encrypted values were not looked into: no vault password was given");
  }

  void ports() {
    for (const auto& [host, all] : reserved_) {
      const Uses& uses = uses_[host];
      std::map<int, const Reserved*> first;
      for (const Reserved& one : all) {
        const std::string what = "'" + one.name + "' (" + std::to_string(one.port) + ")";
        if (one.port < kFirstPort || one.port > kLastPort)
          place(add("syslog-port-range", what + " is outside 514xx, where such ports are", host),
                one.mark.get());
        const auto [known, fresh] = first.try_emplace(one.port, &one);
        if (!fresh)
          place(add("syslog-port-twice",
                    what + " is also the port of '" + known->second->name + "'", host),
                one.mark.get());
        if (std::none_of(uses.listeners.begin(), uses.listeners.end(),
                         [&](const auto& listener) { return listener.port == one.port; }))
          place(add("syslog-port-unused",
                    what + " is reserved, and no listener of the host uses it", host),
                one.mark.get());
      }
    }
  }

  void docker(const Host& host) {
    if (!uses_[host.name()].docker || host.docker_group() != DockerGroup::kNo) return;
    const Rule* rule =
        options_.rules && options_.rules->docker_when ? &*options_.rules->docker_when : nullptr;
    Finding& finding =
        add("docker-group",
            "the configuration reads Docker's socket, and " +
                (rule == nullptr ? "'docker' is not in the host's services"
                                 : rule->name + " of " + rule->place + " does not hold") +
                ": the agent will not be in the group that may",
            host.name());
    const auto text = agent::read_file(host.template_path(), kMaxFile);
    int number = 0;
    int found = 0;
    std::size_t column = 0;
    for (const std::string_view line : agent::split(text ? std::string_view(*text) : "", '\n')) {
      ++number;
      column = std::min(line.find("docker.sock"), line.find("prometheus.exporter.cadvisor"));
      if (column == std::string_view::npos) continue;
      found = number;
      break;
    }
    place(finding, host.template_path(), found, found > 0 ? static_cast<int>(column) + 1 : 0);
  }

  void files() {
    std::error_code error;
    const fs::path root = options_.root;
    for (fs::recursive_directory_iterator
             it(root, fs::directory_options::skip_permission_denied, error),
         end;
         !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      if (it->is_directory(error)) {
        if (name.front() == '.' || it.depth() >= kMaxFolders) it.disable_recursion_pending();
        continue;
      }
      if (!may_start_containers(name) || !it->is_regular_file(error)) continue;
      if (const auto text = agent::read_file(it->path(), kMaxFile))
        container_logs(it->path(), *text);
    }
  }

  // A configuration that is no template, or a part of one that templates include.
  void layout(const fs::path& path, const std::string& text) {
    for (const std::string_view sign : {"{{", "{%", "{#"})
      if (text.find(sign) != std::string::npos) return;
    agent::lang::Diagnostics ignored;
    auto printed = agent::lang::format(text, path.string(), ignored);
    if (!printed || *printed == text) return;
    Finding& finding = add("format", "is not laid out as `fleet-agent fmt` prints it");
    finding.mend = std::make_shared<const Mend>(Mend{path, text, std::move(*printed)});
    place(finding, path);
  }

  // `syslog-address: "tcp://127.0.0.1:{{ kairos_syslog_port }}"`
  void container_logs(const fs::path& path, std::string_view text) {
    static constexpr std::string_view kKey = "syslog-address";
    int number = 0;
    for (const std::string_view line : agent::split(text, '\n')) {
      ++number;
      const std::size_t key = line.find(kKey);
      if (key == std::string_view::npos || agent::trim(line).starts_with('#')) continue;
      const auto address = plan::log_address_in(line.substr(key + kKey.size()));
      if (!address) continue;
      if (address->protocol == "tcp") tcp_loggers_.push_back(fs::absolute(path).lexically_normal());
      const auto at = [&](Finding& finding) {
        place(finding, path, number, static_cast<int>(key) + 1);
      };
      if (const auto literal = plan::port_of(address->port)) {
        logs_to_number(*literal, address->protocol, at);
      } else if (address->port.starts_with("{{")) {
        std::string_view variable = agent::trim(address->port.substr(2, address->port.size() - 4));
        variable = variable.substr(0, variable.find_first_of(" |"));
        logs_to_variable(std::string(variable), address->protocol, at);
      }
    }
  }

  // Which hosts run it is not known.
  void logs_to_number(int port, const std::string& protocol,
                      const std::function<void(Finding&)>& at) {
    bool heard = false;
    for (const auto& [host, uses] : uses_) {
      if (!uses.hears(port, protocol)) continue;
      heard = true;
      heard_by(host, uses, at);
    }
    if (!heard)
      at(add("syslog-address", "no host listens on port " + std::to_string(port) + " by " +
                                   protocol + consequence(protocol)));
  }

  void logs_to_variable(const std::string& variable, const std::string& protocol,
                        const std::function<void(Finding&)>& at) {
    bool known = false;
    for (const auto& [host, all] : reserved_) {
      for (const Reserved& one : all) {
        if (one.name != variable) continue;
        known = true;
        const Uses& uses = uses_[host];
        if (uses.hears(one.port, protocol)) {
          heard_by(host, uses, at);
          continue;
        }
        const std::string what =
            "containers log to port " + std::to_string(one.port) + " ('" + variable + "') by " +
            protocol +
            (uses.hears(one.port, "") ? ", where the host listens by another protocol"
                                      : ", where nothing listens on this host");
        at(add("syslog-address",
               what + consequence(protocol) +
                   (protocol == "tcp" ? "; deploy the listener before the service" : ""),
               host));
      }
    }
    if (!known && fleet_.problems.empty() && options_.limit.empty())
      at(add("syslog-address", "no managed host defines '" + variable + "'"));
  }

  void heard_by(const std::string& host, const Uses& uses,
                const std::function<void(Finding&)>& at) {
    if (!uses.every_container) return;
    at(add("lines-twice",
           "these containers log to a listener and are read through Docker's socket, too: their "
           "lines arrive twice",
           host));
  }

  static std::string consequence(const std::string& protocol) {
    return protocol == "tcp" ? ": such containers do not start"
                             : ": the lines of such containers are lost";
  }

  // `import_playbook: kairos/deploy.yml` above the one that brings the listeners.
  void playbooks() {
    std::error_code error;
    for (fs::directory_iterator it(options_.root, error), end; !error && it != end;
         it.increment(error)) {
      const std::string extension = it->path().extension().string();
      if ((extension != ".yml" && extension != ".yaml") || !it->is_regular_file(error)) continue;
      const auto text = agent::read_file(it->path(), kMaxFile);
      if (!text || text->find("import_playbook") == std::string::npos) continue;
      std::vector<std::string> warnings;
      const auto plays = inventory::read_yaml(*text, inventory::shown_path(it->path()), warnings);
      if (plays && plays->is_list()) playbook(it->path(), *plays);
    }
  }

  void playbook(const fs::path& path, const Value& plays) {
    const fs::path folder = fs::absolute(path).lexically_normal().parent_path();
    std::vector<const Value*> before;  // imported so far
    for (const Value& play : plays.items()) {
      if (!play.is_dict()) continue;
      const Value* imported = play.as_dict().find("import_playbook");
      if (imported == nullptr) imported = play.as_dict().find("ansible.builtin.import_playbook");
      if (imported == nullptr || !imported->is_string()) continue;
      const fs::path of = (folder / imported->as_string()).lexically_normal().parent_path();
      const bool brings_agent = of != folder && is_below(tree_.templates(), of);
      if (!brings_agent) {
        before.push_back(imported);
        continue;
      }
      for (const Value* early : before) {
        const fs::path service = (folder / early->as_string()).lexically_normal().parent_path();
        if (service == folder ||
            std::none_of(tcp_loggers_.begin(), tcp_loggers_.end(),
                         [&](const fs::path& file) { return is_below(file, service); }))
          continue;
        place(add("syslog-order", "'" + early->as_string() + "' comes before '" +
                                      imported->as_string() +
                                      "', which brings the listener that its containers log to: on "
                                      "a new host they do not start"),
              early->mark());
      }
    }
  }

  // Whether `path` is the folder or in it; both are absolute and normal.
  static bool is_below(const fs::path& path, const fs::path& folder) {
    const auto ends = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
    return ends.first == folder.end();
  }

  void variable_files() {
    std::vector<fs::path> folders = tree_.layers().inventory_folders;
    folders.insert(folders.end(), tree_.layers().play_folders.begin(),
                   tree_.layers().play_folders.end());
    std::set<fs::path> seen;
    for (const fs::path& folder : folders) {
      if (!seen.insert(folder.lexically_normal()).second) continue;
      owners(folder / "host_vars", "host",
             [&](const std::string& name) { return host_names_.contains(name); });
      owners(folder / "group_vars", "group",
             [&](const std::string& name) { return tree_.inventory().group(name) != nullptr; });
    }
  }

  void owners(const fs::path& folder, const std::string& kind,
              const std::function<bool(const std::string&)>& exists) {
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      const std::string owner = owner_of(*it);
      const std::string extension = it->path().extension().string();
      if (owner.empty() || extension == ".md" || extension == ".txt" || exists(owner)) continue;
      std::string message =
          "no " + kind + " of the inventory is named '" + owner + "': nothing reads this";
      if (const auto whole = short_names_.find(owner);
          kind == "host" && whole != short_names_.end())
        message += "; the host is named '" + whole->second.front() + "'";
      place(add(kind + "-vars-unused", std::move(message)), it->path());
    }
  }

  void template_folders() {
    std::error_code error;
    for (fs::directory_iterator it(tree_.templates(), error), end; !error && it != end;
         it.increment(error)) {
      const fs::path file = it->path() / "config.alloy.j2";
      if (!it->is_directory(error) || !fs::exists(file, error)) continue;
      const std::string name = it->path().filename().string();
      std::vector<std::string> hosts;
      if (host_names_.contains(name)) hosts = {name};
      if (const auto whole = short_names_.find(name); whole != short_names_.end())
        hosts.insert(hosts.end(), whole->second.begin(), whole->second.end());
      if (hosts.empty()) {
        place(add("template-unused",
                  "no host of the inventory is named '" + name + "': nothing uses this template"),
              file);
      } else if (options_.limit.empty() && fleet_.problems.empty() &&
                 std::none_of(hosts.begin(), hosts.end(),
                              [&](const auto& h) { return managed(h) != nullptr; })) {
        place(add("template-unused", hosts.front() + " is not managed, " + fleet_.why_unmanaged +
                                         ": nothing uses this template"),
              file);
      }
    }
  }

  void template_texts() {
    std::error_code error;
    for (fs::recursive_directory_iterator it(tree_.templates(), error), end; !error && it != end;
         it.increment(error)) {
      const bool plain = it->path().extension() == ".alloy" && !it->is_symlink(error);
      if ((!plain && it->path().extension() != ".j2") || it.depth() > kMaxFolders) continue;
      const auto text = agent::read_file(it->path(), kMaxFile);
      if (plain && text) layout(it->path(), *text);
      int number = 0;
      for (const std::string_view line : agent::split(text ? std::string_view(*text) : "", '\n')) {
        ++number;
        if (!sets_secret(line) && !holds_password_in_url(line) &&
            line.find("PRIVATE KEY-----") == std::string_view::npos)
          continue;
        const std::size_t column = line.find_first_not_of(" \t");
        place(add("secret-in-clear",
                  "a secret is written into the template; put it into an encrypted variable"),
              it->path(), number, static_cast<int>(column) + 1);
      }
    }
  }

  Tree& tree_;
  const Fleet& fleet_;
  const FleetOptions& options_;
  std::vector<Finding>& findings_;
  std::set<std::string> host_names_;
  std::map<std::string, std::vector<std::string>> short_names_;
  std::map<std::string, Uses> uses_;  // of managed hosts without problems
  std::map<std::string, std::vector<Reserved>> reserved_;
  std::map<std::string, std::pair<std::string, std::shared_ptr<const value::Mark>>> encrypted_;
  std::set<const void*> seen_;
  std::vector<fs::path> tcp_loggers_;  // files with containers that log to listeners by TCP
};

}  // namespace

void review_tree(Tree& tree, const Fleet& fleet, const FleetOptions& options,
                 std::vector<Finding>& findings) {
  Review(tree, fleet, options, findings).run();
}

}  // namespace fleetctl::command
