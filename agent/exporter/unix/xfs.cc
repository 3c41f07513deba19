// /sys/fs/xfs/<device>/stats/stats, since Linux 4.4: lines of a word and numbers, the one that
// xfs.org's Runtime_Stats explains.
#include <array>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

struct Series {
  const char* line;
  std::size_t at;
  const char* name;
};
constexpr std::array<Series, 39> kSeries = {{
    {"extent_alloc", 1, "extent_allocation_extents_allocated"},
    {"extent_alloc", 2, "extent_allocation_blocks_allocated"},
    {"extent_alloc", 3, "extent_allocation_extents_freed"},
    {"extent_alloc", 4, "extent_allocation_blocks_freed"},
    {"abt", 1, "allocation_btree_lookups"},
    {"abt", 2, "allocation_btree_compares"},
    {"abt", 3, "allocation_btree_records_inserted"},
    {"abt", 4, "allocation_btree_records_deleted"},
    {"blk_map", 1, "block_mapping_reads"},
    {"blk_map", 2, "block_mapping_writes"},
    {"blk_map", 3, "block_mapping_unmaps"},
    {"blk_map", 4, "block_mapping_extent_list_insertions"},
    {"blk_map", 5, "block_mapping_extent_list_deletions"},
    {"blk_map", 6, "block_mapping_extent_list_lookups"},
    {"blk_map", 7, "block_mapping_extent_list_compares"},
    {"bmbt", 1, "block_map_btree_lookups"},
    {"bmbt", 2, "block_map_btree_compares"},
    {"bmbt", 3, "block_map_btree_records_inserted"},
    {"bmbt", 4, "block_map_btree_records_deleted"},
    {"dir", 1, "directory_operation_lookup"},
    {"dir", 2, "directory_operation_create"},
    {"dir", 3, "directory_operation_remove"},
    {"dir", 4, "directory_operation_getdents"},
    {"ig", 1, "inode_operation_attempts"},
    {"ig", 2, "inode_operation_found"},
    {"ig", 3, "inode_operation_recycled"},
    {"ig", 4, "inode_operation_missed"},
    {"ig", 5, "inode_operation_duplicates"},
    {"ig", 6, "inode_operation_reclaims"},
    {"ig", 7, "inode_operation_attribute_changes"},
    {"rw", 1, "write_calls"},
    {"rw", 2, "read_calls"},
    {"vnodes", 1, "vnode_active"},
    {"vnodes", 2, "vnode_allocate"},
    {"vnodes", 3, "vnode_get"},
    {"vnodes", 4, "vnode_hold"},
    {"vnodes", 5, "vnode_release"},
    {"vnodes", 6, "vnode_reclaim"},
    {"vnodes", 7, "vnode_remove"},
}};

}  // namespace

Result<> parse_xfs_stats(const std::string& device, std::string_view text, Families& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.empty()) return;
    for (const Series& one : kSeries) {
      if (fields[0] != one.line || one.at >= fields.size()) continue;
      if (const auto value = number(fields[one.at]))
        out.counter("node_xfs_" + std::string(one.name) + "_total", "A counter of XFS.", *value,
                    {{"device", device}});
    }
  });
  return {};
}

Result<Collect> make_xfs(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "fs/xfs"](Families& out) -> Result<> {
    for (const std::string& device : names_in(folder).value_or(std::vector<std::string>()))
      if (const auto text = read_text(folder / device / "stats/stats"))
        if (auto parsed = parse_xfs_stats(device, *text, out); !parsed) return parsed;
    return {};
  });
}

}  // namespace agent::exporter::unix_host
