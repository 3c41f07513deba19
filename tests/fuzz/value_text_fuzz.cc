// JSON and Python literals: what is read prints, and what prints as JSON reads back as the same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fleetctl/value/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fleetctl;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::optional<value::Value> from_json;
  if (auto parsed = value::parse_json(text)) from_json = std::move(*parsed);
  for (const auto& v : {value::parse_literal(text, true), from_json}) {
    if (!v) continue;
    (void)value::repr(*v);
    (void)value::hash_of(*v);
    (void)value::deep_copy(*v);
    const auto printed = value::to_json(*v);
    if (!printed) continue;
    const auto again = value::parse_json(*printed);
    if (!again || value::to_json(*again).value_or("") != *printed) __builtin_trap();
  }
  return 0;
}
