// `fleetctl known-hosts`: the keys that hosts show, compared with known_hosts, and written there.
#pragma once

#include <iosfwd>

#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/hosts_run.h"

namespace fleetctl::command {

enum class KnownHosts {
  kCheck,  // tell
  kAdd,    // write unknown keys down, after a question
};

// The handshake alone: the key that a host shows. Any thread.
using KeySource = std::function<agent::Result<remote::ShownKey>(const Host& host)>;

// A table, or one JSON object per host and line, to `out`; the question to `err`. Keys that have
// changed are never written over; kHostFailed where there is one, or one that is left unknown.
ExitCode known_hosts(KnownHosts action, const Fleet& fleet, const RunOptions& options,
                     const World& world, const KeySource& keys, const std::atomic<bool>& stop,
                     std::ostream& out, std::ostream& err);

// The whole command with the real world.
ExitCode run_known_hosts(KnownHosts action, FleetOptions fleet_options, RunOptions options);

}  // namespace fleetctl::command
