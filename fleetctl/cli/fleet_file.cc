#include "fleetctl/cli/fleet_file.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <istream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fleetctl/cli/usage.h"
#include "fleetctl/command/ansible_configuration.h"
#include "fleetctl/command/fleet_file.h"

namespace fleetctl::cli {

namespace {

using namespace command;

// What else it can say (tree_rules.h).
constexpr std::array<const char*, 3> kTreeRules{"select", "docker-when", "files"};

// What CLI11 asks for a configuration.
class Configuration final : public CLI::Config {
 public:
  Configuration(CLI::App& app, std::shared_ptr<std::string> error)
      : app_(app), error_(std::move(error)) {}
  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return {}; }

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    const std::string text{std::istreambuf_iterator<char>(input), {}};
    auto read = read_fleet_file(text, kFleetFile);
    if (!read) {
      *error_ = read.error().message;
      return {};
    }
    *rules_ = std::move(read->rules);
    const std::vector<FleetFileEntry>& entries = read->entries;
    check(entries, app_);
    if (!error_->empty()) return {};
    std::vector<std::string> path;  // of the command at hand
    CLI::App* command = &app_;
    std::vector<CLI::ConfigItem> out;
    // The command's own options come first: what is there already is not set again.
    std::vector<const std::vector<FleetFileEntry>*> levels{&entries};
    while (!command->get_subcommands().empty()) {
      command = command->get_subcommands().front();
      path.push_back(command->get_name());
      for (const FleetFileEntry& entry : *levels.back()) {
        if (!command->check_name(entry.option) || !entry.values.empty()) continue;
        levels.push_back(&entry.options);
        break;
      }
    }
    for (auto level = levels.rbegin(); level != levels.rend(); ++level)
      add(**level, *command, path, out);
    add(entries, app_, {}, out);  // --no-input and the like, which every command has
    return out;
  }

  std::shared_ptr<const TreeRules> rules() const { return rules_; }

 private:
  static std::vector<CLI::App*> commands_of(CLI::App& app) {
    return app.get_subcommands([](CLI::App*) { return true; });
  }

  // One that a file may give; nullptr: there is none.
  static CLI::Option* option_of(CLI::App& app, const std::string& name) {
    const bool tells = name == "help" || (name == "version" && app.get_parent() == nullptr);
    return tells || name == "config" ? nullptr : app.get_option_no_throw("--" + name);
  }

  // `app`'s own option of this name, and those of the commands below it.
  static std::vector<CLI::Option*> options_named(CLI::App& app, const std::string& name) {
    std::vector<CLI::Option*> options;
    if (CLI::Option* own = option_of(app, name)) options.push_back(own);
    for (CLI::App* command : commands_of(app)) {
      const auto more = options_named(*command, name);
      options.insert(options.end(), more.begin(), more.end());
    }
    return options;
  }

  static void add_names(CLI::App& app, std::vector<std::string>& names) {
    for (const CLI::Option* option : app.get_options())
      if (!option->get_group().empty())
        for (const std::string& name : option->get_lnames()) names.push_back(name);
    for (CLI::App* command : commands_of(app)) add_names(*command, names);
  }

  // What is written for `app` and the commands below it, for whichever of them it is.
  void check(const std::vector<FleetFileEntry>& entries, CLI::App& app) const {
    for (const FleetFileEntry& entry : entries) {
      const auto commands = commands_of(app);
      const auto named = std::find_if(commands.begin(), commands.end(), [&](const CLI::App* one) {
        return one->check_name(entry.option);
      });
      if (!entry.values.empty()) {
        check_option(entry, app, named != commands.end());
      } else if (named != commands.end()) {
        check(entry.options, **named);
      } else if (entry.options.empty()) {
        complain(entry.place + ": --" + entry.option + " has no value");
      } else {
        std::vector<std::string> names;
        for (const CLI::App* one : commands) names.push_back(one->get_name());
        complain(entry.place + ": there is no command '" + entry.option + "'" +
                 did_you_mean(entry.option, names));
      }
    }
  }

