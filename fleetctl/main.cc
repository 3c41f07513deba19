// fleetctl's command line, and nothing else: each subcommand is one add_* function here and one
// file in command/.
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "agent/cli/command_line.h"
#include "agent/component/component.h"
#include "agent/lint/lint.h"
#include "agent/registration.h"
#include "agent/runtime/check.h"
#include "fleetctl/command/ansible_configuration.h"
#include "fleetctl/command/deploy.h"
#include "fleetctl/command/doctor.h"
#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/facts.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/fleet_file.h"
#include "fleetctl/command/history.h"
#include "fleetctl/command/import.h"
#include "fleetctl/command/init.h"
#include "fleetctl/command/known_hosts.h"
#include "fleetctl/command/lint.h"
#include "fleetctl/command/logs.h"
#include "fleetctl/command/plan.h"
#include "fleetctl/command/render.h"
#include "fleetctl/command/rollback.h"
#include "fleetctl/command/show_inventory.h"
#include "fleetctl/command/status.h"
#include "fleetctl/command/ui.h"
#include "fleetctl/command/uninstall.h"
#include "fleetctl/command/unlock.h"
#include "fleetctl/command/vault.h"
#include "fleetctl/command/verify.h"

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

// Another spelling of an option, which help does not show.
void add_alias(CLI::App& command, const std::string& name,
               const std::function<void(const std::string& value)>& set,
               const std::function<std::string(const std::string& value)>& check,
               CLI::Option* option) {
  command.add_option_function<std::string>(name, set)->check(check)->excludes(option)->group("");
}

void add_vault_options(CLI::App& command, VaultOptions& options) {
  command
      .add_option("--vault-password-file,--vault-pass-file", options.password_files,
                  "File with the vault password, or a program that prints it; repeatable")
      ->allow_extra_args(false)
      ->type_name("FILE");
  command
      .add_option("--vault-id", options.ids,
                  "ID@FILE or ID@prompt: a password for vaults of that id; repeatable")
      ->allow_extra_args(false)
      ->type_name("ID@SOURCE");
  command.add_flag("-J,--ask-vault-pass,--ask-vault-password", options.ask,
                   "Ask for the vault password");
}

void add_fleet_options(CLI::App& command, FleetOptions& options) {
  command
      .add_option(
          "-i,--inventory", options.inventories,
          "Inventory file, folder or comma list of hosts; repeatable (default: ./inventory)")
      ->allow_extra_args(false)
      ->type_name("PATH");
  command.add_flag("--allow-inventory-script", options.inventory_programs,
                   "Run inventories that are programs");
  command
      .add_option("--templates", options.templates,
                  "Folder of config.alloy.j2 and of the hosts' own folders (default: ./templates)")
      ->type_name("DIR");
  command
      .add_option("--playbook", options.playbook,
                  "Playbook whose vars, vars_files, roles' defaults and vars, serial and "
                  "max_fail_percentage count; its tasks are not run")
      ->type_name("FILE");
  command
      .add_option("--playbook-dir", options.playbook_dir,
                  "Folder whose group_vars and host_vars count as a playbook's (default: the "
                  "playbook's, else the one above the templates)")
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
      .add_option("--facts", options.facts, "Facts of hosts that `fleetctl facts --output` saved")
      ->check(CLI::ExistingFile)
      ->type_name("FILE");
  add_vault_options(command, options.vault);
}

void add_inventory(CLI::App& app, InventoryOptions& options, bool& yaml, Action& action) {
  CLI::App* command =
      app.add_subcommand("inventory", "Show hosts, groups and variables as Ansible sees them");
  command->alias("hosts");
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
                   "Write DIR/<inventory_hostname>/config.alloy instead of printing; - prints")
      ->type_name("DIR");
  command->add_option("--host", options.host, "One host, whose name is given whole")
      ->excludes("--limit")
      ->type_name("HOST");
  command->add_flag("--raw", options.raw,
                    "What the templates give, unchecked: to look at what lint refuses");
  command->add_flag("--mask", options.mask, "Secrets masked, for copies that others may read");
  command->add_flag("-D,--diff", options.diff,
                    "Show how what is in --output differs; write nothing");
  command->add_flag("--exit-code", options.exit_code, "With --diff: exit with 2 when it differs");
  command->footer(
      "Examples:\n"
      "  fleetctl render --limit puck.incus\n"
      "  fleetctl render --host puck.incus --mask\n"
      "  fleetctl render --output rendered/\n"
      "  fleetctl render --output rendered/ --diff --exit-code");
  command->callback(
      [&] { action = [&] { return render(options, agent_check(), std::cout, std::cerr); }; });
}

