#include "fleetctl/inventory/playbook.h"

#include <array>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "agent/base/strings.h"
#include "fleetctl/value/text.h"

namespace fleetctl::inventory {
namespace {

namespace fs = std::filesystem;
using agent::ErrorCode;
using agent::fail;
using agent::Result;
using value::Dict;
using value::Value;

constexpr int kDeepest = 20;  // roles that depend on roles, playbooks that import playbooks
// Playbooks and roles in all: those that name each other twice would double at each depth.
constexpr int kMost = 10'000;

// Of a play, and the variable that counts more, by its oldest name.
constexpr std::array<std::pair<const char*, const char*>, 5> kConnection{{
    {"remote_user", "ansible_ssh_user"},
    {"port", "ansible_ssh_port"},
    {"become", "ansible_become"},
    {"become_user", "ansible_become_user"},
    {"become_method", "ansible_become_method"},
}};

std::string place_of(const Value& value, const fs::path& file) {
  const value::Mark* mark = value.mark();
  if (mark == nullptr || mark->line <= 0) return shown_path(file);
  return mark->file + ":" + std::to_string(mark->line);
}

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

std::vector<std::string> texts_of(const Value* value) {
  std::vector<std::string> out;
  if (value == nullptr || value->is_none()) return out;
  if (!value->is_sequence()) return {value::str(*value)};
  for (const Value& item : value->items()) out.push_back(value::str(item));
  return out;
}

// What a task may set is not known; the first one is named.
const Value* find_setter(const Value& tasks, int depth) {
  if (depth > kDeepest || !tasks.is_sequence()) return nullptr;
  for (const Value& task : tasks.items()) {
    if (!task.is_dict()) continue;
    for (const auto& [key, value] : task.as_dict()) {
      const std::string name = value::str(key);
      const std::string plain = name.substr(name.rfind('.') + 1);
      if (plain == "set_fact" || plain == "include_vars") return &task;
      if (name != "block" && name != "rescue" && name != "always") continue;
      if (const Value* inside = find_setter(value, depth + 1)) return inside;
    }
  }
  return nullptr;
}

class Reader {
 public:
  Reader(const PlaybookOptions& options, Loader& loader, std::vector<std::string>& warnings)
      : options_(options), loader_(loader), warnings_(warnings) {}

  Result<> read(const fs::path& path, int depth) {
    if (depth > kDeepest || ++reads_ > kMost)
      return fail(ErrorCode::kExhausted, shown_path(path) + ": imported too deeply or too often");
    auto document = loader_.yaml(path);
    if (!document) return fail(std::move(document.error()).within("playbook"));
    if (!document->is_list())
      return fail(ErrorCode::kInvalid, shown_path(path) + ": a playbook is a list of plays");
    for (const Value& entry : document->items()) {
      if (!entry.is_dict())
        return fail(ErrorCode::kInvalid, place_of(entry, path) + ": a play is a map");
      for (const auto& [key, value] : entry.as_dict()) {
        const std::string name = value::str(key);
        if (name != "import_playbook" && name != "ansible.builtin.import_playbook") continue;
        const fs::path other = path.parent_path() / value::str(value);
        if (auto done = read(other, depth + 1); !done) return done;
      }
      if (entry.get("hosts") == nullptr) continue;
      if (auto done = read_play(entry, path); !done) return done;
    }
    return {};
  }

  // Role `folder`, after the roles that it needs. The parameters of its entry are seen by its own
  // tasks alone, so only the role of the template is given its entry.
  Result<> read_role(const fs::path& folder, const Value* entry, Play& play, int depth) {
    if (depth > kDeepest || ++reads_ > kMost)
      return fail(ErrorCode::kExhausted,
                  shown_path(folder) + ": roles depend on each other without end");
    for (const fs::path& file : find_variable_files(folder / "meta", "main")) {
      auto meta = loader_.yaml(file);
      if (!meta) return fail(meta.error());
      const Value* needed = meta->get("dependencies");
      if (needed == nullptr || !needed->is_sequence()) continue;
      for (const Value& one : needed->items()) {
        if (auto done = read_role_entry(one, file, play, depth + 1); !done) return done;
      }
    }
    if (auto done = add_files(folder / "defaults", play.defaults); !done) return done;
    if (auto done = add_files(folder / "vars", play.role_vars); !done) return done;
    for (const fs::path& file : find_variable_files(folder / "tasks", "main")) {
      auto tasks = loader_.yaml(file);
      if (!tasks) return fail(tasks.error());
      warn_of(*tasks, file);
    }
    if (entry != nullptr && entry->is_dict()) play.role_vars.push_back(parameters_of(*entry));
    return {};
  }

  std::vector<Play> plays;

