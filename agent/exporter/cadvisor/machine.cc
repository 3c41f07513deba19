#include "agent/exporter/cadvisor/machine.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <tuple>

#include "agent/exporter/unix/parsers.h"

namespace agent::exporter::cadvisor {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxDevices = 4096;

// Folders below `folder` that are named `prefix` and a number, by that number.
std::map<unsigned, fs::path> numbered(const fs::path& folder, std::string_view prefix) {
  std::map<unsigned, fs::path> out;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(prefix) || out.size() == kMaxDevices) continue;
    unsigned number = 0;
    const char* const last = name.data() + name.size();
    const auto [after, wrong] = std::from_chars(name.data() + prefix.size(), last, number);
    if (wrong == std::errc() && after == last) out.emplace(number, it->path());
  }
  return out;
}

std::string word(const fs::path& path, std::string& buffer) {
  const auto text = read_small(path, buffer, 4096);
  return text ? std::string(trim(*text)) : std::string();
}

// "32K", "8192K", "1M"
double cache_size(std::string_view text) {
  double unit = 1;
  if (text.ends_with('K')) unit = 1024;
  if (text.ends_with('M')) unit = 1024 * 1024;
  if (unit > 1) text.remove_suffix(1);
  return number(text).value_or(0) * unit;
}

void read_topology(const fs::path& sys, const Kinds& kinds, std::string& buffer, Machine& out) {
  std::set<std::pair<std::string, std::string>> cores;
  std::set<std::string> sockets;
  std::map<unsigned, std::string> node_of;
  for (const auto& [node, folder] : numbered(sys / "devices/system/node", "node"))
    for (const auto& [cpu, ignored] : numbered(folder, "cpu")) node_of[cpu] = std::to_string(node);
  struct Core {
    std::string node, core;
    std::vector<unsigned> threads;
  };
  std::map<std::pair<std::string, std::string>, Core> by_core;
  std::set<std::tuple<std::string, std::string, std::string>> seen;  // caches
  double count = 0;
  for (const auto& [cpu, folder] : numbered(sys / "devices/system/cpu", "cpu")) {
    // The first CPU often cannot be switched off, and then has no such file.
    if (word(folder / "online", buffer) == "0") continue;
    count += 1;
    const std::string core = word(folder / "topology/core_id", buffer);
    const std::string socket = word(folder / "topology/physical_package_id", buffer);
    if (!core.empty()) cores.emplace(socket, core);
    if (!socket.empty()) sockets.insert(socket);
    if (!kinds.has(Kind::kCpuTopology)) continue;
    Core& one = by_core[{socket, core}];
    one.node = node_of[cpu];
    one.core = core;
    one.threads.push_back(cpu);
    for (const auto& [index, cache] : numbered(folder / "cache", "index")) {
      const std::string level = word(cache / "level", buffer);
      const std::string type = word(cache / "type", buffer);
      const std::string shared = word(cache / "shared_cpu_list", buffer);
      const double bytes = cache_size(word(cache / "size", buffer));
      if (level.empty() || bytes <= 0 || !seen.emplace(level, type, shared).second) continue;
      // Of one core, or of all of a node.
      const bool of_core =
          shared == word(folder / "topology/thread_siblings_list", buffer) || shared.empty();
      const bool first =
          std::none_of(out.caches.begin(), out.caches.end(), [&](const Machine::Cache& other) {
            return other.node == one.node && other.level == level && other.type == type &&
                   other.core == (of_core ? core : "");
          });
      if (first) out.caches.push_back({one.node, of_core ? core : "", level, type, bytes});
    }
  }
  for (const auto& [key, core] : by_core)
    for (const unsigned thread : core.threads)
      out.threads.push_back(
          {core.node, core.core, std::to_string(thread), static_cast<double>(core.threads.size())});
  if (count > 0) out.cores = count;
  if (!cores.empty()) out.physical_cores = static_cast<double>(cores.size());
  if (!sockets.empty()) out.sockets = static_cast<double>(sockets.size());
}

void read_nodes(const fs::path& sys, std::string& buffer, Machine& out) {
  for (const auto& [node, folder] : numbered(sys / "devices/system/node", "node")) {
    Machine::Node one;
    one.id = std::to_string(node);
    if (const auto text = read_small(folder / "meminfo", buffer)) {
      for_each_line(*text, [&](std::string_view line) {
        const auto fields = words(line);  // Node 0 MemTotal: 1024 kB
        if (fields.size() >= 4 && fields[2] == "MemTotal:")
          if (const auto kib = number(fields[3])) one.memory = *kib * 1024;
      });
    }
    std::error_code error;
    for (fs::directory_iterator it(folder / "hugepages", error), end; !error && it != end;
         it.increment(error)) {
      std::string name = it->path().filename().string();  // hugepages-2048kB
      constexpr std::string_view kStart = "hugepages-";
      if (!name.starts_with(kStart) || !name.ends_with("kB")) continue;
      const auto pages = number(word(it->path() / "nr_hugepages", buffer));
      if (pages)
        one.huge_pages.emplace_back(name.substr(kStart.size(), name.size() - kStart.size() - 2),
                                    *pages);
    }
    std::sort(one.huge_pages.begin(), one.huge_pages.end());
    for (const std::string_view distance : words(word(folder / "distance", buffer)))
      if (const auto value = number(distance)) one.distances.push_back(*value);
    out.nodes.push_back(std::move(one));
  }
}

