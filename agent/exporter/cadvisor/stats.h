// What is known of one control group: what a file says that is there. A value that the kernel does
// not tell is none, and none is left out of the page.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace agent::exporter::cadvisor {

using Value = std::optional<double>;

struct CpuStats {
  Value usage, user, system;    // seconds
  std::vector<double> per_cpu;  // seconds; version 1 only
  Value periods, throttled_periods, throttled_seconds;
};

struct MemoryStats {
  Value usage, working_set, rss, cache, swap, mapped_file, max_usage, kernel;  // bytes
  Value active_file, inactive_file;                                            // bytes
  Value failcnt, oom_kills;
  Value pgfault, pgmajfault;              // of the group itself
  Value total_pgfault, total_pgmajfault;  // with those below it
};

// What the group may use. No limit is 0, as cAdvisor tells it.
struct Limits {
  Value cpu_period, cpu_quota;  // microseconds; a quota only where there is one
  Value cpu_shares;
  Value memory, memory_swap, memory_reservation;  // bytes
  Value threads;
};

inline constexpr std::array<const char*, 6> kOperations = {"Async", "Discard", "Read",
                                                           "Sync",  "Total",   "Write"};
inline constexpr std::size_t kRead = 2, kWrite = 5, kDiscard = 1;
using Operations = std::array<Value, kOperations.size()>;  // a number for each kind of operation

struct DeviceIo {
  unsigned major = 0, minor = 0;
  Operations bytes, count;
};

struct HugePages {
  Value usage, max_usage, failcnt;  // bytes
};

struct NumaPages {
  std::string type, scope, node;  // "file", "anon", "unevictable"; "container", "hierarchy"; "0"
  double pages = 0;
};

struct Pressure {
  Value waiting, stalled;  // seconds
};

struct Stats {
  CpuStats cpu;
  MemoryStats memory;
  Limits limits;
  std::vector<DeviceIo> io;
  std::map<std::string, HugePages, std::less<>> huge_pages;  // by size: "2MB"
  std::vector<NumaPages> numa;
  Pressure cpu_pressure, memory_pressure, io_pressure;
  Value memory_migrate;
  Value threads;
};

}  // namespace agent::exporter::cadvisor