 private:
  Result<> read_play(const Value& entry, const fs::path& path) {
    own_.reset();
    Play play;
    play.hosts = texts_of(entry.get("hosts"));
    for (const std::string& pattern : play.hosts) {
      if (pattern.find("{{") != std::string::npos)
        return fail(ErrorCode::kInvalid, place_of(entry, path) + ": hosts: " + pattern +
                                             ": a template here is not supported");
    }
    const fs::path folder = path.parent_path();
    play.folders = {folder / "vars", folder};
    if (const Value* vars = entry.get("vars"); vars != nullptr && !vars->is_none()) {
      if (!vars->is_dict())
        return fail(ErrorCode::kInvalid, place_of(*vars, path) + ": vars is a map");
      play.vars = vars->as_dict();
    }
    if (const Value* files = entry.get("vars_files"); files != nullptr && !files->is_none()) {
      play.vars_files = files->is_sequence() ? files->items() : std::vector<Value>{*files};
    }
    if (const Value* serial = entry.get("serial"); serial != nullptr) play.serial = *serial;
    if (const Value* most = entry.get("max_fail_percentage"); most != nullptr)
      play.max_fail_percentage = *most;
    for (const auto& [keyword, variable] : kConnection) {
      const Value* said = entry.get(keyword);
      if (said != nullptr && !said->is_none()) play.connection.set(variable, *said);
    }
    if (const Value* prompt = entry.get("vars_prompt"); prompt != nullptr)
      warnings_.push_back(place_of(*prompt, path) +
                          ": vars_prompt asks nobody here; give such variables with -e");
    if (const Value* roles = entry.get("roles"); roles != nullptr && roles->is_sequence()) {
      for (const Value& role : roles->items()) {
        if (auto done = read_role_entry(role, path, play, 0); !done) return done;
      }
      // The role that holds the template comes last: its own counts most.
      if (own_.has_value()) {
        const auto own = *std::exchange(own_, std::nullopt);
        if (auto done = read_role(own.first, &own.second, play, 0); !done) return done;
      }
    }
    for (const char* part : {"pre_tasks", "tasks", "post_tasks"}) {
      if (const Value* tasks = entry.get(part)) warn_of(*tasks, path);
    }
    plays.push_back(std::move(play));
    return {};
  }

  Result<> read_role_entry(const Value& entry, const fs::path& file, Play& play, int depth) {
    const Value* named = entry.is_dict() ? entry.get("role") : &entry;
    if (named == nullptr) named = entry.get("name");
    if (named == nullptr || !named->is_string())
      return fail(ErrorCode::kInvalid, place_of(entry, file) + ": a role without a name");
    std::vector<fs::path> candidates = {file.parent_path() / "roles"};
    // Of a role in roles/: its neighbours.
    candidates.push_back(file.parent_path().parent_path().parent_path());
    candidates.insert(candidates.end(), options_.roles_path.begin(), options_.roles_path.end());
    candidates.push_back(file.parent_path());
    for (const fs::path& candidate : candidates) {
      const fs::path folder = (candidate / named->as_string()).lexically_normal();
      if (!is_folder(folder)) continue;
      if (folder == options_.templates.parent_path() && !own_) own_ = {folder, entry};
      return read_role(folder, nullptr, play, depth);
    }
    return fail(ErrorCode::kNotFound, place_of(entry, file) + ": role '" + named->as_string() +
                                          "' was not found in " + shown_path(candidates[0]) +
                                          " nor in the roles_path of ansible.cfg");
  }

  Result<> add_files(const fs::path& folder, std::vector<Dict>& into) {
    for (const fs::path& file : find_variable_files(folder, "main")) {
      auto document = loader_.yaml(file);
      if (!document) return fail(document.error());
      if (document->is_dict()) into.push_back(document->as_dict());
    }
    return {};
  }

  // `vars` of a role's entry, and what is written beside its name.
  static Dict parameters_of(const Value& entry) {
    static const std::set<std::string> kKeywords = {
        "role",        "name",         "tags",          "when",
        "become",      "become_user",  "become_method", "any_errors_fatal",
        "delegate_to", "environment",  "ignore_errors", "no_log",
        "vars",        "become_flags", "check_mode",    "collections",
        "connection",  "debugger",     "diff",          "module_defaults",
        "port",        "remote_user",  "run_once",      "throttle",
        "timeout"};
    Dict out;
    for (const auto& [key, value] : entry.as_dict()) {
      if (!kKeywords.contains(value::str(key))) out.set(key, value);
    }
    if (const Value* vars = entry.get("vars"); vars != nullptr && vars->is_dict()) {
      for (const auto& [key, value] : vars->as_dict()) out.set(key, value);
    }
    return out;
  }

  void warn_of(const Value& tasks, const fs::path& file) {
    const Value* task = find_setter(tasks, 0);
    if (task != nullptr)
      warnings_.push_back(place_of(*task, file) +
                          ": tasks are not run: what set_fact and include_vars would set is not "
                          "known; -e or a file of variables can give it");
  }

  const PlaybookOptions& options_;
  Loader& loader_;
  std::vector<std::string>& warnings_;
  int reads_ = 0;
  std::optional<std::pair<fs::path, Value>> own_;
};

}  // namespace

Result<std::vector<Play>> read_playbook(const fs::path& path, const PlaybookOptions& options,
                                        Loader& loader, std::vector<std::string>& warnings) {
  Reader reader(options, loader, warnings);
  if (auto done = reader.read(path, 0); !done) return fail(done.error());
  return std::move(reader.plays);
}

Result<std::vector<Play>> read_role_of(const fs::path& templates, Loader& loader) {
  const fs::path role = templates.parent_path();
  if (templates.filename() != "templates" || !is_folder(role / "tasks") ||
      (!is_folder(role / "defaults") && !is_folder(role / "vars")))
    return std::vector<Play>();
  const PlaybookOptions options{{}, templates};
  std::vector<std::string> ignored;
  Reader reader(options, loader, ignored);
  Play play;
  play.hosts = {"all"};
  if (auto done = reader.read_role(role, nullptr, play, 0); !done) return fail(done.error());
  return std::vector<Play>{std::move(play)};
}

}  // namespace fleetctl::inventory
