// /sys/class/watchdog/<watchdog> (kernel documentation, ABI/testing/sysfs-class-watchdog).
#include <array>
#include <utility>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<Collect> make_watchdog(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "class/watchdog"](Families& out) -> Result<> {
    static constexpr std::array<NumberFile, 7> kFiles = {{
        {"bootstatus", "node_watchdog_bootstatus", "Status at the boot, as bits."},
        {"fw_version", "node_watchdog_fw_version", "Version of the firmware."},
        {"nowayout", "node_watchdog_nowayout", "1 when it cannot be stopped."},
        {"timeleft", "node_watchdog_timeleft_seconds", "Seconds until it resets the machine."},
        {"timeout", "node_watchdog_timeout_seconds", "Seconds it waits for a sign of life."},
        {"pretimeout", "node_watchdog_pretimeout_seconds",
         "Seconds before the reset at which it warns."},
        {"access_cs0", "node_watchdog_access_cs0", "1 when it boots from the first flash chip."},
    }};
    const auto names = names_in(folder);
    if (!names) return fail(names.error());
    for (const std::string& name : *names) {
      add_numbers(folder / name, kFiles, {{"name", name}}, out);
      model::Labels labels = {{"name", name}};
      add_words(folder / name,
                std::array{"options", "identity", "state", "status", "pretimeout_governor"},
                labels);
      out.add(model::MetricType::kGauge, "node_watchdog_info",
              "What is known of a watchdog; the value is 1.", 1, std::move(labels));
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
