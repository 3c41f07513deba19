// /proc/softirqs: a word of head for each CPU, then "NET_RX: a count for each CPU" (proc(5)).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_softirqs(std::string_view text, Families& out) {
  const std::size_t head = text.find('\n');
  if (head == std::string_view::npos) return fail(ErrorCode::kInvalid, "softirqs: no CPUs");
  const std::size_t cpus = words(text.substr(0, head)).size();
  for_each_line(text.substr(head + 1), [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.empty() || !fields[0].ends_with(':')) return;
    const std::string type(fields[0].substr(0, fields[0].size() - 1));
    for (std::size_t i = 1; i < fields.size() && i <= cpus; ++i)
      if (const auto value = number(fields[i]))
        out.counter("node_softirqs_functions_total", "Soft interrupts served.", *value,
                    {{"cpu", std::to_string(i - 1)}, {"type", type}});
  });
  return {};
}

Result<Collect> make_softirqs(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "softirqs", parse_softirqs));
}

}  // namespace agent::exporter::unix_host
