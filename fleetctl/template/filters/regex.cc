// Filters with regular expressions.
#include "fleetctl/template/regex.h"

#include <algorithm>
#include <array>

#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

Value piece(const std::string& text, const Regex::Match& match, std::size_t group) {
  if (!match.groups[group]) return Value::string("");
  const auto [from, to] = *match.groups[group];
  return Value::string(text.substr(from, to - from));
}

Outcome<Value> regex_replace(Call& c) {
  TEMPLATE_TRY(text, c.in.text_of(c.input));
  TEMPLATE_TRY(pattern, c.text(0, ""));
  TEMPLATE_TRY(replacement, c.text(1, ""));
  TEMPLATE_TRY(regex, Regex::compile(pattern, {c.flag(2, false), c.flag(3, false)}));
  TEMPLATE_TRY(out, regex.replace(text, replacement, c.in.world().limits.output_bytes));
  return Value::string(std::move(out));
}

Outcome<Value> regex_findall(Call& c) {
  TEMPLATE_TRY(text, c.in.text_of(c.input));
  TEMPLATE_TRY(pattern, c.text(0, ""));
  TEMPLATE_TRY(regex, Regex::compile(pattern, {c.flag(2, false), c.flag(1, false)}));
  TEMPLATE_TRY(matches, regex.all(text));
  std::vector<Value> out;
  const std::size_t groups = regex.group_count();
  for (const Regex::Match& match : matches) {
    if (groups <= 1) {
      out.push_back(piece(text, match, groups));
      continue;
    }
    std::vector<Value> row;
    for (std::size_t i = 1; i <= groups; ++i) row.push_back(piece(text, match, i));
    out.push_back(Value::tuple(std::move(row)));
  }
  return Value::list(std::move(out));
}

// The match, or the groups that the further arguments name ('\\1', '\\g<name>'); None when nothing
// matches.
Outcome<Value> regex_search(Call& c) {
  TEMPLATE_TRY(text, c.in.text_of(c.input));
  TEMPLATE_TRY(pattern, c.text(0, ""));
  Regex::Options options;
  for (const auto& [key, v] : c.more) {
    if (key == "ignorecase") options.ignore_case = value::truthy(v);
    if (key == "multiline") options.multiline = value::truthy(v);
  }
  TEMPLATE_TRY(regex, Regex::compile(pattern, options));
  TEMPLATE_TRY(match, regex.search(text, 0));
  std::vector<std::size_t> groups;
  for (const Value& v : c.rest) {
    TEMPLATE_TRY(argument, c.in.text_of(v));
    std::string name;
    if (argument.compare(0, 3, "\\g<") == 0 && argument.back() == '>') {
      name = argument.substr(3, argument.size() - 4);
    } else if (argument.size() > 1 && argument[0] == '\\') {
      name = argument.substr(1);
    } else {
      return bad("Unknown argument");
    }
    if (!match) continue;
    const bool number = !name.empty() && name.size() < 6 &&
                        name.find_first_not_of("0123456789") == std::string::npos;
    const auto group =
        number ? std::optional<std::size_t>(std::stoul(name)) : regex.group_number(name);
    if (!group || *group > regex.group_count()) return bad("no such group");
    groups.push_back(*group);
  }
  if (!match) return Value();
  if (groups.empty()) return piece(text, *match, 0);
  std::vector<Value> out;
  for (const std::size_t group : groups) {
    out.push_back(match->groups[group] ? piece(text, *match, group) : Value());
  }
  return Value::list(std::move(out));
}

Outcome<Value> regex_escape(Call& c) {
  TEMPLATE_TRY(text, c.in.text_of(c.input));
  TEMPLATE_TRY(kind, c.text(0, "python"));
  std::string_view special;
  if (kind == "python") {
    special = "()[]{}?*+-|^$\\.&~# \t\n\r\v\f";
  } else if (kind == "posix_basic") {
    special = "].[^$*\\";
  } else {
    return bad("Invalid regex type (" + kind + ")");
  }
  std::string out;
  for (const char ch : text) {
    if (special.find(ch) != std::string_view::npos) out += '\\';
    out += ch;
  }
  return Value::string(std::move(out));
}

constexpr std::array kRows{
    FilterRow{"regex_replace", regex_replace, "pattern replacement ignorecase multiline"},
    FilterRow{"regex_findall", regex_findall, "regex multiline ignorecase"},
    FilterRow{"regex_search", regex_search, "regex * **"},
    FilterRow{"regex_escape", regex_escape, "re_type"},
};

}  // namespace

std::span<const FilterRow> regex_filters() { return kRows; }

}  // namespace fleetctl::template_
