#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "fleetctl/cli/agent_check.h"
#include "fleetctl/cli/commands.h"
#include "fleetctl/cli/options.h"
#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/import.h"
#include "fleetctl/command/init.h"
#include "fleetctl/command/lint.h"
#include "fleetctl/command/render.h"
#include "fleetctl/command/show_inventory.h"
#include "fleetctl/command/vault.h"

namespace fleetctl::cli {

namespace {

using namespace command;

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

}  // namespace

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
  add_color_option(*command, options.colors);
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
        std::cerr << "fleetctl: --format " << options.format
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
  add_color_option(*command, options.colors);
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
  add_color_option(*command, options.colors);
  command->footer(
      "Examples:\n"
      "  fleetctl lint\n"
      "  fleetctl lint --strict --vault-password-file ~/.vault\n"
      "  fleetctl lint --fix\n"
      "  fleetctl lint --format json --limit applications");
  command->callback(
      [&] { action = [&] { return lint(options, agent_check(), std::cout, std::cerr); }; });
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
  add_color_option(*command, options.colors);
  command->footer(
      "Examples:\n"
      "  fleetctl import alloy/deploy.yml --report\n"
      "  fleetctl import alloy/deploy.yml");
  command->callback(
      [&] { action = [&] { return import_playbook(options, std::cout, std::cerr); }; });
}

}  // namespace fleetctl::cli
