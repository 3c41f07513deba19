// /proc/schedstat, version 15 and later: on a line "cpu<N>" the 7th to 9th number are nanoseconds
// running, nanoseconds waiting and timeslices (kernel documentation, scheduler/sched-stats).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_schedstat(std::string_view text, Families& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 10 || !fields[0].starts_with("cpu")) return;
    const std::string cpu(fields[0].substr(3));
    const auto running = number(fields[7]);
    const auto waiting = number(fields[8]);
    const auto slices = number(fields[9]);
    if (!running || !waiting || !slices) return;
    out.counter("node_schedstat_running_seconds_total", "Seconds in which processes ran.",
                *running / 1e9, {{"cpu", cpu}});
    out.counter("node_schedstat_waiting_seconds_total",
                "Seconds in which processes waited for this CPU.", *waiting / 1e9, {{"cpu", cpu}});
    out.counter("node_schedstat_timeslices_total", "Timeslices executed.", *slices, {{"cpu", cpu}});
  });
  return {};
}

Result<Collect> make_schedstat(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "schedstat", parse_schedstat));
}

}  // namespace agent::exporter::unix_host
