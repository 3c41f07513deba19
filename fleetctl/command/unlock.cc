#include "fleetctl/command/unlock.h"

#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/base/strings.h"
#include "fleetctl/command/report.h"

namespace fleetctl::command {
namespace {

using nlohmann::json;

struct Holder {
  unsigned pid = 0;
  std::string name;
};

// What a host told of its lock.
struct HostLock {
  bool held = false;
  std::string by;  // "operator@machine, run R since TIME"; of a lock that is free, the last one's
  std::int64_t since = 0;
  std::vector<Holder> holders;
};

HostLock read_lock(const std::vector<std::string>& told) {
  HostLock lock;
  for (const std::string& line : told) {
    const auto space = std::min(line.find(' '), line.size());
    const std::string_view word = std::string_view(line).substr(0, space);
    const std::string_view rest = agent::trim(std::string_view(line).substr(space));
    if (word == "lock") lock.held = rest == "held";
    if (word == "by") lock.by = rest;
    if (word == "since") std::from_chars(rest.data(), rest.data() + rest.size(), lock.since);
    if (word == "holder") {
      Holder holder;
      const auto end = std::from_chars(rest.data(), rest.data() + rest.size(), holder.pid).ptr;
      holder.name = agent::trim(rest.substr(static_cast<std::size_t>(end - rest.data())));
      if (holder.pid > 1) lock.holders.push_back(std::move(holder));
    }
  }
  return lock;
}

std::string processes(const HostLock& lock) {
  std::string out;
  for (const Holder& holder : lock.holders)
    out += (out.empty() ? "" : ", ") + holder.name + " (" + std::to_string(holder.pid) + ")";
  return out;
}

std::vector<std::string> row_of(const Host& host, const HostResult& result, const HostLock& lock) {
  if (result.state != HostState::kUnchanged)
    return {host.name(), std::string(state_name(result.state)), "-", result.text, ""};
  return {host.name(), lock.held ? "locked" : "free", lock.held ? utc_text(lock.since) : "-",
          lock.held ? lock.by : "", processes(lock)};
}

std::string json_of(const Host& host, const HostResult& result, const HostLock& lock) {
  json holders = json::array();
  for (const Holder& holder : lock.holders)
    holders.push_back({{"pid", holder.pid}, {"name", holder.name}});
  const json document{{"schema", kSchema},
                      {"type", "host"},
                      {"host", host.name()},
                      {"state", result.state != HostState::kUnchanged ? state_name(result.state)
                                : lock.held                           ? std::string_view("locked")
                                                                      : std::string_view("free")},
                      {"error", result.text},
                      {"by", lock.by},
                      {"since", lock.since},
                      {"holders", holders}};
  return document.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace

ExitCode unlock(const Fleet& fleet, const UnlockOptions& options, const World& world,
                const std::atomic<bool>& stop, std::ostream& out, std::ostream& err) {
  std::map<std::string, HostLock> locks;
  Tally tally;
  Tally rest;  // without those that are locked
  // Asks `of`, shows what they tell and leaves those that are locked.
  const auto ask = [&](const Fleet& of, const std::function<std::string(const Host&)>& task) {
    Fleet locked;
    std::vector<std::vector<std::string>> rows{{"HOST", "LOCK", "SINCE", "BY", "PROCESSES"}};
    Course course = over_hosts(
        of, options, world, "asking", stop, Sequence::kAsListed,
        [&](const Host& host) { return look_after(host, task(host), false, options, world); },
        [&](const Host& host, const HostResult& result) {
          const HostLock lock = read_lock(result.told);
          locks[host.name()] = lock;
          tally.add(lock.held ? HostState::kLocked : result.state);
          if (!lock.held) rest.add(result.state);
          for (const std::string& note : result.notes)
            err << "note: " << host.name() << ": " << note << "\n";
          if (options.json) {
            out << json_of(host, result, lock) << std::flush;
          } else {
            rows.push_back(row_of(host, result, lock));
          }
        },
        err);
    if (!options.json)
      out << aligned(rows, options.color,
                     [](std::size_t row, std::size_t column, std::string_view cell) {
                       if (row == 0 || column != 1) return Tone::kPlain;
                       return cell == "free"     ? Tone::kGood
                              : cell == "locked" ? Tone::kChange
                                                 : Tone::kBad;
                     })
          << std::flush;
    for (const auto& host : of.hosts)
      if (locks[host->name()].held) locked.hosts.push_back(host);
    return std::pair(std::move(locked), std::move(course));
  };

  const auto [locked, course] = ask(fleet, [](const Host&) { return "lock"; });
  const ExitCode code = tally.exit_code(course, false);
  if (locked.hosts.empty() || options.list || stop) return code;
  const std::size_t count = locked.hosts.size();
  const std::string question = "End the processes that hold the lock of " + std::to_string(count) +
                               (count == 1 ? " host?" : " hosts?") +
                               " A deploy that is at work there is cut off.";
  if (!confirmed(options, question, err)) return code;
  tally = rest;  // they count by their second answer
  const auto asked = ask(locked, [&](const Host& host) {
    std::string task = "unlock";
    for (const Holder& holder : locks.at(host.name()).holders)
      task += " " + std::to_string(holder.pid);
    return task;
  });
  return tally.exit_code(asked.second, false);
}

}  // namespace fleetctl::command