void add_lint(CLI::App& app, LintOptions& options, Action& action) {
  CLI::App* command =
      app.add_subcommand("lint", "Find what is wrong with the tree, without reaching a host");
  add_fleet_options(*command, options.fleet);
  command->add_flag("--strict", options.strict, "Fail because of warnings, too");
  command->add_flag("--fix", options.fix,
                    "Lay out configurations that are no templates as `fleet-agent fmt` does, and "
                    "show what was changed; other findings are a person's to mend");
  command
      ->add_option_function<std::string>(
          "--format",
          [&](const std::string& format) {
            options.json = format == "json";
            options.junit = format == "junit";
          },
          "text, json or junit (default: text)")
      ->check(CLI::IsMember({"text", "json", "junit"}));
  command->footer(
      "Examples:\n"
      "  fleetctl lint\n"
      "  fleetctl lint --strict --vault-password-file ~/.vault\n"
      "  fleetctl lint --fix\n"
      "  fleetctl lint --format json --limit applications");
  command->callback(
      [&] { action = [&] { return lint(options, agent_check(), std::cout, std::cerr); }; });
}

using VaultAction = ExitCode (*)(VaultCommand command, std::ostream& out, std::ostream& err);

CLI::App* add_vault_action(CLI::App& group, const char* name, const char* what,
                           VaultCommand& options, VaultAction run, Action& action) {
  CLI::App* command = group.add_subcommand(name, what);
  add_vault_options(*command, options.passwords);
  command->callback([&options, &action, run] {
    action = [&options, run] { return run(options, std::cout, std::cerr); };
  });
  return command;
}

