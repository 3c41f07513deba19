// What the files below /proc/<pid> mean (proc(5), Documentation/filesystems/proc.rst of Linux).
// Any bytes may come in; a text that is not as it should be has no value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace agent::exporter::processes {

// stat of a process, or of one of its threads:
// "<pid> (<comm>) <state> <parent> ..." and numbers. comm is raw: it may hold blanks, parentheses
// and line ends, so it ends at the last parenthesis.
struct Stat {
  std::string_view comm;  // of the text
  char state = '?';
  int parent = 0;
  std::uint64_t minor_faults = 0;
  std::uint64_t major_faults = 0;
  std::uint64_t user_ticks = 0;
  std::uint64_t system_ticks = 0;
  std::uint64_t threads = 0;
  std::uint64_t start_ticks = 0;  // since boot
  std::uint64_t virtual_bytes = 0;
  std::uint64_t resident_pages = 0;
  // Says "no" of one thread that is running, or that may not be looked into.
  bool may_wait = true;
};
std::optional<Stat> parse_stat(std::string_view text);

// status: "Name:\tvalue" lines. Line ends and backslashes of a name are escaped by the kernel.
struct Status {
  std::string name;
  char state = '?';
  std::uint64_t effective_user = 0;
  std::uint64_t swapped_bytes = 0;  // 0 where there is no line of it (kernel threads, zombies)
  std::uint64_t voluntary_switches = 0;
  std::uint64_t nonvoluntary_switches = 0;
};
std::optional<Status> parse_status(std::string_view text);

// io: "read_bytes: 4096" lines.
struct Io {
  std::uint64_t read_bytes = 0;
  std::uint64_t write_bytes = 0;
};
std::optional<Io> parse_io(std::string_view text);

// limits: the soft limit of "Max open files"; UINT64_MAX when there is none.
std::optional<std::uint64_t> parse_open_files_limit(std::string_view text);

// smaps_rollup: "Pss:  12 kB" lines.
struct Smaps {
  std::uint64_t proportional_bytes = 0;
  std::uint64_t proportional_swap_bytes = 0;
};
std::optional<Smaps> parse_smaps_rollup(std::string_view text);

// cmdline: arguments with a NUL behind each. Programs that write their own title leave one long
// argument and NULs, which are taken off the end. Views of `text`.
std::vector<std::string_view> parse_cmdline(std::string_view text);

// cgroup: "hierarchy:controllers:/path" lines; the paths, views of `text`.
std::vector<std::string_view> parse_cgroups(std::string_view text);

// The line "btime 1700000000" of /proc/stat: seconds since 1970.
std::optional<std::uint64_t> parse_boot_time(std::string_view text);

}  // namespace agent::exporter::processes
