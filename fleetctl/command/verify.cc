#include "fleetctl/command/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "fleetctl/command/ask_host.h"
#include "fleetctl/command/destinations.h"
#include "fleetctl/command/facts.h"
#include "fleetctl/command/junit.h"
#include "fleetctl/command/progress.h"
#include "fleetctl/command/report.h"
#include "fleetctl/plan/delivery_probe.h"

namespace fleetctl::command {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Mono;
using agent::Result;
using nlohmann::json;

constexpr std::array<std::string_view, 3> kPaths{"journal", "containers", "metrics"};
constexpr auto kBetween = std::chrono::milliseconds(500);
constexpr std::int64_t kClockDifference = 600'000'000'000;  // ns between the host's and ours
constexpr int kFailuresInARow = 5;

// One way from a host to where its data should be.
struct Path {
  std::string state = "skipped";  // arrived, missing, failed, skipped
  double seconds = 0;             // from the writing to when it was found
  std::string at;                 // where it was found
  std::string why;                // of any state but arrived; ""
};
using Paths = std::map<std::string_view, Path>;

// What is asked of one destination, again and again.
struct Question {
  std::string_view path;
  const Destination* destination;
  std::string selector;  // of Loki
  Mono since{};
  int failures = 0;
  bool over = false;
};

class Probe final : public remote::Dialogue {
 public:
  Probe(plan::DeliveryProbe probe, plan::DeliveryAnswer::Tell tell)
      : script_(plan::delivery_probe_script(probe)), answer_(probe.nonce, std::move(tell)) {}
  void on_start(remote::Input& input) override {
    input.send(std::move(script_));
    input.close();
  }
  Result<> on_output(std::string_view bytes, remote::Input&) override {
    if (answer_.add(bytes)) return {};
    return fail(ErrorCode::kExhausted, "the host's answer has no end");
  }
  Result<> on_error_output(std::string_view, remote::Input&) override { return {}; }

 private:
  std::string script_;
  plan::DeliveryAnswer answer_;
};

class Verification {
 public:
  Verification(const Host& host, const VerifyOptions& options, const World& world,
               const std::atomic<bool>& stop, Paths& paths)
      : host_(host), options_(options), world_(world), stop_(stop), paths_(paths) {}

  HostResult run() {
    HostResult result;
    choose();
    result.notes = destinations_.notes;
    if (auto written = write(result); !written) {
      result.state = HostState::kUnreachable;
      result.text = printable(written.error().message);
      for (auto& [name, path] : paths_)
        if (path.state == "missing") path = {"failed", 0, "", "the host was not reached"};
      return result;
    }
    wait();
    std::string missing;
    bool arrived = false;
    for (const auto& [name, path] : paths_) {
      arrived = arrived || path.state == "arrived";
      if (path.state == "arrived" || path.state == "skipped") continue;
      missing += fmt::format("{}{}: {}", missing.empty() ? "" : "; ", name, path.why);
    }
    if (missing.empty() && !arrived) missing = "there was nothing to verify";
    result.state = missing.empty() ? HostState::kUnchanged : HostState::kFailed;
    result.text = missing;
    for (const auto& [name, path] : paths_)
      if (path.state == "skipped" && !path.why.empty())
        result.notes.push_back(fmt::format("{} skipped: {}", name, path.why));
    return result;
  }

 private:
  bool wanted(std::string_view path) const {
    return options_.only.empty() ||
           std::find(options_.only.begin(), options_.only.end(), path) != options_.only.end();
  }

  void skip(std::string_view path, std::string why) { paths_[path] = {"skipped", 0, "", why}; }
  bool pending(std::string_view path) const { return paths_.at(path).state == "missing"; }

  // Which ways there are, and where each leads to.
  void choose() {
    destinations_ = destinations_of(host_);
    instead(options_.loki, loki_url(options_.loki), destinations_.loki);
    instead(options_.prometheus, prometheus_url(options_.prometheus), destinations_.prometheus);
    for (const std::string_view path : kPaths) paths_[path] = {"missing", 0, "", ""};
    if (!destinations_.journal) skip("journal", "the configuration does not read it");
    if (!destinations_.containers) {
      skip("containers", "the configuration does not read containers' logs");
    } else if (!destinations_.every_container) {
      skip("containers", "the configuration picks containers, and may not pick ours");
    }
    for (const std::string_view path : {"journal", "containers"})
      if (pending(path) && destinations_.loki.empty()) skip(path, "no Loki is known; --loki URL");
    if (destinations_.prometheus.empty())
      skip("metrics", "no Prometheus is known; --prometheus URL");
    for (const std::string_view path : kPaths)
      if (!wanted(path)) skip(path, "");
  }

  // The operator's URL, with the credentials of what the configuration writes to.
  static void instead(const std::string& given, std::string url, std::vector<Destination>& all) {
    if (given.empty()) return;
    all.resize(1);
    all[0].url = std::move(url);
  }

