// /sys/kernel/mm/ksm: the daemon that merges equal pages (kernel documentation,
// admin-guide/mm/ksm).
#include <array>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<Collect> make_ksmd(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "kernel/mm/ksm"](Families& out) -> Result<> {
    const auto full_scans = read_number(folder / "full_scans");
    if (!full_scans) return fail(ErrorCode::kNotFound, "the kernel merges no pages");
    out.counter("node_ksmd_full_scans_total", "Times all memory was looked at.", *full_scans);
    for (const char* file : {"merge_across_nodes", "pages_shared", "pages_sharing", "pages_to_scan",
                             "pages_unshared", "pages_volatile", "run"})
      if (const auto value = read_number(folder / file))
        out.gauge("node_ksmd_" + std::string(file), "A file of the kernel's page merging.", *value);
    if (const auto milliseconds = read_number(folder / "sleep_millisecs"))
      out.gauge("node_ksmd_sleep_seconds", "Time between two scans.", *milliseconds / 1000);
    return {};
  });
}

}  // namespace agent::exporter::unix_host
