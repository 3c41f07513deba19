// /proc/swaps: a line of head, then file, type, KiB, used KiB, priority (proc(5)).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_swaps(std::string_view text, Families& out) {
  bool head = true;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (std::exchange(head, false) || fields.size() != 5) return;
    const Families::Labels labels = {{"device", std::string(fields[0])},
                                     {"type", std::string(fields[1])}};
    if (const auto size = number(fields[2]))
      out.gauge("node_swap_size_bytes", "Size of a swap device.", *size * 1024, labels);
    if (const auto used = number(fields[3]))
      out.gauge("node_swap_used_bytes", "Used of a swap device.", *used * 1024, labels);
    if (const auto priority = number(fields[4]))
      out.gauge("node_swap_priority", "Priority of a swap device.", *priority, labels);
  });
  return {};
}

Result<Collect> make_swap(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "swaps", parse_swaps));
}

}  // namespace agent::exporter::unix_host
