#include "fleetctl/command/ansible_configuration.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <system_error>

#include "agent/base/file.h"
#include "agent/base/strings.h"

namespace fleetctl::command {

namespace fs = std::filesystem;

bool everybody_may_write(const fs::path& folder) {
  struct stat status {};
  return ::stat(folder.c_str(), &status) == 0 && (status.st_mode & S_IWOTH) != 0;
}

std::string passed_over(const fs::path& folder, std::string_view file) {
  std::error_code error;
  if (!everybody_may_write(folder) || !fs::exists(folder / file, error)) return {};
  return std::string(file) + " is not read: everybody may write to its folder (chmod o-w)";
}

namespace {

constexpr std::size_t kMaxFile = 1U << 20;

fs::path find_file(const fs::path& root) {
  std::error_code error;
  if (const std::string named = environment("ANSIBLE_CONFIG"); !named.empty())
    return fs::is_directory(named, error) ? fs::path(named) / "ansible.cfg" : fs::path(named);
  const std::string home = environment("HOME");
  std::vector<fs::path> candidates;
  if (!everybody_may_write(root)) candidates.push_back(root / "ansible.cfg");
  if (!home.empty()) candidates.push_back(fs::path(home) / ".ansible.cfg");
  candidates.emplace_back("/etc/ansible/ansible.cfg");
  for (const fs::path& candidate : candidates)
    if (fs::is_regular_file(candidate, error)) return candidate;
  return {};
}

std::vector<std::string> parts_of(std::string_view text) {
  std::vector<std::string> parts;
  for (const std::string_view part : agent::split(text, ','))
    if (!agent::trim(part).empty()) parts.emplace_back(agent::trim(part));
  return parts;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// ~, $NAME, ${NAME} and {{CWD}}; a variable that is not set stays as it is written.
std::string expanded(std::string_view path) {
  std::string out;
  if (const std::string home = environment("HOME");
      !home.empty() && (path == "~" || path.starts_with("~/"))) {
    out = home;
    path.remove_prefix(1);
  }
  while (!path.empty()) {
    std::size_t used = 1;
    std::string value(path.substr(0, 1));
    if (path.starts_with("{{CWD}}")) {
      std::error_code error;
      used = 7;
      value = fs::current_path(error).string();
    } else if (path[0] == '$') {
      const bool braces = path.substr(1, 1) == "{";
      const std::size_t from = braces ? 2 : 1;
      std::size_t to = from;
      while (to < path.size() &&
             (path[to] == '_' || std::isalnum(static_cast<unsigned char>(path[to])) != 0))
        ++to;
      const std::string found = environment(std::string(path.substr(from, to - from)).c_str());
      if (to > from && !found.empty() && (!braces || path.substr(to, 1) == "}")) {
        used = to + (braces ? 1 : 0);
        value = found;
      }
    }
    out += value;
    path.remove_prefix(used);
  }
  return out;
}

}  // namespace

std::string environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? std::string() : std::string(value);
}

AnsibleConfiguration AnsibleConfiguration::find(const fs::path& root) {
  AnsibleConfiguration result;
  const fs::path path = find_file(root);
  const auto text = path.empty() ? std::string() : agent::read_file(path, kMaxFile).value_or("");
  result.folder_ = path.parent_path();
  auto* section = &result.sections_[""];
  std::string* open = nullptr;  // the value that a line goes on with that is indented further
  std::size_t indent = 0;
  for (const std::string_view whole : agent::split(text, '\n')) {
    const std::size_t comment = std::min(whole.find(" ;"), whole.find("\t;"));
    const std::string_view line = agent::trim(whole.substr(0, comment));
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    const std::size_t before = whole.find_first_not_of(" \t");
    if (open != nullptr && before > indent) {
      *open += "\n" + std::string(line);
      continue;
    }
    open = nullptr;
    if (line[0] == '[') {
      section = &result.sections_[std::string(line.substr(1, line.find(']') - 1))];
      continue;
    }
    const std::size_t separator = line.find_first_of("=:");
    if (separator == std::string_view::npos) continue;
    indent = before;
    open = &(*section)[lower(agent::trim(line.substr(0, separator)))];
    *open = agent::trim(line.substr(separator + 1));
  }
  for (auto& [name, values] : result.sections_) {
    for (auto& [key, value] : values) {
      if (value.size() > 1 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0])
        value = value.substr(1, value.size() - 2);
    }
  }
  return result;
}

std::string AnsibleConfiguration::text(const char* variable, std::string_view key,
                                       std::string_view section) const {
  std::string value = variable == nullptr ? std::string() : environment(variable);
  if (!value.empty()) return value;
  const auto values = sections_.find(section);
  if (values == sections_.end()) return {};
  const auto found = values->second.find(key);
  return found == values->second.end() ? std::string() : found->second;
}

bool AnsibleConfiguration::flag(const char* variable, std::string_view key,
                                std::string_view section) const {
  const std::string value = lower(text(variable, key, section));
  for (const std::string_view yes : {"yes", "on", "1", "true", "t", "y"})
    if (value == yes) return true;
  return false;
}

std::string AnsibleConfiguration::beside(std::string_view path) const {
  const std::string whole = expanded(path);
  return whole.starts_with("/") ? whole : (folder_ / whole).string();
}

std::string AnsibleConfiguration::path(const char* variable, std::string_view key) const {
  if (std::string value = environment(variable); !value.empty()) return value;
  const std::string value = text(nullptr, key);
  return value.empty() ? std::string() : beside(value);
}

std::vector<std::string> AnsibleConfiguration::paths(const char* variable,
                                                     std::string_view key) const {
  if (const std::string value = environment(variable); !value.empty()) return parts_of(value);
  std::vector<std::string> paths;
  for (const std::string& part : parts_of(text(nullptr, key))) paths.push_back(beside(part));
  return paths;
}

std::vector<std::string> AnsibleConfiguration::list(const char* variable,
                                                    std::string_view key) const {
  return parts_of(text(variable, key));
}

}  // namespace fleetctl::command
