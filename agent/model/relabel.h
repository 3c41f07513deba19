// Relabelling: rules that rewrite a set of labels or drop what carries it.
//
// Rules run in order on one mutable set; each sees what the ones before it made, a later one
// overwrites (but see Precedence), and the first keep/drop that decides against the set ends the
// run. An absent label and an empty value are the same thing. Regular expressions are RE2's,
// matched against the whole text, and `.` matches a newline. In target_label and replacement, $1,
// ${1}, $name and ${name} stand for groups and $$ for a dollar sign; an unknown group is empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/model/labels.h"

namespace agent::model {

struct RelabelRule {
  enum class Action {
    kReplace,    // target_label = replacement when regex matches the joined sources; empty result:
                 // remove
    kKeep,       // drop unless regex matches the joined sources
    kDrop,       // drop when it does
    kKeepEqual,  // drop unless the joined sources equal target_label's value
    kDropEqual,  // drop when they do
    kHashMod,    // target_label = last 8 bytes of the MD5 of the joined sources, modulo modulus
    kLabelMap,   // each label whose name matches is copied to the name that replacement gives,
                 // when that is a valid one
    kLabelDrop,  // labels whose name matches go
    kLabelKeep,  // all others go
    kLowercase,  // target_label = joined sources in lower case
    kUppercase,
  };
  Action action = Action::kReplace;
  std::vector<std::string> source_labels;
  std::string separator = ";";
  std::string regex = "(.*)";
  std::uint64_t modulus = 0;
  std::string target_label;
  std::string replacement = "$1";
  bool operator==(const RelabelRule&) const = default;
};

// Which of several rules with one target_label has the last word.
enum class Precedence {
  kLastMatch,   // the last that matches: Prometheus' and Alloy's meaning
  kFirstMatch,  // the first that gives the label a value: later ones are passed over. Rules without
                // a target_label are not concerned
};

std::string_view action_name(RelabelRule::Action action);
std::optional<RelabelRule::Action> parse_action(
    std::string_view name);  // "replace", "labelmap" ...

// A rule that cannot be right: a field that its action needs or must not have, a regex that does
// not compile.
Result<> check_rule(const RelabelRule& rule);

// The texts that a regex matches, when they are a fixed few: "a|b\\.c" -> a, b.c; also in one pair
// of parentheses.
std::optional<std::vector<std::string>> literal_texts(std::string_view regex);

// Rules, compiled. Immutable; any thread may apply them.
class RelabelRules {
 public:
  RelabelRules();  // no rules
  // Fails as check_rule does.
  static Result<RelabelRules> compile(std::vector<RelabelRule> rules,
                                      Precedence precedence = Precedence::kLastMatch);

  // False: drop what carries these labels (which are then in an unspecified state).
  bool apply(LabelBuilder& labels) const;
  // The same, telling after each rule, by its place from 0, whether the labels are still kept.
  using AfterRule = std::function<void(std::size_t rule, bool kept)>;
  bool apply(LabelBuilder& labels, const AfterRule& after) const;
  bool empty() const;
  const std::vector<RelabelRule>& rules() const;
  Precedence precedence() const;
  bool operator==(const RelabelRules& other) const {
    return rules() == other.rules() && precedence() == other.precedence();
  }

 private:
  struct Compiled;
  explicit RelabelRules(std::shared_ptr<const Compiled> compiled)
      : compiled_(std::move(compiled)) {}
  std::shared_ptr<const Compiled> compiled_;
};

// Rules over interned sets, with the `max_entries` results used last at hand. Thread-safe.
class Relabeler {
 public:
  // `interner` outlives it.
  Relabeler(Interner& interner, RelabelRules rules, std::size_t max_entries);
  // The new set; none when the rules drop it.
  std::optional<LabelSet> apply(const LabelSet& labels);
  // Forgets the results that nobody asked for since the last call. -> how many
  std::size_t forget_unused();
  const RelabelRules& rules() const { return rules_; }

  struct Stats {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::size_t size = 0;
  };
  Stats stats() const;

 private:
  struct Known {
    LabelSet labels;
    std::optional<LabelSet> result;
    std::uint32_t round = 0;  // of forget_unused() in which it was asked for last
  };
  Interner& interner_;
  const RelabelRules rules_;
  const std::size_t max_entries_;
  mutable Mutex mutex_;
  std::list<Known> recent_ GUARDED_BY(mutex_);  // newest first
  std::unordered_map<LabelSet, std::list<Known>::iterator, LabelSetHash> index_ GUARDED_BY(mutex_);
  std::uint64_t hits_ GUARDED_BY(mutex_) = 0;
  std::uint64_t misses_ GUARDED_BY(mutex_) = 0;
  std::uint32_t round_ GUARDED_BY(mutex_) = 0;
};

}  // namespace agent::model
