// The arguments of -e: key=value words, YAML and JSON. What is read has text as keys where it came
// from words, and reads the same again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "fleetctl/inventory/extra_vars.h"
#include "fleetctl/value/text.h"
#include "fleetctl/value/value.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fleetctl;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto words = inventory::parse_key_values(text);
  if (words) {
    for (const auto& [key, value] : *words)
      if (!key.is_string() || !value.is_string()) std::abort();
  }
  if (!text.empty() && text[0] == '@') return 0;  // would read a file
  std::vector<std::string> warnings;
  inventory::Loader loader(
      [](std::string_view) -> agent::Result<std::string> {
        return agent::fail(agent::ErrorCode::kPermission, "no password");
      },
      warnings);
  const auto once = inventory::read_extra_vars({text}, loader, warnings);
  const auto twice = inventory::read_extra_vars({text, text}, loader, warnings);
  if (once.has_value() != twice.has_value()) std::abort();
  // As a name, an encrypted value equals no other one, and what is no number not even itself.
  if (once) {
    for (const auto& [key, value] : *once)
      if (key.is_object() || !value::equal(key, key)) return 0;
  }
  if (once && value::repr(value::Value::dict(*once), 1U << 16) !=
                  value::repr(value::Value::dict(*twice), 1U << 16))
    std::abort();
  return 0;
}
