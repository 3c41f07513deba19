// --limit patterns, and the address parser below them, against a small inventory.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fleetctl/inventory/address.h"
#include "fleetctl/inventory/ini.h"
#include "fleetctl/inventory/pattern.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fleetctl::inventory;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.find('@') != std::string_view::npos) return 0;  // would read files
  Inventory inventory;
  if (!read_ini("lone\n[web]\nw[1:4].x\n[db]\nd1\nd2\nw1.x\n[top:children]\nweb\ndb\n", "hosts",
                inventory) ||
      !inventory.reconcile())
    std::abort();
  const auto selection = select_hosts(inventory, {std::string(text)});
  if (selection && (selection->hosts.empty() || selection->hosts.size() > 7)) std::abort();
  const auto names = expand_host_pattern(text);
  if (names && names->names.size() > kMaxHostsPerRange) std::abort();
  return 0;
}
