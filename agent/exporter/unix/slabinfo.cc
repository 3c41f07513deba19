// /proc/slabinfo, version 2.1: "name active objects size objects-per-slab pages-per-slab : .."
// (slabinfo(5)). Only root may read it.
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_slabinfo(std::string_view text, Families& out) {
  constexpr std::array<std::pair<const char*, const char*>, 5> kColumns = {{
      {"node_slabinfo_active_objects", "Objects in use."},
      {"node_slabinfo_objects", "Objects."},
      {"node_slabinfo_object_size_bytes", "Size of an object."},
      {"node_slabinfo_objects_per_slab", "Objects of a slab."},
      {"node_slabinfo_pages_per_slab", "Pages of a slab."},
  }};
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 16 || fields[0].starts_with('#') || fields[6] != ":") return;
    for (std::size_t i = 0; i < kColumns.size(); ++i)
      if (const auto value = number(fields[i + 1]))
        out.gauge(kColumns[i].first, kColumns[i].second, *value,
                  {{"slab", std::string(fields[0])}});
  });
  if (out.empty()) return fail(ErrorCode::kInvalid, "slabinfo: no line is understood");
  return {};
}

Result<Collect> make_slabinfo(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "slabinfo", parse_slabinfo));
}

}  // namespace agent::exporter::unix_host
