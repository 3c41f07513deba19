// Vault envelopes: damaged ones are refused before any key is derived for them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "fleetctl/vault/vault.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fleetctl;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  vault::Vault vault;  // without passwords: the format alone is under test
  if (vault.decrypt(text)) std::abort();
  return 0;
}
