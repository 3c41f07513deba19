// fleetctl's command line, and nothing else: each subcommand is one add_* function here and one
// file in command/.
#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <string>

#include "agent/component/component.h"
#include "agent/lint/lint.h"
#include "agent/registration.h"
#include "agent/runtime/check.h"
#include "fleetctl/command/deploy.h"
#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/render.h"
#include "fleetctl/command/show_inventory.h"

namespace {

using namespace fleetctl::command;

// What the chosen subcommand does.
using Action = std::function<ExitCode()>;

// The very parser and schemas that the agent runs; sys.env and the like are the host's business.
ConfigurationCheck agent_check() {
  auto registry = std::make_shared<agent::component::Registry>();
  agent::register_components(*registry);
  return [registry](std::string_view text, std::string file) {
    const auto world = agent::runtime::unknown_world();
    return agent::runtime::check({{std::move(file), std::string(text)}}, *registry, *world,
                                 agent::lint::review)
        .diagnostics;
  };
}

void add_fleet_options(CLI::App& command, FleetOptions& options) {
  command
      .add_option(
          "-i,--inventory", options.inventories,
          "Inventory file, folder or comma list of hosts; repeatable (default: ./inventory)")
      ->allow_extra_args(false)
      ->type_name("PATH");
  command
      .add_option("--templates", options.templates,
                  "Folder of config.alloy.j2 and of the hosts' own folders (default: ./templates)")
      ->type_name("DIR");
  command
      .add_option("--playbook-dir", options.playbook_dir,
                  "Folder whose group_vars and host_vars count as a playbook's (default: the one "
                  "above the templates)")
      ->type_name("DIR");
  command
      .add_option("-l,--limit", options.limit,
                  "Only these hosts: names, groups, globs, ~regex, !not, &and, @file")
      ->allow_extra_args(false)
      ->type_name("PATTERN");
  command
      .add_option("-e,--extra-vars", options.extra_vars,
                  "Variables above all others: k=v, {YAML or JSON}, @file; repeatable")
      ->allow_extra_args(false)
      ->type_name("VARS");
  command
      .add_option("--vault-password-file,--vault-id", options.vault_passwords,
                  "File with the password of vaulted values, or ID@FILE; repeatable")
      ->allow_extra_args(false)
      ->type_name("FILE");
}

void add_inventory(CLI::App& app, InventoryOptions& options, bool& yaml, Action& action) {
  CLI::App* command =
      app.add_subcommand("inventory", "Show hosts, groups and variables as Ansible sees them");
  add_fleet_options(*command, options.fleet);
  command->add_flag("--list", options.list, "Everything, in the shape of ansible-inventory");
  command->add_option("--host", options.host, "One host's variables")->type_name("HOST");
  command->add_flag("--graph", options.graph, "Groups and hosts as a tree");
  command->add_option("group", options.group, "With --graph: the group to start at")
      ->type_name("GROUP")
      ->capture_default_str();
  command->add_flag("--vars", options.show_variables, "With --graph: the variables too");
  command->add_flag("--origin", options.origin,
                    "With --host: where each value was written, and what it overrides");
  command->add_flag("--export", options.own_only,
                    "Variables where they are written instead of merged into the hosts");
  auto* format = command->add_option("--format", options.format,
                                     "json or yaml (default: json); with --origin text or json "
                                     "(default: text)");
  format->check(CLI::IsMember({"json", "yaml", "text"}));
  command->add_flag("-y,--yaml", yaml, "The same as --format yaml")->excludes(format);
  command->footer(
      "Examples:\n"
      "  fleetctl inventory --graph\n"
      "  fleetctl inventory --host puck.incus --origin\n"
      "  fleetctl inventory -i inventory --list > inventory.json");
  command->callback([&options, &yaml, format, &action] {
    action = [&options, yaml, format] {
      if (yaml) options.format = "yaml";
      if (options.origin && format->count() == 0 && !yaml) options.format = "text";
      if ((options.format == "text" && !options.origin) ||
          (options.format == "yaml" && options.origin)) {
        std::cerr << "--format " << options.format
                  << (options.origin ? " does not go with --origin\n" : " needs --origin\n");
        return ExitCode::kUsage;
      }
      return show_inventory(options, std::cout, std::cerr);
    };
  });
}

void add_render(CLI::App& app, RenderOptions& options, Action& action) {
  CLI::App* command = app.add_subcommand("render", "Print what each host would get");
  add_fleet_options(*command, options.fleet);
  command
      ->add_option("-o,--output", options.output,
                   "Write DIR/<inventory_hostname>/config.alloy instead of printing")
      ->type_name("DIR");
  command->add_flag("-D,--diff", options.diff,
                    "Show how what is in --output differs; write nothing");
  command->add_flag("--exit-code", options.exit_code, "With --diff: exit with 2 when it differs");
  command->footer(
      "Examples:\n"
      "  fleetctl render --limit puck.incus\n"
      "  fleetctl render --output rendered/\n"
      "  fleetctl render --output rendered/ --diff --exit-code");
  command->callback(
      [&] { action = [&] { return render(options, agent_check(), std::cout, std::cerr); }; });
}

struct DeployArguments {
  FleetOptions fleet;
  DeployOptions deploy;
  std::filesystem::path agent;
  bool ask_become_password = false;
  unsigned connect_seconds = 10;
  unsigned host_seconds = 300;
  std::string format = "text";
};

void add_deploy(CLI::App& app, DeployArguments& arguments, Action& action) {
  CLI::App* command =
      app.add_subcommand("deploy", "Bring the agent and its configuration onto every host");
  add_fleet_options(*command, arguments.fleet);
  DeployOptions& deploy = arguments.deploy;
  command->add_flag("-C,--check", deploy.check, "Tell what would change, change nothing");
  command->add_flag("-D,--diff", deploy.diff, "Show how configurations differ, secrets masked");
  command->add_flag("--exit-code", deploy.exit_code, "Exit with 2 when there are changes");
  command->add_flag("-y,--yes", deploy.yes, "Do not ask before several hosts are changed");
  command->add_option("-f,--forks", deploy.forks, "Hosts at a time")
      ->check(CLI::Range(1U, 1024U))
      ->capture_default_str();
  command->add_option("-u,--user", deploy.reach.user, "Log in as this user");
  command->add_option("--private-key", deploy.reach.private_key, "Log in with this key")
      ->type_name("FILE");
  command->add_flag("-b,--become", deploy.reach.become, "Become root with sudo");
  command->add_flag("-K,--ask-become-pass", arguments.ask_become_password,
                    "Ask once for the password of sudo");
  command->add_option("-T,--timeout", arguments.connect_seconds, "Seconds to connect within")
      ->check(CLI::Range(1U, 3600U))
      ->capture_default_str();
  command->add_option("--host-timeout", arguments.host_seconds, "Seconds for one host")
      ->check(CLI::Range(1U, 86400U))
      ->capture_default_str();
  command->add_option("--format", arguments.format, "text, or json: one object per line")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command
      ->add_option(
          "--agent-bundle", arguments.agent,
          "Folder of the agent that is brought to hosts (default: ../bundle beside fleetctl)")
      ->type_name("DIR");
  command->footer(
      "Examples:\n"
      "  fleetctl deploy --limit puck.incus --check --diff\n"
      "  fleetctl deploy --limit applications\n"
      "  fleetctl deploy");
  command->callback([&] {
    action = [&] {
      arguments.deploy.limited = !arguments.fleet.limit.empty();
      arguments.deploy.json = arguments.format == "json";
      arguments.deploy.reach.connect_timeout = std::chrono::seconds(arguments.connect_seconds);
      arguments.deploy.host_limit = std::chrono::seconds(arguments.host_seconds);
      return run_deploy(arguments.fleet, agent_check(), arguments.agent,
                        arguments.ask_become_password, arguments.deploy);
    };
  });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Reads an Ansible tree, renders a configuration for each host and deploys it.",
               "fleetctl");
  app.set_version_flag("--version", std::string("fleetctl ") + FLEETCTL_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);

  Action action;
  RenderOptions render_options;
  add_render(app, render_options, action);

  InventoryOptions inventory_options;
  bool inventory_yaml = false;
  add_inventory(app, inventory_options, inventory_yaml, action);

  DeployArguments deploy_arguments;
  add_deploy(app, deploy_arguments, action);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  }
  return static_cast<int>(action());
}
