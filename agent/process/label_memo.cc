#include "agent/process/label_memo.h"

#include <algorithm>
#include <functional>

namespace agent::process {

model::LabelSet LabelMemo::apply(const model::LabelSet& labels, const Changes& changes) {
  std::size_t hash = labels.hash();
  for (const auto& [name, value] : changes)
    hash = (hash * 31 + std::hash<std::string_view>()(name)) * 31 +
           std::hash<std::string_view>()(value);
  const auto [first, last] = known_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    const Known& known = it->second;
    if (known.before == labels &&
        std::equal(known.changes.begin(), known.changes.end(), changes.begin(), changes.end(),
                   [](const auto& a, const auto& b) {
                     return a.first == b.first && a.second == b.second;
                   }))
      return known.after;
  }
  model::LabelBuilder builder(labels);
  Known known{labels, {}, {}};
  for (const auto& [name, value] : changes) {
    builder.set(name, value);
    known.changes.emplace_back(name, value);
  }
  known.after = interner_.intern(std::move(builder).take());
  if (known_.size() >= kMost) known_.clear();
  return known_.emplace(hash, std::move(known))->second.after;
}

model::LabelSet LabelChange::apply(const model::LabelSet& labels) {
  if (any_ && labels == before_) return after_;
  auto it = known_.find(labels);
  if (it == known_.end()) {
    if (known_.size() >= kMost) known_.clear();
    model::LabelBuilder builder(labels);
    change_(builder);
    it = known_.emplace(labels, interner_.intern(std::move(builder).take())).first;
  }
  before_ = labels;
  after_ = it->second;
  any_ = true;
  return after_;
}

}  // namespace agent::process
