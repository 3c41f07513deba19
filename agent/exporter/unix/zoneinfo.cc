// /proc/zoneinfo: "Node 0, zone   Normal" begins a zone; below it lines "name number", of the node
// and of the zone, and "protection: (0, 1, ..)" (proc(5)).
#include <array>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

// What node_exporter tells, with what it puts behind the name.
struct Line {
  std::string_view name;
  const char* metric;
  bool counter;
};
constexpr std::array<Line, 34> kLines = {{
    {"nr_free_pages", "nr_free_pages", false},
    {"min", "min_pages", false},
    {"low", "low_pages", false},
    {"high", "high_pages", false},
    {"scanned", "scanned_pages", false},
    {"spanned", "spanned_pages", false},
    {"present", "present_pages", false},
    {"managed", "managed_pages", false},
    {"nr_active_anon", "nr_active_anon_pages", false},
    {"nr_inactive_anon", "nr_inactive_anon_pages", false},
    {"nr_isolated_anon", "nr_isolated_anon_pages", false},
    {"nr_anon_pages", "nr_anon_pages", false},
    {"nr_anon_transparent_hugepages", "nr_anon_transparent_hugepages", false},
    {"nr_active_file", "nr_active_file_pages", false},
    {"nr_inactive_file", "nr_inactive_file_pages", false},
    {"nr_isolated_file", "nr_isolated_file_pages", false},
    {"nr_file_pages", "nr_file_pages", false},
    {"nr_slab_reclaimable", "nr_slab_reclaimable_pages", false},
    {"nr_slab_unreclaimable", "nr_slab_unreclaimable_pages", false},
    {"nr_mlock_stack", "nr_mlock_stack_pages", false},
    {"nr_kernel_stack", "nr_kernel_stacks", false},
    {"nr_mapped", "nr_mapped_pages", false},
    {"nr_dirty", "nr_dirty_pages", false},
    {"nr_writeback", "nr_writeback_pages", false},
    {"nr_unevictable", "nr_unevictable_pages", false},
    {"nr_shmem", "nr_shmem_pages", false},
    {"nr_dirtied", "nr_dirtied_total", true},
    {"nr_written", "nr_written_total", true},
    {"numa_hit", "numa_hit_total", true},
    {"numa_miss", "numa_miss_total", true},
    {"numa_foreign", "numa_foreign_total", true},
    {"numa_interleave", "numa_interleave_total", true},
    {"numa_local", "numa_local_total", true},
    {"numa_other", "numa_other_total", true},
}};

}  // namespace

Result<> parse_zoneinfo(std::string_view text, Families& out) {
  std::string node;
  std::string zone;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() == 4 && fields[0] == "Node" && fields[1].ends_with(',') &&
        fields[2] == "zone") {
      node = fields[1].substr(0, fields[1].size() - 1);
      zone = fields[3];
      return;
    }
    if (zone.empty() || fields.size() < 2) return;
    if (fields[0] == "protection:") {
      for (std::size_t i = 1; i < fields.size(); ++i) {
        const std::size_t start = fields[i].find_first_not_of('(');
        const std::size_t end = fields[i].find_last_not_of("),");
        if (start == std::string_view::npos || end == std::string_view::npos) continue;
        if (const auto value = number(fields[i].substr(start, end + 1 - start)))
          out.gauge("node_zoneinfo_protection_" + std::to_string(i - 1),
                    "Pages kept back from zones above.", *value, {{"node", node}, {"zone", zone}});
      }
      return;
    }
    for (const Line& one : kLines) {
      if (one.name != fields[0]) continue;
      if (const auto value = number(fields[1]))
        out.add(one.counter ? model::MetricType::kCounter : model::MetricType::kGauge,
                "node_zoneinfo_" + std::string(one.metric), "A line of a zone of memory.", *value,
                {{"node", node}, {"zone", zone}});
    }
  });
  if (out.empty()) return fail(ErrorCode::kInvalid, "zoneinfo: no line is understood");
  return {};
}

Result<Collect> make_zoneinfo(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "zoneinfo", parse_zoneinfo));
}

}  // namespace agent::exporter::unix_host