void add_vault(CLI::App& app, VaultCommand& options, Action& action) {
  CLI::App* group = app.add_subcommand("vault", "Encrypt, read and change what ansible-vault does");
  group->require_subcommand(1);
  const auto files = [&](CLI::App* command, bool required) {
    command
        ->add_option("file", options.files, required ? "Files" : "Files; - or none: standard input")
        ->required(required)
        ->type_name("FILE");
  };
  const auto output = [&](CLI::App* command) {
    command->add_option("--output", options.output, "Write there instead; - is standard output")
        ->type_name("FILE");
  };
  const auto encrypt_id = [&](CLI::App* command) {
    command
        ->add_option("--encrypt-vault-id", options.encrypt_id,
                     "Encrypt with this id's password (where there are several)")
        ->type_name("ID");
  };

  CLI::App* command =
      add_vault_action(*group, "encrypt", "Encrypt files in place", options, vault_encrypt, action);
  files(command, false);
  output(command);
  encrypt_id(command);
  command->footer(
      "Examples:\n"
      "  fleetctl vault encrypt group_vars/all/vault.yml\n"
      "  fleetctl vault encrypt --vault-id prod@prompt host_vars/puck.incus.yml");

  command =
      add_vault_action(*group, "decrypt", "Decrypt files in place", options, vault_decrypt, action);
  files(command, false);
  output(command);
  command->footer(
      "Examples:\n"
      "  fleetctl vault decrypt group_vars/all/vault.yml\n"
      "  fleetctl vault decrypt --output - secret.bin | sha256sum");

  command = add_vault_action(*group, "view", "Show what is encrypted; change nothing", options,
                             vault_view, action);
  files(command, false);
  command->footer(
      "Examples:\n"
      "  fleetctl vault view group_vars/all/vault.yml\n"
      "  fleetctl vault view host_vars/puck.incus.yml     (with its !vault values in clear)");

  command = add_vault_action(*group, "create", "Write a new encrypted file with $EDITOR", options,
                             vault_create, action);
  files(command, true);
  encrypt_id(command);
  command->footer("Example:\n  EDITOR=nano fleetctl vault create group_vars/all/vault.yml");

  command = add_vault_action(*group, "edit", "Change encrypted files with $EDITOR", options,
                             vault_edit, action);
  files(command, true);
  command->footer("Example:\n  EDITOR=nano fleetctl vault edit group_vars/all/vault.yml");

  command = add_vault_action(*group, "rekey",
                             "Encrypt files, or the values in them, with another password", options,
                             vault_rekey, action);
  files(command, true);
  encrypt_id(command);
  auto* new_file =
      command
          ->add_option("--new-vault-password-file", options.new_password_file, "The new password")
          ->type_name("FILE");
  command->add_option("--new-vault-id", options.new_id, "The new password and its id")
      ->type_name("ID@SOURCE")
      ->excludes(new_file);
  command->footer(
      "Examples:\n"
      "  fleetctl vault rekey --new-vault-password-file new.txt group_vars/all/vault.yml\n"
      "  fleetctl vault rekey --vault-id old@old.txt --new-vault-id prod@prompt host_vars/*.yml");

  command = add_vault_action(*group, "encrypt-string", "Encrypt a text and print it as YAML",
                             options, vault_encrypt_string, action);
  command->alias("encrypt_string");
  command
      ->add_option("text", options.files,
                   "Texts, which others can see in ps; - or none: standard input")
      ->type_name("TEXT");
  output(command);
  encrypt_id(command);
  command
      ->add_option("-n,--name", options.names,
                   "Name of the variable; repeatable, for the texts in their order")
      ->allow_extra_args(false)
      ->type_name("NAME");
  command
      ->add_option("--stdin-name", options.stdin_name, "Name of the variable from standard input")
      ->type_name("NAME");
  command->add_flag("-p,--prompt", options.prompt, "Ask for the name and the text");
  command->add_flag("--show-input", options.show_input, "With --prompt: show what is typed");
  command->footer(
      "Examples:\n"
      "  fleetctl vault encrypt-string --prompt\n"
      "  pwgen 32 1 | tr -d '\\n' | fleetctl vault encrypt-string --stdin-name loki_password");
}

// What deploy, plan and the like share on the command line.
struct RunArguments {
  FleetOptions fleet;
  bool ask_become_password = false;
  unsigned connect_seconds = 10;
  unsigned host_seconds = 300;
  unsigned total_seconds = 0;
  std::string format = "text";

  void settle(RunOptions& run) const {
    run.limited = !fleet.limit.empty();
    run.events = format == "jsonl";
    run.json = format == "json" || run.events;
    run.reach.connect_timeout = std::chrono::seconds(connect_seconds);
    run.host_limit = std::chrono::seconds(host_seconds);
    if (total_seconds > 0) run.total_limit = std::chrono::seconds(total_seconds);
    run.reach.verbose = run.verbose;
  }
};

// How one host is reached.
void add_reach_options(CLI::App& command, RunArguments& arguments, RunOptions& run) {
  add_fleet_options(command, arguments.fleet);
  command.add_option("-u,--user", run.reach.user, "Log in as this user");
  command.add_option("--private-key", run.reach.private_key, "Log in with this key")
      ->type_name("FILE");
  command.add_flag(
      "--accept-new", run.reach.accept_new,
      "Write unknown host keys down instead of refusing them; changed ones are refused");
  command.add_option("-T,--timeout", arguments.connect_seconds, "Seconds to connect within")
      ->check(CLI::Range(1U, 3600U))
      ->capture_default_str();
}

