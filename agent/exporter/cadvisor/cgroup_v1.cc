#include "agent/exporter/cadvisor/cgroup_v1.h"

#include <algorithm>

#include "agent/exporter/cadvisor/text.h"

namespace agent::exporter::cadvisor::v1 {
namespace {

constexpr double kNanoseconds = 1e9;  // of a second
constexpr std::size_t kMaxCpus = 4096;
constexpr std::size_t kMaxNumaPages = 4096;

void read_hugetlb(const Folder& folder, std::string& buffer, Stats& out) {
  for_each_page_size(folder, ".usage_in_bytes", [&](const std::string& size) {
    const std::string start = "hugetlb." + size;
    HugePages& pages = out.huge_pages[size];
    pages.usage = read_value(folder.fd(), (start + ".usage_in_bytes").c_str(), buffer);
    pages.max_usage = read_value(folder.fd(), (start + ".max_usage_in_bytes").c_str(), buffer);
    pages.failcnt = read_value(folder.fd(), (start + ".failcnt").c_str(), buffer);
  });
}

// Unlimited is the largest number of whole pages; cAdvisor tells 0.
Value limit(Value bytes) {
  constexpr double kUnlimited = 4611686018427387904.0;  // 2^62
  return bytes && *bytes > kUnlimited ? Value(0) : bytes;
}

}  // namespace

void parse_cpuacct_stat(std::string_view text, CpuStats& out) {
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  for_each_pair(text, [&](std::string_view key, double value) {
    if (key == "user") out.user = value / ticks;
    if (key == "system") out.system = value / ticks;
  });
}

void parse_usage_percpu(std::string_view text, CpuStats& out) {
  out.per_cpu.clear();
  for (const std::string_view word : words(trim(text))) {
    const auto value = number(word);
    if (!value || out.per_cpu.size() == kMaxCpus) return;
    out.per_cpu.push_back(*value / kNanoseconds);
  }
}

void parse_cpu_stat(std::string_view text, CpuStats& out) {
  for_each_pair(text, [&](std::string_view key, double value) {
    if (key == "nr_periods") out.periods = value;
    if (key == "nr_throttled") out.throttled_periods = value;
    if (key == "throttled_time") out.throttled_seconds = value / kNanoseconds;
  });
}

void parse_memory_stat(std::string_view text, MemoryStats& out) {
  Value own_cache, own_rss, own_swap, own_mapped, own_active, own_inactive;
  for_each_pair(text, [&](std::string_view key, double value) {
    if (key == "total_cache") out.cache = value;
    if (key == "total_rss") out.rss = value;
    if (key == "total_swap") out.swap = value;
    if (key == "total_mapped_file") out.mapped_file = value;
    if (key == "total_active_file") out.active_file = value;
    if (key == "total_inactive_file") out.inactive_file = value;
    if (key == "pgfault") out.pgfault = value;
    if (key == "pgmajfault") out.pgmajfault = value;
    if (key == "total_pgfault") out.total_pgfault = value;
    if (key == "total_pgmajfault") out.total_pgmajfault = value;
    if (key == "cache") own_cache = value;
    if (key == "rss") own_rss = value;
    if (key == "swap") own_swap = value;
    if (key == "mapped_file") own_mapped = value;
    if (key == "active_file") own_active = value;
    if (key == "inactive_file") own_inactive = value;
  });
  // A hierarchy that does not count what is below a group has no totals.
  if (!out.cache) out.cache = own_cache;
  if (!out.rss) out.rss = own_rss;
  if (!out.swap) out.swap = own_swap;
  if (!out.mapped_file) out.mapped_file = own_mapped;
  if (!out.active_file) out.active_file = own_active;
  if (!out.inactive_file) out.inactive_file = own_inactive;
  if (!out.total_pgfault) out.total_pgfault = out.pgfault;
  if (!out.total_pgmajfault) out.total_pgmajfault = out.pgmajfault;
}

void parse_oom_control(std::string_view text, MemoryStats& out) {
  for_each_pair(text, [&](std::string_view key, double value) {
    if (key == "oom_kill") out.oom_kills = value;
  });
}

void parse_numa_stat(std::string_view text, std::vector<NumaPages>& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.empty()) return;
    std::string_view type = fields[0].substr(0, fields[0].find('='));
    constexpr std::string_view kBelow = "hierarchical_";
    const bool hierarchy = type.starts_with(kBelow);
    if (hierarchy) type.remove_prefix(kBelow.size());
    if (type != "file" && type != "anon" && type != "unevictable") return;
    for (std::size_t i = 1; i < fields.size() && out.size() < kMaxNumaPages; ++i) {
      const std::size_t equals = fields[i].find('=');
      if (!fields[i].starts_with('N') || equals == std::string_view::npos) continue;
      const std::string_view node = fields[i].substr(1, equals - 1);
      const auto pages = number(fields[i].substr(equals + 1));
      if (!pages || !number(node)) continue;
      out.push_back(
          {std::string(type), hierarchy ? "hierarchy" : "container", std::string(node), *pages});
    }
  });
}

