// The time, its zone, and what the kernel takes it from (/sys/devices/system/clocksource).
#include <ctime>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<Collect> make_time(const UnixArgs&, const Roots& roots, Clock& clock) {
  return Collect([folder = roots.sys / "devices/system/clocksource",
                  &clock](Families& out) -> Result<> {
    const std::int64_t now = clock.wall_ns();
    out.gauge("node_time_seconds", "The time, seconds since 1970.", static_cast<double>(now) / 1e9);
    const auto seconds = static_cast<std::time_t>(now / 1'000'000'000);
    std::tm local{};
    if (::localtime_r(&seconds, &local) != nullptr)
      out.gauge("node_time_zone_offset_seconds", "Seconds from UTC to the local time.",
                static_cast<double>(local.tm_gmtoff),
                {{"time_zone", local.tm_zone == nullptr ? "" : local.tm_zone}});
    std::error_code error;
    for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error)) {
      const std::string name = it->path().filename().string();
      if (!name.starts_with("clocksource")) continue;
      const std::string device = name.substr(11);
      const std::string available = read_word(it->path() / "available_clocksource");
      for (const std::string_view source : words(available))
        out.gauge("node_time_clocksource_available_info", "A source that could be; the value is 1.",
                  1, {{"device", device}, {"clocksource", std::string(source)}});
      if (const std::string current = read_word(it->path() / "current_clocksource");
          !current.empty())
        out.gauge("node_time_clocksource_current_info", "The source that is; the value is 1.", 1,
                  {{"device", device}, {"clocksource", current}});
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
