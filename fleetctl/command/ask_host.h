// One question to one host, by a fixed command: what needs neither the lock nor root.
#pragma once

#include <string>
#include <vector>

#include "fleetctl/command/hosts_run.h"

namespace fleetctl::command {

// Reads a script from its standard input.
inline constexpr const char* kShell = "exec /bin/sh -s";

// Connects, and lets `dialogue` talk with the command, run as the login user. The exit status; an
// error when the host was not reached or the connection broke. `notes` gets what the operator
// should know.
agent::Result<int> ask_host(const Host& host, const std::string& command,
                            remote::Dialogue& dialogue, const RunOptions& options,
                            const World& world, std::vector<std::string>& notes);

}  // namespace fleetctl::command
