#include "fleetctl/command/uninstall.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "fleetctl/command/report.h"

namespace fleetctl::command {
namespace {

using nlohmann::json;

std::string_view word_of(HostState state) {
  return state == HostState::kChanged ? "uninstalled" : state_name(state);
}

HostResult one(const Host& host, const UninstallOptions& options, const World& world) {
  const plan::Wanted wanted{plan::standard_files("", ""), {}, ""};
  const plan::Release none;
  HostOrder order{wanted, none, {}, {}, {}, {}};
  order.task = Task::kUpkeep;
  order.upkeep = options.purge ? "uninstall purge" : "uninstall";
  order.locks = true;
  order.keeps_listeners = !options.drop_listeners;
  HostResult result = visit(host, std::move(order), options, world);
  for (const std::string& line : result.told)
    if (line.rfind("removed ", 0) == 0) result.changes.push_back(line.substr(8));
  if (result.state != HostState::kUnchanged) return result;
  if (!result.changes.empty()) result.state = HostState::kChanged;
  for (const std::string& change : result.changes)
    result.text += (result.text.empty() ? "" : ", ") + change;
  if (result.text.empty()) result.text = "there is no agent";
  return result;
}

}  // namespace

ExitCode uninstall(const Fleet& fleet, const UninstallOptions& options, const World& world,
                   const std::atomic<bool>& stop, std::ostream& out, std::ostream& err) {
  if (fleet.hosts.empty()) {
    out << "No host to take the agent off.\n";
    return ExitCode::kDone;
  }
  std::vector<std::string> names;
  for (const auto& host : fleet.hosts) names.push_back(host->name());
  const std::string question =
      fmt::format("Take the agent{} off {} ({})?",
                  options.purge ? ", its positions, queues and generations" : "",
                  hosts_text(names.size()), name_some(names));
  if (!confirmed(options, question, err)) return ExitCode::kRefused;
  const agent::Mono start = world.clock.mono();
  const std::size_t width = widest_name(fleet);
  Ending ending;
  ending.course = over_hosts(
      fleet, options, world, "uninstalling", stop, Sequence::kAsTheyEnd,
      [&](const Host& host) { return one(host, options, world); },
      [&](const Host& host, const HostResult& result) {
        ending.add(host, result, word_of(result.state));
        if (options.json) {
          const json document{{"schema", kSchema},     {"type", "host"},
                              {"host", host.name()},   {"state", word_of(result.state)},
                              {"text", result.text},   {"removed", result.changes},
                              {"notes", result.notes}, {"seconds", result.seconds}};
          out << document.dump(-1, ' ', false, json::error_handler_t::replace) << "\n";
        } else {
          out << fmt::format("{:<{}}  ", host.name(), width)
              << painted(fmt::format("{:<11}", word_of(result.state)), tone_of(result.state),
                         options.color)
              << "  " << result.text << fmt::format("  [{:.2f} s]\n", result.seconds)
              << text_below(result);
        }
        out << std::flush;
      },
      err);
  ending.seconds = seconds_since(world.clock, start);
  out << last_words(ending, fleet, options, word_of) << std::flush;
  return ending.tally.exit_code(ending.course, false);
}

}  // namespace fleetctl::command
