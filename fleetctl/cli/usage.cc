#include "fleetctl/cli/usage.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <string_view>

#include "agent/base/strings.h"
#include "fleetctl/cli/options.h"

namespace fleetctl::cli {

namespace {

struct Foreign {
  const char* option;  // of ansible-playbook
  const char* instead;
};
constexpr const char* kNoTasks = "there are no tasks to choose from, a deploy is one transaction";
constexpr const char* kSshOptions = "ansible_ssh_common_args says it, in a variable or with -e";
constexpr const char* kPasswordFile =
    "the option that asks takes a line of standard input: -K < FILE for sudo's, -k for ssh's";
constexpr std::array kOfAnsible{
    Foreign{"-t", kNoTasks},
    Foreign{"--tags", kNoTasks},
    Foreign{"--skip-tags", kNoTasks},
    Foreign{"--list-tags", kNoTasks},
    Foreign{"--list-tasks", "`fleetctl plan` tells what would be done"},
    Foreign{"--start-at-task", kNoTasks},
    Foreign{"--step", "`fleetctl plan` shows what would be done; --canary and --serial go slowly"},
    Foreign{"--list-hosts",
            "`fleetctl inventory --graph` shows them, `fleetctl plan --offline` "
            "those that a deploy is for"},
    Foreign{"--syntax-check", "`fleetctl lint` checks the tree"},
    Foreign{"--flush-cache", "nothing is cached: facts are asked for in each run"},
    Foreign{
        "--force-handlers",
        "it needs none: reload and restart belong to the change, which is finished or taken back"},
    Foreign{"--become-method", "sudo is the one that there is"},
    Foreign{"--become-user", "it is root, or ansible_become_user of the host"},
    Foreign{"--become-password-file", kPasswordFile},
    Foreign{"--become-pass-file", kPasswordFile},
    Foreign{"--connection-password-file", kPasswordFile},
    Foreign{"--conn-pass-file", kPasswordFile},
    Foreign{"-c",
            "ansible_connection says it: ssh or local; --transport openssh calls the program ssh"},
    Foreign{"--connection",
            "ansible_connection says it: ssh or local; --transport openssh calls the program ssh"},
    Foreign{"--ssh-common-args", kSshOptions},
    Foreign{"--ssh-extra-args", kSshOptions},
    Foreign{"--scp-extra-args", "nothing is copied by scp: all goes through one ssh connection"},
    Foreign{"--sftp-extra-args", "nothing is copied by sftp: all goes through one ssh connection"},
    Foreign{"-M", "there are no modules"},
    Foreign{"--module-path", "there are no modules"},
    Foreign{"-m", "there are no modules, and no command runs what one likes on hosts"},
    Foreign{"--module-name", "there are no modules, and no command runs what one likes on hosts"},
    Foreign{"-a", "there are no modules, and no command runs what one likes on hosts"},
    Foreign{"--args", "there are no modules, and no command runs what one likes on hosts"},
};

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

std::vector<std::string> names_of(const std::vector<const CLI::App*>& commands) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands) {
    names.push_back(command->get_name());
    for (const std::string& alias : command->get_aliases()) names.push_back(alias);
  }
  return names;
}

void add_options(const CLI::App& app, std::vector<std::string>& names) {
  for (const CLI::Option* option : app.get_options())
    if (!option->get_group().empty())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
}

// "deploy", "vault edit"
std::string path_of(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  if (parent == nullptr) return "";
  const std::string before = path_of(*parent);
  return before + (before.empty() ? "" : " ") + command.get_name();
}

// The commands that have it, "status, plan"; "": none.
std::string who_has(const CLI::App& app, const std::string& option) {
  std::string out;
  for (const CLI::App* command : commands_of(app)) {
    std::string name = who_has(*command, option);
    if (command->get_option_no_throw(option) != nullptr) name = path_of(*command);
    if (!name.empty()) out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

std::string about_option(const CLI::App& app, const CLI::App& command, const std::string& word) {
  const std::string option = word.substr(0, word.find('='));
  const std::string path = path_of(command);
  std::string what =
      path.empty() ? "there is no option " + option : path + " has no option " + option;
  for (const Foreign& foreign : kOfAnsible)
    if (option == foreign.option) return what + ": " + foreign.instead;
  if (option.compare(0, 2, "--") != 0) return what;
  if (const std::string others = who_has(app, option); !others.empty())
    return what + (path.empty() ? " before the command: it is one of " : ": it is one of ") +
           others;
  std::vector<std::string> names;
  add_options(app, names);
  if (&command != &app) add_options(command, names);
  return what + did_you_mean(option, names);
}

std::string about_word(const CLI::App& command, const std::string& word) {
  const std::string path = path_of(command);
  if (const auto commands = commands_of(command); !commands.empty())
    return (path.empty() ? "there is no command '" : path + " has no command '") + word + "'" +
           did_you_mean(word, names_of(commands));
  const std::string what = path + " does not take '" + word + "'";
  if (command.get_option_no_throw("--playbook") == nullptr) return what;
  if (word.ends_with(".yml") || word.ends_with(".yaml"))
    return what + ": no playbook is run; with --playbook " + word +
           " its variables count, and `fleetctl import " + word +
           " --report` tells what becomes of its tasks";
  return what + ": hosts are chosen with --limit";
}

}  // namespace

std::string did_you_mean(const std::string& name, const std::vector<std::string>& names) {
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::string_view near = agent::nearest(name, candidates);
  return near.empty() ? "" : "; did you mean '" + std::string(near) + "'?";
}

std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  const std::string path = path_of(*command);
  const std::vector<std::string> words = app.remaining(true);
  const auto is_option = [](const std::string& word) { return word.size() > 1 && word[0] == '-'; };
  const auto option = std::find_if(words.begin(), words.end(), is_option);
  std::string what = error.what();
  if (option != words.end()) {
    what = about_option(app, *command, *option);
  } else if (!words.empty()) {
    what = about_word(*command, words.front());
  } else if (const auto commands = commands_of(*command); !commands.empty()) {
    what = path + (path.empty() ? "" : ": ") + "which command? There are";
    for (const CLI::App* one : commands)
      what += (one == commands.front() ? " " : ", ") + one->get_name();
  }
  return "fleetctl: " + what + "\n`fleetctl " + path + (path.empty() ? "" : " ") +
         "--help` tells more.\n";
}

}  // namespace fleetctl::cli
