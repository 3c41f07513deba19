#include "fleetctl/command/plan_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/base/file.h"

namespace fleetctl::command {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using nlohmann::json;

constexpr const char* kKind = "fleetctl plan";
constexpr int kSchema = 2;
constexpr std::size_t kFileLimit = 64U << 20;

std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool flag_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

std::string rendered_sha256(const Host& host) {
  std::string sum = agent::sha256_hex(host.configuration());
  for (const plan::WantedFile& file : host.files())
    sum = agent::sha256_hex(sum + " " + file.path + " " + file.mode + " " +
                            agent::sha256_hex(file.bytes));
  return sum;
}

PlanFile plan_of(const AgentBundles& bundles, const std::string& run) {
  std::map<std::string, std::string> units;  // by release: in whatever order they were named
  for (const AgentBundle& one : bundles) units[one.release.id] = one.unit;
  std::string releases, unit;
  for (const auto& [release, text] : units) {
    releases += (releases.empty() ? "" : " ") + release;
    unit += text;
  }
  return {run, releases, agent::sha256_hex(unit), {}};
}

PlannedHost planned_of(const Host& host, const HostResult& result) {
  PlannedHost planned;
  planned.config_sha256 = rendered_sha256(host);
  planned.asked = true;
  planned.would_change = result.state == HostState::kWouldChange;
  planned.seen = seen_by(result.facts, result.planned);
  return planned;
}

Result<> write_plan(const std::filesystem::path& file, const PlanFile& plan) {
  json hosts = json::object();
  for (const auto& [name, host] : plan.hosts) {
    hosts[name] = {{"config_sha256", host.config_sha256},
                   {"asked", host.asked},
                   {"would_change", host.would_change},
                   {"config_on_host_sha256", host.seen.config_sha256},
                   {"files_on_host_sha256", host.seen.files},
                   {"changes", host.seen.changes}};
  }
  const json document{{"kind", kKind},
                      {"schema", kSchema},
                      {"run", plan.run},
                      {"release", plan.release},
                      {"unit_sha256", plan.unit_sha256},
                      {"hosts", hosts}};
  return agent::write_file_atomic(
      file, document.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

Result<PlanFile> read_plan(const std::filesystem::path& file) {
  const auto text = agent::read_file(file, kFileLimit);
  if (!text) return fail(text.error());
  const json document = json::parse(*text, nullptr, false);
  const auto bad = [&](const std::string& why) {
    return fail(ErrorCode::kInvalid, file.string() + ": " + why);
  };
  if (!document.is_object() || text_of(document, "kind") != kKind)
    return bad("not a plan of fleetctl plan --out");
  const auto schema = document.find("schema");
  if (schema == document.end() || *schema != kSchema) return bad("a plan of another fleetctl");
  PlanFile plan{
      text_of(document, "run"), text_of(document, "release"), text_of(document, "unit_sha256"), {}};
  const auto hosts = document.find("hosts");
  if (hosts == document.end() || !hosts->is_object()) return bad("it names no hosts");
  for (const auto& [name, one] : hosts->items()) {
    if (!one.is_object()) return bad(name + " is not an object");
    PlannedHost& host = plan.hosts[name];
    host.config_sha256 = text_of(one, "config_sha256");
    host.asked = flag_of(one, "asked");
    host.would_change = flag_of(one, "would_change");
    host.seen.config_sha256 = text_of(one, "config_on_host_sha256");
    const auto files = one.find("files_on_host_sha256");
    if (files == one.end() || !files->is_object()) return bad(name + " has no files");
    for (const auto& [path, sha256] : files->items())
      host.seen.files[path] = sha256.is_string() ? sha256.get<std::string>() : "";
    const auto changes = one.find("changes");
    if (changes == one.end() || !changes->is_array()) return bad(name + " has no changes");
    for (const json& change : *changes)
      host.seen.changes.push_back(change.is_string() ? change.get<std::string>() : "");
  }
  return plan;
}

std::vector<std::string> hosts_to_change(const PlanFile& plan) {
  std::vector<std::string> names;
  for (const auto& [name, host] : plan.hosts) {
    if (host.would_change || !host.asked) names.push_back(name);
  }
  return names;
}

std::vector<std::string> differences(const PlanFile& plan, const Fleet& fleet,
                                     const AgentBundles& bundles, bool whole) {
  std::vector<std::string> out;
  const PlanFile now = plan_of(bundles, "");
  if (plan.release != now.release)
    out.push_back("the plan is for the agent " + plan.release + ", this is " + now.release);
  if (plan.unit_sha256 != now.unit_sha256) out.emplace_back("the unit is another one");
  std::vector<std::string> missing = hosts_to_change(plan);
  for (const auto& host : fleet.hosts) {
    std::erase(missing, host->name());
    const auto planned = plan.hosts.find(host->name());
    if (planned == plan.hosts.end() || planned->second.config_sha256 != rendered_sha256(*host))
      out.push_back(host->name() + " would get another configuration");
  }
  if (whole) {
    for (const std::string& name : missing) out.push_back(name + " is not in the tree any more");
  }
  return out;
}

}  // namespace fleetctl::command
