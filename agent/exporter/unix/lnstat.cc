// /proc/net/stat/<cache>: a line of names, then a line of hexadecimal numbers for each CPU
// (lnstat(8)).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

void parse_lnstat(std::string_view subsystem, std::string_view text, Families& out) {
  std::vector<std::string_view> names;
  std::size_t cpu = 0;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.empty()) return;
    if (names.empty()) {
      names = fields;
      return;
    }
    for (std::size_t i = 0; i < fields.size() && i < names.size(); ++i)
      if (const auto value = number(fields[i], 16))
        out.counter("node_lnstat_" + std::string(names[i]) + "_total",
                    "A counter of a cache of the network's.", *value,
                    {{"subsystem", std::string(subsystem)}, {"cpu", std::to_string(cpu)}});
    ++cpu;
  });
}

Result<Collect> make_lnstat(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.proc / "net/stat"](Families& out) -> Result<> {
    for (const std::filesystem::path& file : entries(folder))
      if (const auto text = read_text(file)) parse_lnstat(file.filename().string(), *text, out);
    if (out.empty()) return fail(ErrorCode::kNotFound, folder.string() + ": nothing there");
    return {};
  });
}

}  // namespace agent::exporter::unix_host
