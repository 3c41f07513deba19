#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <map>
#include <string>

#include "fleetctl/cli/agent_check.h"
#include "fleetctl/cli/commands.h"
#include "fleetctl/cli/options.h"
#include "fleetctl/command/deploy.h"
#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/facts.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/history.h"
#include "fleetctl/command/hosts_run.h"
#include "fleetctl/command/plan.h"
#include "fleetctl/command/rollback.h"
#include "fleetctl/command/status.h"
#include "fleetctl/command/uninstall.h"
#include "fleetctl/command/unlock.h"
#include "fleetctl/plan/plan.h"

namespace fleetctl::cli {

using namespace command;

void add_plan(CLI::App& app, PlanArguments& arguments, Action& action) {
  CLI::App* command = app.add_subcommand("plan", "Tell what deploy would change; change nothing");
  PlanOptions& plan = arguments.plan;
  add_run_options(*command, arguments, plan, Formats::kJsonAndJunit);
  command
      ->add_option_function<std::string>(
          "-D,--diff",
          [&plan](const std::string& form) {
            plan.diff = form != "none" && form != "false";
            plan.side_by_side = form == "side";
          },
          "Show how configurations differ, secrets masked; --diff=side: in two columns")
      ->expected(0, 1)
      ->default_str("unified")
      ->check([](const std::string& form) {
        for (const char* known : {"unified", "side", "none", "true", "false"})
          if (form == known) return std::string();
        return "'" + form + "' is none of unified, side, none";
      })
      ->type_name("FORM");
  command->add_flag("-C,--check")->group("");  // a plan is one in any case
  command->add_flag("--exit-code", plan.exit_code, "Exit with 2 when there are changes");
  command->add_flag("--offline", plan.offline, "Render and check only; reach no host");
  command->add_option("--out", plan.out, "Save the plan for deploy --plan")->type_name("FILE");
  add_drop_listeners_option(*command, plan.drop_listeners);
  add_agent_options(*command, arguments.agent);
  command->footer(
      "Examples:\n"
      "  fleetctl plan\n"
      "  fleetctl plan --limit puck.incus --diff\n"
      "  fleetctl plan --out monday.plan\n"
      "  fleetctl plan --exit-code --format json");
  command->callback([&] {
    action = [&] {
      arguments.settle(arguments.plan);
      arguments.plan.junit = arguments.format == "junit";
      if (arguments.plan.junit && arguments.plan.offline) {
        std::cerr << "fleetctl: --format junit does not go with --offline\n";
        return ExitCode::kUsage;
      }
      return run_plan(arguments.fleet, agent_check(), arguments.agent,
                      arguments.ask_become_password, arguments.plan);
    };
  });
}

void add_deploy(CLI::App& app, DeployArguments& arguments, Action& action) {
  CLI::App* command =
      app.add_subcommand("deploy", "Bring the agent and its configuration onto every host");
  DeployOptions& deploy = arguments.deploy;
  add_run_options(*command, arguments, deploy, Formats::kJsonAndJunit);
  add_rolling_options(*command, arguments, deploy);
  auto* retry = command->add_flag(
      "--retry-failed", deploy.retry_failed,
      "Only hosts that earlier deploys from here did not reach or not leave well");
  command
      ->add_option("--plan", deploy.plan_file,
                   "Do what plan --out saved, and nothing where tree or host are not as they were")
      ->type_name("FILE")
      ->excludes(retry);
  command
      ->add_option_function<std::string>(
          "--resume", [&deploy](const std::string& id) { deploy.resume = id == "last" ? "" : id; },
          "Only hosts that the run of this name did not leave well or never began; the last part "
          "of the name will do")
      ->expected(0, 1)
      ->default_str("last")
      ->excludes("--plan")
      ->excludes(retry)
      ->type_name("RUN");
  auto* restart = command->add_option_function<std::string>(
      "--restart",
      [&deploy](const std::string& word) {
        deploy.restart = word == "always"  ? fleetctl::plan::Restart::kAlways
                         : word == "never" ? fleetctl::plan::Restart::kNever
                                           : fleetctl::plan::Restart::kWhenNeeded;
      },
      "auto: where a reload is not enough; always: even where nothing changed; never: hosts that "
      "need one fail and stay as they are");
  restart->check(CLI::IsMember({"auto", "always", "never"}))->excludes("--plan");
  command->add_flag("!--no-rollback", deploy.rolls_back,
                    "Leave what does not come up as it is, to look at it");
  add_health_options(*command, deploy.gate);
  command
      ->add_flag("--force", deploy.force,
                 "Send the agent again, and restart it, even where nothing changed")
      ->excludes("--plan")
      ->excludes(restart);
  command->add_flag("-C,--check", deploy.check, "Tell what would change, change nothing");
  command->add_flag("-D,--diff", deploy.diff, "Show how configurations differ, secrets masked");
  command->add_flag("--exit-code", deploy.exit_code, "Exit with 2 when there are changes");
  command->add_flag("-y,--yes", deploy.yes, "Do not ask before several hosts are changed");
  add_drop_listeners_option(*command, deploy.drop_listeners);
  add_agent_options(*command, arguments.agent);
  command->footer(
      "Examples:\n"
      "  fleetctl deploy --limit puck.incus --check --diff\n"
      "  fleetctl deploy --canary puck.incus --serial 10% --max-fail 2\n"
      "  fleetctl deploy --health-grace 10 --health-timeout 120\n"
      "  fleetctl deploy --resume 7f3a");
  command->callback([&] {
    action = [&] {
      arguments.settle(arguments.deploy);
      arguments.deploy.junit = arguments.format == "junit";
      return run_deploy(arguments.fleet, agent_check(), arguments.agent,
                        arguments.ask_become_password, arguments.deploy);
    };
  });
}

void add_rollback(CLI::App& app, RollbackArguments& arguments, Action& action) {
  CLI::App* command =
      app.add_subcommand("rollback", "Bring hosts back to an earlier generation that they keep");
  RollbackOptions& rollback = arguments.rollback;
  add_run_options(*command, arguments, rollback);
  add_rolling_options(*command, arguments, rollback);
  add_health_options(*command, rollback.gate);
  command
      ->add_option("--to", rollback.to,
                   "The generation (default: on each host the one before the present)")
      ->check(CLI::Range(1U, 1'000'000'000U))
      ->type_name("GENERATION");
  auto* check =
      command->add_flag("-C,--check", rollback.check, "Tell what would change, change nothing");
  command->add_flag("--list", rollback.list, "Tell what there is to go back to; change nothing")
      ->excludes("--to")
      ->excludes(check);
  command->add_flag("-y,--yes", rollback.yes, "Do not ask before several hosts are changed");
  add_drop_listeners_option(*command, rollback.drop_listeners);
  command->footer(
      "Examples:\n"
      "  fleetctl rollback --limit puck.incus --list\n"
      "  fleetctl rollback --limit puck.incus --to 12\n"
      "  fleetctl rollback");
  command->callback([&] {
    action = [&] {
      arguments.settle(arguments.rollback);
      return run_rollback(arguments.fleet, arguments.ask_become_password, arguments.rollback);
    };
  });
}

void add_status(CLI::App& app, StatusArguments& arguments, Action& action) {
  CLI::App* command =
      app.add_subcommand("status", "Tell how each host's agent is and whether it is up to date");
  add_run_options(*command, arguments, arguments.status);
  const std::map<std::string, StatusOrder> orders{
      {"listed", StatusOrder::kListed},   {"name", StatusOrder::kName},
      {"state", StatusOrder::kState},     {"lines", StatusOrder::kLines},
      {"samples", StatusOrder::kSamples}, {"backlog", StatusOrder::kBacklog}};
  command->add_flag("--exit-code", arguments.status.exit_code,
                    "Exit with 2 when a host is not as it should be");
  command->add_flag("--drift", arguments.status.drift,
                    "Only hosts that do not have what the tree gives them (edited there, files "
                    "missing, or the tree moved on), and how the configurations differ, secrets "
                    "masked");
  command
      ->add_option_function<unsigned>(
          "--watch",
          [&](unsigned seconds) { arguments.status.watch = std::chrono::seconds(seconds); },
          "Ask again so many seconds after the last answer, until Ctrl-C")
      ->check(CLI::Range(1U, 86400U))
      ->type_name("SECONDS");
  command
      ->add_option_function<std::string>(
          "--sort",
          [&arguments, orders](const std::string& key) { arguments.status.order = orders.at(key); },
          "Order of the table: listed (default), name, state, lines, samples, backlog")
      ->check(CLI::IsMember({"listed", "name", "state", "lines", "samples", "backlog"}))
      ->type_name("KEY");
  command->footer(
      "Examples:\n"
      "  fleetctl status\n"
      "  fleetctl status --sort backlog\n"
      "  fleetctl status --drift --exit-code\n"
      "  fleetctl status --limit applications --exit-code\n"
      "  fleetctl status --watch 5");
  command->callback([&] {
    action = [&] {
      arguments.settle(arguments.status);
      return run_status(arguments.fleet, agent_check(), arguments.ask_become_password,
                        arguments.status);
    };
  });
}

void add_facts(CLI::App& app, FactsArguments& arguments, Action& action) {
  CLI::App* command = app.add_subcommand("facts", "Ask hosts for the facts that templates name");
  add_reach_options(*command, arguments, arguments.facts);
  command->add_flag("-k,--ask-pass", arguments.facts.ask_password,
                    "Ask once for the password to log in with");
  command->add_option("-f,--forks", arguments.facts.forks, "Hosts at a time")
      ->check(CLI::Range(1U, 1024U))
      ->capture_default_str();
  command->add_option("--host-timeout", arguments.host_seconds, "Seconds for one host")
      ->check(CLI::Range(1U, 86400U))
      ->capture_default_str();
  command
      ->add_option("-o,--output", arguments.facts.output,
                   "Write there, beside what the file knows of other hosts, instead of printing")
      ->type_name("FILE");
  command->footer(
      "Examples:\n"
      "  fleetctl facts --limit puck\n"
      "  fleetctl facts --output facts.json\n"
      "  fleetctl render --facts facts.json");
  command->callback([&] {
    action = [&] {
      arguments.settle(arguments.facts);
      return run_facts(arguments.fleet, arguments.facts);
    };
  });
}

void add_history(CLI::App& app, HistoryArguments& arguments, Action& action) {
  CLI::App* command = app.add_subcommand(
      "history", "Tell what was changed on hosts: when, by whom, and how it ended");
  add_run_options(*command, arguments, arguments.history);
  command->add_option("host", arguments.host, "The host or hosts, as --limit would name them")
      ->excludes("--limit")
      ->type_name("HOST");
  command->add_option("-n,--lines", arguments.history.lines, "So many of each host's last changes")
      ->check(CLI::Range(1U, 1000U))
      ->capture_default_str();
  command->footer(
      "Examples:\n"
      "  fleetctl history puck\n"
      "  fleetctl history --lines 1\n"
      "  fleetctl history puck --format json");
  command->callback([&] {
    action = [&] {
      arguments.settle(arguments.history);
      if (!arguments.host.empty()) arguments.fleet.limit = {arguments.host};
      return with_hosts(arguments.fleet, arguments.history, arguments.ask_become_password,
                        [&](const Fleet& fleet, const World& world, const auto& stop) {
                          return history(fleet, arguments.history, world, stop, std::cout,
                                         std::cerr);
                        });
    };
  });
}

void add_unlock(CLI::App& app, UnlockArguments& arguments, Action& action) {
  CLI::App* command = app.add_subcommand(
      "unlock", "Tell who holds the locks of hosts since when, and end what holds them");
  add_run_options(*command, arguments, arguments.unlock);
  command->add_flag("--list", arguments.unlock.list, "Only tell")
      ->excludes(command->add_flag("-y,--yes", arguments.unlock.yes,
                                   "Do not ask before anything is ended"));
  command->footer(
      "Examples:\n"
      "  fleetctl unlock --list\n"
      "  fleetctl unlock --limit puck");
  command->callback([&] {
    action = [&] {
      arguments.settle(arguments.unlock);
      return with_hosts(arguments.fleet, arguments.unlock, arguments.ask_become_password,
                        [&](const Fleet& fleet, const World& world, const auto& stop) {
                          return unlock(fleet, arguments.unlock, world, stop, std::cout, std::cerr);
                        });
    };
  });
}

void add_uninstall(CLI::App& app, UninstallArguments& arguments, Action& action) {
  CLI::App* command = app.add_subcommand("uninstall", "Take the agent off hosts");
  add_run_options(*command, arguments, arguments.uninstall);
  command->add_flag("--purge", arguments.uninstall.purge,
                    "Its read positions, queues, generations and user, too");
  command->add_flag("-y,--yes", arguments.uninstall.yes, "Do not ask");
  add_drop_listeners_option(*command, arguments.uninstall.drop_listeners);
  command->footer(
      "Examples:\n"
      "  fleetctl uninstall --limit puck.incus\n"
      "  fleetctl uninstall --limit puck.incus --purge --yes");
  command->callback([&] {
    action = [&] {
      arguments.settle(arguments.uninstall);
      return with_hosts(arguments.fleet, arguments.uninstall, arguments.ask_become_password,
                        [&](const Fleet& fleet, const World& world, const auto& stop) {
                          return uninstall(fleet, arguments.uninstall, world, stop, std::cout,
                                           std::cerr);
                        });
    };
  });
}

}  // namespace fleetctl::cli
