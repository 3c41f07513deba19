// {"version": of this program,
//  "present": {"generation": n, "run", "who", "time": seconds since 1970},   0 and "": no deploy
//  yet "interrupted": "RUN of WHO" or "", "kept": [{"generation", "run", "who", "time", "release",
//  "config_sha256", "release_present"}], "config": {"sha256", "applied_sha256", "modified": seconds
//  since 1970, "uid": owner}, "unit": {"active", "enabled", "restarts": n, "up_seconds": n or -1},
//  "ready": bool, "healthy": bool, "answer": why it is not ready, one line,
//  "unhealthy": [{"component", "message"}]}
// A member whose source is not there is "" or 0.
#include "agent/install/installed.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
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
constexpr std::size_t kConfigLimit = 16U << 20;

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
  const bool there = ::stat(path.c_str(), &status) == 0;
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

std::string installed_json(System& system, const Clock& clock, std::string_view version,
                           const std::string& http) {
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
                {"unhealthy", json::array()}};
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
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

int installed_main(const std::vector<std::string>& arguments, std::string_view version) {
  const bool framed = arguments.size() == 2 && arguments[0] == "--frame";
  if (!arguments.empty() && !framed) {
    (void)write_all(STDERR_FILENO, "fleet-agent installed: takes --frame TEXT and nothing else\n");
    return 64;
  }
  const SystemClock clock;
  HostSystem system(clock);
  const std::string frame = framed ? arguments[1] + " " : "";
  const auto said = write_all(STDOUT_FILENO, frame + installed_json(system, clock, version) + "\n");
  return said ? 0 : 1;
}

}  // namespace agent::install