  Result<> write(HostResult& result) {
    start_ = world_.clock.mono();
    start_ns_ = world_.clock.wall_ns();
    if (!pending("journal") && !pending("containers") && !pending("metrics")) return {};
    if (world_.progress != nullptr) world_.progress->step(host_.name(), "connects");
    plan::DeliveryProbe probe;
    probe.nonce = world_.nonces();
    mark_ = "fleetctl-verify-" + world_.nonces();
    probe.mark = mark_;
    probe.journal = pending("journal");
    probe.containers = pending("containers");
    probe.life = static_cast<unsigned>(options_.within.count());
    names_ = {host_.name(), host_.short_name()};
    bool ended = false;
    Probe dialogue(probe, [&](std::string_view what, std::string_view text) {
      if (what == "end") ended = true;
      if (what == "node") names_.emplace_back(text);
      const auto of = paths_.find(text.substr(0, text.find(' ')));
      if (of == paths_.end()) return;
      if (what == "sent") sent_[of->first] = world_.clock.mono();
      const std::string why =
          text.size() > of->first.size() ? printable(text.substr(of->first.size() + 1)) : "";
      if (what == "failed") of->second = {"failed", 0, "", why};
      if (what == "skipped") of->second = {"skipped", 0, "", why};
    });
    auto status = ask_host(host_, kShell, dialogue, options_, world_, result.notes);
    if (!status) return fail(status.error());
    if (!ended) return fail(ErrorCode::kIo, "the host did not answer to the end");
    std::sort(names_.begin(), names_.end());
    names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
    return {};
  }

  // Asks until everything was found, or the time is up.
  void wait() {
    std::vector<Question> questions = this->questions();
    for (const Destination& one : destinations_.loki) add_client(one);
    for (const Destination& one : destinations_.prometheus) add_client(one);
    const Mono end = world_.clock.mono() + options_.within;
    if (world_.progress != nullptr) world_.progress->step(host_.name(), "waits");
    for (;;) {
      bool open = false;
      for (Question& question : questions) {
        if (question.over || !pending(question.path)) continue;
        look(question);
        open = open || (!question.over && pending(question.path));
      }
      const Mono now = world_.clock.mono();
      if (!open || now >= end || stop_) break;
      world_.clock.sleep_until(std::min<Mono>(now + kBetween, end), {});
    }
    for (auto& [name, path] : paths_)
      if (path.state == "missing" && path.why.empty())
        path.why = fmt::format("nothing arrived within {} s", options_.within.count());
  }

  std::vector<Question> questions() const {
    std::vector<Question> all;
    for (const std::string_view path : {"journal", "containers"}) {
      if (!pending(path)) continue;
      const auto sent = sent_.find(path);
      const Mono since = sent == sent_.end() ? start_ : sent->second;
      const auto& labels =
          path == "journal" ? destinations_.journal_labels : destinations_.container_labels;
      for (const Destination& one : destinations_.loki) {
        for (const auto& [name, value] : labels)
          all.push_back(
              {path, &one, name + "=" + json(value).dump(-1, ' ', false, kReplace), since});
        // What most lines have; Loki itself gives the last one.
        for (const std::string_view name : {"job", "service_name"})
          all.push_back({path, &one, std::string(name) + "=~\".+\"", since});
      }
    }
    if (pending("metrics"))
      for (const Destination& one : destinations_.prometheus)
        all.push_back({"metrics", &one, "", start_});
    return all;
  }

  void add_client(const Destination& one) {
    clients_[&one] = std::make_unique<agent::io::HttpClient>(one.http);
  }

  void look(Question& question) {
    agent::io::HttpClient& client = *clients_.at(question.destination);
    Path& path = paths_[question.path];
    Result<bool> found = false;
    if (question.path == "metrics") {
      const auto age = newest_sample(client, *question.destination, names_);
      if (!age) {
        found = fail(age.error());
      } else if (*age >= 0) {
        found = *age < seconds_since(world_.clock, start_);
        path.why = fmt::format("the newest sample is {:.0f} s old", *age);
      } else {
        std::string names;
        for (const std::string& name : names_) names += (names.empty() ? "" : ", ") + name;
        path.why = "no sample's instance, hostname or host is " + printable(names);
      }
    } else {
      found = loki_has(client, *question.destination, question.selector,
                       mark_ + "-" + std::string(question.path), start_ns_ - kClockDifference,
                       world_.clock.wall_ns() + kClockDifference);
    }
    if (!found) {
      path.why = found.error().message;
      question.over =
          found.error().code == ErrorCode::kInvalid || ++question.failures >= kFailuresInARow;
      return;
    }
    question.failures = 0;
    if (!*found) return;
    path.state = "arrived";
    path.why.clear();
    path.seconds = seconds_since(world_.clock, question.since);
    path.at = agent::io::url_for_people(question.destination->url);
  }

  static constexpr auto kReplace = json::error_handler_t::replace;

