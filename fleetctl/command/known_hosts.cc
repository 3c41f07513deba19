#include "fleetctl/command/known_hosts.h"

#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/base/mutex.h"
#include "fleetctl/command/report.h"

namespace fleetctl::command {
namespace {

using nlohmann::json;
using remote::ShownKey;
using State = ShownKey::State;

std::string_view word_of(State state) {
  switch (state) {
    case State::kKnown:
      return "known";
    case State::kUnknown:
      return "unknown";
    case State::kChanged:
      return "CHANGED";
    case State::kOtherType:
      return "other type";
    case State::kRevoked:
      return "REVOKED";
  }
  return "";
}

std::string note_of(const ShownKey& key) {
  if (key.state == State::kKnown || key.state == State::kUnknown) return "";
  if (key.state == State::kRevoked) return "see " + key.file;
  return "see " + key.file + ", and ssh-keygen -R " + key.host;
}

std::string json_of(const Host& host, const HostResult& result, const ShownKey& key) {
  const bool shown = result.state == HostState::kUnchanged;
  const json document{
      {"schema", kSchema},      {"type", "host"},
      {"host", host.name()},    {"state", shown ? word_of(key.state) : state_name(result.state)},
      {"error", result.text},   {"name", key.host},
      {"key_type", key.type},   {"fingerprint", key.fingerprint},
      {"known_hosts", key.file}};
  return document.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace

ExitCode known_hosts(KnownHosts action, const Fleet& fleet, const RunOptions& options,
                     const World& world, const KeySource& keys, const std::atomic<bool>& stop,
                     std::ostream& out, std::ostream& err) {
  agent::Mutex mutex;
  std::map<std::string, ShownKey> shown;  // by the host's name; its lock is `mutex`
  std::vector<std::vector<std::string>> rows{{"HOST", "KEY", "TYPE", "FINGERPRINT", "NOTE"}};
  Tally tally;
  std::vector<const ShownKey*> unknown;
  bool bad = false;
  const Course course = over_hosts(
      fleet, options, world, "asking", stop, Sequence::kAsListed,
      [&](const Host& host) {
        HostResult result;
        auto key = keys(host);
        result.state = key ? HostState::kUnchanged : HostState::kUnreachable;
        if (!key) {
          result.text = printable(key.error().message);
          return result;
        }
        const agent::MutexLock lock(mutex);
        shown[host.name()] = std::move(*key);
        return result;
      },
      [&](const Host& host, const HostResult& result) {
        tally.add(result.state);
        const agent::MutexLock lock(mutex);
        const ShownKey& key = shown[host.name()];
        const bool answered = result.state == HostState::kUnchanged;
        if (options.json) {
          out << json_of(host, result, key) << std::flush;
        } else if (answered) {
          rows.push_back({host.name(), std::string(word_of(key.state)), key.type, key.fingerprint,
                          note_of(key)});
        } else {
          rows.push_back(
              {host.name(), std::string(state_name(result.state)), "-", "-", result.text});
        }
        if (answered && key.state == State::kUnknown) unknown.push_back(&key);
        bad = bad || (answered && key.state != State::kKnown && key.state != State::kUnknown);
      },
      err);
  if (!options.json)
    out << aligned(rows, options.color,
                   [](std::size_t row, std::size_t column, std::string_view cell) {
                     if (row == 0 || column != 1) return Tone::kPlain;
                     return cell == word_of(State::kKnown)     ? Tone::kGood
                            : cell == word_of(State::kUnknown) ? Tone::kChange
                                                               : Tone::kBad;
                   })
        << std::flush;
  if (action == KnownHosts::kAdd && !unknown.empty() && !stop) {
    const std::string question = "Write " + std::to_string(unknown.size()) +
                                 (unknown.size() == 1 ? " key" : " keys") + " to " +
                                 unknown.front()->file + "?";
    if (confirmed(options, question, err)) {
      std::set<std::string> written;  // several hosts may be one address
      for (const ShownKey* key : unknown) {
        if (!written.insert(key->host + " " + key->file).second) continue;
        if (auto done = remote::add_known_host(*key); !done) {
          err << "fleetctl: " << done.error().message << "\n";
          return ExitCode::kHostFailed;
        }
      }
      err << "Wrote " << written.size() << (written.size() == 1 ? " key.\n" : " keys.\n");
      unknown.clear();
    }
  }
  if (bad || !unknown.empty()) return ExitCode::kHostFailed;
  return tally.exit_code(course, false);
}

ExitCode run_known_hosts(KnownHosts action, FleetOptions fleet_options, RunOptions options) {
  return with_hosts(
      std::move(fleet_options), options, false,
      [&](const Fleet& fleet, const World& world, const std::atomic<bool>& stop) {
        remote::SshContext context;
        const KeySource keys = [&](const Host& host) -> agent::Result<remote::ShownKey> {
          if (host.connection().transport == inventory::Transport::kLocal)
            return agent::fail(agent::ErrorCode::kInvalid, "ansible_connection is local: no key");
          std::vector<std::string> warnings;
          auto target = ssh_target(host.connection(), options.reach, warnings);
          if (!target) return agent::fail(target.error());
          remote::Ssh ssh(world.clock, context, std::move(*target));
          return ssh.host_key(world.clock.mono() + options.host_limit);
        };
        return known_hosts(action, fleet, options, world, keys, stop, std::cout, std::cerr);
      });
}

}  // namespace fleetctl::command
