// /proc/loadavg: the three averages, "running/all" threads, the last pid (proc(5)).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_loadavg(std::string_view text, Families& out) {
  const auto fields = words(trim(text));
  if (fields.size() < 3) return fail(ErrorCode::kInvalid, "loadavg: fewer than three numbers");
  const std::pair<const char*, const char*> kNames[] = {
      {"node_load1", "Load average of 1 minute."},
      {"node_load5", "Load average of 5 minutes."},
      {"node_load15", "Load average of 15 minutes."}};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto value = number(fields[i]);
    if (!value) return fail(ErrorCode::kInvalid, "loadavg: not a number");
    out.gauge(kNames[i].first, kNames[i].second, *value);
  }
  return {};
}

Result<Collect> make_loadavg(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "loadavg", parse_loadavg));
}

}  // namespace agent::exporter::unix_host
