// /sys/class/nvme/<controller>: what it is.
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<Collect> make_nvme(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "class/nvme"](Families& out) -> Result<> {
    const auto devices = names_in(folder);
    if (!devices) return fail(devices.error());
    for (const std::string& device : *devices)
      out.gauge("node_nvme_info", "What is known of an NVMe controller; the value is 1.", 1,
                {{"device", device},
                 {"firmware_revision", read_word(folder / device / "firmware_rev")},
                 {"model", read_word(folder / device / "model")},
                 {"serial", read_word(folder / device / "serial")},
                 {"state", read_word(folder / device / "state")}});
    return {};
  });
}

}  // namespace agent::exporter::unix_host
