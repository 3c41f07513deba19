// /proc/buddyinfo: "Node 0, zone   Normal   1 0 2 ..": free blocks of 2^0, 2^1, .. pages (proc(5)).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_buddyinfo(std::string_view text, Families& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 5 || fields[0] != "Node" || !fields[1].ends_with(',') ||
        fields[2] != "zone")
      return;
    const std::string node(fields[1].substr(0, fields[1].size() - 1));
    for (std::size_t i = 4; i < fields.size(); ++i)
      if (const auto value = number(fields[i]))
        out.gauge(
            "node_buddyinfo_blocks", "Free blocks by their size, 2^size pages.", *value,
            {{"node", node}, {"zone", std::string(fields[3])}, {"size", std::to_string(i - 4)}});
  });
  if (out.empty()) return fail(ErrorCode::kInvalid, "buddyinfo: no line is understood");
  return {};
}

Result<Collect> make_buddyinfo(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "buddyinfo", parse_buddyinfo));
}

}  // namespace agent::exporter::unix_host
