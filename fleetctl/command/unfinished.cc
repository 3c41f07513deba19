#include "fleetctl/command/unfinished.h"

#include <fcntl.h>
#include <sys/file.h>

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
constexpr agent::Duration kSaveEvery = std::chrono::seconds(1);

std::string identity_of(const fs::path& path) {
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(path, error);
  return (error ? path : whole).string() + '\n';
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

Result<std::optional<std::map<std::string, std::string>>> read_unfinished(const fs::path& file) {
  std::error_code error;
  std::optional<std::map<std::string, std::string>> hosts;
  if (!fs::exists(file, error)) return hosts;
  const auto text = agent::read_file(file, kFileLimit);
  if (!text) return fail(text.error());
  const json document = json::parse(*text, nullptr, false);
  const auto listed = document.is_object() ? document.find("hosts") : document.end();
  if (!document.is_object() || listed == document.end() || !listed->is_object())
    return fail(ErrorCode::kInvalid, file.string() + " is not what a deploy leaves; remove it");
  hosts.emplace();
  for (const auto& [name, how] : listed->items())
    hosts->emplace(name, how.is_string() ? how.get<std::string>() : "");
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
  std::map<std::string, std::string> hosts;
  if (*known) hosts = std::move(**known);
  for (const auto& [host, how] : news_) {
    if (how.empty()) {
      hosts.erase(host);
    } else {
      hosts[host] = how;
    }
  }
  const json document{{"schema", 1}, {"run", run_}, {"hosts", hosts}};
  auto written = agent::write_file_atomic(
      file_, document.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
  if (written) news_.clear();
  return written;
}

}  // namespace fleetctl::command
