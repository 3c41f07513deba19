#include "fleetctl/command/status.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "fleetctl/command/report.h"
#include "fleetctl/command/terminal.h"

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
  std::string rendered_sha256;           // "": it did not render
  std::vector<std::string> other_files;  // notes on those beside it that a deploy would change
  ConfigState config = ConfigState::kAbsent;
  bool as_it_should_be = false;
};

// What the last deploy put beside the configuration, against what the tree gives now; and who may
// reach what lies there.
std::vector<std::string> other_files(const Host& host, const plan::Facts& facts) {
  std::vector<std::string> out;
  std::map<std::string, std::string> applied = facts.applied;
  if (applied.empty()) return out;  // it is not known
  applied.erase(plan::kConfigPath);
  applied.erase(plan::kUnitPath);
  for (const plan::WantedFile& file : host.files()) {
    const auto found = applied.find(file.path);
    if (found == applied.end() || found->second != agent::sha256_hex(file.bytes))
      out.push_back("the tree gives another " + file.path);
    if (found != applied.end()) applied.erase(found);
    const auto there = facts.files.find(file.path);
    const auto access =
        there == facts.files.end() ? std::string() : plan::other_access(there->second, file);
    if (!access.empty())
      out.push_back(file.path + " is " + printable(access) + ", the tree gives it mode " +
                    file.mode + " and root:" + (file.group.empty() ? "root" : file.group));
  }
  for (const auto& [path, sha256] : applied)
    out.push_back("the tree has no " + printable(path) + " any more");
  return out;
}

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
  if (!condition.rendered_sha256.empty()) condition.other_files = other_files(host, result.facts);
  if (condition.config == ConfigState::kInStep && !condition.other_files.empty())
    condition.config = ConfigState::kBehind;
  condition.as_it_should_be = condition.config == ConfigState::kInStep && now.drift.empty() &&
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

// 7, 0.25, 1234, 12.3k, 4.5M
std::string short_number(double number) {
  if (number < 0) return "-";
  constexpr std::array kUnits{"", "k", "M", "G", "T"};
  std::size_t unit = 0;
  while (number >= 9999.5 && unit + 1 < kUnits.size()) {
    number /= 1000;
    ++unit;
  }
  if (unit == 0 && number < 10 && number != std::floor(number))
    return fmt::format("{:.2g}", number);
  if (unit > 0 && number < 100) return fmt::format("{:.1f}{}", number, kUnits[unit]);
  return fmt::format("{:.0f}{}", number, kUnits[unit]);
}

// How much waits, and for how long: "0", "1234 1.2MB 40s".
std::string backlog_text(const plan::Figures& figures) {
  if (figures.backlog_entries < 0) return "-";
  const auto waiting = figures.backlog_entries + std::max<std::int64_t>(0, figures.backlog_samples);
  if (waiting == 0 && figures.backlog_bytes <= 0 && figures.oldest_seconds <= 0) return "0";
  std::string out = short_number(static_cast<double>(waiting));
  if (figures.backlog_bytes > 0)
    out += " " + short_number(static_cast<double>(figures.backlog_bytes)) + "B";
  if (figures.oldest_seconds > 0) out += " " + up_text(figures.oldest_seconds);
  return out;
}

std::string short_hash(const std::string& sha256) {
  return printable(sha256.substr(0, kShownHash));
}

std::string shortened(std::string text) {
  constexpr std::size_t kMost = 240;
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (text.size() > kMost) text = agent::to_valid_utf8(text.substr(0, kMost)) + "...";
  return text;
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
        if (now.config_sha256 == condition.rendered_sha256) break;  // only files beside it
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
    notes.insert(notes.end(), condition.other_files.begin(), condition.other_files.end());
    for (const plan::Drift& drift : now.drift) {
      if (drift.path == plan::kConfigPath && !now.config_sha256.empty()) continue;  // told above
      notes.push_back(drift.how == "missing"
                          ? printable(drift.path) + " is gone"
                          : fmt::format("{} edited {}, owned by uid {}", printable(drift.path),
                                        utc_text(drift.modified), drift.uid));
    }
    if (!now.ready && !now.answer.empty()) notes.push_back(printable(now.answer));
    for (const plan::Ill& ill : now.unhealthy)
      notes.push_back(printable(ill.component) + ": " + printable(ill.message));
    const plan::LastError& last = now.last_error;
    const bool told = std::any_of(now.unhealthy.begin(), now.unhealthy.end(),
                                  [&](const auto& ill) { return ill.component == last.component; });
    if (!last.component.empty() && !(told && last.now)) {
      const std::string when =
          last.now ? "" : "until it was well again, " + utc_text(last.time) + ": ";
      notes.push_back(when + shortened(printable(last.component) + ": " + printable(last.message)));
    }
    if (now.restarts > 0) notes.push_back(fmt::format("{} restarted by systemd", now.restarts));
  }
  notes.insert(notes.end(), result.notes.begin(), result.notes.end());
  return notes;
}

