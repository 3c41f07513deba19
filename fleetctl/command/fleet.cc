#include "fleetctl/command/fleet.h"

#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "fleetctl/command/configuration_uses.h"
#include "fleetctl/command/rendering.h"
#include "fleetctl/command/report.h"
#include "fleetctl/command/tree.h"
#include "fleetctl/inventory/pattern.h"
#include "fleetctl/template/engine.h"
#include "fleetctl/value/text.h"

namespace fleetctl::command {
namespace {

namespace fs = std::filesystem;
using agent::Error;
using agent::ErrorCode;
using agent::fail;
using agent::Result;
using value::Value;

constexpr std::string_view kManagedBy = "alloy";
constexpr std::string_view kDocker = "docker";
constexpr std::size_t kMostBytesOfFile = 1U << 20;  // of one beside the configuration
constexpr std::size_t kMostBytes = 8U << 20;        // of a host's configuration and those together
constexpr std::string_view kTemplate = "config.alloy.j2";

// A name that becomes part of paths.
bool can_be_a_folder(const std::string& name) {
  return name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

class LoadedHost final : public Host {
 public:
  LoadedHost(std::shared_ptr<Tree> tree, std::shared_ptr<const Renderer> renderer,
             const inventory::Host& host)
      : tree_(std::move(tree)),
        renderer_(std::move(renderer)),
        host_(host),
        name_(host.name),
        short_name_(inventory::short_name(host.name)) {}

  const std::string& name() const override { return name_; }
  const std::string& short_name() const override { return short_name_; }
  const inventory::Connection& connection() const override { return connection_; }
  const std::vector<std::string>& services() const override { return services_; }
  DockerGroup docker_group() const override { return docker_group_; }
  const std::string& configuration() const override { return configuration_; }
  const plan::Secrets& secrets() const override { return secrets_; }
  const std::vector<plan::WantedFile>& files() const override { return files_; }
  const fs::path& template_path() const override { return template_; }

  Result<std::optional<Value>> variable(std::string_view name) const override {
    auto value = renderer_->resolve(*variables_, name);
    if (!value) return fail(std::move(value.error()).within(name_));
    return value;
  }
  Result<std::string> text(std::string_view name, std::string otherwise) const override {
    auto value = variable(name);
    if (!value) return fail(value.error());
    if (!value->has_value() || (*value)->is_none()) return otherwise;
    if ((*value)->is_dict() || (*value)->is_sequence())
      return fail(ErrorCode::kInvalid, name_ + ": variable '" + std::string(name) +
                                           "' is not a text but a " +
                                           std::string(value::type_name(**value)));
    return value::str(**value);
  }

  // The steps of loading, each of which adds what is wrong to `problems`.
  bool read_variables(std::vector<Problem>& problems) {
    auto variables = tree_->own_variables(host_);
    if (!variables) return complain(variables.error().message, problems);
    variables_ = std::move(*variables);
    return true;
  }

  bool has_variable(std::string_view name) const { return variables_->has(name); }

  bool read_services(std::vector<Problem>& problems) {
    auto value = renderer_->resolve(*variables_, "services");
    if (!value) {
      return complain("services: " + value.error().message, problems);
    }
    if (!value->has_value() || (*value)->is_none()) return true;
    if (!(*value)->is_sequence()) {
      return complain(
          "services is a list of names, this is a " + std::string(value::type_name(**value)),
          problems);
    }
    for (const Value& service : (*value)->items()) services_.push_back(value::str(service));
    return true;
  }

  // nullopt: it could not be told.
  std::optional<bool> holds(const Rule& rule, std::vector<Problem>& problems) const {
    const auto answer = renderer_->holds(*variables_, rule);
    if (answer) return *answer;
    complain(answer.error().message, problems);
    return std::nullopt;
  }

  // Of a host that is rendered.
  void decide_docker_group(const std::optional<Rule>& rule, bool by_services,
                           std::vector<Problem>& problems) {
    if (rule) {
      docker_group_ =
          holds(*rule, problems).value_or(false) ? DockerGroup::kAsSaid : DockerGroup::kNo;
    } else if (by_services) {
      docker_group_ = has_service(kDocker) ? DockerGroup::kAsSaid : DockerGroup::kNo;
    } else if (uses_of(configuration_).docker) {
      docker_group_ = DockerGroup::kByConfiguration;
    }
  }

  void read_connection(std::vector<Problem>& problems) {
    auto connection = inventory::read_connection(
        name_, [&](std::string_view name) -> Result<std::optional<Value>> {
          return renderer_->resolve(*variables_, name, tree_->connection_default(host_, name));
        });
    if (!connection) {
      complain(connection.error().message, problems);
    } else {
      connection_ = std::move(*connection);
    }
  }

  void render(const Value& selected, const ConfigurationCheck& check,
              std::vector<Problem>& problems) {
    if (!can_be_a_folder(name_)) {
      complain("a host's name cannot be a path", problems);
      return;
    }
    template_ = find_source(kTemplate);
    if (template_.empty()) {
      complain("there is no template: " + neither(kTemplate), problems);
      return;
    }
    for (const char* name :
         {"ansible_play_hosts", "ansible_play_hosts_all", "ansible_play_batch", "play_hosts"})
      variables_->set(name, selected);
    const std::size_t before = problems.size();
    configuration_ = renderer_->render(*variables_, template_, check, problems, secrets_);
    for (std::size_t i = before; i < problems.size(); ++i) problems[i].host = name_;
  }

  // After render().
  void render_files(const std::vector<FileRule>& rules, std::vector<Problem>& problems) {
    if (template_.empty()) return;
    std::size_t total = configuration_.size();
    for (const FileRule& rule : rules) {
      if (rule.when) {
        const auto wanted = holds(*rule.when, problems);
        if (!wanted.value_or(false)) continue;
      }
      const fs::path source = find_source(rule.source);
      if (source.empty()) {
        complain(rule.place + ": files: there is no such file: " + neither(rule.source), problems);
        continue;
      }
      const bool beside = rule.path.starts_with(kFilesFolder);
      plan::WantedFile file{rule.path, rule.mode, beside ? "fleet-agent" : "", ""};
      file.source = inventory::shown_path(source);
      auto text = tree_->loader().text(source);
      if (!text) {
        complain(text.error().message, problems);
        continue;
      }
      if (rule.is_template) {
        const std::size_t before = problems.size();
        file.bytes = renderer_->render(*variables_, source, nullptr, problems, file.secrets);
        for (std::size_t i = before; i < problems.size(); ++i) problems[i].host = name_;
        if (problems.size() > before) continue;
      } else {
        file.bytes = std::move(text->bytes);
      }
      if (text->decrypted) {
        file.secrets = {};
        file.secrets.fills_lines = true;
      }
      total += file.bytes.size();
      if (file.bytes.size() > kMostBytesOfFile || total > kMostBytes) {
        complain(rule.place + ": files: " + file.source +
                     " comes to more than 1 MiB, or all of the "
                     "host's to more than 8 MiB",
                 problems);
        return;
      }
      files_.push_back(std::move(file));
    }
  }

  bool misses_facts() const { return variables_ != nullptr && variables_->misses_facts(); }

  // What rendered and is refused by the check is nothing to compare with.
  void forget_configuration() {
    configuration_.clear();
    files_.clear();
  }

 private:
  // The first that exists of the host's own one, that of its short name, and the one for all.
  fs::path find_source(std::string_view name) const {
    std::error_code error;
    const fs::path& folder = tree_->templates();
    for (const fs::path& candidate :
         {folder / name_ / name, folder / short_name_ / name, folder / name})
      if (fs::exists(candidate, error)) return candidate;
    return {};
  }
  std::string neither(std::string_view name) const {
    const fs::path& folder = tree_->templates();
    return "neither " + inventory::shown_path(folder / short_name_ / name) + " nor " +
           inventory::shown_path(folder / name) + " exists";
  }

  bool complain(std::string what, std::vector<Problem>& problems) const {
    problems.push_back({name_, std::move(what)});
    return false;
  }

  std::shared_ptr<Tree> tree_;
  std::shared_ptr<const Renderer> renderer_;  // below the tree, which it refers to
  const inventory::Host& host_;               // of the tree
  std::string name_;
  std::string short_name_;
  std::unique_ptr<HostVariables> variables_;
  inventory::Connection connection_;
  std::vector<std::string> services_;
  DockerGroup docker_group_ = DockerGroup::kNo;
  std::string configuration_;
  plan::Secrets secrets_;
  std::vector<plan::WantedFile> files_;
  fs::path template_;
};

// Who of a tree gets an agent: those for whom `select` of fleet.yaml holds; without it those with
// `alloy` in their services, where any host of the tree has services; else those of the playbook's
// plays; else all.
class Choice {
 public:
  // `any_services`: whether any host of the tree says what its services are.
  Choice(const FleetOptions& options, Tree& tree, bool any_services)
      : select_(options.rules && options.rules->select ? &*options.rules->select : nullptr),
        by_services_(any_services) {
    if (select_ != nullptr || by_services_ || options.playbook.empty()) return;
    by_plays_ = true;
    for (const auto& play : tree.layers().plays)
      players_.insert(play.hosts.begin(), play.hosts.end());
  }

  // nullopt: it cannot be told.
  std::optional<bool> takes(const inventory::Host& host, const LoadedHost& candidate,
                            std::vector<Problem>& problems) const {
    if (select_ != nullptr) return candidate.holds(*select_, problems);
    if (by_services_) return candidate.has_service(kManagedBy);
    return !by_plays_ || players_.contains(&host);
  }

  std::string why_not() const {
    if (select_ != nullptr) return "select of " + select_->place + " does not hold";
    if (by_services_) return "its services do not hold 'alloy'";
    return by_plays_ ? "no play of the playbook is for it" : "there is none";
  }

 private:
  const Rule* const select_;
  const bool by_services_;
  bool by_plays_ = false;
  std::set<const inventory::Host*> players_;
};

// Whether a host of the tree that is not among the run's has the variable.
Result<bool> others_have(const Tree& tree, std::string_view name) {
  Result<bool> known = false;
  for (const auto& host : tree.inventory().hosts()) {
    const auto variables = tree.variables(*host);
    if (variables && (*variables)->has(name)) return true;
    if (!variables && known) known = fail(variables.error());
  }
  return known;
}

// Of the plays that any of `hosts` is in. `serial` may be a template, of what holds for all hosts.
Result<Rolling> rolling_of_plays(inventory::Layers& layers,
                                 const std::set<const inventory::Host*>& hosts) {
  std::optional<Rolling> found;
  for (const auto& [play, of_play] : layers.plays) {
    if (play.serial.is_none() && play.max_fail_percentage.is_none()) continue;
    if (std::none_of(of_play.begin(), of_play.end(),
                     [&](const inventory::Host* host) { return hosts.contains(host); }))
      continue;
    value::Dict variables = play.vars;
    for (const auto& [key, value] : layers.extra_vars) variables.set(key, value);
    const template_::Engine engine({});
    const template_::DictVariables scope(variables);
    auto serial = engine.resolve(play.serial, scope);
    auto most = engine.resolve(play.max_fail_percentage, scope);
    for (const auto* one : {&serial, &most}) {
      if (!*one)
        return fail(ErrorCode::kInvalid,
                    "playbook, serial and max_fail_percentage: " + (*one->error()).text());
    }
    auto rolling = rolling_of_play(*serial, *most);
    if (!rolling) return fail(std::move(rolling.error()).within("playbook"));
    if (found && *found != *rolling)
      return fail(ErrorCode::kInvalid,
                  "plays of the playbook for these hosts differ in serial or max_fail_percentage; "
                  "give --serial and --max-fail");
    found = std::move(*rolling);
  }
  return found.value_or(Rolling());
}

}  // namespace

bool Host::has_service(std::string_view service) const {
  return std::find(services().begin(), services().end(), service) != services().end();
}

Result<Fleet> load_fleet(const FleetOptions& options, const ConfigurationCheck& check) {
  auto loaded = Tree::load(options);
  if (!loaded) return fail(loaded.error());
  return load_fleet(std::shared_ptr<Tree>(std::move(*loaded)), options, check);
}

Result<Fleet> load_fleet(const std::shared_ptr<Tree>& tree, const FleetOptions& options,
                         const ConfigurationCheck& check) {
  const auto renderer = std::make_shared<const Renderer>(*tree);
  const auto selection = inventory::select_hosts(tree->inventory(), options.limit);
  if (!selection) return fail(selection.error());

  Fleet fleet;
  std::vector<std::shared_ptr<LoadedHost>> managed;
  std::vector<Value> names;
  std::set<const inventory::Host*> of_run;
  std::vector<std::pair<const inventory::Host*, std::shared_ptr<LoadedHost>>> candidates;
  bool by_services = false;
  for (const inventory::Host* host : selection->hosts) {
    if (options.only && !options.only->contains(host->name)) continue;
    auto candidate = std::make_shared<LoadedHost>(tree, renderer, *host);
    if (!candidate->read_variables(fleet.problems)) continue;
    by_services = by_services || candidate->has_variable("services");
    if (candidate->read_services(fleet.problems)) candidates.emplace_back(host, candidate);
  }
  if (!by_services) {
    const auto have = others_have(*tree, "services");
    if (!have) return fail(have.error());
    by_services = *have;
  }
  const Choice choice(options, *tree, by_services);
  fleet.why_unmanaged = choice.why_not();
  for (auto& [host, candidate] : candidates) {
    const auto is_managed = choice.takes(*host, *candidate, fleet.problems);
    if (!is_managed) continue;
    const auto& named = selection->named;
    if (*is_managed) {
      names.push_back(Value::string(host->name));
      of_run.insert(host);
      managed.push_back(std::move(candidate));
    } else if (std::find(named.begin(), named.end(), host->name) != named.end()) {
      fleet.unmanaged.push_back(host->name);
    }
  }
  fleet.playbook_rolling = rolling_of_plays(tree->layers(), of_run);
  const Value selected = Value::list(std::move(names));
  const auto docker_when = options.rules ? options.rules->docker_when : std::nullopt;
  std::vector<Problem> tolerated;
  auto& render_problems = options.rendering == Rendering::kRequired ? fleet.problems : tolerated;
  for (const auto& host : managed) {
    const std::size_t before = fleet.problems.size();
    host->read_connection(fleet.problems);
    if (options.rendering != Rendering::kNone) {
      const std::size_t tolerated_before = tolerated.size();
      host->render(selected, check, render_problems);
      host->decide_docker_group(docker_when, by_services, render_problems);
      if (options.rules) host->render_files(options.rules->files, render_problems);
      if (tolerated.size() > tolerated_before) host->forget_configuration();
    }
    if (fleet.problems.size() == before) fleet.hosts.push_back(host);
  }
  if (!options.canary.empty()) {
    const auto canary = inventory::select_hosts(tree->inventory(), options.canary);
    if (!canary) return fail(Error(canary.error()).within("--canary"));
    for (const inventory::Host* host : canary->hosts) {
      const auto same = [&](const auto& other) { return other->name() == host->name; };
      if (std::any_of(managed.begin(), managed.end(), same)) fleet.first.push_back(host->name);
    }
    if (fleet.first.empty()) return fail(ErrorCode::kInvalid, "--canary names no host of this run");
  }
  std::vector<std::string> unknown;
  for (const auto& host : managed) {
    // Its own template, or another's through hostvars.
    if (!host->misses_facts() && !tree->misses_facts(host->name())) continue;
    fleet.without_facts.push_back(host);
    unknown.push_back(host->name());
  }
  if (!unknown.empty())
    tree->warnings().push_back(
        "facts are asked for and not known of " + name_some(unknown) +
        "; `fleetctl facts --output FILE` asks the hosts, --facts FILE reads what they told");
  fleet.warnings = tree->warnings();
  for (const Problem& problem : tolerated)
    fleet.warnings.push_back((problem.host.empty() ? "" : problem.host + ": ") + problem.text);
  fleet.warnings.insert(fleet.warnings.end(), selection->warnings.begin(),
                        selection->warnings.end());
  // A shared file's warning comes once for each host that it was checked for.
  std::set<std::string> seen;
  std::erase_if(fleet.warnings, [&](const std::string& w) { return !seen.insert(w).second; });
  return fleet;
}

}  // namespace fleetctl::command
