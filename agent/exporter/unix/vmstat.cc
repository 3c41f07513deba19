// /proc/vmstat: "name number" lines.
#include <re2/re2.h>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_vmstat(std::string_view text, const re2::RE2& fields, Families& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto parts = words(line);
    if (parts.size() != 2 ||
        !RE2::PartialMatch(re2::StringPiece(parts[0].data(), parts[0].size()), fields))
      return;
    if (const auto value = number(parts[1]))
      out.untyped("node_vmstat_" + std::string(parts[0]), "A line of /proc/vmstat.", *value);
  });
  return {};
}

Result<Collect> make_vmstat(const UnixArgs& args, const Roots& roots, Clock&) {
  auto fields = std::make_shared<const RE2>(args.vmstat.fields, RE2::Quiet);
  if (!fields->ok()) return fail(ErrorCode::kInvalid, "vmstat.fields: " + fields->error());
  return Collect([path = roots.proc / "vmstat", fields](Families& out) -> Result<> {
    const auto text = read_text(path);
    if (!text) return fail(text.error());
    return parse_vmstat(*text, *fields, out);
  });
}

}  // namespace agent::exporter::unix_host