// And how one becomes root there.
void add_become_options(CLI::App& command, RunArguments& arguments, RunOptions& run) {
  command.add_flag("-k,--ask-pass", run.ask_password, "Ask once for the password to log in with");
  command.add_flag("-b,--become", run.reach.become, "Become root with sudo");
  command.add_flag("-K,--ask-become-pass", arguments.ask_become_password,
                   "Ask once for the password of sudo");
}

enum class Formats { kJson, kJsonAndJunit };

void add_run_options(CLI::App& command, RunArguments& arguments, RunOptions& run,
                     Formats formats = Formats::kJson) {
  add_reach_options(command, arguments, run);
  command.add_option("-f,--forks", run.forks, "Hosts at a time")
      ->check(CLI::Range(1U, 1024U))
      ->capture_default_str();
  add_become_options(command, arguments, run);
  command.add_option("--host-timeout", arguments.host_seconds, "Seconds for one host")
      ->check(CLI::Range(1U, 86400U))
      ->capture_default_str();
  command
      .add_option("--total-timeout", arguments.total_seconds,
                  "Seconds for all: then no further host is begun, and those at work are left to "
                  "end by themselves")
      ->check(CLI::Range(1U, 604'800U));
  std::vector<std::string> words{"text", "json", "jsonl"};
  if (formats == Formats::kJsonAndJunit) words.emplace_back("junit");
  command
      .add_option(
          "--format", arguments.format,
          std::string("text; json: one object per line; jsonl: and what happens on the way") +
              (words.size() > 3 ? "; junit: XML as CI systems read it" : ""))
      ->check(CLI::IsMember(words))
      ->capture_default_str();
  command.add_flag("-v,--verbose", run.verbose,
                   "Tell each step of each host as it happens; -vv, -vvv: and what happens on the "
                   "connection");
  command.add_flag("--quiet", run.quiet, "No progress, no lines of hosts that are unchanged");
  command
      .add_option_function<std::string>(
          "--color",
          [&](const std::string& word) {
            run.colors = word == "always"  ? Colors::kAlways
                         : word == "never" ? Colors::kNever
                                           : Colors::kAuto;
          },
          "auto (on a terminal, unless NO_COLOR is set), always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN");
}

// Which hosts go first, how many together, and when it is too much.
void add_rolling_options(CLI::App& command, RunArguments& arguments, RunOptions& run) {
  const auto complaint = [](const auto& parsed) {
    return parsed ? std::string() : parsed.error().message;
  };
  const auto batches = [&run](const std::string& text) {
    run.rolling.serial = *parse_batches(text);
  };
  const auto are_batches = [=](const std::string& text) { return complaint(parse_batches(text)); };
  auto* serial = command.add_option_function<std::string>(
      "--serial", batches,
      "Hosts per batch: a number, a share like 30%, or a list of them, the last of which repeats");
  serial->check(are_batches)->type_name("N|N%[,...]");
  add_alias(command, "--batch", batches, are_batches, serial);
  command
      .add_option_function<std::string>(
          "--canary",
          [&](const std::string& text) {
            if (auto amount = parse_amount(text)) {
              run.rolling.canary = *amount;
            } else {
              arguments.fleet.canary = {text};
            }
          },
          "Hosts that go first: a pattern as of --limit, a number or a share; no other follows "
          "where one of them ends badly")
      ->type_name("PATTERN|N|N%");
  const auto most = [&run](const std::string& text) { run.rolling.max_fail = *parse_amount(text); };
  const auto is_amount = [=](const std::string& text) { return complaint(parse_amount(text)); };
  auto* max_fail = command.add_option_function<std::string>(
      "--max-fail", most,
      "Begin no further host once more than so many ended badly (default: 0 with --serial or "
      "--canary, else all)");
  max_fail->check(is_amount)->type_name("N|N%");
  add_alias(command, "--max-failures", most, is_amount, max_fail);
}

void add_bundle_option(CLI::App& command, std::filesystem::path& agent) {
  command
      .add_option("--agent-bundle", agent,
                  "Folder of the agent that is brought to hosts (default: ../bundle beside "
                  "fleetctl)")
      ->type_name("DIR");
}

struct PlanArguments : RunArguments {
  PlanOptions plan;
  std::filesystem::path agent;
};

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
  add_bundle_option(*command, arguments.agent);
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
        std::cerr << "--format junit does not go with --offline\n";
        return ExitCode::kUsage;
      }
      return run_plan(arguments.fleet, agent_check(), arguments.agent,
                      arguments.ask_become_password, arguments.plan);
    };
  });
}

