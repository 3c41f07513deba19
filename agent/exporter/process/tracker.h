// The processes of a host from one scrape to the next, and the groups they are added up in.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/result.h"
#include "agent/exporter/process/group_names.h"
#include "agent/exporter/process/proc_files.h"
#include "agent/exporter/process/proc_root.h"
#include "agent/exporter/process/process_args.h"

namespace agent::exporter::processes {

// What only grows, of a thread, a process or a group.
enum Count : std::size_t {
  kUserTicks,
  kSystemTicks,
  kReadBytes,
  kWriteBytes,
  kMajorFaults,
  kMinorFaults,
  kVoluntarySwitches,
  kNonvoluntarySwitches,
  kCounts
};
using Counts = std::array<std::uint64_t, kCounts>;

// Running, Sleeping, Waiting, Zombie, Other.
inline constexpr std::size_t kStates = 5;

struct ThreadGroup {
  Counts total{};
  std::uint64_t threads = 0;  // of the last scan
};

struct Group {
  Counts total{};  // since the tracker was made, of ended processes too
  // Of the last scan:
  std::uint64_t processes = 0;
  std::uint64_t threads = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t swapped_bytes = 0;
  Smaps smaps;
  std::uint64_t open_files = 0;
  double worst_open_files_ratio = 0;
  std::uint64_t oldest_start = 0;  // seconds since 1970; 0 without processes
  std::array<std::uint64_t, kStates> states{};
  std::map<std::string, std::uint64_t, std::less<>> wchans;  // threads that wait there
  std::map<std::string, ThreadGroup, std::less<>> thread_groups;

  std::uint64_t members = 0;  // processes that are known to be in it
};
using Groups = std::map<std::string, Group, std::less<>>;

// What names that somebody makes up, and memory that is slow to look through, may cost.
struct Bounds {
  std::size_t groups = 4096;          // further processes are in none
  std::size_t thread_groups = 16384;  // in all groups; further threads are in kMoreThreads
  Duration smaps = std::chrono::milliseconds(250);  // a scan; the next one goes on behind it
  // Processes whose folders stay open, two descriptors each. At most an eighth of the descriptors
  // that this process may have goes there.
  std::size_t folders = 4096;
};
inline constexpr char kMoreThreads[] = "(more)";

// Counts begin when a process is first seen; those of a process that has begun since the last scan
// count from its beginning. One thread at a time.
class Tracker {
 public:
  // `clock` outlives it.
  static Result<std::unique_ptr<Tracker>> make(const ProcessArgs& args, const Clock& clock, Log log,
                                               const Bounds& bounds = {});

  // Looks at every process. After a failure the groups tell nothing until the next scan.
  Result<> scan(const std::stop_token& stop);
  const Groups& groups() const { return groups_; }
  const ProcessArgs& args() const { return args_; }

  std::uint64_t ticks_per_second() const { return ticks_; }
  std::uint64_t scan_errors() const { return scan_errors_; }
  std::uint64_t read_errors() const { return read_errors_; }        // processes, once a scan
  std::uint64_t partial_errors() const { return partial_errors_; }  // the same, in part

 private:
  struct Thread {
    int id = 0;
    bool io_known = false;
    Counts last{};
    std::string name;
    std::string wchan;
  };
  struct Process {
    std::uint64_t start_ticks = 0;
    int parent = 0;
    Group* group = nullptr;   // null: in none
    bool decided = false;     // `group` is the answer
    bool counts_all = false;  // it has begun since the last scan
    bool measured = false;    // `last` is of it
    bool io_known = false;
    bool has_memory = false;
    bool seen = false;     // in this scan
    bool current = false;  // and told in its group
    unsigned missing = 0;  // what could not be read: bits of Part
    ProcessFolder folder;  // as far as there is room for it, after the scan
    Counts last{};         // switches are those of the thread that has the process's number
    std::optional<std::uint64_t> open_files_limit;
    Smaps smaps;
    std::string wchan;
    std::vector<Thread> threads;  // of a process that has several; by id
  };
  // A process that no matcher takes.
  struct Orphan {
    int pid;
    Stat stat;
  };

  Tracker(const ProcessArgs& args, ProcRoot root, GroupNames names, const Clock& clock, Log log,
          const Bounds& bounds);
  Result<> look(const std::stop_token& stop);
  void begin_groups();
  void end_groups();
  void meet(int pid);
  void decide(int pid, const Stat& stat, Process& process);
  void inherit(Process& process);
  void enter(Process& process, Group* group);
  Group* group_named(std::string&& name);
  void measure(int pid, const Stat& stat, Process& process);
  void keep_folder(Process& process);
  bool measure_threads(int pid, int folder, const Status& leader, bool leader_ran,
                       Process& process);
  void read_own_counts(int task, int id, Counts& now, Thread& thread);
  std::string read_wchan(int folder, const char* name, bool waits, unsigned& missing);
  ThreadGroup& thread_group(Group& group, const std::string& name);
  void gather_smaps();
  void forget_ended();
  std::string username(int folder);

  const ProcessArgs args_;
  const Bounds bounds_;
  ProcRoot root_;
  GroupNames names_;
  const Clock& clock_;
  const Log log_;
  const std::uint64_t ticks_;
  const std::uint64_t page_;
  bool scanned_ = false;
  bool forgot_empty_ = false;  // in this scan
  std::size_t thread_groups_ = 0;
  std::size_t kept_folders_ = 0;  // in this scan
  int smaps_next_ = 0;
  std::uint64_t scan_errors_ = 0;
  std::uint64_t read_errors_ = 0;
  std::uint64_t partial_errors_ = 0;
  Groups groups_;
  std::unordered_map<int, Process> processes_;
  std::unordered_map<std::uint64_t, std::string> usernames_;
  std::vector<int> pids_;
  std::vector<Orphan> orphans_;
  // Kept for their memory.
  std::vector<int> thread_ids_;
  std::vector<Thread> threads_;
  std::string arguments_, command_line_;
};

}  // namespace agent::exporter::processes
