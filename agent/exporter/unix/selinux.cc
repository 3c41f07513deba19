// /sys/fs/selinux: whether SELinux is on, and how.
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<Collect> make_selinux(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "fs/selinux"](Families& out) -> Result<> {
    const auto mode = read_number(folder / "enforce");
    out.gauge("node_selinux_enabled", "1 when SELinux is on.", mode ? 1 : 0);
    if (mode) out.gauge("node_selinux_current_mode", "1: enforcing, 0: permissive.", *mode);
    return {};
  });
}

}  // namespace agent::exporter::unix_host
