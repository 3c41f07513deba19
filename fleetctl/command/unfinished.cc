#include "fleetctl/command/unfinished.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <system_error>

#include "agent/base/file.h"
#include "fleetctl/command/hosts_run.h"

namespace fleetctl::command {
namespace {

namespace fs = std::filesystem;
using agent::ErrorCode;
using agent::fail;
using agent::Result;
using nlohmann::json;

constexpr std::size_t kFileLimit = 16U << 20;
constexpr std::size_t kMostRuns = 20;
constexpr agent::Duration kSaveEvery = std::chrono::seconds(1);

std::string identity_of(const fs::path& path) {
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(path, error);
  return (error ? path : whole).string() + '\n';
}

std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> texts_of(const json& object, const char* name) {
  std::vector<std::string> out;
  const auto list = object.find(name);
  if (list == object.end() || !list->is_array()) return out;
  for (const json& one : *list)
    if (one.is_string()) out.push_back(one.get<std::string>());
  return out;
}

bool holds(const std::vector<std::string>& runs, const std::string& run) {
  return std::find(runs.begin(), runs.end(), run) != runs.end();
}

}  // namespace

Result<fs::path> unfinished_file(const FleetOptions& options) {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (state != nullptr && *state == '/') {
    folder = state;
  } else if (home != nullptr && *home == '/') {
    folder = fs::path(home) / ".local/state";
  } else {
    return fail(ErrorCode::kNotFound, "neither XDG_STATE_HOME nor HOME is a folder");
  }
  std::string tree = identity_of(options.root) + identity_of(options.templates);
  for (const std::string& inventory : options.inventories)
    tree += inventory.find(',') == std::string::npos ? identity_of(inventory) : inventory + '\n';
  return folder / "fleetctl" / (agent::sha256_hex(tree).substr(0, 16) + ".json");
}

Result<UnfinishedHosts> read_unfinished(const fs::path& file) {
  std::error_code error;
  UnfinishedHosts known;
  if (!fs::exists(file, error)) return known;
  const auto text = agent::read_file(file, kFileLimit);
  if (!text) return fail(text.error());
  const json document = json::parse(*text, nullptr, false);
  const auto listed = document.is_object() ? document.find("hosts") : document.end();
  if (!document.is_object() || listed == document.end() || !listed->is_object())
    return fail(ErrorCode::kInvalid, file.string() + " is not what a deploy leaves; remove it");
  known.runs = texts_of(document, "runs");
  if (known.runs.empty()) known.runs.push_back(text_of(document, "run"));  // of an older fleetctl
  for (const auto& [name, one] : listed->items())
    known.hosts[name] = one.is_string()
                            ? UnfinishedHost{one.get<std::string>(), {}}
                            : UnfinishedHost{text_of(one, "how"), texts_of(one, "runs")};
  return known;
}

std::string short_run(const std::string& run) { return run.substr(run.rfind('-') + 1); }

Result<std::set<std::string>> hosts_of_run(const UnfinishedHosts& known, const std::string& id) {
  std::string list;
  std::vector<std::string> meant;
  for (const std::string& run : known.runs) {
    list = run + (list.empty() ? "" : ", ") + list;
    if (run == id || short_run(run) == id) meant.push_back(run);
  }
  if (id.empty() && !known.runs.empty()) meant.push_back(known.runs.back());
  if (meant.size() != 1) {
    return fail(ErrorCode::kNotFound,
                meant.empty() ? "no run " + id + " of this tree is known here, known are: " + list
                              : id + " is the end of several runs: " + list);
  }
  std::set<std::string> hosts;
  for (const auto& [name, host] : known.hosts)
    if (holds(host.runs, meant.front())) hosts.insert(name);
  return hosts;
}

Result<> Unfinished::begin(const std::string& run, const std::vector<std::string>& hosts) {
  run_ = run;
  for (const std::string& host : hosts) news_[host] = "not begun";
  return save();
}

Result<> Unfinished::ended(const std::string& host, HostState state) {
  news_[host] = is_well(state) ? "" : state_name(state);
  return clock_.mono() - saved_ < kSaveEvery ? Result<>() : save();
}

Result<> Unfinished::save() {
  if (file_.empty()) return {};
  saved_ = clock_.mono();
  std::error_code error;
  fs::create_directories(file_.parent_path(), error);
  const fs::path lock_path = file_.string() + ".lock";
  const agent::FileDescriptor lock(
      ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return agent::fail_errno(lock_path.string(), errno);
  if (::flock(lock.get(), LOCK_EX) != 0) return agent::fail_errno(lock_path.string(), errno);
  auto known = read_unfinished(file_);
  if (!known) return fail(known.error());
  std::vector<std::string>& runs = known->runs;
  if (!holds(runs, run_)) runs.push_back(run_);
  if (runs.size() > kMostRuns) runs.erase(runs.begin(), runs.end() - kMostRuns);
  for (const auto& [name, how] : news_) {
    if (how.empty()) {
      known->hosts.erase(name);
      continue;
    }
    UnfinishedHost& host = known->hosts[name];
    host.how = how;
    if (!holds(host.runs, run_)) host.runs.push_back(run_);
  }
  json hosts = json::object();
  for (auto& [name, host] : known->hosts) {
    std::erase_if(host.runs, [&](const std::string& run) { return !holds(runs, run); });
    hosts[name] = {{"how", host.how}, {"runs", host.runs}};
  }
  const json document{{"schema", 1}, {"runs", runs}, {"hosts", hosts}};
  auto written = agent::write_file_atomic(
      file_, document.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
  if (written) news_.clear();
  return written;
}

}  // namespace fleetctl::command
