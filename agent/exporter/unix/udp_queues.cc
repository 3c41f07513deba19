// /proc/net/udp and udp6: the fifth word of each socket's line is tx:rx in hexadecimal bytes.
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_udp_queues(std::string_view protocol, std::string_view text, Families& out) {
  double sent = 0;
  double received = 0;
  bool head = true;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (std::exchange(head, false) || fields.size() < 5) return;
    const std::size_t colon = fields[4].find(':');
    if (colon == std::string_view::npos) return;
    sent += number(fields[4].substr(0, colon), 16).value_or(0);
    received += number(fields[4].substr(colon + 1), 16).value_or(0);
  });
  const std::string ip(protocol);
  out.gauge("node_udp_queues", "Bytes in the queues of UDP sockets.", sent,
            {{"queue", "tx"}, {"ip", ip}});
  out.gauge("node_udp_queues", "Bytes in the queues of UDP sockets.", received,
            {{"queue", "rx"}, {"ip", ip}});
  return {};
}

Result<Collect> make_udp_queues(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.proc / "net"](Families& out) -> Result<> {
    bool any = false;
    for (const auto& [file, protocol] : {std::pair{"udp", "v4"}, std::pair{"udp6", "v6"}}) {
      const auto text = read_text(folder / file);
      if (!text) continue;
      if (auto parsed = parse_udp_queues(protocol, *text, out); !parsed) return parsed;
      any = true;
    }
    if (!any) return fail(ErrorCode::kNotFound, "no UDP");
    return {};
  });
}

}  // namespace agent::exporter::unix_host
