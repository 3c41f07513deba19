// /sys/devices/system/cpu/cpu<N>/cpufreq, in kHz (kernel documentation, admin-guide/pm/cpufreq).
#include <array>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<Collect> make_cpufreq(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "devices/system/cpu"](Families& out) -> Result<> {
    static constexpr std::array<NumberFile, 6> kFiles = {{
        {"cpuinfo_cur_freq", "node_cpu_frequency_hertz", "Frequency of a CPU.", false, 1000},
        {"cpuinfo_min_freq", "node_cpu_frequency_min_hertz", "Lowest frequency of a CPU.", false,
         1000},
        {"cpuinfo_max_freq", "node_cpu_frequency_max_hertz", "Highest frequency of a CPU.", false,
         1000},
        {"scaling_cur_freq", "node_cpu_scaling_frequency_hertz",
         "Frequency of a CPU as it is scaled.", false, 1000},
        {"scaling_min_freq", "node_cpu_scaling_frequency_min_hertz",
         "Lowest frequency that a CPU may be scaled to.", false, 1000},
        {"scaling_max_freq", "node_cpu_scaling_frequency_max_hertz",
         "Highest frequency that a CPU may be scaled to.", false, 1000},
    }};
    const auto cpus = numbered_in(folder, "cpu");
    if (cpus.empty()) return fail(ErrorCode::kNotFound, "no CPU");
    for (const std::string& name : cpus) {
      const auto here = folder / name / "cpufreq";
      const std::string cpu = name.substr(3);
      add_numbers(here, kFiles, {{"cpu", cpu}}, out);
      const std::string governor = read_word(here / "scaling_governor");
      if (governor.empty()) continue;
      const std::string governors = read_word(here / "scaling_available_governors");
      for (const std::string_view one : words(governors))
        out.gauge("node_cpu_scaling_governor", "1 of the governor that scales a CPU.",
                  one == governor ? 1 : 0, {{"cpu", cpu}, {"governor", std::string(one)}});
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