  const Host& host_;
  const VerifyOptions& options_;
  const World& world_;
  const std::atomic<bool>& stop_;
  Paths& paths_;
  Destinations destinations_;
  std::map<const Destination*, std::unique_ptr<agent::io::HttpClient>> clients_;
  std::map<std::string_view, Mono> sent_;
  std::vector<std::string> names_;
  std::string mark_;
  Mono start_{};
  std::int64_t start_ns_ = 0;
};

std::string cell_of(const Path& path) {
  if (path.state == "arrived") return fmt::format("{:.1f} s", path.seconds);
  return path.state == "skipped" ? "-" : path.state;
}

json json_of(const Host& host, const HostResult& result, const Paths& paths) {
  json one = {{"schema", kSchema},
              {"type", "host"},
              {"host", host.name()},
              {"state", result.state == HostState::kUnchanged     ? "ok"
                        : result.state == HostState::kUnreachable ? "unreachable"
                                                                  : "failed"},
              {"error", result.text},
              {"notes", result.notes},
              {"seconds", result.seconds}};
  for (const auto& [name, path] : paths) {
    json& of = one[std::string(name)];
    of = {{"state", path.state}, {"why", path.why}};
    if (path.state == "arrived") of.update({{"seconds", path.seconds}, {"at", path.at}});
  }
  return one;
}

void add_cases(const Host& host, const HostResult& result, const Paths& paths,
               std::vector<JunitCase>& cases) {
  for (const auto& [name, path] : paths) {
    JunitCase one{host.name(), std::string(name)};
    one.seconds = path.seconds;
    one.message = result.state == HostState::kUnreachable ? result.text : path.why;
    one.result = path.state == "arrived"   ? JunitCase::Result::kPassed
                 : path.state == "skipped" ? JunitCase::Result::kSkipped
                 : result.state == HostState::kUnreachable || path.state == "failed"
                     ? JunitCase::Result::kError
                     : JunitCase::Result::kFailed;
    cases.push_back(std::move(one));
  }
}

Tone tone_of_cell(std::size_t row, std::size_t column, std::string_view cell) {
  if (row == 0 || column == 0 || column > kPaths.size() || cell == "-") return Tone::kPlain;
  return cell == "missing" || cell == "failed" ? Tone::kBad : Tone::kGood;
}

}  // namespace

ExitCode verify(const Fleet& fleet, const VerifyOptions& options, const World& world,
                const std::atomic<bool>& stop, std::ostream& out, std::ostream& err) {
  if (fleet.hosts.empty()) {
    out << "No host to ask.\n";
    return ExitCode::kDone;
  }
  std::map<const Host*, Paths> all;  // each host's worker has its own
  for (const auto& host : fleet.hosts) all[host.get()];
  std::vector<std::vector<std::string>> rows{{"HOST", "JOURNAL", "CONTAINERS", "METRICS", "NOTE"}};
  std::vector<JunitCase> cases;
  Tally tally;
  const Course course = over_hosts(
      fleet, options, world, "verifying", stop, Sequence::kAsListed,
      [&](const Host& host) {
        return Verification(host, options, world, stop, all.at(&host)).run();
      },
      [&](const Host& host, const HostResult& result) {
        const Paths& paths = all.at(&host);
        tally.add(result.state);
        if (options.junit) {
          add_cases(host, result, paths, cases);
          return;
        }
        if (options.json) {
          out << json_of(host, result, paths).dump(-1, ' ', false, json::error_handler_t::replace)
              << "\n"
              << std::flush;
          return;
        }
        std::vector<std::string> row{host.name()};
        for (const std::string_view path : kPaths) {
          const auto found = paths.find(path);
          const bool asked = found != paths.end() && result.state != HostState::kUnreachable;
          row.push_back(asked ? cell_of(found->second) : "-");
        }
        std::vector<std::string> notes = result.notes;
        if (!result.text.empty())
          notes.insert(notes.begin(), result.state == HostState::kUnreachable
                                          ? "unreachable: " + result.text
                                          : result.text);
        row.push_back(notes.empty() ? "" : notes.front());
        rows.push_back(std::move(row));
        for (std::size_t i = 1; i < notes.size(); ++i) rows.push_back({"", "", "", "", notes[i]});
      },
      err);
  if (options.junit) {
    out << junit_xml("fleetctl verify", cases) << std::flush;
  } else if (!options.json) {
    out << aligned(rows, options.color, tone_of_cell) << std::flush;
  }
  return tally.exit_code(course, false);
}

ExitCode run_verify(FleetOptions fleet_options, const ConfigurationCheck& check,
                    bool ask_become_password, VerifyOptions options) {
  const auto fleet = usable(load_fleet_with_facts(fleet_options, check, options), std::cerr);
  if (!fleet) return ExitCode::kRefused;
  options.host_limit = std::max<agent::Duration>(options.host_limit, options.within);
  return in_the_world(options, ask_become_password, [&](const World& world, const auto& stop) {
    return verify(*fleet, options, world, stop, std::cout, std::cerr);
  });
}

}  // namespace fleetctl::command