void parse_blkio(std::string_view text, Operations DeviceIo::*into, std::vector<DeviceIo>& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() != 3) return;  // "Total 5" sums up all devices
    const auto device = parse_device(fields[0]);
    const auto value = number(fields[2]);
    if (!device || !value || *value < 0) return;
    const auto operation = std::find(kOperations.begin(), kOperations.end(), fields[1]);
    if (operation == kOperations.end()) return;
    if (DeviceIo* const io = io_of(*device, out))
      (io->*into)[static_cast<std::size_t>(operation - kOperations.begin())] = value;
  });
}

void read(const Hierarchies& hierarchies, const std::string& path, const Kinds& kinds,
          std::string& buffer, Stats& out) {
  const auto folder_of = [&](std::string_view controller) {
    const auto found = hierarchies.v1.find(controller);
    return found == hierarchies.v1.end() ? Folder() : Folder(found->second, path);
  };
  if (kinds.has(Kind::kCpu)) {
    if (const Folder folder = folder_of("cpuacct")) {
      if (const auto usage = read_value(folder.fd(), "cpuacct.usage", buffer))
        out.cpu.usage = *usage / kNanoseconds;
      if (const auto text = read_small(folder.fd(), "cpuacct.stat", buffer))
        parse_cpuacct_stat(*text, out.cpu);
      if (kinds.has(Kind::kPerCpu)) {
        if (const auto text = read_small(folder.fd(), "cpuacct.usage_percpu", buffer))
          parse_usage_percpu(*text, out.cpu);
      }
    }
  }
  if (const Folder folder = folder_of("cpu")) {
    out.limits.cpu_period = read_value(folder.fd(), "cpu.cfs_period_us", buffer);
    const Value quota = read_value(folder.fd(), "cpu.cfs_quota_us", buffer);
    if (quota && *quota > 0) out.limits.cpu_quota = quota;  // -1: none
    out.limits.cpu_shares = read_value(folder.fd(), "cpu.shares", buffer);
    if (kinds.has(Kind::kCpu) && out.limits.cpu_quota) {
      if (const auto text = read_small(folder.fd(), "cpu.stat", buffer))
        parse_cpu_stat(*text, out.cpu);
    }
  }
  if (const Folder folder = folder_of("memory")) {
    const int fd = folder.fd();
    out.limits.memory = limit(read_value(fd, "memory.limit_in_bytes", buffer));
    out.limits.memory_swap = limit(read_value(fd, "memory.memsw.limit_in_bytes", buffer));
    out.limits.memory_reservation = limit(read_value(fd, "memory.soft_limit_in_bytes", buffer));
    if (kinds.has(Kind::kMemory)) {
      out.memory.usage = read_value(fd, "memory.usage_in_bytes", buffer);
      out.memory.max_usage = read_value(fd, "memory.max_usage_in_bytes", buffer);
      out.memory.failcnt = read_value(fd, "memory.failcnt", buffer);
      out.memory.kernel = read_value(fd, "memory.kmem.usage_in_bytes", buffer);
      if (const auto text = read_small(fd, "memory.stat", buffer))
        parse_memory_stat(*text, out.memory);
    }
    if (kinds.has(Kind::kOomEvent)) {
      if (const auto text = read_small(fd, "memory.oom_control", buffer))
        parse_oom_control(*text, out.memory);
    }
    if (kinds.has(Kind::kMemoryNuma)) {
      if (const auto text = read_small(fd, "memory.numa_stat", buffer))
        parse_numa_stat(*text, out.numa);
    }
  }
  if (kinds.has(Kind::kDiskIo)) {
    if (const Folder folder = folder_of("blkio")) {
      // Only the scheduler BFQ counts in files of its own, and leaves the others empty.
      for (const auto& [bytes, operations] :
           {std::pair{"blkio.throttle.io_service_bytes_recursive",
                      "blkio.throttle.io_serviced_recursive"},
            std::pair{"blkio.throttle.io_service_bytes", "blkio.throttle.io_serviced"},
            std::pair{"blkio.bfq.io_service_bytes_recursive", "blkio.bfq.io_serviced_recursive"}}) {
        if (!out.io.empty()) break;
        if (const auto text = read_small(folder.fd(), bytes, buffer))
          parse_blkio(*text, &DeviceIo::bytes, out.io);
        if (out.io.empty()) continue;
        if (const auto text = read_small(folder.fd(), operations, buffer))
          parse_blkio(*text, &DeviceIo::count, out.io);
      }
    }
  }
  if (kinds.has(Kind::kProcess)) {
    if (const Folder folder = folder_of("pids")) {
      out.threads = read_value(folder.fd(), "pids.current", buffer);
      out.limits.threads = read_value(folder.fd(), "pids.max", buffer);
    }
  }
  if (kinds.has(Kind::kCpuset)) {
    if (const Folder folder = folder_of("cpuset"))
      out.memory_migrate = read_value(folder.fd(), "cpuset.memory_migrate", buffer);
  }
  if (kinds.has(Kind::kHugetlb)) {
    if (const Folder folder = folder_of("hugetlb")) read_hugetlb(folder, buffer, out);
  }
}

}  // namespace agent::exporter::cadvisor::v1
