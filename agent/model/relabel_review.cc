#include "agent/model/relabel_review.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace agent::model {
namespace {

using Action = RelabelRule::Action;
using Kind = RuleRemark::Kind;

constexpr std::ptrdiff_t kMostReviewed = 200;

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& known) {
  return std::find(known.begin(), known.end(), text) != known.end();
}

bool matches(const std::string& regex, std::string_view text) {
  RelabelRule keep;
  keep.action = Action::kKeep;
  keep.source_labels = {"text"};
  keep.regex = regex;
  const auto rules = RelabelRules::compile({std::move(keep)});
  if (!rules) return false;
  LabelBuilder labels;
  labels.set("text", text);
  return rules->apply(labels);
}

// Spellings of "any text" and of "any text but the empty one"; others are not recognised.
bool matches_any(std::string_view regex) {
  constexpr std::array<std::string_view, 8> kAny = {"(.*)", ".*",     "(.*?)",    ".*?",
                                                    "^.*$", "^(.*)$", "(?s)(.*)", "(?s).*"};
  return is_one_of(regex, kAny);
}
bool matches_any_but_empty(std::string_view regex) {
  constexpr std::array<std::string_view, 6> kSome = {"(.+)", ".+",     "(.+?)",
                                                     ".+?",  "^(.+)$", "^.+$"};
  return is_one_of(regex, kSome);
}

// Whatever `small` matches, `big` does; false when that is not certain.
bool includes(const std::string& big, const std::string& small) {
  if (big == small || matches_any(big)) return true;
  if (matches_any_but_empty(big)) return !matches(small, "");
  const auto texts = literal_texts(small);
  return texts && std::all_of(texts->begin(), texts->end(),
                              [&](const std::string& text) { return matches(big, text); });
}

bool has_reference(std::string_view text) { return text.find('$') != std::string_view::npos; }

// It writes one label, whose name is known.
bool sets_label(const RelabelRule& rule) {
  switch (rule.action) {
    case Action::kReplace:
      return !has_reference(rule.target_label);
    case Action::kHashMod:
    case Action::kLowercase:
    case Action::kUppercase:
      return true;
    default:
      return false;
  }
}