std::string_view ready_text(const plan::Installed& now) {
  if (!now.ready) return "no";
  return now.healthy ? "yes" : "ill";
}

// One host of the table.
struct Answer {
  const Host* host = nullptr;
  HostResult result;
  Condition condition;
  // Whether it is known to have all that the tree gives it, as a deploy put it there.
  bool in_step() const {
    return result.installed && condition.config == ConfigState::kInStep &&
           result.installed->drift.empty();
  }
  std::string_view state() const {
    if (!result.text.empty()) return state_name(result.state);
    return condition.as_it_should_be ? "ok" : "attention";
  }
};

enum Column { kHost, kVersion, kGen, kConfig, kUnit, kReady, kUp, kLines, kSamples, kBacklog };
constexpr std::array<std::string_view, 10> kHeads{
    "HOST", "VERSION", "GEN", "CONFIG", "UNIT", "READY", "UP", "LINES/S", "SAMPLES/S", "BACKLOG"};
// What a narrow terminal does without, in this order.
constexpr std::array kSpared{kVersion, kGen, kUp, kSamples, kUnit, kLines};

std::vector<std::string> row_of(const Answer& answer) {
  std::vector<std::string> row(kHeads.size(), "-");
  row[kHost] = answer.host->name();
  if (!answer.result.installed) return row;
  const plan::Installed& now = *answer.result.installed;
  row[kVersion] = printable(now.version);
  row[kGen] = std::to_string(now.present.number);
  const bool drifted = !now.drift.empty() && (answer.condition.config == ConfigState::kInStep ||
                                              answer.condition.config == ConfigState::kBehind);
  row[kConfig] = name_of(drifted ? ConfigState::kDrifted : answer.condition.config);
  row[kUnit] = printable(now.unit_active);
  row[kReady] = ready_text(now);
  row[kUp] = up_text(now.up_seconds);
  row[kLines] = short_number(now.figures.lines_per_second);
  row[kSamples] = short_number(now.figures.samples_per_second);
  row[kBacklog] = backlog_text(now.figures);
  return row;
}

// The words for how a host should be, and for how it should not.
Tone tone_of_cell(Column column, std::string_view cell) {
  if (column < kConfig || column > kReady || column == kUp || cell == "-") return Tone::kPlain;
  const std::string_view good = column == kConfig ? "in step" : column == kUnit ? "active" : "yes";
  if (cell == good) return Tone::kGood;
  return cell == "behind" || cell == "unknown" ? Tone::kChange : Tone::kBad;
}

// Where the terminal is wide enough, the first note is in the host's row and the others are below
// it; else all are lines of their own, and the columns that matter least are left out.
std::string table_of(const std::vector<Answer>& answers, std::size_t columns, bool color) {
  constexpr std::size_t kRoomForNotes = 30;
  std::vector<std::vector<std::string>> cells{{kHeads.begin(), kHeads.end()}};
  for (const Answer& answer : answers) cells.push_back(row_of(answer));
  std::vector<std::size_t> widths(kHeads.size());
  for (const auto& row : cells)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::size_t width = 0;
  for (const std::size_t one : widths) width += one + 2;
  const bool beside = columns == 0 || width + kRoomForNotes <= columns;
  std::vector<Column> shown;
  std::set<Column> spared;
  for (const Column column : kSpared) {
    if (columns == 0 || width <= columns + 2) break;
    spared.insert(column);
    width -= widths[column] + 2;
  }
  for (int i = kHost; i <= kBacklog; ++i)
    if (!spared.contains(static_cast<Column>(i))) shown.push_back(static_cast<Column>(i));

  std::vector<std::vector<std::string>> rows;
  std::vector<std::vector<std::string>> below{{}};  // of the row with the same number
  for (std::size_t i = 0; i < cells.size(); ++i) {
    std::vector<std::string> row;
    for (const Column column : shown) row.push_back(cells[i][column]);
    std::vector<std::string> notes;
    if (i > 0) notes = notes_of(answers[i - 1].result, answers[i - 1].condition);
    if (i == 0 && beside) row.emplace_back("NOTE");
    if (beside && !notes.empty()) {
      row.push_back(notes.front());
      notes.erase(notes.begin());
    }
    rows.push_back(std::move(row));
    if (i > 0) below.push_back(std::move(notes));
  }
  const std::string table =
      aligned(rows, color, [&](std::size_t row, std::size_t column, std::string_view cell) {
        return row == 0 || column >= shown.size() ? Tone::kPlain
                                                  : tone_of_cell(shown[column], cell);
      });
  const std::string indent(beside ? width : 4, ' ');
  std::string out;
  const auto lines = agent::split(table, '\n');
  for (std::size_t i = 0; i < below.size() && i < lines.size(); ++i) {
    out.append(lines[i]).append("\n");
    for (std::string note : below[i]) {
      std::replace(note.begin(), note.end(), '\n', ' ');
      out += indent + note + "\n";
    }
  }
  return out;
}

