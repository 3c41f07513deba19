// /proc/net/sockstat and sockstat6: "TCP: inuse 5 orphan 0 ..." lines. mem counts pages.
#include <unistd.h>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_sockstat(std::string_view text, Families& out) {
  bool any = false;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 3 || !fields[0].ends_with(':')) return;
    const std::string protocol(fields[0].substr(0, fields[0].size() - 1));
    for (std::size_t i = 1; i + 1 < fields.size(); i += 2) {
      const auto value = number(fields[i + 1]);
      if (!value) continue;
      any = true;
      const std::string name = "node_sockstat_" + protocol + "_" + std::string(fields[i]);
      out.gauge(name, "Sockets, and memory of theirs in pages.", *value);
      if (fields[i] == "mem")
        out.gauge(name + "_bytes", "Memory of sockets.",
                  *value * static_cast<double>(::sysconf(_SC_PAGESIZE)));
    }
  });
  if (!any) return fail(ErrorCode::kInvalid, "sockstat: no line is understood");
  return {};
}

Result<Collect> make_sockstat(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.proc / "net"](Families& out) -> Result<> {
    const auto text = read_text(folder / "sockstat");
    if (!text) return fail(text.error());
    if (auto parsed = parse_sockstat(*text, out); !parsed) return parsed;
    if (const auto six = read_text(folder / "sockstat6")) return parse_sockstat(*six, out);
    return {};
  });
}

}  // namespace agent::exporter::unix_host
