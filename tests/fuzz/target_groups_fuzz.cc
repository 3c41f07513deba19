// Any bytes as a list of targets in both formats: what is understood is targets with addresses.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "agent/discovery/target_groups.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent::discovery;
  if (size < 1) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto targets = parse_target_groups(
      text, data[0] % 2 == 0 ? ListFormat::kJson : ListFormat::kYaml, {"__meta_x", "y"});
  if (!targets) {
    if (targets.error().message.empty()) std::abort();
    return 0;
  }
  for (const auto& target : *targets)
    if (target.empty() || target.back().value.empty()) std::abort();
  return 0;
}
