#include "fleetctl/command/import.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "fleetctl/command/fleet_file.h"
#include "fleetctl/command/report.h"
#include "fleetctl/inventory/loader.h"
#include "fleetctl/inventory/yaml_reader.h"
#include "fleetctl/value/text.h"

namespace fleetctl::command {
namespace {

namespace fs = std::filesystem;
using value::Value;

constexpr std::size_t kMaxFile = 4U << 20;
constexpr std::size_t kMostTasks = 10'000;
constexpr int kDeepest = 20;  // files that import files, blocks in blocks

enum class Verdict {
  kDone,      // a deploy does it
  kNoNeed,    // it is not needed any more
  kVariable,  // it makes variables, which fleetctl does not see
  kLeft,      // it stays with Ansible
};

std::string_view word_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kDone:
      return "done by deploy";
    case Verdict::kNoNeed:
      return "not needed";
    case Verdict::kVariable:
      return "sets variables";
    case Verdict::kLeft:
      return "stays with Ansible";
  }
  return "";
}

struct Task {
  std::string place;  // "deploy.yml:12"
  std::string name;
  std::string module;  // without its collection
  Verdict verdict = Verdict::kLeft;
  std::string note;
};

// What a module does for us when its task is about the agent.
struct Known {
  std::string_view module;
  std::string_view note;
};
constexpr std::array kOfAgent = std::to_array<Known>({
    {"template", "the configuration and the unit are put in place"},
    {"copy", "the configuration and the unit are put in place"},
    {"file", "folders are made with owner and mode"},
    {"user", "the user and its groups are made; docker where it is in the host's services"},
    {"group", "the user and its groups are made; docker where it is in the host's services"},
    {"systemd", "the unit is enabled, reloaded where that is enough, else restarted"},
    {"systemd_service", "the unit is enabled, reloaded where that is enough, else restarted"},
    {"service", "the unit is enabled, reloaded where that is enough, else restarted"},
    {"uri", "the change is taken back unless the agent becomes ready and healthy"},
    {"wait_for", "the change is taken back unless the agent becomes ready and healthy"},
    {"apt", "the agent is brought along"},
    {"dnf", "the agent is brought along"},
    {"yum", "the agent is brought along"},
    {"package", "the agent is brought along"},
    {"get_url", "the agent is brought along"},
    {"unarchive", "the agent is brought along"},
    {"apt_key", "the agent is brought along"},
    {"apt_repository", "the agent is brought along"},
    {"deb822_repository", "the agent is brought along"},
    {"yum_repository", "the agent is brought along"},
});
constexpr std::array<std::string_view, 9> kNoNeed{
    "setup", "gather_facts", "debug", "assert", "stat", "meta", "ping", "service_facts", "fail"};
constexpr std::array<std::string_view, 2> kSetters{"set_fact", "include_vars"};
constexpr std::array<std::string_view, 4> kFiles{"import_tasks", "include_tasks", "include",
                                                 "import_playbook"};
constexpr std::array<std::string_view, 2> kRoles{"import_role", "include_role"};
// Keys of a task that are no module.
constexpr auto kKeywords = std::to_array<std::string_view>({"name",
                                                            "when",
                                                            "with_items",
                                                            "loop",
                                                            "loop_control",
                                                            "register",
                                                            "notify",
                                                            "listen",
                                                            "tags",
                                                            "become",
                                                            "become_user",
                                                            "become_method",
                                                            "become_flags",
                                                            "vars",
                                                            "environment",
                                                            "delegate_to",
                                                            "delegate_facts",
                                                            "run_once",
                                                            "ignore_errors",
                                                            "ignore_unreachable",
                                                            "changed_when",
                                                            "failed_when",
                                                            "until",
                                                            "retries",
                                                            "delay",
                                                            "no_log",
                                                            "args",
                                                            "async",
                                                            "poll",
                                                            "check_mode",
                                                            "diff",
                                                            "throttle",
                                                            "timeout",
                                                            "connection",
                                                            "remote_user",
                                                            "any_errors_fatal",
                                                            "collections",
                                                            "debugger",
                                                            "module_defaults",
                                                            "port"});

