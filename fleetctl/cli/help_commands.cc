#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "agent/cli/command_line.h"
#include "fleetctl/cli/commands.h"
#include "fleetctl/cli/fleet_file.h"
#include "fleetctl/cli/options.h"
#include "fleetctl/command/exit_code.h"

namespace fleetctl::cli {

namespace {

using namespace command;

// Words for completion, one per line: hosts and groups of the inventory; runs that --resume knows
// and versions that there are, which the refusals of others name.
constexpr const char* kHostNames =
    "fleetctl inventory --graph | sed 's/^[ |]*\\(--\\)\\{0,1\\}@\\{0,1\\}//; s/:$//'";
constexpr const char* kGroups =
    "fleetctl inventory --graph | sed -n 's/^[ |]*\\(--\\)\\{0,1\\}@\\(.*\\):$/\\2/p'";
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
      std::string commands = "printf '%s\\n'";
      for (const CLI::App* one : app.get_subcommands([](const CLI::App*) { return true; }))
        commands += " " + one->get_name();
      const auto script = agent::cli::completion(app, shell,
                                                 {{"HOST", kHostNames},
                                                  {"PATTERN", kHostNames},
                                                  {"GROUP", kGroups},
                                                  {"RUN", kRuns},
                                                  {"VERSION", kVersions},
                                                  {"COMMAND", commands}});
      std::cout << script.value_or("");
      return ExitCode::kDone;
    };
  });
}

void add_man(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("man", "Print a manual page");
  const auto page = std::make_shared<std::string>();
  command->add_option("page", *page, "The page (default: fleetctl)")
      ->check(CLI::IsMember({"fleetctl", "fleet.yaml"}));
  command->footer(
      "Examples:\n"
      "  fleetctl man | man -l -\n"
      "  fleetctl man fleet.yaml | man -l -");
  command->callback([&, page] {
    action = [&, page] {
      if (*page == "fleet.yaml") {
        std::cout << fleet_file_page(app, "fleetctl " FLEETCTL_VERSION);
        return ExitCode::kDone;
      }
      std::cout << agent::cli::man_page(
          app, {1, "fleetctl " FLEETCTL_VERSION,
                "\\fBfleet.yaml\\fR(5), \\fBfleet\\-agent\\fR(8), \\fBansible\\fR(1), "
                "\\fBssh_config\\fR(5)",
                ".TP\n\\fBANSIBLE_CONFIG\\fR, \\fBANSIBLE_INVENTORY\\fR, "
                "\\fBANSIBLE_VAULT_PASSWORD_FILE\\fR\nAs Ansible has them.\n"
                ".TP\n\\fBNO_COLOR\\fR\nNo colours when set and not empty.",
                ".TP\n\\fI./inventory\\fR, \\fI./templates\\fR\nThe tree that is read.\n"
                ".TP\n\\fI./fleet.yaml\\fR\nOptions that hold where none are given, and rules of "
                "the tree: "
                "\\fBfleet.yaml\\fR(5)."});
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
