#include "fleetctl/command/status.h"

#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/base/file.h"
#include "fleetctl/command/report.h"

namespace fleetctl::command {
namespace {

using nlohmann::json;

constexpr std::size_t kShownHash = 12;

enum class ConfigState {
  kInStep,
  kBehind,    // as it was deployed; the tree has moved on
  kDrifted,   // somebody changed it on the host
  kNotInUse,  // what the tree would give lies there, but no deploy put it to use
  kAbsent,    // no configuration there
  kUnknown,   // the tree does not render
};

std::string_view name_of(ConfigState state) {
  switch (state) {
    case ConfigState::kInStep:
      return "in step";
    case ConfigState::kBehind:
      return "behind";
    case ConfigState::kDrifted:
      return "drifted";
    case ConfigState::kNotInUse:
      return "not in use";
    case ConfigState::kAbsent:
      return "absent";
    case ConfigState::kUnknown:
      return "unknown";
  }
  return "";
}

// What is told of one host that answered.
struct Condition {
  std::string rendered_sha256;  // "": it did not render
  ConfigState config = ConfigState::kAbsent;
  bool as_it_should_be = false;
};

Condition condition_of(const Host& host, const HostResult& result) {
  Condition condition;
  if (!host.configuration().empty())
    condition.rendered_sha256 = agent::sha256_hex(host.configuration());
  if (!result.installed) return condition;
  const plan::Installed& now = *result.installed;
  const bool drifted = !now.applied_sha256.empty() && now.config_sha256 != now.applied_sha256;
  if (now.config_sha256.empty()) {
    condition.config = ConfigState::kAbsent;
  } else if (now.config_sha256 == condition.rendered_sha256) {
    condition.config = drifted ? ConfigState::kNotInUse : ConfigState::kInStep;
  } else if (drifted) {
    condition.config = ConfigState::kDrifted;
  } else {
    condition.config =
        condition.rendered_sha256.empty() ? ConfigState::kUnknown : ConfigState::kBehind;
  }
  condition.as_it_should_be = condition.config == ConfigState::kInStep &&
                              now.unit_active == "active" && now.ready && now.healthy &&
                              now.interrupted.empty();
  return condition;
}

// 40d, 2d4h, 3h5m, 12m, 8s
std::string up_text(std::int64_t seconds) {
  if (seconds < 0) return "-";
  const std::int64_t days = seconds / 86400, hours = seconds / 3600 % 24,
                     minutes = seconds / 60 % 60;
  if (days >= 10) return fmt::format("{}d", days);
  if (days > 0) return fmt::format("{}d{}h", days, hours);
  if (hours > 0) return fmt::format("{}h{}m", hours, minutes);
  return minutes > 0 ? fmt::format("{}m", minutes) : fmt::format("{}s", seconds);
}

std::string short_hash(const std::string& sha256) {
  return printable(sha256.substr(0, kShownHash));
}

// What the table's words do not tell, each a sentence.
std::vector<std::string> notes_of(const HostResult& result, const Condition& condition) {
  std::vector<std::string> notes;
  if (!result.text.empty()) {
    notes.push_back(std::string(state_name(result.state)) + ": " + result.text);
  } else if (!result.installed) {
    notes.emplace_back("no agent is installed");
  }
  if (result.installed) {
    const plan::Installed& now = *result.installed;
    if (!now.interrupted.empty())
      notes.push_back("the deploy " + printable(now.interrupted) + " was interrupted");
    switch (condition.config) {
      case ConfigState::kBehind:
        notes.push_back(fmt::format("has {}, the tree gives {}", short_hash(now.config_sha256),
                                    short_hash(condition.rendered_sha256)));
        break;
      case ConfigState::kDrifted:
      case ConfigState::kNotInUse:
        notes.push_back(fmt::format("{} edited {}, owned by uid {}: {}, deployed was {}",
                                    plan::kConfigPath, utc_text(now.config_modified),
                                    now.config_uid, short_hash(now.config_sha256),
                                    short_hash(now.applied_sha256)));
        break;
      default:
        break;
    }
    if (!now.ready && !now.answer.empty()) notes.push_back(printable(now.answer));
    for (const plan::Ill& ill : now.unhealthy)
      notes.push_back(printable(ill.component) + ": " + printable(ill.message));
    if (now.restarts > 0) notes.push_back(fmt::format("{} restarted by systemd", now.restarts));
  }
  notes.insert(notes.end(), result.notes.begin(), result.notes.end());
  return notes;
}

std::string_view ready_text(const plan::Installed& now) {
  if (!now.ready) return "no";
  return now.healthy ? "yes" : "ill";
}

// The first note is in the host's row, the others are below it.
void add_rows(const Host& host, const HostResult& result, const Condition& condition,
              std::vector<std::vector<std::string>>& rows) {
  std::vector<std::string> row{host.name(), "-", "-", "-", "-", "-", "-"};
  if (result.installed) {
    const plan::Installed& now = *result.installed;
    row = {host.name(),
           printable(now.version),
           std::to_string(now.present.number),
           std::string(name_of(condition.config)),
           printable(now.unit_active),
           std::string(ready_text(now)),
           up_text(now.up_seconds)};
  }
  const auto notes = notes_of(result, condition);
  row.push_back(notes.empty() ? "" : notes.front());
  rows.push_back(std::move(row));
  for (std::size_t i = 1; i < notes.size(); ++i)
    rows.push_back({"", "", "", "", "", "", "", notes[i]});
}

json json_of(const Host& host, const HostResult& result, const Condition& condition) {
  const plan::Installed now = result.installed.value_or(plan::Installed{});
  json unhealthy = json::array();
  for (const plan::Ill& ill : now.unhealthy)
    unhealthy.push_back({{"component", ill.component}, {"message", ill.message}});
  const bool asked = result.text.empty();
  return {{"schema", kSchema},
          {"type", "host"},
          {"host", host.name()},
          {"state", !asked                      ? state_name(result.state)
                    : condition.as_it_should_be ? "ok"
                                                : "attention"},
          {"reachable", result.state != HostState::kUnreachable},
          {"error", result.text},
          {"installed", result.installed.has_value()},
          {"version", now.version},
          {"release", result.facts.current},
          {"generation", now.present.number},
          {"deployed",
           {{"time", now.present.time}, {"who", now.present.who}, {"run", now.present.run}}},
          {"config",
           {{"state", name_of(condition.config)},
            {"sha256", now.config_sha256},
            {"rendered_sha256", condition.rendered_sha256},
            {"applied_sha256", now.applied_sha256},
            {"modified", now.config_modified},
            {"uid", now.config_uid}}},
          {"unit",
           {{"active", now.unit_active},
            {"enabled", now.unit_enabled},
            {"restarts", now.restarts},
            {"up_seconds", now.up_seconds}}},
          {"ready", now.ready},
          {"healthy", now.healthy},
          {"unhealthy", unhealthy},
          {"notes", notes_of(result, condition)},
          {"seconds", result.seconds}};
}

// The words for how a host should be, and for how it should not.
Tone tone_of_cell(std::size_t row, std::size_t column, std::string_view cell) {
  constexpr std::size_t kConfig = 3, kUnit = 4, kReady = 5;
  if (row == 0 || column < kConfig || column > kReady || cell == "-") return Tone::kPlain;
  const std::string_view good = column == kConfig ? "in step" : column == kUnit ? "active" : "yes";
  if (cell == good) return Tone::kGood;
  return cell == "behind" || cell == "unknown" ? Tone::kChange : Tone::kBad;
}

ExitCode status_until(const Fleet& fleet, const StatusOptions& options, const World& world,
                      std::ostream& out, std::ostream& err, const std::atomic<bool>& stop) {
  if (fleet.hosts.empty()) {
    out << "No host to ask.\n";
    return ExitCode::kDone;
  }
  std::vector<std::vector<std::string>> rows{
      {"HOST", "VERSION", "GEN", "CONFIG", "UNIT", "READY", "UP", "NOTE"}};
  Tally tally;
  const Course course = over_hosts(
      fleet, options, world, "asking", stop, Sequence::kAsListed,
      [&](const Host& host) { return look_at(host, options, world); },
      [&](const Host& host, const HostResult& result) {
        const Condition condition = condition_of(host, result);
        const bool wants = result.state == HostState::kUnchanged && !condition.as_it_should_be;
        tally.add(wants ? HostState::kWouldChange : result.state);
        if (options.json) {
          out << json_of(host, result, condition)
                     .dump(-1, ' ', false, json::error_handler_t::replace)
              << "\n"
              << std::flush;
        } else {
          add_rows(host, result, condition, rows);
        }
      },
      err);
  if (!options.json) out << aligned(rows, options.color, tone_of_cell) << std::flush;
  return tally.exit_code(course, options.exit_code);
}

// Until Ctrl-C; on a terminal each table in the place of the last one.
ExitCode watch(const Fleet& fleet, const StatusOptions& options, const World& world,
               const std::atomic<bool>& stop) {
  constexpr agent::Duration kSlice = std::chrono::milliseconds(100);
  const bool in_place = !options.json && ::isatty(STDOUT_FILENO) != 0;
  const World quiet{world.reacher, world.nonces, world.clock};
  ExitCode code = ExitCode::kDone;
  while (!stop) {
    std::ostringstream table;
    const ExitCode now = status_until(fleet, options, quiet, table, std::cerr, stop);
    if (stop) break;  // a part of a table
    code = now;
    std::string text = table.str();
    if (!options.json) text = utc_text(world.clock.wall_ns() / 1'000'000'000) + "\n" + text;
    if (in_place) {
      for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 4))
        text.insert(at, "\x1b[K");
      text = "\x1b[H" + text + "\x1b[J";
    }
    std::cout << text << std::flush;
    const agent::Mono next = world.clock.mono() + options.watch;
    while (!stop && world.clock.mono() < next) world.clock.sleep_for(kSlice, {});
  }
  return code;
}

}  // namespace

ExitCode status(const Fleet& fleet, const StatusOptions& options, const World& world,
                std::ostream& out, std::ostream& err) {
  if (!report_tree(fleet, err)) return ExitCode::kRefused;
  const std::atomic<bool> never{false};
  return status_until(fleet, options, world, out, err, never);
}

ExitCode run_status(FleetOptions fleet_options, const ConfigurationCheck& check,
                    bool ask_become_password, StatusOptions options) {
  fleet_options.rendering = Rendering::kWhereItCan;
  const auto fleet = load_fleet(fleet_options, check);
  if (!fleet) {
    std::cerr << "fleetctl: " << fleet.error().message << "\n";
    return ExitCode::kRefused;
  }
  if (!report_tree(*fleet, std::cerr)) return ExitCode::kRefused;
  return in_the_world(options, ask_become_password, [&](const World& world, const auto& stop) {
    return options.watch.count() == 0
               ? status_until(*fleet, options, world, std::cout, std::cerr, stop)
               : watch(*fleet, options, world, stop);
  });
}

}  // namespace fleetctl::command
