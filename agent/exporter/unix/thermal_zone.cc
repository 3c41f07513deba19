// /sys/class/thermal: thermal_zone<N> in thousandths of a degree, cooling_device<N> (kernel
// documentation, driver-api/thermal/sysfs-api).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<Collect> make_thermal_zone(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "class/thermal"](Families& out) -> Result<> {
    for (const std::string& name : numbered_in(folder, "thermal_zone")) {
      const auto type = read_attribute(folder / name / "type");
      const auto value = read_number(folder / name / "temp");
      if (type && value)
        out.gauge("node_thermal_zone_temp", "Temperature of a zone in degrees Celsius.",
                  *value / 1000, {{"zone", name.substr(12)}, {"type", *type}});
    }
    for (const std::string& name : numbered_in(folder, "cooling_device")) {
      const auto type = read_attribute(folder / name / "type");
      const auto now = read_number(folder / name / "cur_state");
      const auto most = read_number(folder / name / "max_state");
      if (!type || !now || !most) continue;
      const Families::Labels labels = {{"name", name.substr(14)}, {"type", *type}};
      out.gauge("node_cooling_device_cur_state", "How much a device cools.", *now, labels);
      out.gauge("node_cooling_device_max_state", "How much a device can cool.", *most, labels);
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
