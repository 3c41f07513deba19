// Control groups of version 2 (the kernel's Documentation/admin-guide/cgroup-v2.rst). Pure parsers
// of its files, and a reader of a group. What is not as it should be is passed over.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/exporter/cadvisor/cgroups.h"
#include "agent/exporter/cadvisor/kinds.h"
#include "agent/exporter/cadvisor/stats.h"

namespace agent::exporter::cadvisor::v2 {

void parse_cpu_stat(std::string_view text, CpuStats& out);          // "usage_usec 5"
void parse_cpu_max(std::string_view text, Limits& out);             // "50000 100000", "max 100000"
void parse_memory_stat(std::string_view text, MemoryStats& out);    // "anon 4096"
void parse_memory_events(std::string_view text, MemoryStats& out);  // "oom_kill 0"
void parse_numa_stat(std::string_view text, std::vector<NumaPages>& out);  // "anon N0=4096"
void parse_io_stat(std::string_view text, std::vector<DeviceIo>& out);  // "8:0 rbytes=1 wbytes=2"
void parse_pressure(std::string_view text, Pressure& out);  // "some avg10=0.00 ... total=5"
// The shares of version 1 that a weight stands for, as cAdvisor reckons.
double shares_of_weight(double weight);

// What the group says of what version 1 has not taken. `buffer` is scratch.
void read(const Hierarchies& hierarchies, const std::string& cgroup_path, const Kinds& kinds,
          std::string& buffer, Stats& out);

}  // namespace agent::exporter::cadvisor::v2
