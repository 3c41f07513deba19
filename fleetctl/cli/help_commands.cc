#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "agent/cli/command_line.h"
#include "fleetctl/cli/commands.h"
#include "fleetctl/cli/options.h"
#include "fleetctl/command/exit_code.h"

namespace fleetctl::cli {

namespace {

using namespace command;

// Words for completion, one per line: hosts and groups of ./inventory; runs that --resume knows and
// versions that there are, which the refusals of others name.
constexpr const char* kHostNames =
    "fleetctl inventory --graph | sed 's/^[ |]*\\(--\\)\\{0,1\\}@\\{0,1\\}//; s/:$//'";
constexpr const char* kRuns =
    "fleetctl deploy --resume . 2>&1 | sed -n 's/.*known are: //p' | tr -s ', ' '\\n'";
constexpr const char* kVersions =
    "fleetctl plan --offline --version . 2>&1 | sed -n 's/.*there are: //p' | tr ',' '\\n' | "
    "sed 's/.*(\\(.*\\))/\\1/'";

}  // namespace

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
      const auto script = agent::cli::completion(
          app, shell,
          {{"HOST", kHostNames}, {"PATTERN", kHostNames}, {"RUN", kRuns}, {"VERSION", kVersions}});
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

}  // namespace fleetctl::cli
