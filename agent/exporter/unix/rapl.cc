// Energy that the processor and its parts took: /sys/class/powercap/<zone>, in microjoules (kernel
// documentation, power/powercap). Since Linux 5.10 for root only.
#include <map>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<Collect> make_rapl(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "class/powercap"](Families& out) -> Result<> {
    const auto zones = names_in(folder);
    if (!zones) return fail(zones.error());
    std::map<std::string, int> seen;
    bool told = false;
    bool refused = false;
    for (const std::string& zone : *zones) {
      auto name = read_attribute(folder / zone / "name");
      if (!name) continue;
      // "package-0" has its number in its name; zones of one name are counted.
      std::string index = std::to_string(seen[*name]++);
      if (const std::size_t dash = name->find('-'); dash != std::string::npos) {
        const std::string end = name->substr(dash + 1);
        if (!end.empty() && end.find_first_not_of("0123456789") == std::string::npos) {
          index = end;
          name->erase(dash);
        }
      }
      const auto energy = read_number(folder / zone / "energy_uj");
      refused |= !energy;
      if (!energy) continue;
      told = true;
      out.counter("node_rapl_" + *name + "_joules_total", "Energy taken.", *energy / 1e6,
                  {{"index", index}, {"path", (folder / zone).string()}});
    }
    if (refused && !told) return fail(ErrorCode::kNotFound, "the energy cannot be read");
    return {};
  });
}

}  // namespace agent::exporter::unix_host
