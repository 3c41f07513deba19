// One question to one host, by a script of ours that its `sh` reads: what needs neither the lock
// nor root.
#pragma once

#include <string>
#include <vector>

#include "fleetctl/command/hosts_run.h"

namespace fleetctl::command {

// Connects, and lets `dialogue` talk with `sh -s` of the login user. The exit status; an error when
// the host was not reached or the connection broke. `notes` gets what the operator should know.
agent::Result<int> ask_host(const Host& host, remote::Dialogue& dialogue, const RunOptions& options,
                            const World& world, std::vector<std::string>& notes);

}  // namespace fleetctl::command