// "3 hosts: 2 ok, 1 attention.  1.2k lines/s, 30 samples/s, 12 waiting"
std::string sum_of(const std::vector<Answer>& answers) {
  std::map<std::string_view, std::size_t> states;
  double lines = 0, samples = 0;
  std::int64_t waiting = 0;
  for (const Answer& answer : answers) {
    ++states[answer.state()];
    if (!answer.result.installed) continue;
    const plan::Figures& figures = answer.result.installed->figures;
    lines += std::max(0.0, figures.lines_per_second);
    samples += std::max(0.0, figures.samples_per_second);
    waiting += std::max<std::int64_t>(0, figures.backlog_entries) +
               std::max<std::int64_t>(0, figures.backlog_samples);
  }
  std::vector<StateCount> counts(states.begin(), states.end());
  std::stable_partition(counts.begin(), counts.end(),
                        [](const StateCount& count) { return count.first == "ok"; });
  return counts_text(answers.size(), counts) +
         fmt::format(".  {} lines/s, {} samples/s, {} waiting\n", short_number(lines),
                     short_number(samples), short_number(static_cast<double>(waiting)));
}

// Of many hosts those that are not as they should be once more: they may be out of sight.
std::string worst_of(const std::vector<Answer>& answers, bool color) {
  constexpr std::size_t kMany = 10;
  std::vector<std::vector<std::string>> rows{{"HOST", "STATE", "WHY"}};
  for (const Answer& answer : answers) {
    if (answer.state() == "ok") continue;
    auto notes = notes_of(answer.result, answer.condition);
    rows.push_back({answer.host->name(), std::string(answer.state()),
                    notes.empty() ? "" : std::move(notes.front())});
  }
  if (answers.size() <= kMany || rows.size() == 1 || rows.size() - 1 == answers.size()) return "";
  return "\n" + aligned(rows, color, [](std::size_t row, std::size_t column, auto) {
           return row > 0 && column == 1 ? Tone::kBad : Tone::kPlain;
         });
}

// Stable: hosts that are alike stay in the inventory's order.
void put_in_order(std::vector<Answer>& answers, StatusOrder order) {
  const auto by = [&](const auto& key) {
    std::stable_sort(answers.begin(), answers.end(),
                     [&](const Answer& a, const Answer& b) { return key(a) < key(b); });
  };
  const auto figures = [](const Answer& answer) {
    return answer.result.installed ? answer.result.installed->figures : plan::Figures{};
  };
  switch (order) {
    case StatusOrder::kListed:
      break;
    case StatusOrder::kName:
      by([](const Answer& answer) { return answer.host->name(); });
      break;
    case StatusOrder::kState:
      by([](const Answer& answer) {
        return std::pair(answer.state() == "ok", answer.state() == "attention");
      });
      break;
    case StatusOrder::kLines:
      by([&](const Answer& answer) { return -figures(answer).lines_per_second; });
      break;
    case StatusOrder::kSamples:
      by([&](const Answer& answer) { return -figures(answer).samples_per_second; });
      break;
    case StatusOrder::kBacklog:
      by([&](const Answer& answer) {
        const plan::Figures one = figures(answer);
        return std::pair(-one.oldest_seconds, -one.backlog_entries);
      });
      break;
  }
}

// null where it is not known
json known(double number) { return number < 0 ? json(nullptr) : json(number); }
json known(std::int64_t number) { return number < 0 ? json(nullptr) : json(number); }

