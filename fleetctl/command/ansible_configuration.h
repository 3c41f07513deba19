// What of ansible.cfg and of Ansible's environment variables says where things are and how
// variables are read. Anything else in them concerns Ansible's own work.
//   [defaults]
//   key = value            "; comment" ends a line; "#" only begins one
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace fleetctl::command {

// Anybody's file could name a program as the source of passwords.
bool everybody_may_write(const std::filesystem::path& folder);

class AnsibleConfiguration {
 public:
  AnsibleConfiguration() = default;
  // The first of $ANSIBLE_CONFIG, <root>/ansible.cfg (unless everybody may write to the folder),
  // ~/.ansible.cfg, /etc/ansible/ansible.cfg; nothing when there is none.
  static AnsibleConfiguration find(const std::filesystem::path& root);

  // The environment's word counts more than the file's; "" when neither says anything.
  std::string text(const char* variable, std::string_view key) const;
  bool flag(const char* variable, std::string_view key) const;
  // Relative ones in the file are beside the file.
  std::string path(const char* variable, std::string_view key) const;
  std::vector<std::string> paths(const char* variable, std::string_view key) const;
  std::vector<std::string> list(const char* variable, std::string_view key) const;

 private:
  std::string beside(std::string_view path) const;

  std::filesystem::path folder_;
  std::map<std::string, std::string, std::less<>> defaults_;
};

// The value of an environment variable, "" when it is not set.
std::string environment(const char* variable);

}  // namespace fleetctl::command
