// From Ansible's connection variables and the command line to a connection.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/base/secret.h"
#include "fleetctl/inventory/connection.h"
#include "fleetctl/plan/bootstrap.h"
#include "fleetctl/remote/ssh.h"

namespace fleetctl::command {

// The command line's part; the inventory's word counts more, as with Ansible.
struct ReachOptions {
  std::string user;               // -u
  std::string private_key;        // --private-key
  agent::Secret password;         // -k, asked once
  bool accept_new = false;        // --accept-new: an unknown host key is written down
  bool become = false;            // -b
  agent::Secret become_password;  // -K, asked once
  agent::Duration connect_timeout = std::chrono::seconds(10);
  unsigned verbose = 0;  // 2, 3: libssh tells what it does
  bool openssh = false;  // --transport openssh: by the program ssh
};

struct Reached {
  std::unique_ptr<remote::Remote> remote;  // not connected yet
  std::vector<std::string> warnings;
};

// Whom ssh is to reach; `warnings` gets what of the inventory's arguments is left out.
agent::Result<remote::SshTarget> ssh_target(const inventory::Connection& connection,
                                            const ReachOptions& options,
                                            std::vector<std::string>& warnings);
agent::Result<Reached> reach(const inventory::Connection& connection, const ReachOptions& options,
                             const agent::Clock& clock, remote::SshContext& context);

struct Becoming {
  plan::Become become = plan::Become::kNone;
  std::string user;
  agent::Secret password;
};
agent::Result<Becoming> becoming(const inventory::Connection& connection,
                                 const ReachOptions& options);

}  // namespace fleetctl::command
