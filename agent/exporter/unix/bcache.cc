// /sys/fs/bcache/<uuid>: attributes of the set, of its backing devices bdev<N> and of its caches
// cache<N> (kernel documentation, admin-guide/bcache). The kernel writes numbers for people: behind
// the point are the hundreds of the 1024 parts, 0 to 10, which are added also to a negative number
// (drivers/md/bcache/util.c, bch_hprint).
#include <array>
#include <cmath>
#include <utility>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

constexpr std::array<NumberFile, 6> kSet = {{
    {"average_key_size", "node_bcache_average_key_size_sectors",
     "Data for each key of the tree, in sectors."},
    {"btree_cache_size", "node_bcache_btree_cache_size_bytes", "Memory that caches the tree."},
    {"cache_available_percent", "node_bcache_cache_available_percent",
     "Share of the cache without dirty data."},
    {"congested", "node_bcache_congested", "Congestion."},
    {"root_usage_percent", "node_bcache_root_usage_percent", "Share of the root node in use."},
    {"tree_depth", "node_bcache_tree_depth", "Depth of the tree."},
}};
constexpr std::array<NumberFile, 4> kInternal = {{
    {"active_journal_entries", "node_bcache_active_journal_entries",
     "Entries of the journal that are newer than the index."},
    {"btree_nodes", "node_bcache_btree_nodes", "Nodes of the tree."},
    // Told as if it were nanoseconds, as node_exporter does.
    {"btree_read_average_duration_us", "node_bcache_btree_read_average_duration_seconds",
     "Average time of a read of the tree.", false, 1e-9},
    {"cache_read_races", "node_bcache_cache_read_races_total",
     "Reads whose data went away meanwhile.", true},
}};
constexpr std::array<NumberFile, 7> kTotals = {{
    {"bypassed", "node_bcache_bypassed_bytes_total", "Bytes that went past the cache.", true},
    {"cache_bypass_hits", "node_bcache_cache_bypass_hits_total",
     "Hits of what was to go past the cache.", true},
    {"cache_bypass_misses", "node_bcache_cache_bypass_misses_total",
     "Misses of what was to go past the cache.", true},
    {"cache_hits", "node_bcache_cache_hits_total", "Hits.", true},
    {"cache_miss_collisions", "node_bcache_cache_miss_collisions_total",
     "Misses whose data was written meanwhile.", true},
    {"cache_misses", "node_bcache_cache_misses_total", "Misses.", true},
    // Not since Linux 5.14.
    {"cache_readaheads", "node_bcache_cache_readaheads_total", "Reads ahead.", true},
}};
constexpr std::array<NumberFile, 1> kBacking = {{
    {"dirty_data", "node_bcache_dirty_data_bytes", "Dirty data of a device in the cache."},
}};
constexpr std::array<NumberFile, 3> kCache = {{
    {"io_errors", "node_bcache_io_errors", "Errors, the older ones counting less."},
    {"metadata_written", "node_bcache_metadata_written_bytes_total", "Metadata written.", true},
    {"written", "node_bcache_written_bytes_total", "Data written to the cache.", true},
}};

void add_human(const std::filesystem::path& folder, std::span<const NumberFile> files,
               const Families::Labels& labels, Families& out) {
  for (const NumberFile& one : files) {
    const auto text = read_attribute(folder / one.file);
    const auto value = text ? parse_bcache_number(*text) : std::nullopt;
    if (!value) continue;
    if (one.counter) {
      out.counter(one.name, one.help, *value * one.factor, labels);
    } else {
      out.gauge(one.name, one.help, *value * one.factor, labels);
    }
  }
}

}  // namespace

std::optional<double> parse_bcache_number(std::string_view text) {
  constexpr std::string_view kUnits = "kMGTPEZY";
  double unit = 1;
  if (!text.empty()) {
    if (const std::size_t power = kUnits.find(text.back()); power != std::string_view::npos) {
      unit = std::ldexp(1, 10 * (static_cast<int>(power) + 1));
      text.remove_suffix(1);
    }
  }
  const std::size_t point = text.find('.');
  if (unit == 1 || point == std::string_view::npos) {
    const auto value = number(text);
    return value ? std::optional(std::trunc(*value * unit)) : std::nullopt;
  }
  const std::string_view part = text.substr(point + 1);
  const auto whole = number(text.substr(0, point));
  const auto hundreds =
      part.find_first_not_of("0123456789") == std::string_view::npos ? number(part) : std::nullopt;
  if (!whole || !hundreds) return std::nullopt;
  return std::trunc((*whole + *hundreds / 10.24) * unit);
}

// "Unused: 99%" and "Metadata: 0%" lines.
Result<> parse_bcache_priority(std::string_view text, const Families::Labels& labels,
                               Families& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 2 || !fields.back().ends_with('%')) return;
    const auto value = number(fields.back().substr(0, fields.back().size() - 1));
    if (!value) return;
    if (fields[0] == "Unused:")
      out.gauge("node_bcache_priority_stats_unused_percent", "Share of the cache that is empty.",
                *value, labels);
    if (fields[0] == "Metadata:")
      out.gauge("node_bcache_priority_stats_metadata_percent", "Share of the cache for metadata.",
                *value, labels);
  });
  return {};
}

// "rate: 1.1M/sec" lines.
Result<> parse_bcache_writeback(std::string_view text, const Families::Labels& labels,
                                Families& out) {
  constexpr std::array<std::array<const char*, 3>, 5> kLines = {{
      {"rate:", "node_bcache_writeback_rate", "Bytes written back in a second."},
      {"target:", "node_bcache_dirty_target_bytes", "Dirty data that is aimed at."},
      {"proportional:", "node_bcache_writeback_rate_proportional_term",
       "What the proportional controller adds to the rate."},
      {"integral:", "node_bcache_writeback_rate_integral_term",
       "What the integral controller adds to the rate."},
      {"change:", "node_bcache_writeback_change", "Last change of the rate."},
  }};
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() != 2) return;
    std::string_view number = fields[1];
    if (number.ends_with("/sec")) number.remove_suffix(4);
    for (const auto& [name, family, help] : kLines)
      if (fields[0] == name)
        if (const auto value = parse_bcache_number(number)) out.gauge(family, help, *value, labels);
  });
  return {};
}

Result<Collect> make_bcache(const UnixArgs& args, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "fs/bcache",
                  priority = args.bcache.priority_stats](Families& out) -> Result<> {
    for (const std::string& uuid : names_in(folder).value_or(std::vector<std::string>())) {
      if (uuid.find('-') == std::string::npos) continue;
      const auto set = folder / uuid;
      add_human(set, kSet, {{"uuid", uuid}}, out);
      add_human(set / "internal", kInternal, {{"uuid", uuid}}, out);
      for (const std::string& device : numbered_in(set, "bdev")) {
        const Families::Labels labels = {{"uuid", uuid}, {"backing_device", device}};
        add_human(set / device, kBacking, labels, out);
        add_human(set / device / "stats_total", kTotals, labels, out);
        if (const auto text = read_attribute(set / device / "writeback_rate_debug"))
          if (auto parsed = parse_bcache_writeback(*text, labels, out); !parsed) return parsed;
      }
      for (const std::string& device : numbered_in(set, "cache")) {
        const Families::Labels labels = {{"uuid", uuid}, {"cache_device", device}};
        add_human(set / device, kCache, labels, out);
        if (!priority) continue;
        if (const auto text = read_attribute(set / device / "priority_stats"))
          if (auto parsed = parse_bcache_priority(*text, labels, out); !parsed) return parsed;
      }
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
