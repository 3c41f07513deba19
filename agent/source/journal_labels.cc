#include "agent/source/journal_labels.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/base/strings.h"

namespace agent::source {
namespace {

using model::RelabelRule;

constexpr std::string_view kPrefix = "__journal_";
constexpr std::string_view kKeyword = "__journal_priority_keyword";
constexpr std::string_view kProbe = "probe";
// Bounds on what an entry can make us keep.
constexpr std::size_t kMaxValue = 16U << 10;
constexpr std::size_t kMaxKey = 1U << 10;
constexpr std::size_t kMaxKnown = 4096;
constexpr std::size_t kMaxSlots = 512;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::string label_name(std::string_view field) {
  std::string out(kPrefix);
  std::transform(field.begin(), field.end(), std::back_inserter(out), lower);
  return out;
}

// The labelmap rules, copying to one known name: a label name that they copy is one they read.
model::RelabelRules probes(const model::RelabelRules& rules) {
  std::vector<RelabelRule> out;
  for (const RelabelRule& rule : rules.rules()) {
    if (rule.action != RelabelRule::Action::kLabelMap) continue;
    RelabelRule probe = rule;
    probe.replacement = kProbe;
    out.push_back(std::move(probe));
  }
  return model::RelabelRules::compile(std::move(out)).value_or(model::RelabelRules());
}

}  // namespace

std::string_view priority_keyword(std::string_view priority) {
  constexpr std::array<std::string_view, 8> kNames = {"emerg",   "alert",  "crit", "error",
                                                      "warning", "notice", "info", "debug"};
  if (priority.size() == 1 && priority[0] >= '0' && priority[0] <= '7')
    return kNames[static_cast<std::size_t>(priority[0] - '0')];
  return priority;
}

JournalLabels::JournalLabels(model::Interner& interner, model::Labels base,
                             model::RelabelRules rules)
    : interner_(interner),
      base_(interner.intern(std::move(base)).labels()),
      rules_(std::move(rules)),
      maps_(probes(rules_)) {
  for (const RelabelRule& rule : rules_.rules()) {
    for (const std::string& source : rule.source_labels) want(source);
    want(rule.target_label);  // keepequal and dropequal read it
  }
}

void JournalLabels::want(std::string_view label) {
  if (label.substr(0, kPrefix.size()) != kPrefix) return;
  if (label == kKeyword) {
    keyword_ = true;
    return want("__journal_priority");
  }
  if (std::any_of(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.label == label; }))
    return;
  Slot slot;
  slot.label = label;
  std::transform(label.begin() + kPrefix.size(), label.end(), std::back_inserter(slot.field),
                 upper);
  slot.wanted = true;
  slots_.push_back(std::move(slot));
}

std::optional<std::vector<std::string>> JournalLabels::fields() const {
  if (!maps_.empty()) return std::nullopt;
  std::vector<std::string> out;
  for (const Slot& slot : slots_) out.push_back(slot.field);
  return out;
}

void JournalLabels::begin() {
  for (Slot& slot : slots_) slot.present = false;
}

void JournalLabels::field(std::string_view name, std::string_view value) {
  for (Slot& slot : slots_) {
    if (slot.field != name) continue;
    if (!slot.wanted) return;
    slot.present = true;
    slot.value.assign(value.substr(0, kMaxValue));
    return;
  }
  if (maps_.empty() || slots_.size() >= kMaxSlots) return;
  // A name not seen before, which some labelmap rule may copy.
  Slot slot;
  slot.field = name;
  slot.label = label_name(name);
  const auto copied = [this](std::string_view label) {
    model::LabelBuilder probe;
    probe.set(label, "1");
    maps_.apply(probe);
    return !probe.get(kProbe).empty();
  };
  slot.wanted = copied(slot.label);
  if (name == "PRIORITY" && copied(kKeyword)) slot.wanted = keyword_ = true;
  slots_.push_back(std::move(slot));
  if (slots_.back().wanted) field(name, value);
}

const model::LabelSet& JournalLabels::labels() {
  // Slot number, length and bytes of each value: no two combinations have one key.
  key_.clear();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (!slot.present) continue;
    const std::array<std::uint16_t, 2> head = {static_cast<std::uint16_t>(i),
                                               static_cast<std::uint16_t>(slot.value.size())};
    key_.append(reinterpret_cast<const char*>(head.data()), sizeof head);
    key_ += slot.value;
    if (key_.size() > kMaxKey) return unknown_ = compute();
  }
  const auto it = known_.find(key_);
  if (it != known_.end()) return it->second;
  if (known_.size() >= kMaxKnown) known_.clear();
  return known_.emplace(key_, compute()).first->second;
}

model::LabelSet JournalLabels::compute() const {
  model::LabelBuilder builder(base_);
  for (const Slot& slot : slots_) {
    if (!slot.present) continue;
    const std::string valid = is_valid_utf8(slot.value) ? slot.value : to_valid_utf8(slot.value);
    builder.set(slot.label, valid);
    if (keyword_ && slot.field == "PRIORITY") builder.set(kKeyword, priority_keyword(valid));
  }
  if (!rules_.apply(builder)) return {};
  builder.remove_prefix("__");
  return interner_.intern(std::move(builder).take());
}

}  // namespace agent::source
