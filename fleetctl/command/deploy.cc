#include "fleetctl/command/deploy.h"

#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "fleetctl/command/facts.h"
#include "fleetctl/command/junit.h"
#include "fleetctl/command/unfinished.h"

namespace fleetctl::command {
namespace {

// One host's line and what belongs below it.
std::string text_of(const std::string& name, std::size_t width, const HostResult& result,
                    bool color) {
  std::string out = painted_diff(result.diff, color);
  for (const auto& [path, diff] : result.file_diffs) out += painted_diff(diff, color);
  std::string line = fmt::format("{:<{}}  ", name, width);
  line += painted(fmt::format("{:<12}", state_name(result.state)), tone_of(result.state), color);
  if (!result.text.empty()) line += "  " + result.text;
  out += line + fmt::format("  [{:.2f} s]\n", result.seconds);
  return out + text_below(result);
}

std::string json_of(const std::string& name, const HostResult& result) {
  const nlohmann::json document{{"schema", kSchema},
                                {"type", "host"},
                                {"host", name},
                                {"state", state_name(result.state)},
                                {"text", result.text},
                                {"details", result.details},
                                {"notes", result.notes},
                                {"changes", result.changes},
                                {"effect", plan::effect_name(result.effect)},
                                {"diff", result.diff},
                                {"file_diffs", result.file_diffs},
                                {"seconds", result.seconds}};
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

JunitCase junit_of(const std::string& name, const HostResult& result, bool changes_count) {
  JunitCase one{name, "deploy"};
  one.seconds = result.seconds;
  one.details = text_of(name, 0, result, false);
  one.message = std::string(state_name(result.state));
  if (!result.text.empty()) one.message += ": " + result.text;
  if (result.state == HostState::kUnreachable || result.state == HostState::kLocked ||
      result.state == HostState::kLost) {
    one.result = JunitCase::Result::kError;
  } else if (!is_well(result.state) ||
             (changes_count &&
              (result.state == HostState::kChanged || result.state == HostState::kWouldChange))) {
    one.result = JunitCase::Result::kFailed;
  }
  return one;
}

// Hosts that were not begun are told as skipped.
std::string junit_of(std::vector<JunitCase> cases, const Course& course) {
  for (const std::string& name : course.untouched) {
    JunitCase one{name, "deploy", JunitCase::Result::kSkipped};
    one.message = "not begun";
    cases.push_back(std::move(one));
  }
  return junit_xml("fleetctl deploy", cases);
}

ExitCode deploy_until(const Fleet& fleet, const AgentBundles& bundles, const DeployOptions& options,
                      const World& world, std::ostream& out, std::ostream& err,
                      const std::atomic<bool>& stop) {
  if (fleet.hosts.empty()) {
    out << (options.plan_file.empty() ? "No host to deploy to.\n"
                                      : "None of these hosts is one that the plan changes.\n");
    return ExitCode::kDone;
  }
  const agent::Mono start = world.clock.mono();
  const std::size_t width = widest_name(fleet);
  Ending ending;
  std::vector<JunitCase> cases;
  Unfinished unfinished(options.check ? std::filesystem::path() : options.unfinished, world.clock);
  bool known = !options.check && !options.unfinished.empty();
  // It only costs the comfort of --resume; said once.
  auto book = [&, told = false](const agent::Result<>& written) mutable {
    if (!written && !std::exchange(told, true))
      err << "fleetctl: --resume will not know of this run: " << written.error().message
          << std::endl;
    known = known && written;
  };
  std::vector<std::string> names;
  for (const auto& host : fleet.hosts) names.push_back(host->name());
  book(unfinished.begin(options.run, names));
  ending.course = over_hosts(
      fleet, options, world, options.check ? "checking" : "deploying", stop, Sequence::kAsTheyEnd,
      [&](const Host& host) { return deploy_to(host, bundles, options, world); },
      [&](const Host& host, const HostResult& result) {
        ending.add(host, result, state_name(result.state));
        book(unfinished.ended(host.name(), result.state));
        if (options.junit) {
          cases.push_back(junit_of(host.name(), result, options.exit_code));
          return;
        }
        if (is_left_out(result, options)) return;
        out << (options.json ? json_of(host.name(), result)
                             : text_of(host.name(), width, result, options.color))
            << std::flush;
      },
      err);
  book(unfinished.save());
  ending.seconds = seconds_since(world.clock, start);
  out << (options.junit ? junit_of(std::move(cases), ending.course)
                        : last_words(ending, fleet, options, state_name))
      << std::flush;
  if (known && ending.tally.failures() + ending.course.untouched.size() > 0)
    err << "Once more only for these: fleetctl deploy --resume " << short_run(options.run) << "\n";
  return ending.tally.exit_code(ending.course, options.exit_code);
}

}  // namespace

HostResult deploy_to(const Host& host, const AgentBundles& bundles, const DeployOptions& options,
                     const World& world) {
  std::vector<plan::Build> builds;
  std::map<std::string, std::string> releases;
  for (const AgentBundle& bundle : bundles) {
    plan::Wanted wanted{plan::standard_files(host.configuration(), bundle.unit),
                        {"systemd-journal", "adm"},
                        bundle.release.id};
    wanted.files.insert(wanted.files.end(), host.files().begin(), host.files().end());
    if (host.docker_group() != DockerGroup::kNo) wanted.groups.emplace_back("docker");
    wanted.restart = options.restart;
    wanted.rolls_back = options.rolls_back;
    wanted.again = options.force;
    wanted.gate = options.gate;
    releases[bundle.release.architecture] = bundle.release.id;
    builds.push_back({std::move(wanted), bundle.release});
  }
  builds.front().wanted.releases = std::move(releases);
  HostOrder order{builds.front().wanted, builds.front().release, {}, {}, {}, {}, options.check,
                  options.diff};
  order.builds = &builds;
  order.keeps_listeners = !options.drop_listeners;
  order.secrets = &host.secrets();
  if (options.plan) {
    const auto planned = options.plan->hosts.find(host.name());
    if (planned != options.plan->hosts.end() && planned->second.asked)
      order.planned = planned->second.seen;
  }
  return visit(host, std::move(order), options, world);
}

ExitCode deploy(const Fleet& fleet, const AgentBundles& bundles, const DeployOptions& options,
                const World& world, std::ostream& out, std::ostream& err) {
  if (!report_tree(fleet, err)) return ExitCode::kRefused;
  const std::atomic<bool> never{false};
  return deploy_until(fleet, bundles, options, world, out, err, never);
}

std::optional<Rendered> load_rendered(const FleetOptions& options, const ConfigurationCheck& check,
                                      const RunOptions* run, const AgentOptions& agent) {
  auto bundles = read_agent_bundles(agent);
  if (!bundles) {
    std::cerr << "fleetctl: " << bundles.error().message << "\n";
    return std::nullopt;
  }
  auto fleet = usable(
      run == nullptr ? load_fleet(options, check) : load_fleet_with_facts(options, check, *run),
      std::cerr);
  if (!fleet) return std::nullopt;
  return Rendered{std::move(*fleet), std::move(*bundles)};
}

ExitCode run_deploy(FleetOptions fleet_options, const ConfigurationCheck& check,
                    const AgentOptions& agent, bool ask_become_password, DeployOptions options) {
  const auto refuse = [](const std::string& why) {
    std::cerr << "fleetctl: " << why << "\n";
    return ExitCode::kRefused;
  };
  if (!ask_login_password(options)) return ExitCode::kUsage;
  auto book = unfinished_file(fleet_options);
  if (book) options.unfinished = *book;
  if (options.retry_failed || options.resume) {
    if (!book) return refuse(book.error().message);
    const auto known = read_unfinished(*book);
    if (!known) return refuse(known.error().message);
    if (known->runs.empty()) return refuse("no deploy of this tree is known here");
    fleet_options.only.emplace();
    if (options.resume) {
      auto hosts = hosts_of_run(*known, *options.resume);
      if (!hosts) return refuse("--resume: " + hosts.error().message);
      fleet_options.only = std::move(*hosts);
    } else {
      for (const auto& [name, host] : known->hosts) fleet_options.only->insert(name);
    }
    if (fleet_options.only->empty()) {
      std::cout << "Nothing to do again: every host ended well.\n";
      return ExitCode::kDone;
    }
  }
  if (!options.plan_file.empty()) {
    auto plan = read_plan(options.plan_file);
    if (!plan) return refuse(plan.error().message);
    options.plan = std::move(*plan);
    const auto names = hosts_to_change(*options.plan);
    fleet_options.only.emplace(names.begin(), names.end());
  }
  const auto rendered = load_rendered(fleet_options, check, &options, agent);
  if (!rendered) return ExitCode::kRefused;
  if (options.plan) {
    const auto other =
        differences(*options.plan, rendered->fleet, rendered->bundles, !options.limited);
    for (const std::string& one : other) std::cerr << "fleetctl: " << one << "\n";
    if (!other.empty())
      return refuse("not what was planned (" + options.plan_file.string() +
                    "); no host was touched");
  }
  auto rolling = settled(options.rolling, rendered->fleet.playbook_rolling);
  if (!rolling) return refuse(rolling.error().message);
  options.rolling = std::move(*rolling);
  if (!options.check && !may_change(options, rendered->fleet.hosts.size(), "Deploy to"))
    return ExitCode::kRefused;
  return in_the_world(options, ask_become_password, [&](const World& world, const auto& stop) {
    return deploy_until(rendered->fleet, rendered->bundles, options, world, std::cout, std::cerr,
                        stop);
  });
}

}  // namespace fleetctl::command
