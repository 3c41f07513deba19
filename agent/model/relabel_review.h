// Rules that do not do what whoever wrote them must have meant: overwritten by a later one, passed
// over, never reached, never matching. Only what is certain whatever the labels are.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "agent/model/relabel.h"

namespace agent::model {

struct RuleRemark {
  enum class Kind {
    kOverwritten,   // whenever it sets its label, `other`, a later rule, sets it again
    kPassedOver,    // kFirstMatch: `other`, an earlier rule, has always given the label a value
    kNeverReached,  // `other`, an earlier rule, drops everything
    kNeverMatches,  // without source_labels the value is empty, which the regex does not match
    kNoEffect,      // it leaves every set of labels as it is
  };
  std::size_t rule = 0;  // place in the rules
  Kind kind = Kind::kNoEffect;
  std::optional<std::size_t> other;
  bool operator==(const RuleRemark&) const = default;
};

// At most one remark per rule, in the order of the rules, which are ones that check_rule takes. Of
// very many only the first 200 are looked at, each being compared with each.
std::vector<RuleRemark> review(const std::vector<RelabelRule>& rules, Precedence precedence);

}  // namespace agent::model
