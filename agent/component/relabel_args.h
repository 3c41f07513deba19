// The `rule` block of the components that relabel, and the capsule in which rules travel between
// components.
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

// Of rules that were validated.
Result<model::RelabelRules> compile_rules(const std::vector<RuleArgs>& rules);

// What compile_rules gives, as the same object as `before` when the rules are equal: dependants of
// an export see a change only when there is one.
Result<std::shared_ptr<model::RelabelRules>> share_rules(
    const std::vector<RuleArgs>& rules, const std::shared_ptr<model::RelabelRules>& before);

}  // namespace agent::component
