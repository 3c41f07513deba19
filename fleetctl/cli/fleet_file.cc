#include "fleetctl/cli/fleet_file.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <istream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fleetctl/cli/options.h"
#include "fleetctl/command/ansible_configuration.h"
#include "fleetctl/command/fleet_file.h"

namespace fleetctl::cli {

namespace {

using namespace command;

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
    std::vector<std::string> path;  // of the command at hand
    CLI::App* command = &app_;
    std::vector<CLI::ConfigItem> out;
    // The command's own options come first: what is there already is not set again.
    std::vector<const std::vector<FleetFileEntry>*> levels{&entries};
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

  std::shared_ptr<const TreeRules> rules() const { return rules_; }

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
    if (error_->empty()) *error_ = std::move(what);
  }

  CLI::App& app_;
  const std::shared_ptr<std::string> error_;
  const std::shared_ptr<TreeRules> rules_ = std::make_shared<TreeRules>();
};

}  // namespace

FleetFile::FleetFile(CLI::App& app) : error_(std::make_shared<std::string>()) {
  app.config_formatter(std::make_shared<Configuration>(app, error_));
  app.set_config("--config", everybody_may_write(".") ? "" : kFleetFile,
                 "Options by their long names, as YAML, that hold where none are given; and rules "
                 "of the tree")
      ->type_name("FILE");
}

std::shared_ptr<const TreeRules> FleetFile::rules(const CLI::App& command) {
  const auto file = std::dynamic_pointer_cast<Configuration>(command.get_config_formatter());
  return file == nullptr ? nullptr : file->rules();
}

}  // namespace fleetctl::cli
