// `fleetctl ui`: one host's pages in the browser of this machine, through the SSH connection.
#pragma once

#include <atomic>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/hosts_run.h"

namespace fleetctl::command {

struct UiOptions : RunOptions {
  std::uint16_t port = 0;  // --port, on 127.0.0.1; 0: a free one
  bool browser = true;     // no: --no-browser
  bool socket = false;     // --socket: the agent's own socket, which asks for no password
};

// Shows an address to the person.
using OpenBrowser = std::function<void(const std::string& url)>;

// Where the pages are on the host, of the address that the agent listens on, "0.0.0.0:12345";
// nullopt when it is none.
std::optional<remote::Far> far_of(const std::string& address);

// The fleet is that one host. Asks the agent where it listens, prints the address here that leads
// there, and goes on until `stop` is set or the connection breaks.
ExitCode ui(const Fleet& fleet, const UiOptions& options, const World& world,
            const std::atomic<bool>& stop, const OpenBrowser& open, std::ostream& out,
            std::ostream& err);

// The whole command with the real world.
ExitCode run_ui(FleetOptions fleet_options, bool ask_become_password, UiOptions options);

}  // namespace fleetctl::command
