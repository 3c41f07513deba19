// The host that the containers run on: its CPUs, memory and file systems.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/exporter/cadvisor/kinds.h"
#include "agent/exporter/cadvisor/stats.h"
#include "agent/exporter/cadvisor/text.h"

namespace agent::exporter::cadvisor {

struct Machine {
  std::string machine_id, system_uuid, boot_id;  // "" where they cannot be read
  std::string kernel_version, os_version;
  Value cores, physical_cores, sockets;
  Value memory, swap;  // bytes
  struct Dimm {
    double count = 0, bytes = 0;
  };
  std::map<std::string, Dimm> dimms;  // by type

  struct Node {
    std::string id;
    Value memory;                                            // bytes
    std::vector<std::pair<std::string, double>> huge_pages;  // size in KiB -> number
    std::vector<double> distances;
  };
  std::vector<Node> nodes;  // with the kinds cpu_topology or hugetlb

  struct Thread {
    std::string node, core, thread;
    double siblings = 0;
  };
  struct Cache {
    std::string node, core, level, type;  // core "" when several share it
    double bytes = 0;
  };
  std::vector<Thread> threads;  // with the kind cpu_topology
  std::vector<Cache> caches;
};
// Reads some files for each CPU; for once in a while.
Machine read_machine(const std::filesystem::path& proc, const std::filesystem::path& sys,
                     const std::filesystem::path& etc, const Kinds& kinds, std::string& buffer);

// Of /proc/meminfo, in bytes.
struct MemoryInfo {
  Value total, free, swap_total, swap_free;
};
MemoryInfo parse_meminfo(std::string_view text);

// Names of block devices: "8:0" -> "/dev/sda". From /proc/partitions.
std::map<DeviceNumber, std::string> parse_partitions(std::string_view text);

// What /proc/diskstats says of a device that is in use, since the start of the host.
struct DiskStats {
  std::string device;  // "/dev/sda"
  double reads = 0, reads_merged = 0, sectors_read = 0, read_seconds = 0;
  double writes = 0, writes_merged = 0, sectors_written = 0, write_seconds = 0;
  double io_current = 0, io_seconds = 0, io_weighted_seconds = 0;
};
std::vector<DiskStats> parse_diskstats(std::string_view text);

struct FileSystem {
  std::string device;
  double bytes = 0, used_bytes = 0, inodes = 0, inodes_free = 0;
};
// Those on disks of this host and in its memory, each device once. Network file systems, which may
// hang, are not looked at.
std::vector<FileSystem> local_file_systems(std::string_view mounts);
// The one that `path` is on; none when it is not a local one.
std::optional<FileSystem> file_system_of(std::string_view mounts, std::string_view path);

}  // namespace agent::exporter::cadvisor
