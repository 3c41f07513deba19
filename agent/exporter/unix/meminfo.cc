// /proc/meminfo: "Name:  number [kB]" lines (proc(5)). Active(anon) becomes Active_anon.
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_meminfo(std::string_view text, Families& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 2 || !fields[0].ends_with(':')) return;
    auto value = number(fields[1]);
    if (!value) return;
    std::string name = "node_memory_";
    for (const char c : fields[0].substr(0, fields[0].size() - 1)) {
      if (c == '(') {
        name += '_';
      } else if (c != ')') {
        name += c;
      }
    }
    if (fields.size() > 2 && fields[2] == "kB") {
      *value *= 1024;
      name += "_bytes";
    }
    out.gauge(name, "Memory as /proc/meminfo tells it.", *value);
  });
  if (out.empty()) return fail(ErrorCode::kInvalid, "meminfo: no line is understood");
  return {};
}

Result<Collect> make_meminfo(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "meminfo", parse_meminfo));
}

}  // namespace agent::exporter::unix_host