void read_dimms(const fs::path& sys, std::string& buffer, Machine& out) {
  for (const auto& [controller, folder] : numbered(sys / "devices/system/edac/mc", "mc")) {
    for (const auto& [dimm, place] : numbered(folder, "dimm")) {
      const auto mib = number(word(place / "size", buffer));
      if (!mib) continue;
      Machine::Dimm& one = out.dimms[word(place / "dimm_mem_type", buffer)];
      one.count += 1;
      one.bytes += *mib * 1024 * 1024;
    }
  }
}

bool local(const unix_host::Mount& mount) {
  constexpr std::array<std::string_view, 8> kTypes = {"ext2",  "ext3", "ext4", "xfs",
                                                      "btrfs", "f2fs", "zfs",  "tmpfs"};
  return std::find(kTypes.begin(), kTypes.end(), mount.type) != kTypes.end();
}

std::optional<FileSystem> look_at(const unix_host::Mount& mount) {
  struct statvfs space {};
  if (::statvfs(mount.mount_point.c_str(), &space) != 0 || space.f_blocks == 0) return std::nullopt;
  const auto bytes = [&](fsblkcnt_t blocks) {
    return static_cast<double>(blocks) * static_cast<double>(space.f_frsize);
  };
  // What is in memory has no device; its place tells it apart.
  return FileSystem{mount.type == "tmpfs" ? mount.mount_point : mount.device, bytes(space.f_blocks),
                    bytes(space.f_blocks - space.f_bfree), static_cast<double>(space.f_files),
                    static_cast<double>(space.f_ffree)};
}

}  // namespace

Machine read_machine(const fs::path& proc, const fs::path& sys, const fs::path& etc,
                     const Kinds& kinds, std::string& buffer) {
  Machine out;
  out.machine_id = word(etc / "machine-id", buffer);
  out.system_uuid = word(sys / "class/dmi/id/product_uuid", buffer);
  out.boot_id = word(proc / "sys/kernel/random/boot_id", buffer);
  out.kernel_version = word(proc / "sys/kernel/osrelease", buffer);
  if (const auto text = read_small(etc / "os-release", buffer)) {
    for_each_line(*text, [&](std::string_view line) {
      constexpr std::string_view kName = "PRETTY_NAME=";
      if (!line.starts_with(kName)) return;
      line = trim(line.substr(kName.size()));
      if (line.size() >= 2 && line.front() == '"' && line.back() == '"')
        line = line.substr(1, line.size() - 2);
      out.os_version = line;
    });
  }
  if (const auto text = read_small(proc / "meminfo", buffer)) {
    const MemoryInfo memory = parse_meminfo(*text);
    out.memory = memory.total;
    out.swap = memory.swap_total;
  }
  read_topology(sys, kinds, buffer, out);
  read_dimms(sys, buffer, out);
  if (kinds.has(Kind::kCpuTopology) || kinds.has(Kind::kHugetlb)) read_nodes(sys, buffer, out);
  return out;
}

MemoryInfo parse_meminfo(std::string_view text) {
  MemoryInfo out;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 2) return;
    const auto kib = number(fields[1]);
    if (!kib) return;
    if (fields[0] == "MemTotal:") out.total = *kib * 1024;
    if (fields[0] == "MemFree:") out.free = *kib * 1024;
    if (fields[0] == "SwapTotal:") out.swap_total = *kib * 1024;
    if (fields[0] == "SwapFree:") out.swap_free = *kib * 1024;
  });
  return out;
}

std::map<DeviceNumber, std::string> parse_partitions(std::string_view text) {
  std::map<DeviceNumber, std::string> out;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() != 4 || out.size() == kMaxDevices) return;
    const auto device = parse_device(std::string(fields[0]) + ":" + std::string(fields[1]));
    if (device) out.emplace(*device, "/dev/" + std::string(fields[3]));
  });
  return out;
}

std::vector<DiskStats> parse_diskstats(std::string_view text) {
  std::vector<DiskStats> out;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 14 || out.size() == kMaxDevices) return;
    std::array<double, 11> values{};
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto value = number(fields[i + 3]);
      if (!value) return;
      values[i] = *value;
    }
    if (values[0] + values[4] <= 0) return;  // a device that is not in use
    constexpr double kMilliseconds = 1e3;    // of a second
    out.push_back({"/dev/" + std::string(fields[2]), values[0], values[1], values[2],
                   values[3] / kMilliseconds, values[4], values[5], values[6],
                   values[7] / kMilliseconds, values[8], values[9] / kMilliseconds,
                   values[10] / kMilliseconds});
  });
  return out;
}

std::vector<FileSystem> local_file_systems(std::string_view mounts) {
  std::vector<FileSystem> out;
  std::set<std::string> seen;
  for (const unix_host::Mount& mount : unix_host::parse_mounts(mounts)) {
    if (!local(mount) || out.size() == kMaxDevices) continue;
    if (mount.mount_point.starts_with("/sys/")) continue;  // holds mount points and nothing else
    if (!seen.insert(mount.type == "tmpfs" ? mount.mount_point : mount.device).second) continue;
    if (auto one = look_at(mount)) out.push_back(std::move(*one));
  }
  return out;
}

std::optional<FileSystem> file_system_of(std::string_view mounts, std::string_view path) {
  std::optional<unix_host::Mount> best;
  for (unix_host::Mount& mount : unix_host::parse_mounts(mounts)) {
    const std::string& point = mount.mount_point;
    const bool over =
        point == "/" || path == point ||
        (path.starts_with(point) && path.size() > point.size() && path[point.size()] == '/');
    // Of two at the same place the later one is on top.
    if (over && (!best || point.size() >= best->mount_point.size())) best = std::move(mount);
  }
  if (!best || !local(*best)) return std::nullopt;
  return look_at(*best);
}

}  // namespace agent::exporter::cadvisor
