// What the components that relabel have in common: their `rule` blocks and the order of precedence
// between them, and the capsule in which rules travel to components that apply them themselves.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/component/decode.h"
#include "agent/component/schema.h"
#include "agent/model/relabel.h"

namespace agent::component {

// An export named rules, an argument named relabel_rules. Null stands for no rules.
template <>
struct CapsuleName<model::RelabelRules> {
  static constexpr std::string_view kName = "RelabelRules";
};

struct RuleArgs {
  std::vector<std::string> source_labels;
  std::string separator = ";";
  std::string regex = "(.*)";
  std::int64_t modulus = 0;
  std::string target_label;
  std::string replacement = "$1";
  std::string action = "replace";

  static Schema<RuleArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};

// Of a known action.
model::RelabelRule to_rule(const RuleArgs& args);

// To be included in a component's own schema, whose validate() calls this one.
struct RelabelArgs {
  std::string precedence = "last_match";
  std::vector<RuleArgs> rules;

  static Schema<RelabelArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};

// Of arguments that were validated.
Result<model::RelabelRules> compile_rules(const RelabelArgs& args);

// What compile_rules gives, as the same object as `before` when the rules are equal: dependants of
// an export see a change only when there is one.
Result<std::shared_ptr<model::RelabelRules>> share_rules(
    const RelabelArgs& args, const std::shared_ptr<model::RelabelRules>& before);

}  // namespace agent::component
