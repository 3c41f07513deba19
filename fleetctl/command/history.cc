#include "fleetctl/command/history.h"

#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/base/strings.h"
#include "fleetctl/command/report.h"

namespace fleetctl::command {
namespace {

using nlohmann::json;

std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? printable(found->get<std::string>()) : "";
}

std::int64_t number_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

std::string listed(const json& object, const char* name) {
  std::string out;
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return out;
  for (const json& one : *found)
    if (one.is_string()) out += (out.empty() ? "" : ", ") + printable(one.get<std::string>());
  return out;
}

// The reports of fleet-agent apply (agent/install/transaction.cc), newest first. A line that is
// none, of a full disk perhaps, is left out.
std::vector<json> read_changes(const std::vector<std::string>& told) {
  std::vector<json> changes;
  for (auto line = told.rbegin(); line != told.rend(); ++line) {
    if (line->rfind("run ", 0) != 0) continue;
    json one = json::parse(plan::bounded_json(std::string_view(*line).substr(4)), nullptr, false);
    if (one.is_object()) changes.push_back(std::move(one));
  }
  return changes;
}

std::vector<std::string> row_of(const std::string& name, const json& change) {
  std::string what = listed(change, "changes");
  const std::string effect = text_of(change, "effect");
  if (!what.empty() && effect != "none" && !effect.empty()) what += " (" + effect + ")";
  const std::string error = text_of(change, "error");
  if (!error.empty())
    what += (what.empty() ? "" : ": ") + std::string(agent::split(error, '\n').front());
  if (const std::int64_t back_to = number_of(change, "back_to"); back_to > 0)
    what = "back to generation " + std::to_string(back_to) + (what.empty() ? "" : ": ") + what;
  return {name,
          std::to_string(number_of(change, "generation")),
          utc_text(number_of(change, "finished")),
          text_of(change, "outcome"),
          text_of(change, "who"),
          text_of(change, "run"),
          what};
}

}  // namespace

ExitCode history(const Fleet& fleet, const HistoryOptions& options, const World& world,
                 const std::atomic<bool>& stop, std::ostream& out, std::ostream& err) {
  std::vector<std::vector<std::string>> rows{
      {"HOST", "CHANGE", "TIME", "OUTCOME", "BY", "RUN", "WHAT"}};
  Tally tally;
  const auto print = [&](const json& document) {
    // ASCII alone: the host's own words are in it.
    out << document.dump(-1, ' ', true, json::error_handler_t::replace) << "\n" << std::flush;
  };
  const Course course = over_hosts(
      fleet, options, world, "asking", stop, Sequence::kAsListed,
      [&](const Host& host) {
        return look_after(host, "history " + std::to_string(options.lines), false, options, world);
      },
      [&](const Host& host, const HostResult& result) {
        tally.add(result.state);
        for (const std::string& note : result.notes)
          err << "note: " << host.name() << ": " << note << "\n";
        const auto changes = read_changes(result.told);
        if (options.json && result.state != HostState::kUnchanged) {
          print({{"schema", kSchema},
                 {"type", "host"},
                 {"host", host.name()},
                 {"state", state_name(result.state)},
                 {"error", result.text}});
        } else if (options.json) {
          for (json change : changes) {
            change["schema"] = kSchema;
            change["type"] = "change";
            change["host"] = host.name();
            print(change);
          }
        } else if (result.state != HostState::kUnchanged) {
          rows.push_back({host.name(), "-", "-", std::string(state_name(result.state)), "-", "-",
                          result.text});
        } else if (changes.empty()) {
          rows.push_back({host.name(), "-", "-", "-", "-", "-", "no change is known there"});
        } else {
          for (const json& change : changes)
            rows.push_back(row_of(&change == changes.data() ? host.name() : "", change));
        }
      },
      err);
  if (!options.json)
    out << aligned(rows, options.color,
                   [](std::size_t row, std::size_t column, std::string_view cell) {
                     if (row == 0 || column != 3 || cell == "-" || cell == "unchanged")
                       return Tone::kPlain;
                     return cell == "changed" ? Tone::kChange : Tone::kBad;
                   })
        << std::flush;
  return tally.exit_code(course, false);
}

}  // namespace fleetctl::command
