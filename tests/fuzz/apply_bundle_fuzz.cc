// What `fleet-agent apply` reads as root.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/install/bundle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bundle = agent::install::parse_bundle({reinterpret_cast<const char*>(data), size});
  if (!bundle) return 0;
  for (const auto& file : bundle->files) {
    if (!agent::install::allowed_path(file.path) || file.path.find("/../") != std::string::npos)
      std::abort();
  }
  // One that asks for a kept generation brings nothing of its own.
  const bool brings = !bundle->release.empty() || !bundle->files.empty() || !bundle->groups.empty();
  if (bundle->back_to ? brings : !agent::install::valid_release(bundle->release)) std::abort();
  return 0;
}
