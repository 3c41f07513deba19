// The reader of other agents' positions files.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/io/legacy_positions.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  agent::io::parse_legacy_positions(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
