// The loader of stored positions: what it accepts it prints and reads again as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/io/positions.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parsed =
      agent::io::parse_positions(std::string_view(reinterpret_cast<const char*>(data), size));
  const auto again = agent::io::parse_positions(agent::io::print_positions(parsed.map));
  if (again.damaged != 0 || again.map.size() != parsed.map.size()) std::abort();
  for (const auto& [key, position] : parsed.map) {
    const auto it = again.map.find(key);
    if (it == again.map.end() || it->second.value != position.value) std::abort();
  }
  return 0;
}
