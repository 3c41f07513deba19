// /proc/sys/kernel/random (random(4)).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<Collect> make_entropy(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.proc / "sys/kernel/random"](Families& out) -> Result<> {
    const auto available = read_number(folder / "entropy_avail");
    const auto size = read_number(folder / "poolsize");
    if (!available || !size) return fail(ErrorCode::kNotFound, "no entropy_avail or poolsize");
    out.gauge("node_entropy_available_bits", "Bits of entropy at hand.", *available);
    out.gauge("node_entropy_pool_size_bits", "Bits of the entropy pool.", *size);
    return {};
  });
}

}  // namespace agent::exporter::unix_host
