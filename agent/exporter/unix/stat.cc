// /proc/stat: totals since boot (proc(5)).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_stat(std::string_view text, Families& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line.substr(0, 64));
    if (fields.size() < 2) return;
    const auto value = number(fields[1]);
    if (!value) return;
    if (fields[0] == "intr") out.counter("node_intr_total", "Interrupts served.", *value);
    if (fields[0] == "ctxt")
      out.counter("node_context_switches_total", "Context switches.", *value);
    if (fields[0] == "processes") out.counter("node_forks_total", "Forks.", *value);
    if (fields[0] == "btime")
      out.gauge("node_boot_time_seconds", "Time of the boot, seconds since 1970.", *value);
    if (fields[0] == "procs_running")
      out.gauge("node_procs_running", "Processes that are able to run.", *value);
    if (fields[0] == "procs_blocked")
      out.gauge("node_procs_blocked", "Processes that wait for input or output.", *value);
  });
  if (out.empty()) return fail(ErrorCode::kInvalid, "stat: no line is understood");
  return {};
}

Result<Collect> make_stat(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "stat", parse_stat));
}

}  // namespace agent::exporter::unix_host
