// Bonded network devices: /sys/class/net/bonding_masters names them, their folders tell their
// slaves' state (kernel documentation, networking/bonding).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<Collect> make_bonding(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "class/net"](Families& out) -> Result<> {
    const auto masters = read_text(folder / "bonding_masters");
    if (!masters) return fail(masters.error());
    for (const std::string_view master : words(trim(*masters))) {
      const auto slaves = read_attribute(folder / master / "bonding/slaves");
      if (!slaves) continue;
      double all = 0;
      double up = 0;
      for (const std::string_view slave : words(*slaves)) {
        std::optional<std::string> state;
        for (const char* prefix : {"lower_", "slave_"})  // the latter of older kernels
          if (!state)
            state = read_attribute(folder / master / (prefix + std::string(slave)) /
                                   "bonding_slave/mii_status");
        if (!state) continue;
        all += 1;
        if (*state == "up") up += 1;
      }
      const std::string name(master);
      out.gauge("node_bonding_slaves", "Slaves of a bonded device.", all, {{"master", name}});
      out.gauge("node_bonding_active", "Slaves that are up.", up, {{"master", name}});
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
