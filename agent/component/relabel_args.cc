#include "agent/component/relabel_args.h"

#include <limits>

#include "agent/base/strings.h"

namespace agent::component {
namespace {

constexpr std::string_view kLastMatch = "last_match";
constexpr std::string_view kFirstMatch = "first_match";

constexpr std::string_view kActionNames[] = {"replace",   "keep",      "drop",     "keepequal",
                                             "dropequal", "hashmod",   "labelmap", "labeldrop",
                                             "labelkeep", "lowercase", "uppercase"};

}  // namespace

model::RelabelRule to_rule(const RuleArgs& args) {
  model::RelabelRule rule;
  rule.action = model::parse_action(args.action).value_or(model::RelabelRule::Action::kReplace);
  rule.source_labels = args.source_labels;
  rule.separator = args.separator;
  rule.regex = args.regex;
  rule.modulus = static_cast<std::uint64_t>(args.modulus);
  rule.target_label = args.target_label;
  rule.replacement = args.replacement;
  return rule;
}

Schema<RuleArgs> RuleArgs::schema() {
  return Schema<RuleArgs>()
      .optional("source_labels", &RuleArgs::source_labels,
                "Labels whose values, joined with separator, are what regex is matched against. A "
                "missing label "
                "counts as an empty value.")
      .optional("separator", &RuleArgs::separator, "Text between the joined values.")
      .optional("regex", &RuleArgs::regex,
                "RE2 expression that has to match the whole value (for labelmap, labeldrop and "
                "labelkeep: the whole "
                "label name). A dot also matches a newline.")
      .optional("modulus", &RuleArgs::modulus, "Divisor for hashmod.")
      .optional(
          "target_label", &RuleArgs::target_label,
          "Label that gets the result. For replace it may refer to groups of regex as $1 or ${1}.")
      .optional("replacement", &RuleArgs::replacement,
                "Value for target_label (for labelmap: the new name). $1, ${1} and ${name} stand "
                "for groups of "
                "regex. An empty result removes the label.")
      .optional("action", &RuleArgs::action,
                "One of replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, "
                "labelkeep, "
                "lowercase, uppercase.");
}

void RuleArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  if (!model::parse_action(action)) {
    const std::string_view near = nearest(action, kActionNames);
    diagnostics.error(body.span_of("action"), "unknown relabel action " + json_string(action),
                      near.empty() ? "" : "did you mean \"" + std::string(near) + "\"?");
    return;
  }
  if (modulus < 0) {
    diagnostics.error(body.span_of("modulus"), "modulus must not be negative");
    return;
  }
  if (auto checked = model::check_rule(to_rule(*this)); !checked) {
    const bool regex_wrong = checked.error().message.find("regex") == 0 ||
                             checked.error().message.find("error parsing regexp") == 0;
    diagnostics.error(regex_wrong ? body.span_of("regex") : body.span, checked.error().message);
  }
}

Schema<RelabelArgs> RelabelArgs::schema() {
  return Schema<RelabelArgs>()
      .optional("precedence", &RelabelArgs::precedence,
                "Which of several rules with one target_label wins: last_match, the last that "
                "matches, or first_match, the first that gives the label a value. Not an argument "
                "of Alloy's.")
      .block("rule", &RelabelArgs::rules, "Rules, applied in order; see precedence.");
}

void RelabelArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  if (precedence != kLastMatch && precedence != kFirstMatch)
    diagnostics.error(
        body.span_of("precedence"),
        "precedence must be \"last_match\" or \"first_match\", got " + json_string(precedence));
}

Result<model::RelabelRules> compile_rules(const RelabelArgs& args) {
  std::vector<model::RelabelRule> rules;
  rules.reserve(args.rules.size());
  for (const RuleArgs& rule : args.rules) rules.push_back(to_rule(rule));
  return model::RelabelRules::compile(std::move(rules), args.precedence == kFirstMatch
                                                            ? model::Precedence::kFirstMatch
                                                            : model::Precedence::kLastMatch);
}

Result<std::shared_ptr<model::RelabelRules>> share_rules(
    const RelabelArgs& args, const std::shared_ptr<model::RelabelRules>& before) {
  auto compiled = compile_rules(args);
  if (!compiled) return fail(std::move(compiled.error()));
  if (before && *before == *compiled) return before;
  return std::make_shared<model::RelabelRules>(std::move(*compiled));
}

}  // namespace agent::component
