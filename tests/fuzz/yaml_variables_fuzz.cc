// YAML as variable files and inventories hold it. Equal text gives equal values.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "fleetctl/inventory/yaml_inventory.h"
#include "fleetctl/inventory/yaml_reader.h"
#include "fleetctl/value/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fleetctl;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> warnings;
  const auto document = inventory::read_yaml(text, "vars.yml", warnings);
  if (!document) return 0;
  const auto again = inventory::read_yaml(text, "vars.yml", warnings);
  if (!again || value::repr(*document, 1U << 16) != value::repr(*again, 1U << 16)) std::abort();
  inventory::Inventory inventory;
  if (inventory::read_yaml_inventory(*document, "hosts.yml", inventory))
    (void)inventory.reconcile();
  return 0;
}