struct DeployArguments : RunArguments {
  DeployOptions deploy;
  std::filesystem::path agent;
};

void add_deploy(CLI::App& app, DeployArguments& arguments, Action& action) {
  CLI::App* command =
      app.add_subcommand("deploy", "Bring the agent and its configuration onto every host");
  DeployOptions& deploy = arguments.deploy;
  add_run_options(*command, arguments, deploy);
  add_rolling_options(*command, arguments, deploy);
  auto* retry = command->add_flag(
      "--retry-failed", deploy.retry_failed,
      "Only hosts that earlier deploys from here did not reach or not leave well");
  command
      ->add_option("--plan", deploy.plan_file,
                   "Do what plan --out saved, and nothing where tree or host are not as they were")
      ->type_name("FILE")
      ->excludes(retry);
  command->add_flag("--resume", deploy.retry_failed)->excludes("--plan")->group("");
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
  command
      ->add_flag("--force", deploy.force,
                 "Send the agent again, and restart it, even where nothing changed")
      ->excludes("--plan")
      ->excludes(restart);
  command->add_flag("-C,--check", deploy.check, "Tell what would change, change nothing");
  command->add_flag("-D,--diff", deploy.diff, "Show how configurations differ, secrets masked");
  command->add_flag("--exit-code", deploy.exit_code, "Exit with 2 when there are changes");
  command->add_flag("-y,--yes", deploy.yes, "Do not ask before several hosts are changed");
  add_bundle_option(*command, arguments.agent);
  command->footer(
      "Examples:\n"
      "  fleetctl deploy --limit puck.incus --check --diff\n"
      "  fleetctl deploy --canary puck.incus --serial 10% --max-fail 2\n"
      "  fleetctl deploy --retry-failed");
  command->callback([&] {
    action = [&] {
      arguments.settle(arguments.deploy);
      return run_deploy(arguments.fleet, agent_check(), arguments.agent,
                        arguments.ask_become_password, arguments.deploy);
    };
  });
}

struct RollbackArguments : RunArguments {
  RollbackOptions rollback;
};

