// Rules made of arbitrary text, applied to labels made of arbitrary text: compile, run, and results
// that keep the invariants of a label set. Input: fields separated by NUL: action number, regex,
// target, replacement, separator, then label values.
#include <cstdlib>

#include "agent/base/strings.h"
#include "agent/model/relabel.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent::model;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto fields = agent::split(text, '\0');
  if (fields.size() < 6 || fields[0].empty()) return 0;
  RelabelRule rule;
  rule.action = static_cast<RelabelRule::Action>(static_cast<unsigned char>(fields[0][0]) % 11U);
  rule.regex = fields[1];
  rule.target_label = fields[2];
  rule.replacement = fields[3];
  rule.separator = fields[4];
  rule.modulus = rule.action == RelabelRule::Action::kHashMod ? 7 : 0;
  LabelBuilder labels;
  for (std::size_t i = 5; i < fields.size() && i < 20; ++i) {
    const std::string name = "l" + std::to_string(i);
    labels.set(name, fields[i]);
    if (rule.action != RelabelRule::Action::kLabelDrop &&
        rule.action != RelabelRule::Action::kLabelKeep)
      rule.source_labels.push_back(name);
  }
  const auto rules = RelabelRules::compile({rule});
  if (!rules) return 0;
  if (!rules->apply(labels)) return 0;
  const Labels& result = labels.labels();
  for (std::size_t i = 0; i < result.size(); ++i) {
    if (result[i].value.empty()) std::abort();
    if (i > 0 && result[i - 1].name >= result[i].name) std::abort();
  }
  return 0;
}
