#include "fleetctl/plan/plan.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/strings.h"

namespace fleetctl::plan {
namespace {

constexpr std::int64_t kSpareKib = 32 * 1024;  // left free beside the unpacked release

// "2.36" -> {2, 36}; {0, 0} when it is not a version.
std::pair<int, int> version(std::string_view text) {
  std::pair<int, int> out{0, 0};
  const auto dot = text.find('.');
  std::from_chars(text.data(), text.data() + std::min(dot, text.size()), out.first);
  if (dot != std::string_view::npos)
    std::from_chars(text.data() + dot + 1, text.data() + text.size(), out.second);
  return out;
}

std::string refusal_of(const Facts& facts, const Release& release) {
  if (!facts.systemd) return "this host does not run systemd";
  if (!facts.no_files.empty())
    return *facts.no_files.begin() + " is something else than a file on this host; take it away";
  constexpr std::string_view kGlibc = "glibc ";
  if (facts.libc.substr(0, kGlibc.size()) == kGlibc &&
      version(std::string_view(facts.libc).substr(kGlibc.size())) < version(release.glibc)) {
    return "this host has " + facts.libc + ", the agent bundle needs glibc " + release.glibc +
           " or newer";
  }
  const auto needed =
      static_cast<std::int64_t>((release.unpacked + release.archive->size()) / 1024) + kSpareKib;
  if (!facts.release_present && facts.free_kib >= 0 && facts.free_kib < needed) {
    return "disk full: " + std::to_string(facts.free_kib / 1024) +
           " MiB free for /opt/fleet-agent, " + std::to_string(needed / 1024) + " MiB needed";
  }
  return "";
}

constexpr std::string_view kConfigFolder = "/etc/fleet-agent/";
constexpr std::string_view kUnitFolder = "/etc/systemd/system/";

bool is_config(const std::string& path) { return path.starts_with(kConfigFolder); }

std::string_view without_zeros(std::string_view mode) {
  return mode.substr(std::min(mode.find_first_not_of('0'), mode.size()));
}

std::string drift_of(const Facts& facts, const std::string& path) {
  const auto now = facts.files.find(path);
  const auto applied = facts.applied.find(path);
  if (applied == facts.applied.end() || facts.current.empty()) return "";
  if (now == facts.files.end()) return "removed";
  return now->second.sha256 == applied->second ? "" : "edited";
}

void plan_file(const Facts& facts, const WantedFile& file, Plan& plan) {
  const Effect effect = is_config(file.path) ? Effect::kReload : Effect::kRestart;
  const std::string name = shown_name(file.path);
  const std::string sha256 = agent::sha256_hex(file.bytes);
  const auto now = facts.files.find(file.path);
  const auto applied = facts.applied.find(file.path);
  if (now == facts.files.end()) {
    plan.changes.push_back({'+', name, effect, file.path, drift_of(facts, file.path)});
  } else if (now->second.sha256 != sha256) {
    plan.changes.push_back({'~', name, effect, file.path, drift_of(facts, file.path)});
  } else if (!other_access(now->second, file).empty()) {
    plan.changes.push_back({'~', "mode of " + name, Effect::kNone, file.path});
  } else if (applied != facts.applied.end() && applied->second != sha256) {
    plan.changes.push_back({'~', name + " (in place, but not in effect)", effect, file.path});
  }
  if (now != facts.files.end() && now->second.sha256 == sha256) return;
  if (file.path == kConfigPath) {
    plan.config_differs = true;
  } else if (file.path != kUnitPath) {
    plan.other_files.push_back(file.path);
  }
}

}  // namespace

std::string_view effect_name(Effect effect) {
  switch (effect) {
    case Effect::kNone:
      return "none";
    case Effect::kReload:
      return "reload";
    case Effect::kRestart:
      return "restart";
  }
  return "";
}

std::string shown_name(std::string_view path) {
  if (path.starts_with(kUnitFolder)) return std::string(path.substr(kUnitFolder.size()));
  const bool is_like_the_unit = path == "/etc/fleet-agent/fleet-agent.service";
  if (!path.starts_with(kConfigFolder) || is_like_the_unit) return std::string(path);
  return std::string(path.substr(kConfigFolder.size()));
}

std::string other_access(const InstalledFile& now, const WantedFile& file) {
  const bool same = without_zeros(now.mode) == without_zeros(file.mode) && now.owner == "root" &&
                    (file.group.empty() || now.group == file.group);
  return same ? "" : now.mode + " " + now.owner + ":" + now.group;
}

agent::Result<const Build*> build_for(const std::vector<Build>& builds,
                                      std::string_view architecture) {
  std::string there;
  for (const Build& build : builds) {
    const Release& release = build.release;
    if (release.architecture == architecture) return &build;
    there += (there.empty() ? "" : ", ") + release.architecture +
             (release.version.empty() ? "" : " (" + release.version + ")");
  }
  return agent::fail(
      agent::ErrorCode::kNotFound,
      "this host is " + std::string(architecture) + ", there are builds of the agent for " + there);
}

Effect Plan::effect() const {
  Effect strongest = Effect::kNone;
  for (const Change& change : changes) strongest = std::max(strongest, change.effect);
  return strongest;
}

Plan make_plan(const Facts& facts, const Wanted& wanted, const Release& release) {
  Plan plan;
  plan.refusal = refusal_of(facts, release);
  if (!facts.user) plan.changes.push_back({'+', "user fleet-agent", Effect::kRestart});
  for (const std::string& group : wanted.groups) {
    const auto found = facts.groups.find(group);
    if (found == facts.groups.end())
      continue;  // a host without adm or docker is none of our business
    if (!found->second) plan.changes.push_back({'+', "group " + group, Effect::kRestart});
  }
  for (const WantedFile& file : wanted.files) plan_file(facts, file, plan);
  for (const auto& [path, sha256] : facts.applied) {
    const bool still =
        std::any_of(wanted.files.begin(), wanted.files.end(),
                    [&path = path](const WantedFile& file) { return file.path == path; });
    if (still) continue;
    const Effect effect = !facts.files.contains(path) ? Effect::kNone
                          : is_config(path)           ? Effect::kReload
                                                      : Effect::kRestart;
    plan.changes.push_back({'-', shown_name(path), effect, path, drift_of(facts, path)});
  }
  if (facts.current.empty()) {
    plan.changes.push_back({'+', "release " + wanted.release, Effect::kRestart});
  } else if (facts.current != wanted.release) {
    plan.changes.push_back(
        {'~', "release " + facts.current + " -> " + wanted.release, Effect::kRestart});
  } else if (!facts.release_present || wanted.again) {
    plan.changes.push_back(
        {'~', "release " + wanted.release + (wanted.again ? " (again)" : " (damaged)"),
         Effect::kRestart});
  }
  if (facts.unit_enabled != "enabled")
    plan.changes.push_back({'+', "enabled at boot", Effect::kNone});
  if (facts.unit_active != "active") plan.changes.push_back({'+', "started", Effect::kRestart});
  if (!facts.interrupted.empty()) {
    plan.notes.push_back("the deploy " + facts.interrupted + " was interrupted");
    plan.changes.push_back({'~', "restarted after an interrupted deploy", Effect::kRestart});
  }
  const Effect effect = plan.effect();
  if (wanted.restart == Restart::kAlways && effect != Effect::kRestart)
    plan.changes.push_back({'~', "restarted, as asked for", Effect::kRestart});
  if (wanted.restart == Restart::kNever && effect == Effect::kRestart && plan.refusal.empty())
    plan.refusal = "it needs a restart (" + summary(plan) + "), and --restart never was given";
  if (facts.alloy_runs) {
    plan.notes.push_back(
        "Grafana Alloy is running here too; both want 127.0.0.1:12345 (systemctl disable --now "
        "alloy)");
  }
  plan.send_release = !plan.empty() && (!facts.release_present || wanted.again);
  return plan;
}

std::string summary(const Plan& plan) {
  std::string out;
  for (const Change& change : plan.changes) {
    if (!out.empty()) out += ", ";
    out += change.what;
  }
  if (plan.effect() == Effect::kReload) out += " (reload)";
  if (plan.effect() == Effect::kRestart) out += " (restart)";
  return out;
}

std::vector<WantedFile> standard_files(std::string config, std::string unit) {
  return {{kConfigPath, "0640", "fleet-agent", std::move(config)},
          {kUnitPath, "0644", "", std::move(unit)}};
}

}  // namespace fleetctl::plan
