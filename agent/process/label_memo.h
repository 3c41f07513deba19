// Remembers what setting labels on a set gives: streams repeat, so that the next entry costs one
// look-up.
#pragma once

#include <cstddef>
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

}  // namespace agent::process