  void check_option(const FleetFileEntry& entry, CLI::App& app, bool is_command) const {
    const bool is_shared = app.get_parent() == nullptr;
    std::string wrong;
    const auto options = options_named(app, entry.option);
    for (CLI::Option* option : options) {
      wrong = refusal(*option, entry.values);
      if (wrong.empty()) return;  // a command that has the option takes this
    }
    if (!options.empty()) return complain(entry.place + ": --" + entry.option + ": " + wrong);
    if (is_command)
      return complain(entry.place + ": '" + entry.option +
                      "' is a command: its options stand below it, each with its value");
    std::vector<std::string> names;
    add_names(app, names);
    if (is_shared) names.insert(names.end(), kTreeRules.begin(), kTreeRules.end());
    complain(entry.place + ": there is no option --" + entry.option +
             (is_shared ? "" : " of '" + app.get_name() + "'") + did_you_mean(entry.option, names));
  }

  // Why the option does not take them; "": it does.
  static std::string refusal(CLI::Option& option, const std::vector<std::string>& values) {
    if (option.get_expected_max() == 0) {
      const std::string& value = values.front();
      const bool is_number = value.find_first_not_of("0123456789") == std::string::npos;
      const bool fits = values.size() == 1 && (is_number || value == "true" || value == "false");
      return fits ? "" : "it is true or false";
    }
    if (values.size() > 1 && option.get_expected_max() <= 1)
      return "it has one value, this is a list";
    for (const std::string& value : values) {
      try {
        for (int at = 0;; ++at) {
          std::string wrong = (*option.get_validator(at))(value);
          if (!wrong.empty()) return wrong;
        }
      } catch (const CLI::OptionNotFound&) {  // that was the last one
      }
    }
    return "";
  }

  // Those that `command` has.
  void add(const std::vector<FleetFileEntry>& entries, CLI::App& command,
           const std::vector<std::string>& path, std::vector<CLI::ConfigItem>& out) const {
    for (const FleetFileEntry& entry : entries) {
      CLI::Option* option = option_of(command, entry.option);
      if (entry.values.empty() || option == nullptr) continue;
      if (const std::string wrong = refusal(*option, entry.values); !wrong.empty())
        return complain(entry.place + ": --" + entry.option + ": " + wrong);
      CLI::ConfigItem item;
      item.parents = path;
      item.name = entry.option;
      item.inputs = entry.values;
      out.push_back(std::move(item));
    }
  }

  void complain(std::string what) const {
    if (error_->empty()) *error_ = std::move(what);
  }

  CLI::App& app_;
  const std::shared_ptr<std::string> error_;
  const std::shared_ptr<TreeRules> rules_ = std::make_shared<TreeRules>();
};

}  // namespace

FleetFile::FleetFile(CLI::App& app) : error_(std::make_shared<std::string>()) {
  app.config_formatter(std::make_shared<Configuration>(app, error_));
  option_ =
      app.set_config("--config", everybody_may_write(".") ? "" : kFleetFile,
                     "Options by their long names, as YAML, that hold where none are given; and "
                     "rules of the tree")
          ->type_name("FILE");
}

std::string FleetFile::error() const {
  if (!error_->empty() || option_->count() > 0) return *error_;
  // Without its rules a deploy might go to hosts that it leaves out.
  if (const std::string why = passed_over(".", kFleetFile); !why.empty())
    return why + "; --config " + kFleetFile + " reads it all the same";
  std::error_code error;
  if (!std::filesystem::exists(kFleetFile, error) || ::access(kFleetFile, R_OK) == 0) return {};
  return std::string(kFleetFile) + " cannot be read: " + std::strerror(errno);
}

std::shared_ptr<const TreeRules> FleetFile::rules(const CLI::App& command) {
  const auto file = std::dynamic_pointer_cast<Configuration>(command.get_config_formatter());
  return file == nullptr ? nullptr : file->rules();
}

}  // namespace fleetctl::cli
