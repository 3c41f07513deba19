// Source of the figures: /proc/self/stat fields 14, 15, 22, 23, 24 and /proc/self/fd (proc(5)),
// /proc/stat btime.
#include "agent/ui/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <vector>

#include "agent/base/file.h"

namespace agent::ui {
namespace {

using model::Labels;
using model::MetricFamily;
using Type = model::MetricType;

void add(std::vector<MetricFamily>& out, std::string name, std::string help, Type type,
         double value, Labels labels = {}) {
  MetricFamily family{std::move(name), std::move(help), type, {}};
  family.points.push_back({"", std::move(labels), value});
  out.push_back(std::move(family));
}

double boot_time() {
  const auto text = read_file("/proc/stat", 1 << 22);
  if (!text) return 0;
  const std::size_t at = text->find("\nbtime ");
  return at == std::string::npos ? 0 : std::strtod(text->c_str() + at + 7, nullptr);
}

double open_descriptors() {
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  double count = -1;  // without the one that lists them
  while (const dirent* entry = ::readdir(folder)) count += entry->d_name[0] == '.' ? 0 : 1;
  ::closedir(folder);
  return count;
}

void collect(std::vector<MetricFamily>& out, double booted) {
  if (const auto text = read_file("/proc/self/stat", 4096)) {
    // The name in brackets may hold blanks; fields count from behind it, where field 3 is.
    std::istringstream fields(text->substr(text->rfind(')') + 2));
    std::vector<double> values;
    std::string field;
    while (fields >> field) values.push_back(std::strtod(field.c_str(), nullptr));
    if (values.size() > 21) {
      const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
      add(out, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
          Type::kCounter, (values[11] + values[12]) / ticks);
      add(out, "process_start_time_seconds",
          "Start time of the process since unix epoch in seconds.", Type::kGauge,
          booted + values[19] / ticks);
      add(out, "process_virtual_memory_bytes", "Virtual memory size in bytes.", Type::kGauge,
          values[20]);
      add(out, "process_resident_memory_bytes", "Resident memory size in bytes.", Type::kGauge,
          values[21] * static_cast<double>(::sysconf(_SC_PAGESIZE)));
    }
  }
  add(out, "process_open_fds", "Number of open file descriptors.", Type::kGauge,
      open_descriptors());
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
    add(out, "process_max_fds", "Maximum number of open file descriptors.", Type::kGauge,
        static_cast<double>(limit.rlim_cur));
}

}  // namespace

std::shared_ptr<void> expose_process(const component::Metrics& metrics,
                                     const runtime::Runtime& runtime, const std::string& version) {
  return metrics.on_collect([&runtime, version,
                             booted = boot_time()](std::vector<MetricFamily>& out) {
    collect(out, booted);
    add(out, "alloy_build_info", "Version of the agent.", Type::kGauge, 1, {{"version", version}});
    const auto unhealthy = static_cast<double>(runtime.unhealthy().size());
    const double healthy =
        static_cast<double>(runtime.component_count() + runtime.left_behind()) - unhealthy;
    MetricFamily family{"alloy_component_controller_running_components",
                        "Total number of running components.",
                        Type::kGauge,
                        {}};
    family.points.push_back({"", {{"controller_path", "/"}, {"health_type", "healthy"}}, healthy});
    family.points.push_back(
        {"", {{"controller_path", "/"}, {"health_type", "unhealthy"}}, unhealthy});
    out.push_back(std::move(family));
  });
}

}  // namespace agent::ui
