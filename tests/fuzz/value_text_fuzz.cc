// JSON and Python literals: what is read prints, and what prints as JSON reads back as the same.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/base/strings.h"
#include "fleetctl/value/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fleetctl;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::optional<value::Value> from_json;
  if (auto parsed = value::parse_json(text)) from_json = std::move(*parsed);
  const bool is_text = agent::is_valid_utf8(text);
  for (const bool is_json : {false, true}) {
    const auto v = is_json ? from_json : value::parse_literal(text, true);
    if (!v) continue;
    (void)value::repr(*v);
    (void)value::hash_of(*v);
    (void)value::deep_copy(*v);
    const auto printed = value::to_json(*v);
    if (!printed) continue;
    const auto again = value::parse_json(*printed);
    if (!again) __builtin_trap();
    const auto reprinted = value::to_json(*again);
    if (!reprinted) __builtin_trap();
    // Names that differ may print as one: None and 'null', bytes that are no UTF-8. They are one
    // from the second time on.
    const auto third = value::parse_json(*reprinted);
    if (!third || value::to_json(*third).value_or("") != *reprinted) __builtin_trap();
    if (is_json && is_text && *reprinted != *printed) __builtin_trap();
  }
  return 0;
}
