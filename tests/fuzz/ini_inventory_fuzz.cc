// INI inventories. Whatever was read can be reconciled, listed and merged.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "fleetctl/inventory/ini.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fleetctl;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  inventory::Inventory inventory;
  if (!inventory::read_ini(text, "hosts", inventory)) return 0;
  if (!inventory.reconcile()) return 0;
  if (inventory.hosts().size() > 2000) return 0;
  if (inventory.hosts_of(inventory.all()).size() != inventory.hosts().size()) std::abort();
  for (const auto& host : inventory.hosts())
    if (inventory.groups_of(*host).empty() && inventory.all().hosts.empty()) std::abort();
  return 0;
}
