// From a journal entry's fields to the labels of its log entry.
//
// Field _SYSTEMD_UNIT is seen by the rules as __journal__systemd_unit, PRIORITY also as
// __journal_priority_keyword; labels that start with "__" do not survive the rules. Most entries
// repeat a few combinations of the fields that the rules look at, so results are remembered by the
// values of just these. One thread at a time.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/model/labels.h"
#include "agent/model/relabel.h"

namespace agent::source {

class JournalLabels {
 public:
  // `base`: the labels that every entry starts with. `interner` outlives it.
  JournalLabels(model::Interner& interner, model::Labels base, model::RelabelRules rules);

  // begin(); field() for each of the entry's fields, of one name the last counts; labels().
  void begin();
  void field(std::string_view name, std::string_view value);
  // Empty: the rules dropped the entry, or no label is left.
  const model::LabelSet& labels();

  // The fields that labels depend on; none: on any.
  std::optional<std::vector<std::string>> fields() const;

  std::size_t remembered() const { return known_.size(); }

 private:
  struct Slot {
    std::string field;  // as journald writes it
    std::string label;  // as the rules see it
    std::string value;
    bool present = false;
    bool wanted = false;  // the rules may look at it
  };
  void want(std::string_view label);
  model::LabelSet compute() const;

  model::Interner& interner_;
  const model::Labels base_;
  const model::RelabelRules rules_;
  model::RelabelRules maps_;  // tells which label names the labelmap rules read
  bool keyword_ = false;      // the rules read __journal_priority_keyword
  std::vector<Slot> slots_;
  std::string key_;
  std::unordered_map<std::string, model::LabelSet> known_;
  model::LabelSet unknown_;  // of an entry that is not worth remembering
};

// "emerg" ... "debug" for "0" ... "7", anything else as it is.
std::string_view priority_keyword(std::string_view priority);

}  // namespace agent::source
