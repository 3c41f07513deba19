// How a host is reached and who we are on it, read from Ansible's connection variables
// (ansible_host, ansible_port, ansible_user, ansible_become, ...) with their templates resolved.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/secret.h"
#include "fleetctl/value/value.h"

namespace fleetctl::inventory {

enum class Transport {
  kSsh,
  kLocal,  // ansible_connection: local - the commands run on this very machine
};

struct Connection {
  Transport transport = Transport::kSsh;
  std::string address;                // ansible_host, else the inventory name
  std::uint16_t port = 0;             // 0: not set; ~/.ssh/config or 22 decides
  std::string user;                   // "": not set; ~/.ssh/config or the login name decides
  agent::Secret password;             // ansible_password / ansible_ssh_pass; "" when not set
  std::string private_key;            // path with ~ expanded; "" when not set
  std::uint16_t connect_timeout = 0;  // seconds; ansible_ssh_timeout, ansible_timeout; 0: not set
  // ansible_ssh_args, ansible_ssh_common_args and ansible_ssh_extra_args, split as a shell would.
  std::vector<std::string> ssh_arguments;
  // ansible_host_key_checking / ansible_ssh_host_key_checking; false is honoured with a warning.
  bool host_key_checking = true;

  bool become = false;
  std::string become_method = "sudo";
  std::string become_user = "root";
  agent::Secret become_password;
};

// A variable with its templates resolved; nullopt when it is not defined.
using VariableLookup =
    std::function<agent::Result<std::optional<value::Value>>(std::string_view name)>;

// Fails for a transport that is neither ssh nor local (docker, winrm, ...), for a become method
// other than sudo and for values of a wrong kind. The error names the variable.
agent::Result<Connection> read_connection(const std::string& host, const VariableLookup& lookup);

}  // namespace fleetctl::inventory
