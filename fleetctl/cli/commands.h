// fleetctl's subcommands. Each add_* function adds one to `app`: what its options say is written to
// the arguments, and where it is the chosen one, `action` becomes what it does. All arguments,
// `app` too, live until `action` was called.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "fleetctl/cli/options.h"
#include "fleetctl/command/deploy.h"
#include "fleetctl/command/doctor.h"
#include "fleetctl/command/facts.h"
#include "fleetctl/command/history.h"
#include "fleetctl/command/hosts_run.h"
#include "fleetctl/command/import.h"
#include "fleetctl/command/init.h"
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

namespace CLI {
class App;
class FormatterBase;
}  // namespace CLI

namespace fleetctl::cli {

// tree_commands.cc: those that read and write a tree, and reach no host.
void add_inventory(CLI::App& app, command::InventoryOptions& options, bool& yaml, Action& action);
void add_render(CLI::App& app, command::RenderOptions& options, Action& action);
void add_lint(CLI::App& app, command::LintOptions& options, Action& action);
void add_vault(CLI::App& app, command::VaultCommand& options, Action& action);
void add_init(CLI::App& app, command::InitOptions& options, Action& action);
void add_import(CLI::App& app, command::ImportOptions& options, Action& action);

// deploy_commands.cc: those on what is, or is to be, installed on hosts.
struct PlanArguments : RunArguments {
  command::PlanOptions plan;
  command::AgentOptions agent;
};
void add_plan(CLI::App& app, PlanArguments& arguments, Action& action);

struct DeployArguments : RunArguments {
  command::DeployOptions deploy;
  command::AgentOptions agent;
};
void add_deploy(CLI::App& app, DeployArguments& arguments, Action& action);

struct RollbackArguments : RunArguments {
  command::RollbackOptions rollback;
};
void add_rollback(CLI::App& app, RollbackArguments& arguments, Action& action);

struct StatusArguments : RunArguments {
  command::StatusOptions status;
};
void add_status(CLI::App& app, StatusArguments& arguments, Action& action);

struct FactsArguments : RunArguments {
  command::FactsOptions facts;
};
void add_facts(CLI::App& app, FactsArguments& arguments, Action& action);

struct HistoryArguments : RunArguments {
  command::HistoryOptions history;
  std::string host;
};
void add_history(CLI::App& app, HistoryArguments& arguments, Action& action);

struct UnlockArguments : RunArguments {
  command::UnlockOptions unlock;
};
void add_unlock(CLI::App& app, UnlockArguments& arguments, Action& action);

struct UninstallArguments : RunArguments {
  command::UninstallOptions uninstall;
};
void add_uninstall(CLI::App& app, UninstallArguments& arguments, Action& action);

// host_commands.cc: those that look at hosts and at what they send.
struct LogsArguments : RunArguments {
  command::LogsOptions logs;
  std::string host;
};
void add_logs(CLI::App& app, LogsArguments& arguments, Action& action);

struct UiArguments : RunArguments {
  command::UiOptions ui;
  std::string host;
  bool no_browser = false;
};
void add_ui(CLI::App& app, UiArguments& arguments, Action& action);

struct VerifyArguments : RunArguments {
  command::VerifyOptions verify;
  unsigned seconds = 120;
};
void add_verify(CLI::App& app, VerifyArguments& arguments, Action& action);

struct DoctorArguments : RunArguments {
  command::DoctorOptions doctor;
  command::AgentOptions agent;
};
void add_doctor(CLI::App& app, DoctorArguments& arguments, Action& action);

void add_known_hosts(CLI::App& app, RunArguments& arguments, command::RunOptions& run,
                     Action& action);

// How --help is laid out; set before commands are added.
std::shared_ptr<CLI::FormatterBase> help_format();

// help_commands.cc: those about fleetctl itself.
void add_completion(CLI::App& app, std::string& shell, Action& action);
void add_man(CLI::App& app, Action& action);
void add_help(CLI::App& app, std::vector<std::string>& words, Action& action);
void add_version(CLI::App& app, Action& action);

}  // namespace fleetctl::cli
