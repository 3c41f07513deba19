// Patterns of file names: the first line is the pattern, the rest a path.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/io/glob.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  const auto glob = agent::io::Glob::compile(text.substr(0, line));
  if (glob && line != std::string_view::npos) glob->matches(text.substr(line + 1));
  return 0;
}
