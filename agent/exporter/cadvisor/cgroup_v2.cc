#include "agent/exporter/cadvisor/cgroup_v2.h"

#include <algorithm>
#include <cmath>

#include "agent/exporter/cadvisor/text.h"

namespace agent::exporter::cadvisor::v2 {
namespace {

constexpr double kMicroseconds = 1e6;  // of a second
constexpr std::size_t kMaxNumaPages = 4096;

void read_hugetlb(const Folder& folder, std::string& buffer, Stats& out) {
  for_each_page_size(folder, ".current", [&](const std::string& size) {
    const std::string start = "hugetlb." + size;
    HugePages& pages = out.huge_pages[size];
    pages.usage = read_value(folder.fd(), (start + ".current").c_str(), buffer);
    if (const auto text = read_small(folder.fd(), (start + ".events").c_str(), buffer))
      for_each_pair(*text, [&](std::string_view key, double value) {
        if (key == "max") pages.failcnt = value;
      });
  });
}

}  // namespace

void parse_cpu_stat(std::string_view text, CpuStats& out) {
  for_each_pair(text, [&](std::string_view key, double value) {
    if (key == "usage_usec") out.usage = value / kMicroseconds;
    if (key == "user_usec") out.user = value / kMicroseconds;
    if (key == "system_usec") out.system = value / kMicroseconds;
    if (key == "nr_periods") out.periods = value;
    if (key == "nr_throttled") out.throttled_periods = value;
    if (key == "throttled_usec") out.throttled_seconds = value / kMicroseconds;
  });
}

void parse_cpu_max(std::string_view text, Limits& out) {
  const auto fields = words(trim(text));
  if (fields.size() != 2) return;
  if (const auto quota = number(fields[0])) out.cpu_quota = *quota;  // "max": none
  if (const auto period = number(fields[1])) out.cpu_period = *period;
}

void parse_memory_stat(std::string_view text, MemoryStats& out) {
  for_each_pair(text, [&](std::string_view key, double value) {
    if (key == "file") out.cache = value;
    if (key == "anon") out.rss = value;
    if (key == "file_mapped") out.mapped_file = value;
    if (key == "active_file") out.active_file = value;
    if (key == "inactive_file") out.inactive_file = value;
    if (key == "kernel") out.kernel = value;
    if (key == "pgfault") out.pgfault = out.total_pgfault = value;
    if (key == "pgmajfault") out.pgmajfault = out.total_pgmajfault = value;
  });
}

void parse_memory_events(std::string_view text, MemoryStats& out) {
  for_each_pair(text, [&](std::string_view key, double value) {
    if (key == "max") out.failcnt = value;
    if (key == "oom_kill") out.oom_kills = value;
  });
}

void parse_numa_stat(std::string_view text, std::vector<NumaPages>& out) {
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.empty() ||
        (fields[0] != "file" && fields[0] != "anon" && fields[0] != "unevictable"))
      return;
    for (std::size_t i = 1; i < fields.size() && out.size() < kMaxNumaPages; ++i) {
      const std::size_t equals = fields[i].find('=');
      if (!fields[i].starts_with('N') || equals == std::string_view::npos) continue;
      const std::string_view node = fields[i].substr(1, equals - 1);
      const auto bytes = number(fields[i].substr(equals + 1));
      if (bytes && number(node))
        out.push_back({std::string(fields[0]), "hierarchy", std::string(node), *bytes / page});
    }
  });
}

void parse_io_stat(std::string_view text, std::vector<DeviceIo>& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 2) return;
    const auto device = parse_device(fields[0]);
    DeviceIo* const io = device ? io_of(*device, out) : nullptr;
    if (io == nullptr) return;
    for (std::size_t i = 1; i < fields.size(); ++i) {
      const std::size_t equals = fields[i].find('=');
      if (equals == std::string_view::npos) continue;
      const std::string_view key = fields[i].substr(0, equals);
      const auto value = number(fields[i].substr(equals + 1));
      if (!value) continue;
      if (key == "rbytes") io->bytes[kRead] = value;
      if (key == "wbytes") io->bytes[kWrite] = value;
      if (key == "dbytes") io->bytes[kDiscard] = value;
      if (key == "rios") io->count[kRead] = value;
      if (key == "wios") io->count[kWrite] = value;
      if (key == "dios") io->count[kDiscard] = value;
    }
  });
}

