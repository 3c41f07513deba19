// Control groups of version 1 (the kernel's Documentation/admin-guide/cgroup-v1). Pure parsers of
// the files of each controller, and a reader of a group. What is not as it should be is passed
// over.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/exporter/cadvisor/cgroups.h"
#include "agent/exporter/cadvisor/kinds.h"
#include "agent/exporter/cadvisor/stats.h"

namespace agent::exporter::cadvisor::v1 {

void parse_cpuacct_stat(std::string_view text, CpuStats& out);    // "user 12", in ticks
void parse_usage_percpu(std::string_view text, CpuStats& out);    // "12 34 56", nanoseconds
void parse_cpu_stat(std::string_view text, CpuStats& out);        // "nr_periods 5"
void parse_memory_stat(std::string_view text, MemoryStats& out);  // "total_cache 4096"
void parse_oom_control(std::string_view text, MemoryStats& out);  // "oom_kill 0"
void parse_numa_stat(std::string_view text, std::vector<NumaPages>& out);  // "file=3 N0=1 N1=2"
// "8:0 Read 4096"; into `bytes` or `count` of the devices.
void parse_blkio(std::string_view text, Operations DeviceIo::*into, std::vector<DeviceIo>& out);

// What the group says of what is in version 1 on this host. `buffer` is scratch.
void read(const Hierarchies& hierarchies, const std::string& cgroup_path, const Kinds& kinds,
          std::string& buffer, Stats& out);

}  // namespace agent::exporter::cadvisor::v1