json json_of(const Answer& answer) {
  const HostResult& result = answer.result;
  const Condition& condition = answer.condition;
  const plan::Installed now = result.installed.value_or(plan::Installed{});
  json unhealthy = json::array();
  for (const plan::Ill& ill : now.unhealthy)
    unhealthy.push_back({{"component", ill.component}, {"message", ill.message}});
  json drift = json::array();
  for (const plan::Drift& one : now.drift)
    drift.push_back(
        {{"path", one.path}, {"how", one.how}, {"modified", one.modified}, {"uid", one.uid}});
  return {{"schema", kSchema},
          {"type", "host"},
          {"host", answer.host->name()},
          {"state", answer.state()},
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
          {"drift", drift},
          {"diff", result.diff},
          {"file_diffs", result.file_diffs},
          {"lines_per_second", known(now.figures.lines_per_second)},
          {"samples_per_second", known(now.figures.samples_per_second)},
          {"backlog",
           {{"entries", known(now.figures.backlog_entries)},
            {"samples", known(now.figures.backlog_samples)},
            {"bytes", known(now.figures.backlog_bytes)},
            {"oldest_seconds", known(now.figures.oldest_seconds)}}},
          {"last_error",
           {{"component", now.last_error.component},
            {"message", now.last_error.message},
            {"time", now.last_error.time},
            {"now", now.last_error.now}}},
          {"listens", now.address},
          {"notes", notes_of(result, condition)},
          {"seconds", result.seconds}};
}

// With what the host has where it is something else than rendered. Rates are left out, which would
// take a second.
HostResult compare(const Host& host, const RunOptions& options, const World& world) {
  plan::Wanted wanted{plan::standard_files(host.configuration(), ""), {}, ""};
  wanted.files.insert(wanted.files.end(), host.files().begin(), host.files().end());
  plan::Release none;
  none.archive = std::make_shared<const std::string>();
  HostOrder order{wanted, none, {}, {}, {}, {}};
  order.task = Task::kLook;
  order.diff = !host.configuration().empty();  // it did not render
  order.secrets = &host.secrets();
  return visit(host, std::move(order), options, world);
}

ExitCode status_until(const Fleet& fleet, const StatusOptions& options, const World& world,
                      std::ostream& out, std::ostream& err, const std::atomic<bool>& stop) {
  if (fleet.hosts.empty()) {
    out << "No host to ask.\n";
    return ExitCode::kDone;
  }
  std::vector<Answer> answers;
  Tally tally;
  std::map<std::string_view, std::size_t> drifts;
  const Course course = over_hosts(
      fleet, options, world, "asking", stop, Sequence::kAsListed,
      [&](const Host& host) {
        return options.drift ? compare(host, options, world)
                             : look_at(host, options, world, Task::kMeasure);
      },
      [&](const Host& host, const HostResult& result) {
        Answer answer{&host, result, condition_of(host, result)};
        const bool good = options.drift ? answer.in_step() : answer.condition.as_it_should_be;
        const bool answered = result.state == HostState::kUnchanged;
        tally.add(answered && !good ? HostState::kWouldChange : result.state);
        ++drifts[good ? "as the tree gives them" : answered ? "not" : "not known"];
        if (options.drift && good) return;
        if (options.json) {
          out << json_of(answer).dump(-1, ' ', false, json::error_handler_t::replace) << "\n"
              << std::flush;
        } else {
          answers.push_back(std::move(answer));
        }
      },
      err);
  if (!options.json) {
    put_in_order(answers, options.order);
    if (!options.drift || !answers.empty())
      out << table_of(answers, options.columns, options.color);
    if (options.drift) {
      for (const Answer& answer : answers) {
        const auto& [diff, file_diffs] = std::tie(answer.result.diff, answer.result.file_diffs);
        if (diff.empty() && file_diffs.empty()) continue;
        out << "\n" << answer.host->name() << "\n" << painted_diff(diff, options.color);
        for (const auto& [path, of_file] : file_diffs) out << painted_diff(of_file, options.color);
      }
      out << (answers.empty() ? "" : "\n")
          << counts_text(fleet.hosts.size(), {drifts.begin(), drifts.end()}) << "\n";
    } else {
      out << worst_of(answers, options.color) << sum_of(answers);
    }
    out << std::flush;
  }
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
  const auto fleet = usable(load_fleet(fleet_options, check), std::cerr);
  if (!fleet) return ExitCode::kRefused;
  if (::isatty(STDOUT_FILENO) != 0) options.columns = terminal_columns(STDOUT_FILENO);
  return in_the_world(options, ask_become_password, [&](const World& world, const auto& stop) {
    return options.watch.count() == 0
               ? status_until(*fleet, options, world, std::cout, std::cerr, stop)
               : watch(*fleet, options, world, stop);
  });
}

}  // namespace fleetctl::command
