#include "fleetctl/plan/installed.h"

#include <nlohmann/json.hpp>

namespace fleetctl::plan {
namespace {

using nlohmann::json;

constexpr std::size_t kMostListed = 1000;

void read(const json& object, const char* name, std::string& text) {
  const auto found = object.find(name);
  if (found != object.end() && found->is_string()) text = found->get<std::string>();
}
void read(const json& object, const char* name, bool& flag) {
  const auto found = object.find(name);
  if (found != object.end() && found->is_boolean()) flag = found->get<bool>();
}
void read(const json& object, const char* name, std::int64_t& number) {
  const auto found = object.find(name);
  if (found != object.end() && found->is_number_integer()) number = found->get<std::int64_t>();
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
  const json document = json::parse(text, nullptr, false);
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
  return installed;
}

}  // namespace fleetctl::plan
