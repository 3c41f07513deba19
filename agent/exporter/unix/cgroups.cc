// /proc/cgroups: a line of head, then controller, hierarchy, number of cgroups, enabled
// (cgroups(7)).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_cgroups(std::string_view text, Families& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() != 4 || fields[0].starts_with('#')) return;
    const auto count = number(fields[2]);
    const auto enabled = number(fields[3]);
    const std::string name(fields[0]);
    if (count)
      out.gauge("node_cgroups_cgroups", "Cgroups of a controller.", *count,
                {{"subsys_name", name}});
    if (enabled)
      out.gauge("node_cgroups_enabled", "1 when the controller is on.", *enabled,
                {{"subsys_name", name}});
  });
  if (out.empty()) return fail(ErrorCode::kInvalid, "cgroups: no line is understood");
  return {};
}

Result<Collect> make_cgroups(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "cgroups", parse_cgroups));
}

}  // namespace agent::exporter::unix_host