bool names(const std::vector<std::string>& labels, std::string_view label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// Its outcome may hang on what `label` is.
bool reads(const RelabelRule& rule, const std::string& label) {
  if (names(rule.source_labels, label)) return true;
  if (rule.action == Action::kKeepEqual || rule.action == Action::kDropEqual)
    return rule.target_label == label;
  return rule.action == Action::kLabelMap && matches(rule.regex, label);
}

// It may change one of `labels`.
bool may_write(const RelabelRule& rule, const std::vector<std::string>& labels) {
  switch (rule.action) {
    case Action::kKeep:
    case Action::kDrop:
    case Action::kKeepEqual:
    case Action::kDropEqual:
      return false;
    case Action::kLabelMap:
    case Action::kLabelDrop:
    case Action::kLabelKeep:
      return true;
    default:
      return !sets_label(rule) || names(labels, rule.target_label);
  }
}

// Of a rule that sets a label or decides: it matches whatever the labels are.
bool always_matches(const RelabelRule& rule) {
  if (rule.action == Action::kHashMod || rule.action == Action::kLowercase ||
      rule.action == Action::kUppercase)
    return true;
  return matches_any(rule.regex) || (rule.source_labels.empty() && matches(rule.regex, ""));
}

bool never_matches(const RelabelRule& rule) {
  return (rule.action == Action::kReplace || rule.action == Action::kKeep ||
          rule.action == Action::kDrop) &&
         rule.source_labels.empty() && !matches(rule.regex, "");
}

bool drops_all(const RelabelRule& rule) {
  return (rule.action == Action::kDrop && always_matches(rule)) ||
         (rule.action == Action::kKeep && never_matches(rule));
}

bool changes_nothing(const RelabelRule& rule, Precedence precedence) {
  if (rule.action == Action::kKeep) return always_matches(rule);
  if (rule.action == Action::kLabelKeep) return matches_any(rule.regex);
  // Setting a label to what it is keeps later rules from it.
  if (precedence == Precedence::kFirstMatch) return false;
  constexpr std::array<std::string_view, 3> kWhole = {"$1", "${1}", "$0"};
  return rule.action == Action::kReplace && rule.source_labels.size() == 1 &&
         rule.source_labels[0] == rule.target_label && rule.regex == RelabelRule().regex &&
         is_one_of(rule.replacement, kWhole);
}

// Its result is never empty when it matches.
bool gives_a_value(const RelabelRule& rule) {
  if (rule.action == Action::kHashMod) return true;
  if (rule.action != Action::kReplace) return false;
  if (!has_reference(rule.replacement)) return !rule.replacement.empty();
  return rule.regex == "(.+)" && (rule.replacement == "$1" || rule.replacement == "${1}");
}

class Review {
 public:
  Review(std::vector<RelabelRule> rules, Precedence precedence)
      : rules_(std::move(rules)), precedence_(precedence) {}

  std::vector<RuleRemark> run() const {
    std::vector<RuleRemark> out;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      if (i > 0 && drops_all(rules_[i - 1])) {
        out.push_back({i, Kind::kNeverReached, i - 1});
        return out;  // nor are the others
      }
      if (rules_[i].action != Action::kKeep && never_matches(rules_[i])) {
        out.push_back({i, Kind::kNeverMatches, {}});
      } else if (changes_nothing(rules_[i], precedence_)) {
        out.push_back({i, Kind::kNoEffect, {}});
      } else if (const auto other = rival(i)) {
        out.push_back(
            {i, precedence_ == Precedence::kFirstMatch ? Kind::kPassedOver : Kind::kOverwritten,
             other});
      }
    }
    return out;
  }

 private:
  // The rule that takes away from rule `i` whatever it does.
  std::optional<std::size_t> rival(std::size_t i) const {
    if (!sets_label(rules_[i])) return std::nullopt;
    if (precedence_ == Precedence::kFirstMatch) {
      for (std::size_t j = 0; j < i; ++j)
        if (same_target(i, j) && gives_a_value(rules_[j]) && matches_whenever(j, i)) return j;
      return std::nullopt;
    }
    for (std::size_t j = i + 1; j < rules_.size(); ++j) {
      const bool read = reads(rules_[j], rules_[i].target_label);
      if (!read && same_target(i, j) && matches_whenever(j, i)) return j;
      if (read) return std::nullopt;  // it has served its purpose
    }
    return std::nullopt;
  }

  bool same_target(std::size_t i, std::size_t j) const {
    return sets_label(rules_[j]) && rules_[j].target_label == rules_[i].target_label;
  }

  // Rule `j` matches whenever rule `i` does.
  bool matches_whenever(std::size_t j, std::size_t i) const {
    const RelabelRule& it = rules_[j];
    const RelabelRule& other = rules_[i];
    if (always_matches(it)) return true;
    if (it.action != Action::kReplace || other.action != Action::kReplace ||
        it.source_labels != other.source_labels || it.separator != other.separator)
      return false;
    // Both look at the same value only when nothing between them changes it.
    for (std::size_t k = std::min(i, j); k < std::max(i, j); ++k)
      if (may_write(rules_[k], it.source_labels)) return false;
    return includes(it.regex, other.regex);
  }

  const std::vector<RelabelRule> rules_;
  const Precedence precedence_;
};

}  // namespace

std::vector<RuleRemark> review(const std::vector<RelabelRule>& rules, Precedence precedence) {
  const auto end = rules.begin() + std::min(std::ssize(rules), kMostReviewed);
  return Review({rules.begin(), end}, precedence).run();
}

}  // namespace agent::model
