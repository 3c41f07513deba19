// Vault envelopes: damaged ones are refused before any key is derived for them;
// those inside a file are found where they are.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "fleetctl/vault/inline.h"
#include "fleetctl/vault/vault.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fleetctl;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  vault::Vault vault;  // without passwords: the format alone is under test
  if (vault.decrypt(text)) std::abort();
  std::size_t done = 0;
  for (const auto& one : vault::find_inline(text)) {
    if (one.tag > one.from || one.from > one.to || one.to > size || one.from < done) std::abort();
    done = one.to;
  }
  return 0;
}
