// /proc/net/softnet_stat: a line of hexadecimal numbers for each CPU; the 13th, where it is there,
// is the CPU's number.
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_softnet(std::string_view text, Families& out) {
  std::size_t lines = 0;
  bool wrong = false;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.empty()) return;
    const auto at = [&](std::size_t i) {
      return i < fields.size() ? number(fields[i], 16) : std::nullopt;
    };
    if (fields.size() < 9) {
      wrong = true;
      return;
    }
    const std::string cpu =
        std::to_string(static_cast<std::size_t>(at(12).value_or(static_cast<double>(lines))));
    ++lines;
    const auto add = [&](const char* name, const char* help, std::optional<double> value) {
      if (value) out.counter(name, help, *value, {{"cpu", cpu}});
    };
    add("node_softnet_processed_total", "Packets processed.", at(0));
    add("node_softnet_dropped_total", "Packets dropped.", at(1));
    add("node_softnet_times_squeezed_total", "Times that packets were left for later.", at(2));
    add("node_softnet_cpu_collision_total", "Collisions while transmitting.", at(8));
    add("node_softnet_received_rps_total", "Times woken up by another CPU.", at(9));
    add("node_softnet_flow_limit_count_total", "Times the flow limit was reached.", at(10));
    if (const auto backlog = at(11))
      out.gauge("node_softnet_backlog_len", "Packets that wait.", *backlog, {{"cpu", cpu}});
  });
  if (lines == 0 || wrong) return fail(ErrorCode::kInvalid, "softnet_stat: a line is too short");
  return {};
}

Result<Collect> make_softnet(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "net/softnet_stat", parse_softnet));
}

}  // namespace agent::exporter::unix_host
