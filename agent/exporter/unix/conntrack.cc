// Connection tracking: its size and limit, and the sums over all CPUs of
// /proc/net/stat/nf_conntrack (a line of names, then a line of hexadecimal numbers for each CPU).
#include <array>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_conntrack_stat(std::string_view text, Families& out) {
  constexpr std::array<const char*, 8> kNames = {"found",      "invalid",       "ignore",
                                                 "insert",     "insert_failed", "drop",
                                                 "early_drop", "search_restart"};
  std::vector<std::string_view> names;
  std::vector<double> sums;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.empty()) return;
    if (names.empty()) {
      names = fields;
      sums.resize(names.size());
      return;
    }
    for (std::size_t i = 0; i < fields.size() && i < sums.size(); ++i)
      sums[i] += number(fields[i], 16).value_or(0);
  });
  if (names.empty()) return fail(ErrorCode::kInvalid, "nf_conntrack: no names");
  for (const char* wanted : kNames)
    for (std::size_t i = 0; i < names.size(); ++i)
      if (names[i] == wanted)
        out.gauge("node_nf_conntrack_stat_" + std::string(wanted),
                  "A counter of connection tracking, over all CPUs.", sums[i]);
  return {};
}

Result<Collect> make_conntrack(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([proc = roots.proc](Families& out) -> Result<> {
    const auto entries = read_number(proc / "sys/net/netfilter/nf_conntrack_count");
    const auto limit = read_number(proc / "sys/net/netfilter/nf_conntrack_max");
    if (!entries || !limit) return fail(ErrorCode::kNotFound, "connections are not tracked");
    out.gauge("node_nf_conntrack_entries", "Connections tracked.", *entries);
    out.gauge("node_nf_conntrack_entries_limit", "Most connections tracked.", *limit);
    const auto text = read_text(proc / "net/stat/nf_conntrack");
    if (!text) return fail(text.error());
    return parse_conntrack_stat(*text, out);
  });
}

}  // namespace agent::exporter::unix_host
