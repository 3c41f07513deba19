// os-release(5): NAME=value lines, quoted as a shell would.
#include <map>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_os_release(std::string_view text, Families& out) {
  std::map<std::string, std::string, std::less<>> values;
  for_each_line(text, [&](std::string_view line) {
    line = trim(line);
    const std::size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos) return;
    std::string_view raw = line.substr(equals + 1);
    const char quote =
        raw.size() >= 2 && (raw.front() == '"' || raw.front() == '\'') ? raw.front() : '\0';
    if (quote != '\0' && raw.back() == quote) raw = raw.substr(1, raw.size() - 2);
    std::string value;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] == '\\' && quote == '"' && i + 1 < raw.size()) ++i;
      value += raw[i];
    }
    values[std::string(line.substr(0, equals))] = value;
  });
  if (values.empty()) return fail(ErrorCode::kInvalid, "os-release: no line is understood");
  const std::string& version = values["VERSION_ID"];
  // The major and minor number as one: 22.04 -> 22.04.
  double numeric = 0;
  if (const std::size_t end = version.find_first_not_of("0123456789."); !version.empty())
    numeric = number(std::string_view(version).substr(0, end)).value_or(0);
  if (numeric > 0)
    out.gauge("node_os_version", "The version's number.", numeric,
              {{"id", values["ID"]}, {"id_like", values["ID_LIKE"]}, {"name", values["NAME"]}});
  out.gauge("node_os_info", "What os-release says; the value is 1.", 1,
            {{"build_id", values["BUILD_ID"]},
             {"id", values["ID"]},
             {"id_like", values["ID_LIKE"]},
             {"image_id", values["IMAGE_ID"]},
             {"image_version", values["IMAGE_VERSION"]},
             {"name", values["NAME"]},
             {"pretty_name", values["PRETTY_NAME"]},
             {"variant", values["VARIANT"]},
             {"variant_id", values["VARIANT_ID"]},
             {"version", values["VERSION"]},
             {"version_codename", values["VERSION_CODENAME"]},
             {"version_id", version}});
  return {};
}

Result<Collect> make_os(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([root = roots.root](Families& out) -> Result<> {
    for (const char* file : {"etc/os-release", "usr/lib/os-release"})
      if (const auto text = read_text(root / file)) return parse_os_release(*text, out);
    return fail(ErrorCode::kNotFound, "no os-release");
  });
}

}  // namespace agent::exporter::unix_host
