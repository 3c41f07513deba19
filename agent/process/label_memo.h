// Remembers what changes of label sets give: streams repeat, so that the next entry costs one
// look-up.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/model/labels.h"

namespace agent::process {

// One thread at a time. `interner` outlives it.
class LabelMemo {
 public:
  explicit LabelMemo(model::Interner& interner) : interner_(interner) {}

  // `labels` with name=value for each pair; an empty value removes.
  using Changes = std::vector<std::pair<std::string_view, std::string_view>>;
  model::LabelSet apply(const model::LabelSet& labels, const Changes& changes);

 private:
  struct Known {
    model::LabelSet before;
    std::vector<std::pair<std::string, std::string>> changes;
    model::LabelSet after;
  };
  static constexpr std::size_t kMost =
      4096;  // then it starts anew: values that never repeat must not fill the memory
  model::Interner& interner_;
  std::unordered_multimap<std::size_t, Known> known_;
};

// The same for a change that depends on nothing but the set. One thread at a time; `interner`
// outlives it.
class LabelChange {
 public:
  using Change = std::function<void(model::LabelBuilder&)>;
  LabelChange(model::Interner& interner, Change change)
      : interner_(interner), change_(std::move(change)) {}

  model::LabelSet apply(const model::LabelSet& labels);

 private:
  static constexpr std::size_t kMost = 4096;  // as above
  model::Interner& interner_;
  const Change change_;
  model::LabelSet before_;  // of the last call: neighbours nearly always share their labels
  model::LabelSet after_;
  bool any_ = false;
  std::unordered_map<model::LabelSet, model::LabelSet, model::LabelSetHash> known_;
};

}  // namespace agent::process
