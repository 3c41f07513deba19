// The processes of control groups, as /proc tells them: their number, files, states and times on
// the CPU. Reading them costs by the process, so that only the kinds that need it do.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/exporter/cadvisor/cgroups.h"
#include "agent/exporter/cadvisor/kinds.h"
#include "agent/exporter/cadvisor/stats.h"

namespace agent::exporter::cadvisor {

struct Schedstat {
  double run_seconds = 0, runqueue_seconds = 0, run_periods = 0;
  void add(const Schedstat& other) {
    run_seconds += other.run_seconds;
    runqueue_seconds += other.runqueue_seconds;
    run_periods += other.run_periods;
  }
};

inline constexpr std::array<const char*, 4> kTaskStates = {"running", "sleeping", "stopped",
                                                           "uninterruptible"};

// Of a group with all groups below it.
struct ProcessStats {
  double processes = 0;
  double descriptors = 0, sockets = 0;
  bool descriptors_known = false;  // others' files can be read by root alone
  std::array<double, kTaskStates.size()> tasks{};
  Schedstat schedstat;
  double load = 0, load_d = 0;  // thousandths of tasks, over 10 s as far as scrapes are that near
  double referenced_bytes = 0;
  bool referenced_known = false;
  Value open_files;  // the soft limit of the group's first process; -1: none

  void add(const ProcessStats& below);  // open_files stays
};

// Which of kTaskStates a line of /proc/<pid>/stat tells; none for the dead.
std::optional<std::size_t> parse_task_state(std::string_view stat);
std::optional<Schedstat> parse_schedstat(std::string_view text);  // "run_ns wait_ns periods"
Value parse_open_files_limit(std::string_view limits);            // "Max open files  1024  4096"
std::optional<double> parse_referenced(std::string_view smaps);   // "Referenced:  4 kB", summed

// What a group's tasks have run, those that have ended since the first look included: it only
// grows.
class RunTimes {
 public:
  void update(const std::map<std::int64_t, Schedstat>& tasks);
  void take_over(const Schedstat& of_a_group_that_is_gone) { ended_.add(of_a_group_that_is_gone); }
  Schedstat total() const;

 private:
  Schedstat ended_;
  std::map<std::int64_t, Schedstat> last_;
};

class ProcessReader {
 public:
  explicit ProcessReader(std::filesystem::path proc) : proc_(std::move(proc)) {}
  // Whether `kinds` need processes at all.
  static bool needed(const Kinds& kinds);
  // By group, in the order given (by path); the i-th tells of groups[i]. `now` is the monotonic
  // time in seconds.
  std::vector<ProcessStats> read(const Hierarchies& hierarchies, const std::vector<Cgroup>& groups,
                                 const Kinds& kinds, double now, std::string& buffer);

 private:
  ProcessStats own(const Folder& folder, bool v1, const std::string& path, const Kinds& kinds,
                   std::string& buffer, std::size_t& budget);
  // What is kept of a group from one scrape to the next.
  struct Memory {
    RunTimes run_times;
    double load = 0, load_d = 0, at = 0;
  };
  void forget(const std::vector<Cgroup>& groups);
  void average(Memory& memory, ProcessStats& stats, double now) const;

  const std::filesystem::path proc_;
  std::map<std::string, Memory, std::less<>> memory_;  // by path of the group
};

}  // namespace agent::exporter::cadvisor
