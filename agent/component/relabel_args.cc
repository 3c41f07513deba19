#include "agent/component/relabel_args.h"

#include <limits>

#include "agent/base/strings.h"

namespace agent::component {
namespace {

constexpr std::string_view kActionNames[] = {"replace",   "keep",      "drop",     "keepequal",
                                             "dropequal", "hashmod",   "labelmap", "labeldrop",
                                             "labelkeep", "lowercase", "uppercase"};

// Of a known action.
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

const lang::Span& place(const lang::Body& body, std::string_view attribute) {
  const lang::Attribute* found = body.find(attribute);
  return found == nullptr ? body.span : found->value_span;
}

}  // namespace

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
    diagnostics.error(place(body, "action"), "unknown relabel action " + json_string(action),
                      near.empty() ? "" : "did you mean \"" + std::string(near) + "\"?");
    return;
  }
  if (modulus < 0) {
    diagnostics.error(place(body, "modulus"), "modulus must not be negative");
    return;
  }
  if (auto checked = model::check_rule(to_rule(*this)); !checked) {
    const bool regex_wrong = checked.error().message.find("regex") == 0 ||
                             checked.error().message.find("error parsing regexp") == 0;
    diagnostics.error(regex_wrong ? place(body, "regex") : body.span, checked.error().message);
  }
}

Result<model::RelabelRules> compile_rules(const std::vector<RuleArgs>& rules) {
  std::vector<model::RelabelRule> all;
  all.reserve(rules.size());
  for (const RuleArgs& rule : rules) all.push_back(to_rule(rule));
  return model::RelabelRules::compile(std::move(all));
}

Result<std::shared_ptr<model::RelabelRules>> share_rules(
    const std::vector<RuleArgs>& rules, const std::shared_ptr<model::RelabelRules>& before) {
  auto compiled = compile_rules(rules);
  if (!compiled) return fail(std::move(compiled.error()));
  if (before && *before == *compiled) return before;
  return std::make_shared<model::RelabelRules>(std::move(*compiled));
}

}  // namespace agent::component
