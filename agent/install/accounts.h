// The service user and its groups, by the host's own tools (getent, useradd, usermod).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/base/process.h"
#include "agent/base/result.h"
#include "agent/install/system.h"

namespace agent::install {

struct Group {
  std::string name;
  gid_t gid = 0;
  bool member = false;  // the service user is in it
};

struct Accounts {
  bool user_exists = false;
  Identity user;              // with the groups it is in; only when it exists
  std::vector<Group> groups;  // those of the wanted ones that exist on this host
};

// Looks up the service user and which of the groups `wanted` exist.
Result<Accounts> read_accounts(System& system, const std::vector<std::string>& wanted);
// Makes the user where it is missing, adds it to all of `accounts.groups`, and reads again.
Result<Accounts> complete_accounts(System& system, const Accounts& accounts,
                                   const std::vector<std::string>& wanted);

}  // namespace agent::install
