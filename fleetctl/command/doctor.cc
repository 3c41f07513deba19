#include "fleetctl/command/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/base/mutex.h"
#include "agent/base/strings.h"
#include "fleetctl/command/destinations.h"
#include "fleetctl/command/report.h"
#include "fleetctl/plan/plan.h"

namespace fleetctl::command {
namespace {

using nlohmann::json;

constexpr std::int64_t kClockTolerance = 5;        // seconds
constexpr std::int64_t kStateNeeded = 200 * 1024;  // KiB, for positions and queues

std::int64_t number_in(std::string_view text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// "loki.example:3100" of a URL; "" when it is not one that a host can be asked about.
std::string address_in(std::string_view url) {
  const bool tls = url.rfind("https://", 0) == 0;
  if (!tls && url.rfind("http://", 0) != 0) return "";
  url.remove_prefix(tls ? 8 : 7);
  url = url.substr(0, url.find_first_of("/?#"));
  url.remove_prefix(url.rfind('@') == std::string_view::npos ? 0 : url.rfind('@') + 1);
  const auto colon = url.find(':');
  const std::string_view name = url.substr(0, colon);
  const std::string_view port = colon != std::string_view::npos ? url.substr(colon + 1)
                                : tls                           ? "443"
                                                                : "80";
  constexpr std::string_view kDigits = "0123456789";
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  if (name.empty() || name[0] == '-' || name.find_first_not_of(kLetters) != std::string::npos ||
      port.empty() || port.size() > 5 || port.find_first_not_of(kDigits) != std::string::npos)
    return "";
  return std::string(name) + ":" + std::string(port);
}

// Where the host's configuration writes to.
std::set<std::string> addresses_of(const Host& host) {
  std::set<std::string> found;
  const Destinations destinations = destinations_of(host);
  for (const auto* list : {&destinations.loki, &destinations.prometheus})
    for (const Destination& one : *list)
      if (const std::string address = address_in(one.url); !address.empty()) found.insert(address);
  return found;
}

std::string size_text(std::int64_t kib) {
  if (kib < 0) return "unknown";
  return kib < 10'240'000 ? fmt::format("{} MiB", kib / 1024)
                          : fmt::format("{} GiB", kib / 1024 / 1024);
}

// The lines of plan/upkeep.sh, the words that come once and those that come often.
struct Told {
  std::map<std::string, std::string> once;
  std::multimap<std::string, std::string> often;
};

Told read_told(const std::vector<std::string>& lines) {
  Told told;
  for (const std::string& line : lines) {
    const auto space = std::min(line.find(' '), line.size());
    const std::string word = line.substr(0, space);
    const std::string rest(agent::trim(std::string_view(line).substr(space)));
    told.once[word] = rest;
    told.often.emplace(word, rest);
  }
  return told;
}

std::string listed(const Told& told, const std::string& word) {
  std::string out;
  const auto [from, to] = told.often.equal_range(word);
  for (auto one = from; one != to; ++one) out += (out.empty() ? "" : ", ") + one->second;
  return out;
}

void check_docker(const Host& host, const plan::Facts& facts, const Told& told,
                  std::vector<Check>& checks) {
  if (host.docker_group() == DockerGroup::kNo) return;
  if (!facts.docker) {
    checks.push_back(
        {"docker", Health::kOdd, "the agent is to read Docker's socket, and that is away"});
  } else if (!told.once.contains("docker-group")) {
    checks.push_back(
        {"docker", Health::kOdd,
         "there is no group docker: the agent, which is not root, cannot read the socket"});
  } else {
    checks.push_back({"docker", Health::kGood, "socket and group"});
  }
}

void check_agent(const plan::Facts& facts, std::vector<Check>& checks) {
  if (!facts.interrupted.empty()) {
    checks.push_back({"agent", Health::kOdd,
                      "the deploy " + printable(facts.interrupted) +
                          " was interrupted; the next one mends that"});
  } else if (facts.current.empty()) {
    checks.push_back({"agent", Health::kGood, "not installed yet"});
  } else if (facts.unit_active != "active") {
    checks.push_back({"agent", Health::kOdd,
                      "installed (" + printable(facts.current) + "), and " +
                          printable(facts.unit_active) + ": fleetctl logs tells why"});
  } else {
    checks.push_back({"agent", Health::kGood, "release " + printable(facts.current) + " runs"});
  }
}

void check_clock(const Told& told, std::int64_t error, std::vector<Check>& checks) {
  if (std::abs(error) > kClockTolerance) {
    checks.push_back({"clock", Health::kOdd,
                      fmt::format("{} s {} this machine's: receivers refuse entries that are far "
                                  "off",
                                  std::abs(error), error > 0 ? "ahead of" : "behind")});
  } else if (told.once.contains("unsynchronized")) {
    checks.push_back({"clock", Health::kOdd, "right, but nothing keeps it so (no NTP)"});
  } else {
    checks.push_back({"clock", Health::kGood, "right"});
  }
}

std::vector<Check> check_this_machine(const Fleet& fleet,
                                      const agent::Result<AgentBundles>& bundles) {
  std::vector<Check> checks;
  checks.push_back({"tree", fleet.warnings.empty() ? Health::kGood : Health::kOdd,
                    fmt::format("{} hosts{}", fleet.hosts.size(),
                                fleet.warnings.empty() ? "" : ", with warnings: fleetctl lint")});
  if (bundles) {
    for (const AgentBundle& one : *bundles)
      checks.push_back({"bundle", Health::kGood,
                        fmt::format("release {}, {} {}", one.release.id, one.release.architecture,
                                    one.release.version)});
  } else {
    checks.push_back({"bundle", Health::kBad, bundles.error().message});
  }
  const char* socket = std::getenv("SSH_AUTH_SOCK");
  checks.push_back({"ssh-agent", Health::kGood,
                    socket == nullptr || *socket == '\0' ? "none: keys are read from files"
                                                         : std::string(socket)});
  return checks;
}

Health worst(const std::vector<Check>& checks) {
  Health health = Health::kGood;
  for (const Check& check : checks) health = std::max(health, check.health);
  return health;
}

std::string_view word_of(Health health) {
  return health == Health::kGood ? "ok" : health == Health::kOdd ? "odd" : "bad";
}

std::string json_of(const std::string& name, const std::vector<Check>& checks) {
  json list = json::array();
  for (const Check& check : checks)
    list.push_back(
        {{"check", check.name}, {"result", word_of(check.health)}, {"text", check.text}});
  const json document{{"schema", kSchema},
                      {"type", "host"},
                      {"host", name},
                      {"result", word_of(worst(checks))},
                      {"checks", list}};
  return document.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace

std::vector<Check> check_host(const Host& host, const HostResult& result,
                              const agent::Result<AgentBundles>& bundles,
                              std::int64_t clock_error) {
  std::vector<Check> checks;
  if (result.state == HostState::kUnreachable) return {{"reach", Health::kBad, result.text}};
  std::string notes;
  for (const std::string& note : result.notes) notes += (notes.empty() ? "" : "; ") + note;
  checks.push_back({"reach", notes.empty() ? Health::kGood : Health::kOdd,
                    notes.empty() ? "logged in, host key known" : notes});
  if (result.state != HostState::kUnchanged) {
    checks.push_back({"root", Health::kBad, result.text});
    return checks;
  }
  checks.push_back({"root", Health::kGood, "yes"});
  const plan::Facts& facts = result.facts;
  const Told told = read_told(result.told);
  const auto text_of = [&](const char* word) {
    const auto found = told.once.find(word);
    return found == told.once.end() ? std::string() : found->second;
  };
  if (const std::string missing = listed(told, "missing"); !missing.empty()) {
    checks.push_back({"tools", Health::kBad, "missing: " + missing});
  } else if (told.once.contains("lacks")) {
    checks.push_back(
        {"tools", Health::kOdd, "no flock: two operators are told from each other only late"});
  } else {
    checks.push_back({"tools", Health::kGood, "all there"});
  }
  checks.push_back({"system", Health::kGood,
                    fmt::format("{}, {}, {}", printable(facts.os), printable(facts.architecture),
                                text_of("systemd-version"))});
  if (bundles) {
    std::vector<plan::Build> builds;
    for (const AgentBundle& one : *bundles)
      builds.push_back({{{}, {}, one.release.id}, one.release});
    const auto build = plan::build_for(builds, facts.architecture);
    const std::string refusal =
        build ? plan::make_plan(facts, (*build)->wanted, (*build)->release).refusal
              : build.error().message;
    if (!refusal.empty()) checks.push_back({"deploy", Health::kBad, printable(refusal)});
  }
  if (facts.alloy_runs)
    checks.push_back({"deploy", Health::kOdd,
                      "Grafana Alloy runs here too; both want 127.0.0.1:12345 (systemctl disable "
                      "--now alloy)"});
  const std::int64_t state_free =
      told.once.contains("state-free") ? number_in(text_of("state-free")) : -1;
  checks.push_back({"disk",
                    state_free >= 0 && state_free < kStateNeeded ? Health::kOdd : Health::kGood,
                    size_text(state_free) + " free in /var/lib"});
  check_clock(told, clock_error, checks);
  check_docker(host, facts, told, checks);
  check_agent(facts, checks);
  if (text_of("lock") == "held")
    checks.push_back({"lock", Health::kOdd, "held by " + text_of("by") + ": fleetctl unlock"});
  if (const std::string misses = listed(told, "misses"); !misses.empty())
    checks.push_back({"receivers", Health::kOdd, "cannot connect to " + misses});
  if (const std::string reaches = listed(told, "reaches"); !reaches.empty())
    checks.push_back({"receivers", Health::kGood, "connects to " + reaches});
  return checks;
}

ExitCode doctor(const Fleet& fleet, const agent::Result<AgentBundles>& bundles,
                const DoctorOptions& options, const World& world, const std::atomic<bool>& stop,
                std::ostream& out, std::ostream& err) {
  std::vector<std::vector<std::string>> rows{{"HOST", "CHECK", "RESULT", "NOTE"}};
  const auto show = [&](const std::string& name, const std::vector<Check>& checks) {
    if (options.json) {
      out << json_of(name, checks) << std::flush;
      return;
    }
    const std::size_t before = rows.size();
    for (const Check& check : checks) {
      if (check.health == Health::kGood && !options.all) continue;
      rows.push_back({rows.size() == before ? name : "", check.name,
                      std::string(word_of(check.health)), check.text});
    }
    if (rows.size() == before)
      rows.push_back({name, "all", "ok", fmt::format("{} checks", checks.size())});
  };
  const auto own = check_this_machine(fleet, bundles);
  std::map<std::string, std::string> releases;
  if (bundles) {
    for (const AgentBundle& one : *bundles) releases[one.release.architecture] = one.release.id;
  }
  show("localhost", own);

  agent::Mutex mutex;
  std::map<std::string, std::int64_t> clock_errors;
  Tally tally;
  const Course course = over_hosts(
      fleet, options, world, "asking", stop, Sequence::kAsListed,
      [&](const Host& host) {
        std::string task = "doctor";
        for (const std::string& address : addresses_of(host)) task += " " + address;
        const std::int64_t before = world.clock.wall_ns() / 1'000'000'000;
        HostResult result = look_after(host, std::move(task), false, options, world, releases);
        const std::int64_t after = world.clock.wall_ns() / 1'000'000'000;
        for (const std::string& line : result.told) {
          if (line.rfind("clock ", 0) != 0) continue;
          const std::int64_t there = std::clamp<std::int64_t>(
              number_in(std::string_view(line).substr(6)), 0, std::int64_t{1} << 40);
          const agent::MutexLock lock(mutex);
          clock_errors[host.name()] = there < before  ? there - before
                                      : there > after ? there - after
                                                      : 0;
        }
        return result;
      },
      [&](const Host& host, const HostResult& result) {
        std::int64_t error = 0;
        {
          const agent::MutexLock lock(mutex);
          error = clock_errors[host.name()];
        }
        const auto checks = check_host(host, result, bundles, error);
        const bool bad = worst(checks) == Health::kBad;
        tally.add(bad && result.state == HostState::kUnchanged ? HostState::kFailed : result.state);
        show(host.name(), checks);
      },
      err);
  if (!options.json)
    out << aligned(rows, options.color,
                   [](std::size_t row, std::size_t column, std::string_view cell) {
                     if (row == 0 || column != 2) return Tone::kPlain;
                     return cell == "ok" ? Tone::kGood : cell == "odd" ? Tone::kChange : Tone::kBad;
                   })
        << std::flush;
  const ExitCode code = tally.exit_code(course, false);
  return code == ExitCode::kDone && worst(own) == Health::kBad ? ExitCode::kRefused : code;
}

ExitCode run_doctor(FleetOptions fleet_options, const ConfigurationCheck& check,
                    const AgentOptions& agent, bool ask_become_password, DoctorOptions options) {
  fleet_options.rendering = Rendering::kWhereItCan;
  const auto fleet = usable(load_fleet(fleet_options, check), std::cerr);
  if (!fleet) return ExitCode::kRefused;
  const auto bundles = read_agent_bundles(agent);
  return in_the_world(options, ask_become_password, [&](const World& world, const auto& stop) {
    return doctor(*fleet, bundles, options, world, stop, std::cout, std::cerr);
  });
}

}  // namespace fleetctl::command
