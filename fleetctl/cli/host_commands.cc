#include <CLI/CLI.hpp>
#include <chrono>
#include <string>

#include "fleetctl/cli/agent_check.h"
#include "fleetctl/cli/commands.h"
#include "fleetctl/cli/options.h"
#include "fleetctl/command/doctor.h"
#include "fleetctl/command/hosts_run.h"
#include "fleetctl/command/known_hosts.h"
#include "fleetctl/command/logs.h"
#include "fleetctl/command/ui.h"
#include "fleetctl/command/verify.h"

namespace fleetctl::cli {

using namespace command;

void add_logs(CLI::App& app, LogsArguments& arguments, Action& action) {
  CLI::App* command = app.add_subcommand("logs", "Show what a host's agent writes in its journal");
  add_reach_options(*command, arguments, arguments.logs);
  command->add_option("host", arguments.host, "The host, as --limit would name it")
      ->required()
      ->excludes("--limit")
      ->type_name("HOST");
  command->add_flag("-f,--follow", arguments.logs.follow, "Go on with what comes, until Ctrl-C");
  command->add_option("-n,--lines", arguments.logs.lines, "So many of the last lines")
      ->check(CLI::Range(0U, 1'000'000U))
      ->capture_default_str();
  command->footer(
      "Examples:\n"
      "  fleetctl logs puck\n"
      "  fleetctl logs puck -f -n 10");
  command->callback([&] {
    action = [&] {
      arguments.settle(arguments.logs);
      arguments.fleet.limit = {arguments.host};
      return run_logs(arguments.fleet, arguments.logs);
    };
  });
}

void add_ui(CLI::App& app, UiArguments& arguments, Action& action) {
  CLI::App* command =
      app.add_subcommand("ui", "Open the pages of a host's agent here, through the connection");
  add_reach_options(*command, arguments, arguments.ui);
  by_libssh_alone(*command);  // a tunnel
  add_become_options(*command, arguments, arguments.ui);
  command->add_option("host", arguments.host, "The host, as --limit would name it")
      ->required()
      ->excludes("--limit")
      ->type_name("HOST");
  command->add_option("--port", arguments.ui.port, "The port on 127.0.0.1 (default: a free one)")
      ->check(CLI::Range(1U, 65535U))
      ->type_name("PORT");
  command->add_flag("--no-browser", arguments.no_browser, "Only print the address");
  command->add_flag("--socket", arguments.ui.socket,
                    "By the agent's own socket, without TLS and password; the login must be root");
  command->footer(
      "Examples:\n"
      "  fleetctl ui puck\n"
      "  fleetctl ui puck --no-browser --port 8012");
  command->callback([&] {
    action = [&] {
      arguments.settle(arguments.ui);
      arguments.ui.browser = !arguments.no_browser;
      arguments.fleet.limit = {arguments.host};
      return run_ui(arguments.fleet, arguments.ask_become_password, arguments.ui);
    };
  });
}

void add_verify(CLI::App& app, VerifyArguments& arguments, Action& action) {
  CLI::App* command = app.add_subcommand(
      "verify", "Write a marked line on each host and wait for it in Loki, and for its metrics");
  add_run_options(*command, arguments, arguments.verify, Formats::kJsonAndJunit);
  command
      ->add_option("--loki", arguments.verify.loki,
                   "Ask this Loki (default: the one that the host's configuration writes to)")
      ->type_name("URL");
  command
      ->add_option("--prometheus", arguments.verify.prometheus,
                   "Ask this Prometheus (default: the one that the host's configuration writes to)")
      ->type_name("URL");
  command
      ->add_option("--only", arguments.verify.only,
                   "Only this way: journal, containers or metrics; repeatable")
      ->check(CLI::IsMember({"journal", "containers", "metrics"}))
      ->allow_extra_args(false);
  command->add_option("--within", arguments.seconds, "Seconds to wait for what was written")
      ->check(CLI::Range(1U, 3600U))
      ->capture_default_str();
  command->footer(
      "Examples:\n"
      "  fleetctl verify --limit puck\n"
      "  fleetctl verify --only journal --within 30\n"
      "  fleetctl verify --loki http://localhost:3100 --format json");
  command->callback([&] {
    action = [&] {
      arguments.settle(arguments.verify);
      arguments.verify.junit = arguments.format == "junit";
      arguments.verify.within = std::chrono::seconds(arguments.seconds);
      return run_verify(arguments.fleet, agent_check(), arguments.ask_become_password,
                        arguments.verify);
    };
  });
}

void add_doctor(CLI::App& app, DoctorArguments& arguments, Action& action) {
  CLI::App* command = app.add_subcommand(
      "doctor", "Look for what would stop a deploy: here, on the way and on each host");
  add_run_options(*command, arguments, arguments.doctor);
  command->add_flag("--all", arguments.doctor.all, "Show what is well, too");
  add_agent_options(*command, arguments.agent);
  command->footer(
      "Examples:\n"
      "  fleetctl doctor\n"
      "  fleetctl doctor --limit puck --all\n"
      "  fleetctl doctor --format json");
  command->callback([&] {
    action = [&] {
      arguments.settle(arguments.doctor);
      return run_doctor(arguments.fleet, agent_check(), arguments.agent,
                        arguments.ask_become_password, arguments.doctor);
    };
  });
}

void add_known_hosts(CLI::App& app, RunArguments& arguments, RunOptions& run, Action& action) {
  CLI::App* group =
      app.add_subcommand("known-hosts", "Compare the keys of hosts with known_hosts, and add them");
  group->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, KnownHosts which) {
    CLI::App* command = group->add_subcommand(name, what);
    add_run_options(*command, arguments, run);
    by_libssh_alone(*command);  // a handshake without a login
    command->callback([&arguments, &run, &action, which] {
      action = [&arguments, &run, which] {
        arguments.settle(run);
        return run_known_hosts(which, arguments.fleet, run);
      };
    });
    return command;
  };
  add("check", "Tell whether the key that each host shows is known; log in nowhere",
      KnownHosts::kCheck)
      ->footer(
          "Examples:\n"
          "  fleetctl known-hosts check\n"
          "  fleetctl known-hosts check --format json")
      ->alias("scan");
  CLI::App* command =
      add("add", "The same, and write unknown keys down, with hashed names", KnownHosts::kAdd);
  command->add_flag("-y,--yes", run.yes, "Do not ask: the fingerprints were compared before");
  command->footer(
      "Examples:\n"
      "  fleetctl known-hosts add --limit puck.incus\n"
      "  fleetctl known-hosts add --yes");
}

}  // namespace fleetctl::cli
