// fleetctl: reads its command line, which cli/ describes, and does what the chosen command is.
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "fleetctl/cli/commands.h"
#include "fleetctl/cli/fleet_file.h"
#include "fleetctl/cli/options.h"
#include "fleetctl/cli/usage.h"
#include "fleetctl/command/exit_code.h"

namespace {

using namespace fleetctl::cli;
using namespace fleetctl::command;

// Nobody can be asked any more: what would be read is at its end.
void close_input() {
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0) return;
  ::dup2(nothing, STDIN_FILENO);
  ::close(nothing);
}

// False: what was printed did not arrive, though somebody reads (else it is `fleetctl ... | head`).
bool printed() {
  if (std::cout.flush()) return true;
  pollfd reader{STDOUT_FILENO, 0, 0};
  const bool gone = ::poll(&reader, 1, 0) > 0 && (reader.revents & POLLERR) != 0;
  if (!gone) std::cerr << "fleetctl: standard output could not be written\n";
  return gone;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Reads an Ansible tree, renders a configuration for each host and deploys it.",
               "fleetctl");
  app.set_version_flag("--version", std::string("fleetctl ") + FLEETCTL_VERSION);
  app.require_subcommand(1);
  app.formatter(help_format());
  app.fallthrough();  // these may stand behind the command, too
  const FleetFile fleet_file(app);
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
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    std::cerr << usage_error(app, error);
    return static_cast<int>(ExitCode::kUsage);
  }
  if (const std::string why = fleet_file.error(); !why.empty()) {
    std::cerr << "fleetctl: " << why << "\n";
    return static_cast<int>(ExitCode::kUsage);
  }
  if (no_input) close_input();
  ExitCode code = action();
  if (!printed() && code == ExitCode::kDone) code = ExitCode::kOutputLost;
  return ansible_codes ? ansible_status(code) : static_cast<int>(code);
}
