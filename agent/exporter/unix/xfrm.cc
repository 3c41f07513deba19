// /proc/net/xfrm_stat: "XfrmInNoPols 5": packets that IPsec dropped, by the reason (kernel
// documentation, networking/xfrm_proc).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_xfrm(std::string_view text, Families& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() != 2 || !fields[0].starts_with("Xfrm")) return;
    const auto value = number(fields[1]);
    if (!value) return;
    std::string name = "node_xfrm";  // InNoPols -> node_xfrm_in_no_pols
    for (const char c : fields[0].substr(4)) {
      const bool upper = c >= 'A' && c <= 'Z';
      if (upper) name += '_';
      name += upper ? static_cast<char>(c - 'A' + 'a') : c;
    }
    out.counter(name + "_packets_total", "Packets that IPsec dropped.", *value);
  });
  if (out.empty()) return fail(ErrorCode::kInvalid, "xfrm_stat: no line is understood");
  return {};
}

Result<Collect> make_xfrm(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "net/xfrm_stat", parse_xfrm));
}

}  // namespace agent::exporter::unix_host
