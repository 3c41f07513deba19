// /proc/sys/fs/file-nr: open files, 0, the limit (proc(5)).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_filefd(std::string_view text, Families& out) {
  const auto fields = words(trim(text));
  const auto open = fields.size() < 3 ? std::nullopt : number(fields[0]);
  const auto limit = fields.size() < 3 ? std::nullopt : number(fields[2]);
  if (!open || !limit) return fail(ErrorCode::kInvalid, "file-nr: not three numbers");
  out.gauge("node_filefd_allocated", "Open files.", *open);
  out.gauge("node_filefd_maximum", "Most open files.", *limit);
  return {};
}

Result<Collect> make_filefd(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "sys/fs/file-nr", parse_filefd));
}

}  // namespace agent::exporter::unix_host