bool is_in(std::string_view word, const auto& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::string text_at(const Value& map, std::string_view key) {
  const Value* found = map.get(key);
  return found == nullptr || found->is_none() ? std::string() : value::str(*found);
}

class Reader {
 public:
  explicit Reader(const fs::path& playbook) : folder_(playbook.parent_path()) {}

  agent::Result<> playbook(const fs::path& path, int depth) {
    auto plays = read(path, depth);
    if (!plays) return agent::fail(plays.error());
    for (const Value& play : plays->items()) {
      if (!play.is_dict()) continue;
      for (const auto& [key, value] : play.as_dict()) {
        if (plain(value::str(key)) != "import_playbook") continue;
        if (auto done = playbook(path.parent_path() / value::str(value), depth + 1); !done)
          return done;
      }
      if (const Value* roles = play.get("roles"); roles != nullptr && roles->is_sequence()) {
        for (const Value& entry : roles->items()) role(entry, depth + 1);
      }
      for (const char* list : {"pre_tasks", "tasks", "post_tasks", "handlers"})
        if (const Value* tasks_of = play.get(list)) tasks(*tasks_of, path, depth + 1);
    }
    return {};
  }

  std::vector<Task> found;
  std::vector<std::string> unread;  // "roles/x: no such role here"

 private:
  static std::string plain(const std::string& module) {
    return module.substr(module.rfind('.') + 1);
  }

  agent::Result<Value> read(const fs::path& path, int depth) {
    if (depth > kDeepest)
      return agent::fail(agent::ErrorCode::kExhausted, path.string() + ": imported too deeply");
    const auto text = agent::read_file(path, kMaxFile);
    if (!text) return agent::fail(text.error());
    std::vector<std::string> ignored;
    auto document = inventory::read_yaml(*text, inventory::shown_path(path), ignored);
    if (document && !document->is_list())
      return agent::fail(agent::ErrorCode::kInvalid,
                         inventory::shown_path(path) + ": it is no list of plays or tasks");
    return document;
  }

  void file(const fs::path& path, int depth) {
    if (!seen_.insert(path.lexically_normal()).second) return;
    auto list = read(path, depth);
    if (list) {
      tasks(*list, path, depth + 1);
    } else {
      unread.push_back(list.error().message);
    }
  }

  void role(const Value& entry, int depth) {
    std::string name = entry.is_dict() ? text_at(entry, "role") : value::str(entry);
    if (name.empty() && entry.is_dict()) name = text_at(entry, "name");
    const fs::path folder = folder_ / "roles" / name;
    std::error_code error;
    if (name.empty() || !fs::is_directory(folder, error)) {
      unread.push_back("role '" + name + "' is not in " + (folder_ / "roles").string());
      return;
    }
    for (const char* part : {"tasks", "handlers"})
      for (const fs::path& path : inventory::find_variable_files(folder / part, "main"))
        file(path, depth);
  }

  void tasks(const Value& list, const fs::path& path, int depth) {
    if (!list.is_sequence() || depth > kDeepest) return;
    for (const Value& task : list.items()) {
      if (!task.is_dict() || found.size() >= kMostTasks) continue;
      bool block = false;
      for (const char* part : {"block", "rescue", "always"}) {
        const Value* inside = task.get(part);
        if (inside != nullptr) tasks(*inside, path, depth + 1);
        block = block || inside != nullptr;
      }
      if (!block) add(task, path, depth);
    }
  }

  void add(const Value& task, const fs::path& path, int depth) {
    std::string key;
    const Value* what = nullptr;
    for (const auto& [name, value] : task.as_dict()) {
      const std::string word = value::str(name);
      if (is_in(word, kKeywords) || word.rfind("with_", 0) == 0) continue;
      key = word == "action" || word == "local_action" ? value::str(value) : word;
      key = key.substr(0, key.find(' '));
      what = &value;
      break;
    }
    if (what == nullptr) return;
    Task one;
    one.module = plain(key);
    one.name = text_at(task, "name");
    const value::Mark* mark = task.mark();
    one.place = inventory::shown_path(path);
    if (mark != nullptr && mark->line > 0) one.place += ":" + std::to_string(mark->line);
    if (is_in(one.module, kFiles)) {
      const std::string name = what->is_dict() ? text_at(*what, "file") : value::str(*what);
      if (name.find("{{") == std::string::npos) return file(path.parent_path() / name, depth + 1);
      unread.push_back(one.place + ": the name of the file is a template: " + name);
      return;
    }
    if (is_in(one.module, kRoles)) return role(*what, depth + 1);
    judge(one, task);
    found.push_back(std::move(one));
  }

  static void judge(Task& one, const Value& task) {
    if (is_in(one.module, kSetters)) {
      one.verdict = Verdict::kVariable;
      one.note = "write them into vars, group_vars or host_vars, or give them with -e";
      return;
    }
    if (is_in(one.module, kNoNeed)) {
      one.verdict = Verdict::kNoNeed;
      return;
    }
    const std::string text = lower(value::str(task));
    const bool of_agent =
        text.find("alloy") != std::string::npos || text.find("fleet-agent") != std::string::npos;
    const auto known = std::find_if(kOfAgent.begin(), kOfAgent.end(),
                                    [&](const Known& k) { return k.module == one.module; });
    if (of_agent && known != kOfAgent.end()) {
      one.verdict = Verdict::kDone;
      one.note = known->note;
    }
  }

  const fs::path folder_;
  std::set<fs::path> seen_;
};

// The folder of the configuration's template below the playbook's; "": there is none.
fs::path templates_near(const fs::path& playbook) {
  const fs::path folder = playbook.parent_path();
  std::error_code error;
  std::vector<fs::path> candidates{folder / "templates", folder};
  for (fs::directory_iterator it(folder / "roles", error), end; !error && it != end;
       it.increment(error))
    candidates.push_back(it->path() / "templates");
  for (const fs::path& candidate : candidates)
    if (fs::is_regular_file(candidate / "config.alloy.j2", error))
      return candidate.lexically_normal();
  return {};
}

Tone tone_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kDone:
      return Tone::kGood;
    case Verdict::kNoNeed:
      return Tone::kFaint;
    case Verdict::kVariable:
    case Verdict::kLeft:
      return Tone::kChange;
  }
  return Tone::kPlain;
}