void add_rollback(CLI::App& app, RollbackArguments& arguments, Action& action) {
  CLI::App* command =
      app.add_subcommand("rollback", "Bring hosts back to an earlier generation that they keep");
  RollbackOptions& rollback = arguments.rollback;
  add_run_options(*command, arguments, rollback);
  add_rolling_options(*command, arguments, rollback);
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

struct FactsArguments : RunArguments {
  FactsOptions facts;
};

void add_facts(CLI::App& app, FactsArguments& arguments, Action& action) {
  CLI::App* command = app.add_subcommand("facts", "Ask hosts for the facts that templates name");
  add_run_options(*command, arguments, arguments.facts);
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

struct StatusArguments : RunArguments {
  StatusOptions status;
};

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
      ->check([orders](const std::string& key) {
        return orders.contains(key) ? std::string() : "'" + key + "' is no order";
      })
      ->type_name("KEY");
  command->footer(
      "Examples:\n"
      "  fleetctl status\n"
      "  fleetctl status --sort backlog\n"
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

// Hosts and groups of ./inventory, one per line, for completion.
constexpr const char* kHostNames =
    "fleetctl inventory --graph | sed 's/^[ |]*\\(--\\)\\{0,1\\}@\\{0,1\\}//; s/:$//'";

void add_completion(CLI::App& app, std::string& shell, Action& action) {
  CLI::App* command = app.add_subcommand("completion", "Print a script that completes commands");
  command->add_option("shell", shell, "The shell that reads it")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "Examples:\n"
      "  source <(fleetctl completion bash)\n"
      "  fleetctl completion fish > ~/.config/fish/completions/fleetctl.fish");
  command->callback([&] {
    action = [&] {
      const auto script = agent::cli::completion(app, shell, kHostNames);
      std::cout << script.value_or("");
      return ExitCode::kDone;
    };
  });
}

void add_man(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("man", "Print the manual page");
  command->footer("Example:\n  fleetctl man | man -l -");
  command->callback([&] {
    action = [&] {
      std::cout << agent::cli::man_page(
          app, {1, "fleetctl " FLEETCTL_VERSION,
                "\\fBfleet\\-agent\\fR(8), \\fBansible\\fR(1), \\fBssh_config\\fR(5)",
                ".TP\n\\fBANSIBLE_CONFIG\\fR, \\fBANSIBLE_INVENTORY\\fR, "
                "\\fBANSIBLE_VAULT_PASSWORD_FILE\\fR\nAs Ansible has them.\n"
                ".TP\n\\fBNO_COLOR\\fR\nNo colours when set and not empty.",
                ".TP\n\\fI./inventory\\fR, \\fI./templates\\fR\nThe tree that is read.\n"
                ".TP\n\\fI./fleet.yaml\\fR\nOptions that hold where none are given."});
      return ExitCode::kDone;
    };
  });
}

struct LogsArguments : RunArguments {
  LogsOptions logs;
  std::string host;
};

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

struct UiArguments : RunArguments {
  UiOptions ui;
  std::string host;
  bool no_browser = false;
};

void add_ui(CLI::App& app, UiArguments& arguments, Action& action) {
  CLI::App* command =
      app.add_subcommand("ui", "Open the pages of a host's agent here, through the connection");
  add_reach_options(*command, arguments, arguments.ui);
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

struct VerifyArguments : RunArguments {
  VerifyOptions verify;
  unsigned seconds = 120;
};

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

struct DoctorArguments : RunArguments {
  DoctorOptions doctor;
  std::filesystem::path agent;
};

void add_doctor(CLI::App& app, DoctorArguments& arguments, Action& action) {
  CLI::App* command = app.add_subcommand(
      "doctor", "Look for what would stop a deploy: here, on the way and on each host");
  add_run_options(*command, arguments, arguments.doctor);
  command->add_flag("--all", arguments.doctor.all, "Show what is well, too");
  add_bundle_option(*command, arguments.agent);
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

struct HistoryArguments : RunArguments {
  HistoryOptions history;
  std::string host;
};

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

struct UnlockArguments : RunArguments {
  UnlockOptions unlock;
};

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

struct UninstallArguments : RunArguments {
  UninstallOptions uninstall;
};

void add_uninstall(CLI::App& app, UninstallArguments& arguments, Action& action) {
  CLI::App* command = app.add_subcommand("uninstall", "Take the agent off hosts");
  add_run_options(*command, arguments, arguments.uninstall);
  command->add_flag("--purge", arguments.uninstall.purge,
                    "Its read positions, queues, generations and user, too");
  command->add_flag("-y,--yes", arguments.uninstall.yes, "Do not ask");
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

void add_known_hosts(CLI::App& app, RunArguments& arguments, RunOptions& run, Action& action) {
  CLI::App* group =
      app.add_subcommand("known-hosts", "Compare the keys of hosts with known_hosts, and add them");
  group->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, KnownHosts which) {
    CLI::App* command = group->add_subcommand(name, what);
    add_run_options(*command, arguments, run);
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

// By its name or another one; null: there is none.
const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  const auto found =
      app.get_subcommands([&](const CLI::App* one) { return one->check_name(name); });
  return found.empty() ? nullptr : found.front();
}

void add_help(CLI::App& app, std::vector<std::string>& words, Action& action) {
  CLI::App* command = app.add_subcommand("help", "Tell what a command does, as its --help");
  command->add_option("command", words, "The command")->type_name("COMMAND");
  command->footer("Example:\n  fleetctl help vault edit");
  command->callback([&] {
    action = [&] {
      const CLI::App* about = &app;
      std::string before;  // its name
      for (const std::string& word : words) {
        before += (before.empty() ? "" : " ") + about->get_name();
        about = find_command(*about, word);
        if (about == nullptr) {
          std::cerr << "fleetctl: there is no command '" << word << "'\n";
          return ExitCode::kUsage;
        }
      }
      std::cout << about->help(before);
      return ExitCode::kDone;
    };
  });
}

void add_version(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("version", "Print the version");
  command->footer("Example:\n  fleetctl version");
  command->callback([&] {
    action = [] {
      std::cout << "fleetctl " FLEETCTL_VERSION "\n";
      return ExitCode::kDone;
    };
  });
}

// fleet.yaml as CLI11 takes a configuration: what is written there counts where the command line
// says nothing.
class FleetFile final : public CLI::Config {
 public:
  explicit FleetFile(CLI::App& app) : app_(app) {}
  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return {}; }
  // What was wrong with the file; "": nothing.
  const std::string& error() const { return error_; }

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    const std::string text{std::istreambuf_iterator<char>(input), {}};
    const auto entries = read_fleet_file(text, kFleetFile);
    if (!entries) {
      error_ = entries.error().message;
      return {};
    }
    std::vector<std::string> path;  // of the command at hand
    CLI::App* command = &app_;
    std::vector<CLI::ConfigItem> out;
    // The command's own options come first: what is there already is not set again.
    std::vector<const std::vector<FleetFileEntry>*> levels{&*entries};
    while (!command->get_subcommands().empty()) {
      command = command->get_subcommands().front();
      path.push_back(command->get_name());
      for (const FleetFileEntry& entry : *levels.back()) {
        if (entry.option != path.back() || !entry.values.empty()) continue;
        levels.push_back(&entry.options);
        break;
      }
    }
    for (auto level = levels.rbegin(); level != levels.rend(); ++level)
      add(**level, *command, path, *level == levels.front(), out);
    return out;
  }

 private:
  static bool knows(const CLI::App& app, const std::string& option) {
    if (app.get_option_no_throw("--" + option) != nullptr) return true;
    const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
    return std::any_of(commands.begin(), commands.end(),
                       [&](const CLI::App* one) { return knows(*one, option); });
  }

  // `shared`: options for all commands, some of which this one need not have.
  void add(const std::vector<FleetFileEntry>& entries, const CLI::App& command,
           const std::vector<std::string>& path, bool shared,
           std::vector<CLI::ConfigItem>& out) const {
    for (const FleetFileEntry& entry : entries) {
      const bool is_command = entry.values.empty() && find_command(app_, entry.option) != nullptr;
      if (is_command || (!shared && !entry.options.empty())) continue;
      if (entry.values.empty())
        return complain(entry.place + ": --" + entry.option + " has no value");
      if (command.get_option_no_throw("--" + entry.option) == nullptr || entry.option == "config") {
        if (shared && entry.option != "config" && knows(app_, entry.option)) continue;
        return complain(entry.place + ": there is no option --" + entry.option);
      }
      CLI::ConfigItem item;
      item.parents = path;
      item.name = entry.option;
      item.inputs = entry.values;
      out.push_back(std::move(item));
    }
  }

  void complain(std::string what) const {
    if (error_.empty()) error_ = std::move(what);
  }

  CLI::App& app_;
  mutable std::string error_;
};

// Nobody can be asked any more: what would be read is at its end.
void close_input() {
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0) return;
  ::dup2(nothing, STDIN_FILENO);
  ::close(nothing);
}

void add_init(CLI::App& app, InitOptions& options, Action& action) {
  CLI::App* command = app.add_subcommand(
      "init", "Write what is missing for a fleet: into a new folder, or an Ansible tree");
  command->add_option("folder", options.folder, "Where (default: here)")->type_name("DIR");
  command->footer(
      "Examples:\n"
      "  fleetctl init monitoring\n"
      "  cd ansible && fleetctl init");
  command->callback([&] { action = [&] { return init(options, std::cout, std::cerr); }; });
}

void add_import(CLI::App& app, ImportOptions& options, Action& action) {
  CLI::App* command = app.add_subcommand(
      "import", "Tell what becomes of a playbook's tasks, and write fleet.yaml for its tree");
  command->add_option("playbook", options.playbook, "The playbook")
      ->required()
      ->check(CLI::ExistingFile)
      ->type_name("FILE");
  command->add_flag("--report", options.report, "Only tell; write nothing");
  command
      ->add_option_function<std::string>(
          "--format", [&](const std::string& format) { options.json = format == "json"; },
          "text or json (default: text)")
      ->check(CLI::IsMember({"text", "json"}));
  command->footer(
      "Examples:\n"
      "  fleetctl import alloy/deploy.yml --report\n"
      "  fleetctl import alloy/deploy.yml");
  command->callback(
      [&] { action = [&] { return import_playbook(options, std::cout, std::cerr); }; });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Reads an Ansible tree, renders a configuration for each host and deploys it.",
               "fleetctl");
  app.set_version_flag("--version", std::string("fleetctl ") + FLEETCTL_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  app.fallthrough();  // these may stand behind the command, too
  const auto fleet_file = std::make_shared<FleetFile>(app);
  app.config_formatter(fleet_file);
  app.set_config("--config", everybody_may_write(".") ? "" : kFleetFile,
                 "Options by their long names, as YAML, that hold where none are given")
      ->type_name("FILE");
  bool no_input = false;
  app.add_flag("--no-input", no_input, "Ask nobody, as where there is no terminal");
  bool ansible_codes = false;
  app.add_flag("--ansible-exit-codes", ansible_codes,
               "Exit as ansible-playbook does: 2 where a host failed, 4 where one is unreachable");

  // Secrets do not end in core dumps, nor are they read by a debugger of the same user.
  ::prctl(PR_SET_DUMPABLE, 0);

  Action action;
  RenderOptions render_options;
  add_render(app, render_options, action);

  InventoryOptions inventory_options;
  bool inventory_yaml = false;
  add_inventory(app, inventory_options, inventory_yaml, action);

  LintOptions lint_options;
  add_lint(app, lint_options, action);

  VaultCommand vault_command;
  add_vault(app, vault_command, action);

  PlanArguments plan_arguments;
  add_plan(app, plan_arguments, action);

  DeployArguments deploy_arguments;
  add_deploy(app, deploy_arguments, action);

  RollbackArguments rollback_arguments;
  add_rollback(app, rollback_arguments, action);

  StatusArguments status_arguments;
  add_status(app, status_arguments, action);

  LogsArguments logs_arguments;
  add_logs(app, logs_arguments, action);

  UiArguments ui_arguments;
  add_ui(app, ui_arguments, action);

  VerifyArguments verify_arguments;
  add_verify(app, verify_arguments, action);

  FactsArguments facts_arguments;
  add_facts(app, facts_arguments, action);

  HistoryArguments history_arguments;
  add_history(app, history_arguments, action);

  DoctorArguments doctor_arguments;
  add_doctor(app, doctor_arguments, action);

  UnlockArguments unlock_arguments;
  add_unlock(app, unlock_arguments, action);

  UninstallArguments uninstall_arguments;
  add_uninstall(app, uninstall_arguments, action);

  RunArguments known_hosts_arguments;
  RunOptions known_hosts_options;
  add_known_hosts(app, known_hosts_arguments, known_hosts_options, action);

  InitOptions init_options;
  add_init(app, init_options, action);

  ImportOptions import_options;
  add_import(app, import_options, action);

  std::string shell;
  add_completion(app, shell, action);
  add_man(app, action);
  std::vector<std::string> help_words;
  add_help(app, help_words, action);
  add_version(app, action);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  }
  if (!fleet_file->error().empty()) {
    std::cerr << "fleetctl: " << fleet_file->error() << "\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  if (no_input) close_input();
  const ExitCode code = action();
  return ansible_codes ? ansible_status(code) : static_cast<int>(code);
}
