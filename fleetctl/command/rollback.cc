#include "fleetctl/command/rollback.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "fleetctl/command/report.h"

namespace fleetctl::command {
namespace {

using nlohmann::json;

// "Rolled back" is what deploy calls its failure; here it would be said of the wrong thing.
std::string_view word_of(HostState state) {
  if (state == HostState::kChanged) return "went back";
  if (state == HostState::kRolledBack) return "stayed";
  if (state == HostState::kWouldChange) return "would go back";
  return state_name(state);
}

std::string text_of(const std::string& name, std::size_t width, const HostResult& result,
                    bool color) {
  std::string out = fmt::format("{:<{}}  ", name, width);
  out += painted(fmt::format("{:<9}", word_of(result.state)), tone_of(result.state), color);
  if (result.state == HostState::kChanged || result.state == HostState::kWouldChange) {
    out += fmt::format("  to generation {}: {}", result.back_to, result.text);
  } else if (result.state == HostState::kUnchanged) {
    out += fmt::format("  generation {} is what is there", result.back_to);
  } else {
    if (result.state == HostState::kRolledBack) out += "  at the present generation:";
    out += (result.state == HostState::kRolledBack ? " " : "  ") + result.text;
  }
  return out + fmt::format("  [{:.2f} s]\n", result.seconds) + text_below(result);
}

json json_of(const std::string& name, const HostResult& result) {
  return {{"schema", kSchema},
          {"type", "host"},
          {"host", name},
          {"state", word_of(result.state)},
          {"to", result.back_to},
          {"text", result.text},
          {"details", result.details},
          {"notes", result.notes},
          {"changes", result.changes},
          {"effect", plan::effect_name(result.effect)},
          {"seconds", result.seconds}};
}

json json_of(const plan::Generation& generation) {
  return {{"generation", generation.number},
          {"time", generation.time},
          {"run", generation.run},
          {"who", generation.who},
          {"release", generation.release},
          {"config_sha256", generation.config_sha256},
          {"available", generation.release_present}};
}

json list_json_of(const std::string& name, const HostResult& result) {
  json document{
      {"schema", kSchema},    {"type", "host"},
      {"host", name},         {"state", result.installed ? "ok" : state_name(result.state)},
      {"text", result.text},  {"present", nullptr},
      {"kept", json::array()}};
  if (result.installed) {
    document["present"] = json_of(result.installed->present);
    for (const plan::Generation& kept : result.installed->kept)
      document["kept"].push_back(json_of(kept));
  }
  return document;
}

std::vector<std::string> row_of(const std::string& name, const plan::Generation& generation,
                                std::string note) {
  if (!generation.release_present) note = "its release is not there any more";
  return {
      name,
      std::to_string(generation.number),
      utc_text(generation.time),
      generation.config_sha256.empty() ? "-" : printable(generation.config_sha256.substr(0, 12)),
      generation.who.empty() ? "-" : printable(generation.who),
      std::move(note)};
}

void add_rows(const std::string& name, const HostResult& result,
              std::vector<std::vector<std::string>>& rows) {
  if (!result.installed) {
    const std::string why = result.text.empty()
                                ? std::string()
                                : std::string(word_of(result.state)) + ": " + result.text;
    rows.push_back({name, "-", "-", "-", "-", why.empty() ? "no agent is installed" : why});
    return;
  }
  rows.push_back(row_of(name, result.installed->present, "present"));
  for (const plan::Generation& kept : result.installed->kept) rows.push_back(row_of("", kept, ""));
}

// What a rollback would come to, told from what is there.
HostResult foreseen(HostResult result, unsigned to) {
  if (result.state != HostState::kUnchanged) return result;  // not asked
  const auto refuse = [&](const std::string& why) {
    result.state = HostState::kFailed;
    result.text = why;
    return result;
  };
  if (!result.installed) return refuse("no agent is installed");
  const plan::Installed& now = *result.installed;
  if (!now.interrupted.empty())
    return refuse("the deploy " + printable(now.interrupted) +
                  " was interrupted; deploy again first");
  result.back_to = to;
  if (to != 0 && to == now.present.number) return result;
  const auto target =
      std::find_if(now.kept.begin(), now.kept.end(),
                   [&](const plan::Generation& kept) { return to == 0 || kept.number == to; });
  if (target == now.kept.end())
    return refuse(to == 0 ? "it keeps no earlier generation"
                          : fmt::format("it does not keep generation {}", to));
  result.back_to = target->number;
  if (!target->release_present || target->release.empty())
    return refuse(fmt::format("there is no agent of generation {}", target->number));
  const auto step = [&](std::string_view what, const std::string& from, const std::string& there) {
    if (from == there || from.empty() || there.empty()) return;
    result.text += fmt::format("{}{} {} -> {}", result.text.empty() ? "" : ", ", what,
                               printable(from.substr(0, 12)), printable(there.substr(0, 12)));
  };
  step("config.alloy", now.config_sha256, target->config_sha256);
  step("release", result.facts.current, target->release);
  if (result.text.empty()) result.text = "the unit, if anything";
  result.state = HostState::kWouldChange;
  return result;
}

HostResult one(const Host& host, const RollbackOptions& options, const World& world) {
  if (options.list) return look_at(host, options, world);
  plan::Wanted wanted{plan::standard_files("", ""), {}, ""};
  wanted.gate = options.gate;
  const plan::Release release;
  HostOrder order{wanted, release, {}, {}, {}, {}};
  order.task = Task::kRollback;
  order.back_to = options.to;
  order.check = options.check;
  order.keeps_listeners = !options.drop_listeners;
  HostResult result = visit(host, std::move(order), options, world);
  return options.check ? foreseen(std::move(result), options.to) : result;
}

std::string line(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

ExitCode rollback_until(const Fleet& fleet, const RollbackOptions& options, const World& world,
                        std::ostream& out, std::ostream& err, const std::atomic<bool>& stop) {
  if (fleet.hosts.empty()) {
    out << "No host to roll back.\n";
    return ExitCode::kDone;
  }
  const agent::Mono start = world.clock.mono();
  const std::size_t width = widest_name(fleet);
  std::vector<std::vector<std::string>> rows{
      {"HOST", "GENERATION", "TIME", "CONFIGURATION", "BY", "NOTE"}};
  Ending ending;
  ending.course = over_hosts(
      fleet, options, world, options.list ? "asking" : "rolling back", stop,
      options.list ? Sequence::kAsListed : Sequence::kAsTheyEnd,
      [&](const Host& host) { return one(host, options, world); },
      [&](const Host& host, const HostResult& result) {
        ending.add(host, result, word_of(result.state));
        const std::string& name = host.name();
        if (!options.list && is_left_out(result, options)) return;
        if (options.list && !options.json) {
          add_rows(name, result, rows);
        } else if (options.json) {
          out << line(options.list ? list_json_of(name, result) : json_of(name, result))
              << std::flush;
        } else {
          out << text_of(name, width, result, options.color) << std::flush;
        }
      },
      err);
  if (options.list && !options.json) out << aligned(rows) << std::flush;
  if (!options.list) {
    ending.seconds = seconds_since(world.clock, start);
    out << last_words(ending, fleet, options, word_of) << std::flush;
  }
  return ending.tally.exit_code(ending.course, options.exit_code);
}

}  // namespace

ExitCode rollback(const Fleet& fleet, const RollbackOptions& options, const World& world,
                  std::ostream& out, std::ostream& err) {
  if (!report_tree(fleet, err)) return ExitCode::kRefused;
  const std::atomic<bool> never{false};
  return rollback_until(fleet, options, world, out, err, never);
}

ExitCode run_rollback(FleetOptions fleet_options, bool ask_become_password,
                      RollbackOptions options) {
  fleet_options.rendering = Rendering::kNone;
  const auto fleet = usable(load_fleet(fleet_options, {}), std::cerr);
  if (!fleet) return ExitCode::kRefused;
  if (!options.list) {
    auto rolling = settled(options.rolling, fleet->playbook_rolling);
    if (!rolling) {
      std::cerr << "fleetctl: " << rolling.error().message << "\n";
      return ExitCode::kRefused;
    }
    options.rolling = std::move(*rolling);
  }
  if (!options.list && !options.check && !may_change(options, fleet->hosts.size(), "Roll back"))
    return ExitCode::kRefused;
  return in_the_world(options, ask_become_password, [&](const World& world, const auto& stop) {
    return rollback_until(*fleet, options, world, std::cout, std::cerr, stop);
  });
}

}  // namespace fleetctl::command