void parse_pressure(std::string_view text, Pressure& out) {
  for_each_line(text, [&](std::string_view line) {
    const std::size_t at = line.find(" total=");
    if (at == std::string_view::npos) return;
    const auto total = number(trim(line.substr(at + 7)));
    if (!total) return;
    if (line.starts_with("some ")) out.waiting = *total / kMicroseconds;
    if (line.starts_with("full ")) out.stalled = *total / kMicroseconds;
  });
}

double shares_of_weight(double weight) {
  // Weights 1 to 10,000 stand for shares 2 to 262,144; whole numbers, as the kernel has them.
  return 2 + std::floor((std::clamp(weight, 1.0, 10'000.0) - 1) * 262'142 / 9'999);
}

void read(const Hierarchies& hierarchies, const std::string& path, const Kinds& kinds,
          std::string& buffer, Stats& out) {
  const Folder folder(hierarchies.v2, path);
  if (!folder) return;
  const int fd = folder.fd();
  const auto ours = [&](std::string_view controller) {
    return hierarchies.v1.find(controller) == hierarchies.v1.end();
  };
  const auto with = [&](const char* name, auto use) {
    if (const auto text = read_small(fd, name, buffer)) use(*text);
  };
  if (ours("cpu") && ours("cpuacct")) {
    with("cpu.max", [&](std::string_view text) { parse_cpu_max(text, out.limits); });
    if (const auto weight = read_value(fd, "cpu.weight", buffer))
      out.limits.cpu_shares = shares_of_weight(*weight);
    if (kinds.has(Kind::kCpu))
      with("cpu.stat", [&](std::string_view text) { parse_cpu_stat(text, out.cpu); });
  }
  if (ours("memory")) {
    out.limits.memory = read_value(fd, "memory.max", buffer);
    out.limits.memory_swap = read_value(fd, "memory.swap.max", buffer);
    out.limits.memory_reservation = read_value(fd, "memory.low", buffer);
    if (kinds.has(Kind::kMemory)) {
      out.memory.usage = read_value(fd, "memory.current", buffer);
      out.memory.swap = read_value(fd, "memory.swap.current", buffer);
      out.memory.max_usage = read_value(fd, "memory.peak", buffer);
      with("memory.stat", [&](std::string_view text) { parse_memory_stat(text, out.memory); });
    }
    if (kinds.has(Kind::kMemory) || kinds.has(Kind::kOomEvent))
      with("memory.events", [&](std::string_view text) { parse_memory_events(text, out.memory); });
    if (kinds.has(Kind::kMemoryNuma))
      with("memory.numa_stat", [&](std::string_view text) { parse_numa_stat(text, out.numa); });
  }
  if (ours("blkio") && kinds.has(Kind::kDiskIo))
    with("io.stat", [&](std::string_view text) { parse_io_stat(text, out.io); });
  if (ours("pids") && kinds.has(Kind::kProcess)) {
    out.threads = read_value(fd, "pids.current", buffer);
    out.limits.threads = read_value(fd, "pids.max", buffer);
  }
  if (ours("hugetlb") && kinds.has(Kind::kHugetlb)) read_hugetlb(folder, buffer, out);
  if (kinds.has(Kind::kPressure)) {
    with("cpu.pressure", [&](std::string_view text) { parse_pressure(text, out.cpu_pressure); });
    with("memory.pressure",
         [&](std::string_view text) { parse_pressure(text, out.memory_pressure); });
    with("io.pressure", [&](std::string_view text) { parse_pressure(text, out.io_pressure); });
  }
}

}  // namespace agent::exporter::cadvisor::v2
