#include "fleetctl/plan/installed.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "fleetctl/plan/host_words.h"

namespace fleetctl::plan {
namespace {

using nlohmann::json;

constexpr std::size_t kMostListed = 1000;
constexpr double kMostCounted = 1e15;  // sums of many of them are numbers, too

void read(const json& object, const char* name, std::string& text) {
  const auto found = object.find(name);
  if (found != object.end() && found->is_string()) text = one_line(found->get<std::string>());
}
void read(const json& object, const char* name, bool& flag) {
  const auto found = object.find(name);
  if (found != object.end() && found->is_boolean()) flag = found->get<bool>();
}
void read(const json& object, const char* name, std::int64_t& number) {
  const auto found = object.find(name);
  if (found != object.end() && found->is_number_integer()) number = found->get<std::int64_t>();
}

void read(const json& object, const char* name, double& number) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number()) return;
  if (const auto told = found->get<double>(); std::abs(told) <= kMostCounted) number = told;
}
// A count, however it is written.
void read_count(const json& object, const char* name, std::int64_t& number) {
  double value = -1;
  read(object, name, value);
  if (value >= 0) number = static_cast<std::int64_t>(value);
}

// An object or a list; an empty one when it is something else.
json part(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_structured() ? *found : json::object();
}

Generation generation_of(const json& object) {
  Generation generation;
  std::int64_t number = 0;
  read(object, "generation", number);
  generation.number = number > 0 && number < 4'000'000'000 ? static_cast<unsigned>(number) : 0;
  read(object, "run", generation.run);
  read(object, "who", generation.who);
  read(object, "time", generation.time);
  read(object, "release", generation.release);
  read(object, "config_sha256", generation.config_sha256);
  read(object, "release_present", generation.release_present);
  return generation;
}

}  // namespace

agent::Result<Installed> read_installed(std::string_view text) {
  const json document = json::parse(bounded_json(text), nullptr, false);
  if (!document.is_object())
    return agent::fail(agent::ErrorCode::kIo, "the host's report cannot be read");
  Installed installed;
  read(document, "version", installed.version);
  read(document, "interrupted", installed.interrupted);
  read(document, "ready", installed.ready);
  read(document, "healthy", installed.healthy);
  read(document, "answer", installed.answer);
  installed.present = generation_of(part(document, "present"));
  for (const json& kept : part(document, "kept")) {
    if (kept.is_object() && installed.kept.size() < kMostListed)
      installed.kept.push_back(generation_of(kept));
  }
  const json config = part(document, "config");
  read(config, "sha256", installed.config_sha256);
  read(config, "applied_sha256", installed.applied_sha256);
  installed.present.config_sha256 = installed.applied_sha256;
  read(config, "modified", installed.config_modified);
  read(config, "uid", installed.config_uid);
  const json unit = part(document, "unit");
  read(unit, "active", installed.unit_active);
  read(unit, "enabled", installed.unit_enabled);
  read(unit, "restarts", installed.restarts);
  read(unit, "up_seconds", installed.up_seconds);
  for (const json& one : part(document, "unhealthy")) {
    if (!one.is_object() || installed.unhealthy.size() >= kMostListed) continue;
    Ill ill;
    read(one, "component", ill.component);
    read(one, "message", ill.message);
    installed.unhealthy.push_back(std::move(ill));
  }
  for (const json& one : part(document, "drift")) {
    if (!one.is_object() || installed.drift.size() >= kMostListed) continue;
    Drift drift;
    read(one, "path", drift.path);
    read(one, "how", drift.how);
    read(one, "modified", drift.modified);
    read(one, "uid", drift.uid);
    installed.drift.push_back(std::move(drift));
  }
  const json listens = part(document, "listens");
  read(listens, "address", installed.address);
  read(listens, "prefix", installed.prefix);
  read(listens, "tls", installed.tls);
  const json figures = part(document, "figures");
  read(figures, "lines_per_second", installed.figures.lines_per_second);
  read(figures, "samples_per_second", installed.figures.samples_per_second);
  const json backlog = part(figures, "backlog");
  read_count(backlog, "entries", installed.figures.backlog_entries);
  read_count(backlog, "samples", installed.figures.backlog_samples);
  read_count(backlog, "bytes", installed.figures.backlog_bytes);
  read_count(backlog, "oldest_seconds", installed.figures.oldest_seconds);
  const json error = part(figures, "last_error");
  read(error, "component", installed.last_error.component);
  read(error, "message", installed.last_error.message);
  read(error, "time", installed.last_error.time);
  read(error, "now", installed.last_error.now);
  return installed;
}

}  // namespace fleetctl::plan
