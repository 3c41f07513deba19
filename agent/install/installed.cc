// {"version": of this program,
//  "present": {"generation": n, "run", "who", "time": seconds since 1970},   0 and "": no deploy
//  yet "interrupted": "RUN of WHO" or "", "kept": [{"generation", "run", "who", "time", "release",
//  "config_sha256", "release_present"}], "config": {"sha256", "applied_sha256", "modified": seconds
//  since 1970, "uid": owner}, "unit": {"active", "enabled", "restarts": n, "up_seconds": n or -1},
//  "ready": bool, "healthy": bool, "answer": why it is not ready, one line,
//  "unhealthy": [{"component", "message"}],
//  "drift": files that the last deploy put there and that are not as it left them,
//    [{"path", "how": "changed" or "missing", "modified": seconds since 1970, "uid": owner}],
//  "listens": {"address", "prefix", "tls": bool} or null (agent/ui/own_server.h),
//  "figures": {"lines_per_second", "samples_per_second", "backlog", "last_error"} or null
//    (agent/ui/figures.h); where it is asked to measure}
// A member whose source is not there is "" or 0.
#include "agent/install/installed.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "agent/install/books.h"
#include "agent/install/generations.h"
#include "agent/install/layout.h"

namespace agent::install {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr Duration kCommandLimit = 20s;
constexpr Duration kHttpLimit = 5s;
constexpr Duration kMeasure = 1s;
constexpr std::size_t kConfigLimit = 16U << 20;  // of any file that a deploy puts there
constexpr std::size_t kFiguresLimit = 256U << 10;
constexpr std::string_view kFigures = "/api/v0/ui/figures";

json json_of(const Origin& origin) {
  return {{"generation", origin.generation},
          {"run", origin.run},
          {"who", origin.who},
          {"time", origin.time}};
}

json kept_json(const System& system, const Books& books) {
  json out = json::array();
  for (const Kept& kept : kept_generations(system, books)) {
    json one = json_of(kept.origin);
    one["release"] = kept.release;
    one["config_sha256"] = kept.config_sha256;
    one["release_present"] = kept.release_present;
    out.push_back(std::move(one));
  }
  return out;
}

json config_json(const System& system, const std::optional<Applied>& applied) {
  const auto path = system.at(kConfigFile);
  struct stat status {};
  const bool there = ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
  const auto bytes = there ? read_file(path, kConfigLimit) : Result<std::string>(std::string());
  std::string applied_sha256;
  if (applied) {
    const auto found = applied->files.find(std::string(kConfigFile));
    if (found != applied->files.end()) applied_sha256 = found->second;
  }
  return {{"sha256", there && bytes ? sha256_hex(*bytes) : ""},
          {"applied_sha256", applied_sha256},
          {"modified", there ? status.st_mtim.tv_sec : 0},
          {"uid", there ? status.st_uid : 0}};
}

json drift_json(const System& system, const std::optional<Applied>& applied) {
  json out = json::array();
  if (!applied) return out;
  for (const auto& [name, sha256] : applied->files) {
    const auto path = system.at(name);
    struct stat status {};
    const bool there = ::lstat(path.c_str(), &status) == 0;
    // A pipe is not opened: nobody may ever write to it.
    if (there && S_ISREG(status.st_mode)) {
      const auto bytes = read_file(path, kConfigLimit);
      if (bytes && sha256_hex(*bytes) == sha256) continue;
    }
    out.push_back({{"path", name},
                   {"how", there ? "changed" : "missing"},
                   {"modified", there ? status.st_mtim.tv_sec : 0},
                   {"uid", there ? status.st_uid : 0}});
  }
  return out;
}

// What the agent says about itself in JSON; null when it says nothing of the kind.
json asked_json(System& system, const std::string& http, std::string_view path) {
  const auto answer = system.http("GET", http, path, kHttpLimit, kFiguresLimit);
  if (!answer || answer->status != 200) return nullptr;
  json document = json::parse(answer->body, nullptr, false);
  return document.is_object() ? std::move(document) : json(nullptr);
}

double number(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

// Two looks at the counters, and so long between them that a rate can be told.
class Measuring {
 public:
  Measuring(System& system, Clock& clock, const std::string& http)
      : system_(system), clock_(clock), http_(http), first_(look()), began_(clock.mono()) {}

  json end() {
    if (first_.is_null()) return nullptr;
    clock_.sleep_until(began_ + kMeasure, {});
    const json last = look();
    const double seconds = std::chrono::duration<double>(clock_.mono() - began_).count();
    if (last.is_null() || seconds <= 0) return nullptr;
    // One that began anew counts from 0.
    const bool same = number(first_, "start") == number(last, "start");
    const auto rate = [&](const char* name) {
      const double more = number(last, name) - (same ? number(first_, name) : 0);
      return std::round(std::max(0.0, more) / seconds * 100) / 100;
    };
    const auto part = [&](const char* name) {
      const auto found = last.find(name);
      return found == last.end() ? json(nullptr) : *found;
    };
    return {{"lines_per_second", rate("lines")},
            {"samples_per_second", number(last, "samples_per_second") + rate("received_samples")},
            {"backlog", part("backlog")},
            {"last_error", part("last_error")}};
  }

 private:
  json look() { return asked_json(system_, http_, kFigures); }

  System& system_;
  Clock& clock_;
  const std::string& http_;
  const json first_;
  const Mono began_;
};

// `systemctl show` prints NAME=VALUE lines.
json unit_json(System& system, const Clock& clock) {
  json unit{{"active", ""}, {"enabled", ""}, {"restarts", 0}, {"up_seconds", -1}};
  const auto shown = system.run(
      {"systemctl", "show", "--property",
       "ActiveState,UnitFileState,NRestarts,ActiveEnterTimestampMonotonic", std::string(kUnitName)},
      kCommandLimit);
  if (!shown) return unit;
  for (const std::string_view line : split(shown->output, '\n')) {
    const auto equals = std::min(line.find('='), line.size());
    const auto name = line.substr(0, equals);
    const auto value = trim(line.substr(std::min(equals + 1, line.size())));
    std::int64_t number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    if (name == "ActiveState") unit["active"] = value;
    if (name == "UnitFileState") unit["enabled"] = value;
    if (name == "NRestarts") unit["restarts"] = number;
    if (name == "ActiveEnterTimestampMonotonic" && number > 0) {
      const auto now =
          std::chrono::duration_cast<std::chrono::microseconds>(clock.mono().time_since_epoch());
      unit["up_seconds"] = std::max<std::int64_t>(0, now.count() - number) / 1'000'000;
    }
  }
  if (unit["active"] != "active") unit["up_seconds"] = -1;
  return unit;
}

// The lines "ID: message" below the heading; a last one that was cut off is left out.
json unhealthy_json(std::string_view body) {
  json out = json::array();
  const auto lines = split(body, '\n');
  for (std::size_t i = 1; i + 1 < lines.size(); ++i) {
    const auto colon = lines[i].find(": ");
    if (colon == std::string_view::npos) continue;
    out.push_back(
        {{"component", lines[i].substr(0, colon)}, {"message", trim(lines[i].substr(colon + 2))}});
  }
  return out;
}

}  // namespace

std::string current_error(System& system, const std::string& http) {
  const json figures = asked_json(system, http, kFigures);
  const auto error = figures.find("last_error");
  if (error == figures.end() || !error->is_object()) return {};
  const auto now = error->find("now"), component = error->find("component"),
             message = error->find("message");
  if (now == error->end() || *now != true || component == error->end() || !component->is_string() ||
      message == error->end() || !message->is_string())
    return {};
  return component->get<std::string>() + ": " + message->get<std::string>();
}

std::string installed_json(System& system, Clock& clock, std::string_view version, bool measure,
                           const std::string& http) {
  std::optional<Measuring> measuring;
  if (measure) measuring.emplace(system, clock, http);
  const Books books(system);
  const auto applied = books.applied();
  const auto underway = books.underway();
  json document{{"version", version},
                {"present", json_of(applied ? applied->origin : Origin{})},
                {"interrupted", underway ? underway->run + " of " + underway->who : ""},
                {"kept", kept_json(system, books)},
                {"config", config_json(system, applied)},
                {"unit", unit_json(system, clock)},
                {"ready", false},
                {"healthy", false},
                {"answer", ""},
                {"unhealthy", json::array()},
                {"drift", drift_json(system, applied)},
                {"listens", asked_json(system, http, "/-/where")},
                {"figures", nullptr}};
  const auto ready = system.http("GET", http, "/-/ready", kHttpLimit);
  if (!ready) {
    document["answer"] = ready.error().message;
  } else {
    document["ready"] = ready->status == 200;
    if (ready->status != 200) {
      std::string text(trim(ready->body));
      std::replace(text.begin(), text.end(), '\n', ' ');
      document["answer"] = text;
    }
    const auto healthy = system.http("GET", http, "/-/healthy", kHttpLimit);
    document["healthy"] = healthy && healthy->status == 200;
    if (healthy && healthy->status != 200) document["unhealthy"] = unhealthy_json(healthy->body);
  }
  if (measuring) document["figures"] = measuring->end();
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

int installed_main(const std::vector<std::string>& arguments, std::string_view version) {
  std::vector<std::string> words = arguments;
  const bool measure = std::erase(words, "--measure") > 0;
  const bool framed = words.size() == 2 && words[0] == "--frame";
  if (!words.empty() && !framed) {
    (void)write_all(STDERR_FILENO,
                    "fleet-agent installed: takes --measure, --frame TEXT and nothing else\n");
    return 64;
  }
  SystemClock clock;
  HostSystem system(clock);
  const std::string frame = framed ? words[1] + " " : "";
  const auto said =
      write_all(STDOUT_FILENO, frame + installed_json(system, clock, version, measure) + "\n");
  return said ? 0 : 1;
}

}  // namespace agent::install
