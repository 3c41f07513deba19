#include "fleetctl/command/plan.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "fleetctl/command/deploy.h"
#include "fleetctl/command/junit.h"
#include "fleetctl/command/plan_file.h"
#include "fleetctl/command/report.h"
#include "fleetctl/command/terminal.h"
#include "fleetctl/inventory/loader.h"
#include "fleetctl/plan/side_by_side.h"

namespace fleetctl::command {
namespace {

constexpr std::size_t kChangeWidth = 24;
constexpr std::size_t kColumnsOfFile = 160;  // of a diff in two columns, where nobody knows better

std::string_view word_of(HostState state) {
  return state == HostState::kUnchanged ? "no change" : state_name(state);
}

// Lines that a unified diff takes away and brings.
struct Extent {
  int added = 0;
  int removed = 0;
};
Extent extent_of(std::string_view diff) {
  Extent extent;
  int line_number = 0;
  for (const std::string_view line : agent::split(diff, '\n')) {
    if (++line_number <= 2 || line.empty()) continue;  // the names of the two texts
    if (line[0] == '+') ++extent.added;
    if (line[0] == '-') ++extent.removed;
  }
  return extent;
}

std::string extent_text(std::string_view diff) {
  if (!diff.starts_with("--- ")) return "";
  const Extent extent = extent_of(diff);
  return fmt::format("+{} -{}  ", extent.added, extent.removed);
}

// What the change of a file brings, and from where: "+1 -1  from templates/x"; "" of another one.
std::string source_of(const Host& host, const plan::Change& change, const HostResult& result) {
  if (change.sign == '-') return "";
  if (change.path == plan::kConfigPath)
    return extent_text(result.diff) + "from " + inventory::shown_path(host.template_path());
  for (const plan::WantedFile& file : host.files()) {
    if (file.path != change.path) continue;
    const auto diff = result.file_diffs.find(file.path);
    return (diff == result.file_diffs.end() ? "" : extent_text(diff->second)) + "from " +
           file.source;
  }
  return "";
}

// Groups are read when a process starts, and the unit by systemd: why it is not a reload.
std::string_view reason_of(const plan::Change& change) {
  if (change.effect != plan::Effect::kRestart) return "";
  if (change.what.rfind("group ", 0) == 0) return "groups are read at start";
  if (change.what.rfind("release ", 0) == 0) return "another agent";
  return "";
}

std::string row_of(const plan::Change& change, const std::string& more, bool color) {
  const Tone tone = change.sign == '+'   ? Tone::kGood
                    : change.sign == '-' ? Tone::kBad
                                         : Tone::kChange;
  std::string line = painted(std::string(1, change.sign), tone, color);
  line += fmt::format(" {:<{}}", printable(change.what), kChangeWidth);
  const std::string_view effect =
      change.effect == plan::Effect::kNone ? "" : plan::effect_name(change.effect);
  line += fmt::format("  {:<7}", effect);
  if (!more.empty()) line += "  " + more;
  return line.substr(0, line.find_last_not_of(' ') + 1);
}

// How two files differ, in the form that is asked for. What is no diff tells why it is none.
std::string shown_diff(const std::string& diff, const PlanOptions& options, bool color) {
  if (!options.side_by_side || !diff.starts_with("--- ")) return painted_diff(diff, color);
  const std::size_t columns = terminal_columns(STDOUT_FILENO);
  std::string out;
  for (const plan::SideRow& row :
       plan::side_by_side(diff, columns > 0 ? columns : kColumnsOfFile)) {
    const Tone tone = row.sign == '@'   ? Tone::kFaint
                      : row.sign == '<' ? Tone::kBad
                      : row.sign == '>' ? Tone::kGood
                      : row.sign == '|' ? Tone::kChange
                                        : Tone::kPlain;
    out += painted(row.text, tone, color) + "\n";
  }
  return out;
}

std::string text_of(const Host& host, std::size_t width, const HostResult& result,
                    const PlanOptions& options, bool color) {
  std::string out = fmt::format("{:<{}}  ", host.name(), width);
  if (result.state == HostState::kUnchanged) {
    out += painted("no change", Tone::kGood, color) + "\n";
  } else if (result.state == HostState::kWouldChange) {
    const std::string indent(width + 2, ' ');
    bool first = true;
    for (const plan::Change& change : result.planned) {
      std::string more(reason_of(change));
      if (!change.path.empty()) {
        more = source_of(host, change, result);
        if (!change.drift.empty())
          more += (more.empty() ? "" : ", ") + change.drift + " on the host";
      } else if (change.what == "group docker" &&
                 host.docker_group() == DockerGroup::kByConfiguration) {
        more += ", its configuration names Docker's socket";
      }
      out += (first ? "" : indent) + row_of(change, more, color) + "\n";
      first = false;
    }
    if (options.diff) {
      out += shown_diff(result.diff, options, color);
      for (const auto& [path, diff] : result.file_diffs) out += shown_diff(diff, options, color);
    }
  } else {
    out +=
        painted(state_name(result.state), tone_of(result.state), color) + "  " + result.text + "\n";
  }
  return out + text_below(result);
}

// {"host", "state": "no change"|"would change"|"failed"|"unreachable", "reason": why not,
//  "changes": [{"sign", "what", "path", "drift": ""|edited|removed, "effect":
//  none|reload|restart}], "effect", "added", "removed": lines of the configuration, "diff",
//  "template", "notes": [], "seconds"}
std::string json_of(const Host& host, const HostResult& result, bool diff) {
  nlohmann::json changes = nlohmann::json::array();
  for (const plan::Change& change : result.planned) {
    changes.push_back({{"sign", std::string(1, change.sign)},
                       {"what", change.what},
                       {"path", change.path},
                       {"drift", change.drift},
                       {"effect", plan::effect_name(change.effect)}});
  }
  const bool would = result.state == HostState::kWouldChange;
  const bool same = result.state == HostState::kUnchanged;
  const Extent extent = extent_of(result.diff);
  const nlohmann::json document{
      {"schema", kSchema},
      {"type", "host"},
      {"host", host.name()},
      {"state", word_of(result.state)},
      {"reason", would || same ? "" : result.text},
      {"config_sha256", agent::sha256_hex(host.configuration())},
      {"changes", changes},
      {"effect", plan::effect_name(result.effect)},
      {"added", extent.added},
      {"removed", extent.removed},
      {"diff", diff ? result.diff : ""},
      {"file_diffs", diff ? result.file_diffs : decltype(result.file_diffs)()},
      {"template", inventory::shown_path(host.template_path())},
      {"notes", result.notes},
      {"seconds", result.seconds}};
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

JunitCase junit_of(const Host& host, const HostResult& result, const PlanOptions& options) {
  JunitCase one{host.name(), "plan"};
  one.seconds = result.seconds;
  one.details = text_of(host, 0, result, options, false);
  one.message = std::string(word_of(result.state));
  if (!result.text.empty()) one.message += ": " + result.text;
  if (!is_well(result.state)) {
    one.result = JunitCase::Result::kError;
  } else if (options.exit_code && result.state == HostState::kWouldChange) {
    one.result = JunitCase::Result::kFailed;
  }
  return one;
}

// What the summary counts.
struct Count {
  Ending ending;
  int reloads = 0;
  int restarts = 0;
  void add(const Host& host, const HostResult& result) {
    ending.add(host, result, word_of(result.state));
    if (result.state != HostState::kWouldChange) return;
    reloads += result.effect == plan::Effect::kReload ? 1 : 0;
    restarts += result.effect == plan::Effect::kRestart ? 1 : 0;
  }
};

std::string summary_of(const Count& count, std::size_t left_out) {
  const int to_change = count.ending.tally.count(HostState::kWouldChange);
  std::string out = "Plan: " + hosts_text(static_cast<std::size_t>(to_change)) + " to change";
  std::string effects;
  if (count.reloads > 0) effects = fmt::format("{} reload", count.reloads);
  if (count.restarts > 0)
    effects += fmt::format("{}{} restart", effects.empty() ? "" : ", ", count.restarts);
  if (!effects.empty()) out += " (" + effects + ")";
  out +=
      fmt::format(", {} unchanged, {} unreachable", count.ending.tally.count(HostState::kUnchanged),
                  count.ending.tally.count(HostState::kUnreachable));
  const int failed = count.ending.tally.count(HostState::kFailed);
  if (failed > 0) out += fmt::format(", {} failed", failed);
  if (left_out > 0) out += fmt::format(", {} not asked", left_out);
  return out;
}

// False when it cannot be written.
bool save(const PlanFile& plan, const PlanOptions& options, std::ostream& err) {
  if (options.out.empty()) return true;
  const auto written = write_plan(options.out, plan);
  if (!written) {
    err << "fleetctl: --out: " << written.error().message << "\n";
  } else {
    err << "Saved; do just this with: fleetctl deploy --plan " << options.out.string() << "\n";
  }
  return written.has_value();
}

// What can be told without the hosts: what each would get.
ExitCode plan_offline(const Fleet& fleet, const AgentBundles& bundles, const PlanOptions& options,
                      std::ostream& out, std::ostream& err) {
  PlanFile saved = plan_of(bundles, options.run);
  const std::size_t width = widest_name(fleet);
  for (const auto& host : fleet.hosts) {
    PlannedHost& planned = saved.hosts[host->name()];
    planned.config_sha256 = rendered_sha256(*host);
    const std::string source = inventory::shown_path(host->template_path());
    const std::string config_sha256 = agent::sha256_hex(host->configuration());
    if (options.json) {
      out << nlohmann::json{{"schema", kSchema},
                            {"type", "host"},
                            {"host", host->name()},
                            {"state", "rendered"},
                            {"config_sha256", config_sha256},
                            {"bytes", host->configuration().size()},
                            {"release", saved.release},
                            {"template", source}}
                 .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
          << "\n";
    } else {
      out << fmt::format("{:<{}}  {}  {:>7} bytes  from {}\n", host->name(), width,
                         config_sha256.substr(0, 12), host->configuration().size(), source);
    }
  }
  if (!options.json)
    out << fmt::format("Plan: {} rendered and checked, none asked (agent {})\n",
                       hosts_text(fleet.hosts.size()), saved.release);
  out.flush();
  return save(saved, options, err) ? ExitCode::kDone : ExitCode::kRefused;
}

ExitCode plan_until(const Fleet& fleet, const AgentBundles& bundles, const PlanOptions& options,
                    const World& world, std::ostream& out, std::ostream& err,
                    const std::atomic<bool>& stop) {
  if (fleet.hosts.empty()) {
    out << "No host to deploy to.\n";
    return ExitCode::kDone;
  }
  DeployOptions check;
  static_cast<RunOptions&>(check) = options;
  check.check = true;
  check.diff = true;  // for the number of lines, at least
  check.drop_listeners = options.drop_listeners;
  const agent::Mono start = world.clock.mono();
  const std::size_t width = widest_name(fleet);
  Count count;
  std::vector<JunitCase> cases;
  PlanFile saved = plan_of(bundles, options.run);
  count.ending.course = over_hosts(
      fleet, options, world, "planning", stop, Sequence::kAsListed,
      [&](const Host& host) { return deploy_to(host, bundles, check, world); },
      [&](const Host& host, const HostResult& result) {
        count.add(host, result);
        if (is_well(result.state)) saved.hosts[host.name()] = planned_of(host, result);
        if (options.junit) {
          cases.push_back(junit_of(host, result, options));
          return;
        }
        if (is_left_out(result, options)) return;
        out << (options.json ? json_of(host, result, options.diff)
                             : text_of(host, width, result, options, options.color))
            << std::flush;
      },
      err);
  if (!save(saved, options, err)) return ExitCode::kRefused;
  Ending& ending = count.ending;
  ending.seconds = seconds_since(world.clock, start);
  const std::string summary = summary_of(count, ending.course.untouched.size());
  if (options.json) {
    out << json_of(ending, fleet, options, word_of, summary) << std::flush;
  } else if (options.junit) {
    out << junit_xml("fleetctl plan", cases) << std::flush;
  } else {
    out << summary << fmt::format(".  {:.2f} s", ending.seconds) << std::endl;
  }
  return ending.tally.exit_code(ending.course, options.exit_code);
}

}  // namespace

ExitCode plan_fleet(const Fleet& fleet, const AgentBundles& bundles, const PlanOptions& options,
                    const World& world, std::ostream& out, std::ostream& err) {
  if (!report_tree(fleet, err)) return ExitCode::kRefused;
  if (options.offline) return plan_offline(fleet, bundles, options, out, err);
  const std::atomic<bool> never{false};
  return plan_until(fleet, bundles, options, world, out, err, never);
}

ExitCode run_plan(const FleetOptions& fleet_options, const ConfigurationCheck& check,
                  const AgentOptions& agent, bool ask_become_password, PlanOptions options) {
  if (!options.offline && !ask_login_password(options)) return ExitCode::kUsage;
  const auto rendered =
      load_rendered(fleet_options, check, options.offline ? nullptr : &options, agent);
  if (!rendered) return ExitCode::kRefused;
  if (options.offline)
    return plan_offline(rendered->fleet, rendered->bundles, options, std::cout, std::cerr);
  return in_the_world(options, ask_become_password, [&](const World& world, const auto& stop) {
    return plan_until(rendered->fleet, rendered->bundles, options, world, std::cout, std::cerr,
                      stop);
  });
}

}  // namespace fleetctl::command
