// What of ansible.cfg and of Ansible's environment variables says where things are, how variables
// are read and how hosts are reached. Anything else in them concerns Ansible's own work.
//   [section]              defaults, privilege_escalation, ssh_connection, ...
//   key = value            the key in any case; "; comment" ends a line; "#" only begins one
//     more of the value    a line that is indented further goes on
// In paths ~, $NAME, ${NAME} and {{CWD}} are replaced.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace fleetctl::command {

// Anybody's file could name a program as the source of passwords.
bool everybody_may_write(const std::filesystem::path& folder);
// Words for a file that lies in `folder` and is not read for that reason; "": there is none.
std::string passed_over(const std::filesystem::path& folder, std::string_view file);

class AnsibleConfiguration {
 public:
  AnsibleConfiguration() = default;
  // The first of $ANSIBLE_CONFIG, <root>/ansible.cfg (unless everybody may write to the folder),
  // ~/.ansible.cfg, /etc/ansible/ansible.cfg; nothing when there is none.
  static AnsibleConfiguration find(const std::filesystem::path& root);

  // The environment's word counts more than the file's; "" when neither says anything. A null
  // `variable`: only the file can say it.
  std::string text(const char* variable, std::string_view key,
                   std::string_view section = kDefaults) const;
  bool flag(const char* variable, std::string_view key, std::string_view section = kDefaults) const;
  // Relative ones in the file are beside the file.
  std::string path(const char* variable, std::string_view key) const;
  std::vector<std::string> paths(const char* variable, std::string_view key) const;
  std::vector<std::string> list(const char* variable, std::string_view key) const;

 private:
  static constexpr std::string_view kDefaults = "defaults";

  std::string beside(std::string_view path) const;

  std::filesystem::path folder_;
  std::map<std::string, std::map<std::string, std::string, std::less<>>, std::less<>> sections_;
};

// The value of an environment variable, "" when it is not set.
std::string environment(const char* variable);

}  // namespace fleetctl::command
