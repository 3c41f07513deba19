// /sys/devices/system/node/node<n>: meminfo ("Node 0 MemTotal: 5 kB") and numastat ("numa_hit 5")
// (kernel documentation, admin-guide/numastat).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

void parse_numa_meminfo(std::string_view text, Families& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    const bool unit = fields.size() == 5 && fields[4] == "kB";
    if ((fields.size() != 4 && !unit) || fields[0] != "Node" || !fields[2].ends_with(':')) return;
    const auto value = number(fields[3]);
    if (!value) return;
    std::string name(fields[2].substr(0, fields[2].size() - 1));  // "Active(anon)"
    if (name.ends_with(')')) name.pop_back();
    out.gauge("node_memory_numa_" + name, "A line of a node's meminfo.", *value * (unit ? 1024 : 1),
              {{"node", std::string(fields[1])}});
  });
}

void parse_numastat(std::string_view node, std::string_view text, Families& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() != 2) return;
    if (const auto value = number(fields[1]))
      out.counter("node_memory_numa_" + std::string(fields[0]) + "_total",
                  "A line of a node's numastat.", *value, {{"node", std::string(node)}});
  });
}

Result<Collect> make_meminfo_numa(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "devices/system/node"](Families& out) -> Result<> {
    for (const std::filesystem::path& path : entries(folder)) {
      const std::string name = path.filename().string();
      if (!name.starts_with("node") || !number(name.substr(4))) continue;
      if (const auto text = read_text(path / "meminfo")) parse_numa_meminfo(*text, out);
      if (const auto text = read_text(path / "numastat"))
        parse_numastat(name.substr(4), *text, out);
    }
    if (out.empty()) return fail(ErrorCode::kNotFound, "the kernel knows no nodes of memory");
    return {};
  });
}

}  // namespace agent::exporter::unix_host
