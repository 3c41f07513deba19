#include "agent/process/template_data.h"

namespace agent::process {

using wire::GoValue;

GoValue TemplateData::find(std::string_view key, wire::GoScratch&) {
  if (value && key == "Value") return GoValue(*value);
  if (entry && key == "Entry") return GoValue(*entry);
  const auto found = item_.find(key);
  if (!found) return {};
  const auto text = to_text(*found, arena_);
  return text ? GoValue(*text) : GoValue();
}

void TemplateData::all(std::vector<Pair>& out, wire::GoScratch&) {
  if (value) out.emplace_back("Value", GoValue(*value));
  if (entry) out.emplace_back("Entry", GoValue(*entry));
  for (const auto& [name, extracted] : item_.all_extracted()) {
    if ((value && name == "Value") || (entry && name == "Entry")) continue;
    if (const auto text = to_text(extracted, arena_)) out.emplace_back(name, GoValue(*text));
  }
}

}  // namespace agent::process
