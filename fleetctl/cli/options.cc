#include "fleetctl/cli/options.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "fleetctl/cli/fleet_file.h"
#include "fleetctl/command/ansible_configuration.h"
#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/hosts_run.h"
#include "fleetctl/command/rolling.h"
#include "fleetctl/command/style.h"
#include "fleetctl/command/vault_passwords.h"

namespace fleetctl::cli {

namespace {

using namespace command;

// Another spelling of an option, which help does not show.
void add_alias(CLI::App& command, const std::string& name,
               const std::function<void(const std::string& value)>& set,
               const std::function<std::string(const std::string& value)>& check,
               CLI::Option* option) {
  command.add_option_function<std::string>(name, set)->check(check)->excludes(option)->group("");
}

}  // namespace

void RunArguments::settle(RunOptions& run) {
  run.limited = !fleet.limit.empty();
  run.events = format == "jsonl";
  run.json = format == "json" || run.events;
  run.reach.connect_timeout = std::chrono::seconds(connect_seconds);
  run.host_limit = std::chrono::seconds(host_seconds);
  if (total_seconds > 0) run.total_limit = std::chrono::seconds(total_seconds);
  run.reach.verbose = run.verbose;
  const AnsibleConfiguration configuration = AnsibleConfiguration::find(fleet.root);
  if (run.reach.user.empty())
    run.reach.user = configuration.text("ANSIBLE_REMOTE_USER", "remote_user");
  if (run.reach.private_key.empty())
    run.reach.private_key = configuration.path("ANSIBLE_PRIVATE_KEY_FILE", "private_key_file");
  if (configuration.flag("ANSIBLE_BECOME", "become", "privilege_escalation"))
    run.reach.become = true;
  if (configuration.flag("ANSIBLE_ASK_PASS", "ask_pass")) run.ask_password = true;
  if (configuration.flag("ANSIBLE_BECOME_ASK_PASS", "become_ask_pass", "privilege_escalation"))
    ask_become_password = true;
}

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  const auto found =
      app.get_subcommands([&](const CLI::App* one) { return one->check_name(name); });
  return found.empty() ? nullptr : found.front();
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
  options.rules = FleetFile::rules(command);
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
                  "Playbook whose vars, vars_files, roles' defaults and vars, remote_user, become, "
                  "serial and max_fail_percentage count; its tasks are not run")
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

void add_reach_options(CLI::App& command, RunArguments& arguments, RunOptions& run) {
  add_fleet_options(command, arguments.fleet);
  command.add_option("-u,--user", run.reach.user, "Log in as this user");
  command.add_option("--private-key", run.reach.private_key, "Log in with this key")
      ->type_name("FILE");
  command.add_flag(
      "--accept-new", run.reach.accept_new,
      "Write unknown host keys down instead of refusing them; changed ones are refused");
  command
      .add_option_function<std::string>(
          "--transport", [&run](const std::string& name) { run.reach.openssh = name == "openssh"; },
          "libssh, or openssh: the program ssh, for tokens, tickets and what of ssh_config libssh "
          "does not know (default: libssh)")
      ->check(CLI::IsMember({"libssh", "openssh"}))
      ->type_name("NAME");
  command.add_option("-T,--timeout", arguments.connect_seconds, "Seconds to connect within")
      ->check(CLI::Range(1U, 3600U))
      ->capture_default_str();
}

void by_libssh_alone(CLI::App& command) {
  command.remove_option(command.get_option("--transport"));
}

void add_become_options(CLI::App& command, RunArguments& arguments, RunOptions& run) {
  command.add_flag("-k,--ask-pass", run.ask_password, "Ask once for the password to log in with");
  command.add_flag("-b,--become", run.reach.become, "Become root with sudo");
  command.add_flag("-K,--ask-become-pass", arguments.ask_become_password,
                   "Ask once for the password of sudo");
}

void add_run_options(CLI::App& command, RunArguments& arguments, RunOptions& run, Formats formats) {
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
  add_color_option(command, run.colors);
}

void add_color_option(CLI::App& command, Colors& colors) {
  command
      .add_option_function<std::string>(
          "--color",
          [&colors](const std::string& word) {
            colors = word == "always"  ? Colors::kAlways
                     : word == "never" ? Colors::kNever
                                       : Colors::kAuto;
          },
          "auto (on a terminal, unless NO_COLOR is set), always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN");
}

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

void add_drop_listeners_option(CLI::App& command, bool& drop) {
  command.add_flag("--drop-listeners", drop,
                   "Take syslog listeners away even where running containers log to them");
}

void add_health_options(CLI::App& command, plan::Gate& gate) {
  command
      .add_option_function<double>(
          "--health-grace",
          [&gate](double seconds) {
            gate.grace = std::chrono::milliseconds(std::llround(seconds * 1000));
          },
          "Seconds that a changed agent must stay ready and healthy; 0: to be so once is enough "
          "(default: 1 after a restart, 0.5 after a reload)")
      ->check(CLI::Range(0.0, 600.0))
      ->type_name("SECONDS");
  command
      .add_option_function<unsigned>(
          "--health-timeout",
          [&gate](unsigned seconds) { gate.timeout = std::chrono::seconds(seconds); },
          "Seconds within which it must become so, else the change is taken back (default: 30)")
      ->check(CLI::Range(1U, 600U))
      ->type_name("SECONDS");
  command
      .add_option_function<std::string>(
          "--delivery", [&gate](const std::string& word) { gate.delivery = word != "never"; },
          "auto: it must deliver where the one before it did; never: that is not looked at")
      ->check(CLI::IsMember({"auto", "never"}))
      ->type_name("WHEN");
}

void add_agent_options(CLI::App& command, AgentOptions& agent) {
  command
      .add_option("--agent-bundle", agent.bundles,
                  "Folder of the agent that is brought to hosts, with #SHA256 that of its "
                  "bundle.json; repeatable, one for each architecture (default: ../bundle beside "
                  "fleetctl)")
      ->allow_extra_args(false)
      ->type_name("DIR");
  command.add_option("--version", agent.version, "Of these, those of this version alone")
      ->type_name("VERSION");
}

}  // namespace fleetctl::cli
