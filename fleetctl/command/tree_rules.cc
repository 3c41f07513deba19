#include "fleetctl/command/tree_rules.h"

#include <utility>

#include "agent/base/strings.h"
#include "fleetctl/template/parser.h"
#include "fleetctl/value/value.h"

namespace fleetctl::command {
namespace {

using agent::ErrorCode;
using agent::fail;
using agent::Result;
using value::Value;

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

}  // namespace

Result<bool> read_tree_rule(std::string_view key, const Value& value, const std::string& place,
                            TreeRules& rules) {
  std::optional<Rule>* rule = key == "select"        ? &rules.select
                              : key == "docker-when" ? &rules.docker_when
                                                     : nullptr;
  if (rule == nullptr) return false;
  auto read = read_rule(key, value, place);
  if (!read) return fail(read.error());
  *rule = std::move(*read);
  return true;
}

}  // namespace fleetctl::command
