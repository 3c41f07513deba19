#include "fleetctl/command/fleet_file.h"

#include <utility>

#include "agent/base/strings.h"
#include "fleetctl/inventory/yaml_reader.h"
#include "fleetctl/value/text.h"

namespace fleetctl::command {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using value::Value;

constexpr int kDeepest = 3;  // vault, edit, option

std::string place_of(const value::Mark* mark, const std::string& file) {
  return mark == nullptr ? file : file + ":" + std::to_string(mark->line);
}

Result<std::string> text_of(const Value& value, const std::string& place) {
  if (value.is_bool()) return std::string(value.as_bool() ? "true" : "false");
  if (value.is_none() || value.is_dict() || value.is_sequence() || value.is_object())
    return fail(ErrorCode::kInvalid, place + ": an option is a text, a number, true or false");
  return value::str(value);
}

Result<std::vector<FleetFileEntry>> entries_of(const value::Dict& options, const std::string& file,
                                               int depth) {
  std::vector<FleetFileEntry> entries;
  for (const auto& [key, value] : options) {
    FleetFileEntry entry;
    entry.option = value::str(key);
    entry.place = place_of(value.mark() != nullptr ? value.mark() : key.mark(), file);
    if (value.is_dict()) {
      if (depth >= kDeepest)
        return fail(ErrorCode::kInvalid, entry.place + ": no command goes so deep");
      auto inner = entries_of(value.as_dict(), file, depth + 1);
      if (!inner) return fail(inner.error());
      entry.options = std::move(*inner);
    } else if (value.is_sequence()) {
      for (const Value& item : value.items()) {
        auto text = text_of(item, entry.place);
        if (!text) return fail(text.error());
        entry.values.push_back(std::move(*text));
      }
    } else if (!value.is_none()) {  // a command whose options are all commented out has none
      auto text = text_of(value, entry.place);
      if (!text) return fail(text.error());
      entry.values.push_back(std::move(*text));
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace

Result<FleetFileContents> read_fleet_file(std::string_view text, const std::string& file) {
  std::vector<std::string> warnings;
  const auto document = inventory::read_yaml(text, file, warnings);
  if (!document) return fail(document.error());
  if (!warnings.empty()) return fail(ErrorCode::kInvalid, warnings.front());
  if (document->is_none()) return FleetFileContents();
  if (!document->is_dict()) return fail(ErrorCode::kInvalid, file + ": it is no map of options");
  FleetFileContents contents;
  value::Dict options;
  for (const auto& [key, value] : document->as_dict()) {
    const auto is_rule = read_tree_rule(
        value::str(key), value, place_of(key.mark() != nullptr ? key.mark() : value.mark(), file),
        contents.rules);
    if (!is_rule) return fail(is_rule.error());
    if (!*is_rule) options.set(key, value);
  }
  auto entries = entries_of(options, file, 1);
  if (!entries) return fail(entries.error());
  contents.entries = std::move(*entries);
  return contents;
}

std::string fleet_file_text(const std::vector<std::pair<std::string, std::string>>& options) {
  std::string text = "# Options of fleetctl that hold where none are given.\n";
  for (const auto& [option, value] : options)
    text += option + ": " + agent::json_string(value) + "\n";
  return text;
}

}  // namespace fleetctl::command