void print(const Reader& reader, const ImportOptions& options, std::ostream& out) {
  if (options.json) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const Task& task : reader.found)
      all.push_back({{"place", task.place},
                     {"task", task.name},
                     {"module", task.module},
                     {"verdict", word_of(task.verdict)},
                     {"note", task.note}});
    out << nlohmann::ordered_json{{"schema", 1}, {"tasks", all}, {"unread", reader.unread}}.dump(
               2, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
        << "\n";
    return;
  }
  std::vector<std::vector<std::string>> rows{{"PLACE", "TASK", "MODULE", "WHAT BECOMES OF IT"}};
  for (const Task& task : reader.found)
    rows.push_back(
        {task.place, task.name, task.module,
         std::string(word_of(task.verdict)) + (task.note.empty() ? "" : ": " + task.note)});
  if (rows.size() > 1)
    out << aligned(rows, wants_color(options.colors, STDOUT_FILENO),
                   [&](std::size_t row, std::size_t column, auto) {
                     return row == 0 || column != 3 ? Tone::kPlain
                                                    : tone_of(reader.found[row - 1].verdict);
                   });
  for (const std::string& one : reader.unread) out << "not read: " << one << "\n";
  const auto left = std::count_if(reader.found.begin(), reader.found.end(),
                                  [](const Task& task) { return task.verdict == Verdict::kLeft; });
  out << reader.found.size() << " tasks, of which " << left << " stay with Ansible\n";
}

}  // namespace

ExitCode import_playbook(const ImportOptions& options, std::ostream& out, std::ostream& err) {
  Reader reader(options.playbook);
  if (auto done = reader.playbook(options.playbook, 0); !done) {
    err << "fleetctl: " << done.error().message << "\n";
    return ExitCode::kRefused;
  }
  print(reader, options, out);
  if (options.report) return ExitCode::kDone;
  std::error_code error;
  if (fs::exists(kFleetFile, error)) {
    err << "fleetctl: " << kFleetFile << " is there already: nothing was written\n";
    return ExitCode::kRefused;
  }
  std::vector<std::pair<std::string, std::string>> known{{"playbook", options.playbook.string()}};
  const fs::path templates = templates_near(options.playbook);
  if (!templates.empty()) known.emplace_back("templates", templates.string());
  if (auto done = agent::write_file_atomic(kFleetFile, fleet_file_text(known), 0644); !done) {
    err << "fleetctl: " << done.error().message << "\n";
    return ExitCode::kRefused;
  }
  err << "Wrote " << kFleetFile << "; next: fleetctl lint, fleetctl plan\n";
  return ExitCode::kDone;
}

}  // namespace fleetctl::command
