// /sys/devices/system/cpu/vulnerabilities/<name>: "Not affected", "Vulnerable..", "Mitigation: .."
// (kernel documentation, ABI/testing/sysfs-devices-system-cpu).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

void parse_vulnerability(std::string_view name, std::string_view text, Families& out) {
  text = trim(text);
  std::string_view state = "unknown";
  std::string_view mitigation;
  if (text == "Not affected") state = "not affected";
  for (const auto& [prefix, meaning] : {std::pair{std::string_view("Vulnerable"), "vulnerable"},
                                        std::pair{std::string_view("Mitigation"), "mitigation"}}) {
    if (!text.starts_with(prefix)) continue;
    state = meaning;
    mitigation = text.substr(prefix.size());
    if (mitigation.starts_with(": ")) mitigation.remove_prefix(2);
  }
  out.gauge("node_cpu_vulnerabilities_info",
            "What the kernel says of a CPU's weakness; the value is 1.", 1,
            {{"codename", std::string(name)},
             {"state", std::string(state)},
             {"mitigation", std::string(mitigation)}});
}

Result<Collect> make_cpu_vulnerabilities(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(
      [folder = roots.sys / "devices/system/cpu/vulnerabilities"](Families& out) -> Result<> {
        for (const std::filesystem::path& file : entries(folder))
          if (const auto text = read_text(file))
            parse_vulnerability(file.filename().string(), *text, out);
        if (out.empty()) return fail(ErrorCode::kNotFound, folder.string() + ": nothing there");
        return {};
      });
}

}  // namespace agent::exporter::unix_host
