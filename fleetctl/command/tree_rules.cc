#include "fleetctl/command/tree_rules.h"

#include <algorithm>
#include <utility>

#include "agent/base/strings.h"
#include "fleetctl/template/parser.h"
#include "fleetctl/value/text.h"
#include "fleetctl/value/value.h"

namespace fleetctl::command {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using value::Value;

constexpr std::size_t kMostFiles = 32;
constexpr std::size_t kLongestPath = 200;
constexpr std::string_view kPlainLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-";

Result<Rule> read_rule(std::string_view name, const Value& value, const std::string& place) {
  Rule rule{std::string(name), {}, place};
  const auto bad = [&](const std::string& why) {
    return fail(ErrorCode::kInvalid, place + ": " + rule.name + ": " + why);
  };
  if (value.is_bool()) {
    rule.expression = value.as_bool() ? "true" : "false";
    return rule;
  }
  if (!value.is_string())
    return bad("it is an expression, as of `when:`, not a " + std::string(value::type_name(value)));
  rule.expression = agent::trim(value.as_string());
  if (rule.expression.starts_with("{{") || rule.expression.starts_with("{%"))
    return bad("it is an expression already: leave the braces out");
  const auto parsed = template_::parse_expression(rule.expression, {});
  if (!parsed) return bad(parsed.error()->message);
  return rule;
}

// What a shell need not quote, and hidden by nobody.
bool is_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.front() != '-' &&
         name.find_first_not_of(kPlainLetters) == std::string_view::npos;
}

// One level below the folders that are the agent's own, and none of the files that are there
// anyway.
bool may_be_put(std::string_view path) {
  if (path.size() > kLongestPath) return false;
  if (path.starts_with(kFilesFolder)) {
    path.remove_prefix(kFilesFolder.size());
    return is_name(path) && path != "config.alloy";
  }
  if (!path.starts_with(kDropInFolder)) return false;
  path.remove_prefix(kDropInFolder.size());
  return is_name(path) && path.ends_with(".conf");
}

bool is_source(std::string_view source) {
  const auto names = agent::split(source, '/');
  return source.size() <= kLongestPath && std::all_of(names.begin(), names.end(), is_name);
}

std::string place_of(const Value& value, const std::string& otherwise) {
  const value::Mark* mark = value.mark();
  const auto colon = otherwise.rfind(':');
  if (mark == nullptr || colon == std::string::npos) return otherwise;
  return otherwise.substr(0, colon + 1) + std::to_string(mark->line);
}

// "0640" of "640" or "0640"; YAML reads 0640 without quotes as an octal number. Only root writes.
std::optional<std::string> mode_of(const Value& value) {
  if (!value.is_string()) return std::nullopt;
  std::string text = value.as_string();
  if (text.size() == 3) text.insert(0, "0");
  const bool good = text.size() == 4 && text[0] == '0' && text[1] >= '4' && text[1] <= '7' &&
                    (text[2] == '0' || text[2] == '4' || text[2] == '5') &&
                    (text[3] == '0' || text[3] == '4' || text[3] == '5');
  return good ? std::optional(text) : std::nullopt;
}

Result<FileRule> read_file_rule(const Value& value, const std::string& place) {
  const auto bad = [&](const std::string& why) {
    return fail(ErrorCode::kInvalid, place + ": files: " + why);
  };
  if (!value.is_dict())
    return bad("each is a map: template or copy, path; mode and when are optional");
  FileRule rule{{}, true, {}, {}, {}, place};
  for (const auto& [key, entry] : value.as_dict()) {
    const std::string name = value::str(key);
    if (name == "when") {
      auto when = read_rule("files, when", entry, place_of(entry, place));
      if (!when) return fail(when.error());
      rule.when = std::move(*when);
    } else if (name == "mode") {
      const auto mode = mode_of(entry);
      if (!mode) return bad("mode is a text, \"0640\", and lets nobody write but root");
      rule.mode = *mode;
    } else if (name != "template" && name != "copy" && name != "path") {
      return bad("there is no '" + name + "': template, copy, path, mode, when");
    } else if (!entry.is_string()) {
      return bad(name + " is a text");
    } else if (name == "path") {
      rule.path = entry.as_string();
    } else {
      if (!rule.source.empty()) return bad("it is a template or a copy");
      rule.source = entry.as_string();
      rule.is_template = name == "template";
    }
  }
  if (!is_source(rule.source))
    return bad("template or copy names a file below the templates' folder, without '..'");
  if (!may_be_put(rule.path))
    return bad("path is a name of letters, digits and . _ @ + - in " + std::string(kFilesFolder) +
               ", but for config.alloy, or one that ends in .conf in " +
               std::string(kDropInFolder));
  if (rule.mode.empty()) rule.mode = rule.path.starts_with(kFilesFolder) ? "0640" : "0644";
  return rule;
}

Result<> read_files(const Value& value, const std::string& place, TreeRules& rules) {
  const auto bad = [](const std::string& where, const std::string& why) {
    return fail(ErrorCode::kInvalid, where + ": files: " + why);
  };
  if (!value.is_list()) return bad(place, "it is a list of files");
  for (const Value& item : value.items()) {
    auto rule = read_file_rule(item, place_of(item, place));
    if (!rule) return fail(rule.error());
    if (std::any_of(rules.files.begin(), rules.files.end(),
                    [&](const FileRule& other) { return other.path == rule->path; }))
      return bad(rule->place, rule->path + " is there twice");
    if (rules.files.size() == kMostFiles)
      return bad(rule->place, "more than " + std::to_string(kMostFiles));
    rules.files.push_back(std::move(*rule));
  }
  return {};
}

}  // namespace

Result<bool> read_tree_rule(std::string_view key, const Value& value, const std::string& place,
                            TreeRules& rules) {
  std::optional<Rule>* rule = key == "select"        ? &rules.select
                              : key == "docker-when" ? &rules.docker_when
                                                     : nullptr;
  if (key == "files") {
    if (auto read = read_files(value, place, rules); !read) return fail(read.error());
    return true;
  }
  if (rule == nullptr) return false;
  auto read = read_rule(key, value, place);
  if (!read) return fail(read.error());
  *rule = std::move(*read);
  return true;
}

}  // namespace fleetctl::command
