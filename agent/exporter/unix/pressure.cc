// /proc/pressure/{cpu,io,memory,irq}: "some avg10=.. avg60=.. avg300=.. total=<microseconds>" and
// "full ..." (kernel documentation, accounting/psi).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_pressure(std::string_view resource, std::string_view text, Families& out) {
  bool any = false;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 2 || !fields.back().starts_with("total=")) return;
    const auto total = number(fields.back().substr(6));
    if (!total) return;
    const std::string name = "node_pressure_" + std::string(resource);
    // Of the CPU the kernel has no meaning for "full".
    if (fields[0] == "some" && resource != "irq") {
      out.counter(name + "_waiting_seconds_total",
                  "Seconds in which some process waited for this resource.", *total / 1e6);
      any = true;
    }
    if (fields[0] == "full" && resource != "cpu") {
      out.counter(name + "_stalled_seconds_total",
                  "Seconds in which no process got on for want of this resource.", *total / 1e6);
      any = true;
    }
  });
  if (!any) return fail(ErrorCode::kInvalid, std::string(resource) + ": no total");
  return {};
}

Result<Collect> make_pressure(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.proc / "pressure"](Families& out) -> Result<> {
    bool any = false;
    for (const char* resource : {"cpu", "io", "memory", "irq"}) {
      const auto text = read_text(folder / resource);
      if (!text) continue;  // older kernels have no irq, some have none at all
      if (auto parsed = parse_pressure(resource, *text, out); !parsed) return parsed;
      any = true;
    }
    if (!any) return fail(ErrorCode::kNotFound, "the kernel tells no pressure");
    return {};
  });
}

}  // namespace agent::exporter::unix_host
