// What commands share on the command line: the options that several of them have, and what those
// say.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "fleetctl/command/agent_bundle.h"
#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/hosts_run.h"
#include "fleetctl/command/style.h"
#include "fleetctl/command/vault_passwords.h"
#include "fleetctl/plan/plan.h"

namespace CLI {
class App;
}

namespace fleetctl::cli {

// What the chosen subcommand does.
using Action = std::function<command::ExitCode()>;

// What deploy, plan and the like share on the command line.
struct RunArguments {
  command::FleetOptions fleet;
  bool ask_become_password = false;
  unsigned connect_seconds = 10;
  unsigned host_seconds = 300;
  unsigned total_seconds = 0;
  std::string format = "text";

  // Into `run`, once the command line was read.
  void settle(command::RunOptions& run);
};

// By its name or another one; null: there is none.
const CLI::App* find_command(const CLI::App& app, const std::string& name);

// Each adds its options to `command`; they are written where the other arguments say, which live
// as long as `command`.
void add_vault_options(CLI::App& command, command::VaultOptions& options);
void add_fleet_options(CLI::App& command, command::FleetOptions& options);

// How one host is reached.
void add_reach_options(CLI::App& command, RunArguments& arguments, command::RunOptions& run);
// Where only libssh will do: without --transport.
void by_libssh_alone(CLI::App& command);
// And how one becomes root there.
void add_become_options(CLI::App& command, RunArguments& arguments, command::RunOptions& run);

enum class Formats { kJson, kJsonAndJunit };

// Both of these, and how many hosts are worked on for how long.
void add_run_options(CLI::App& command, RunArguments& arguments, command::RunOptions& run,
                     Formats formats = Formats::kJson);
// Which hosts go first, how many together, and when it is too much.
void add_rolling_options(CLI::App& command, RunArguments& arguments, command::RunOptions& run);
// --color, for commands that colour what they print.
void add_color_option(CLI::App& command, command::Colors& colors);
void add_drop_listeners_option(CLI::App& command, bool& drop);
// When a host's agent counts as well.
void add_health_options(CLI::App& command, plan::Gate& gate);
// Which agent is brought to hosts.
void add_agent_options(CLI::App& command, command::AgentOptions& agent);

}  // namespace fleetctl::cli
