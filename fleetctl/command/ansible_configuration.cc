#include "fleetctl/command/ansible_configuration.h"

#include <sys/stat.h>

#include <array>
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
  bool defaults = false;
  for (std::string_view line : agent::split(text, '\n')) {
    line = agent::trim(line.substr(0, line.find(" ;")));
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      defaults = line == "[defaults]";
      continue;
    }
    const std::size_t separator = line.find_first_of("=:");
    if (!defaults || separator == std::string_view::npos) continue;
    std::string_view value = agent::trim(line.substr(separator + 1));
    if (value.size() > 1 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0])
      value = value.substr(1, value.size() - 2);
    result.defaults_[std::string(agent::trim(line.substr(0, separator)))] = std::string(value);
  }
  return result;
}

std::string AnsibleConfiguration::text(const char* variable, std::string_view key) const {
  if (std::string value = environment(variable); !value.empty()) return value;
  const auto found = defaults_.find(key);
  return found == defaults_.end() ? std::string() : found->second;
}

bool AnsibleConfiguration::flag(const char* variable, std::string_view key) const {
  std::string value = text(variable, key);
  for (char& c : value)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  for (const std::string_view yes : {"yes", "on", "1", "true", "t", "y"})
    if (value == yes) return true;
  return false;
}

std::string AnsibleConfiguration::beside(std::string_view path) const {
  if (path.starts_with("~/") || path.starts_with("/")) return std::string(path);
  return (folder_ / path).string();
}

std::string AnsibleConfiguration::path(const char* variable, std::string_view key) const {
  if (std::string value = environment(variable); !value.empty()) return value;
  const auto found = defaults_.find(key);
  return found == defaults_.end() || found->second.empty() ? std::string() : beside(found->second);
}

std::vector<std::string> AnsibleConfiguration::paths(const char* variable,
                                                     std::string_view key) const {
  if (const std::string value = environment(variable); !value.empty()) return parts_of(value);
  std::vector<std::string> paths;
  if (const auto found = defaults_.find(key); found != defaults_.end())
    for (const std::string& part : parts_of(found->second)) paths.push_back(beside(part));
  return paths;
}

std::vector<std::string> AnsibleConfiguration::list(const char* variable,
                                                    std::string_view key) const {
  return parts_of(text(variable, key));
}

}  // namespace fleetctl::command
