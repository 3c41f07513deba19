// What a scan costs is the reading of small files: about 4 us each, of which a process has seven.
// So the way to a process stays open from scan to scan (its files do not: reading each into a page
// of its own, which the kernel would keep for it, costs as much as opening it), and a file that
// cannot say anything new is left alone. The kernel counts how often a thread was taken off a
// processor (status, *_ctxt_switches). Where that is as it was and the thread is not running, it
// has not run: what only it changes (io, wchan, the limits, its own times) is as it was when it was
// read, which is always after the count.
#include "agent/exporter/process/tracker.h"

#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "agent/base/strings.h"

namespace agent::exporter::processes {
namespace {

// Parts of a process that may be unreadable.
enum Part : unsigned {
  kIo = 1,
  kWchan = 2,
  kLimits = 4,
  kDescriptors = 8,
  kThreads = 16,
  kSmaps = 32
};

// The names of the kernel's functions are shorter.
constexpr std::size_t kMaxWchan = 512;
constexpr std::size_t kMaxUsernames = 4096;

// A number that fell adds nothing.
void add_growth(Counts& total, const Counts& before, const Counts& now) {
  for (std::size_t i = 0; i < kCounts; ++i)
    if (now[i] > before[i]) total[i] += now[i] - before[i];
}

std::size_t state_index(char state) {
  switch (state) {
    case 'R':
      return 0;
    case 'S':
      return 1;
    case 'D':
      return 2;
    case 'Z':
      return 3;
    default:
      return 4;
  }
}

void put(const Stat& stat, Counts& counts) {
  counts[kUserTicks] = stat.user_ticks;
  counts[kSystemTicks] = stat.system_ticks;
  counts[kMajorFaults] = stat.major_faults;
  counts[kMinorFaults] = stat.minor_faults;
}
void put(const Status& status, Counts& counts) {
  counts[kVoluntarySwitches] = status.voluntary_switches;
  counts[kNonvoluntarySwitches] = status.nonvoluntary_switches;
}
void put(const Io& io, Counts& counts) {
  counts[kReadBytes] = io.read_bytes;
  counts[kWriteBytes] = io.write_bytes;
}

Counts switches_of(const Counts& counts) {
  Counts out{};
  out[kVoluntarySwitches] = counts[kVoluntarySwitches];
  out[kNonvoluntarySwitches] = counts[kNonvoluntarySwitches];
  return out;
}

template <class T>
std::optional<T> parsed(const std::optional<std::string_view>& text,
                        std::optional<T> (*parse)(std::string_view)) {
  return text ? parse(*text) : std::nullopt;
}

bool has_run(const Counts& last, const Status& status) {
  return status.state == 'R' || last[kVoluntarySwitches] != status.voluntary_switches ||
         last[kNonvoluntarySwitches] != status.nonvoluntary_switches;
}

void wait_at(Group& group, const std::string& wchan) {
  if (wchan.empty()) return;
  const auto found = group.wchans.find(wchan);
  if (found != group.wchans.end()) {
    ++found->second;
  } else {
    group.wchans.emplace(wchan, 1);
  }
}

// "<id>/<name>"
class ThreadFile {
 public:
  ThreadFile(int id, std::string_view name) {
    char* end = std::to_chars(text_.data(), text_.data() + 11, id).ptr;
    *end++ = '/';
    *std::copy(name.begin(), name.end(), end) = '\0';
  }
  const char* c_str() const { return text_.data(); }

 private:
  std::array<char, 24> text_;  // the longest is "2147483647/status"
};

}  // namespace

Tracker::Tracker(const ProcessArgs& args, ProcRoot root, GroupNames names, const Clock& clock,
                 Log log, const Bounds& bounds)
    : args_(args),
      bounds_(bounds),
      root_(std::move(root)),
      names_(std::move(names)),
      clock_(clock),
      log_(std::move(log)),
      ticks_(static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK))),
      page_(static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))) {}

Result<std::unique_ptr<Tracker>> Tracker::make(const ProcessArgs& args, const Clock& clock, Log log,
                                               const Bounds& bounds) {
  auto names = GroupNames::make(args.matchers, clock);
  if (!names) return fail(std::move(names.error()));
  auto root = ProcRoot::open(args.procfs_path);
  if (!root) return fail(std::move(root.error()));
  Bounds within = bounds;
  struct rlimit files {};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0)
    within.folders = std::min<std::size_t>(within.folders, files.rlim_cur / 16);
  std::unique_ptr<Tracker> out(
      new Tracker(args, std::move(*root), std::move(*names), clock, std::move(log), within));
  if (auto first = out->scan({}); !first) return fail(std::move(first.error()));
  return out;
}

Result<> Tracker::scan(const std::stop_token& stop) {
  auto done = look(stop);
  if (!done && done.error().code != ErrorCode::kCancelled) ++scan_errors_;
  return done;
}

Result<> Tracker::look(const std::stop_token& stop) {
  if (auto listed = root_.list(pids_); !listed)
    return fail(std::move(listed.error()).within(args_.procfs_path));
  begin_groups();
  kept_folders_ = 0;
  for (auto& [pid, process] : processes_) process.seen = process.current = false;
  orphans_.clear();
  for (const int pid : pids_) {
    if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped");
    meet(pid);
  }
  for (const Orphan& orphan : orphans_) {
    if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped");
    Process& process = processes_[orphan.pid];
    inherit(process);
    if (process.group == nullptr) continue;
    process.folder = root_.process(orphan.pid);
    if (!process.folder.self) continue;
    measure(orphan.pid, orphan.stat, process);
    keep_folder(process);
  }
  forget_ended();
  if (args_.gather_smaps && scanned_) gather_smaps();
  for (const auto& [pid, process] : processes_) {
    if (!process.current) continue;
    process.group->smaps.proportional_bytes += process.smaps.proportional_bytes;
    process.group->smaps.proportional_swap_bytes += process.smaps.proportional_swap_bytes;
    if (process.missing != 0) ++partial_errors_;
  }
  end_groups();
  scanned_ = true;
  return {};
}

// Texts and the nodes of maps stay, so that a scan that meets what the last one met allocates
// nothing.
void Tracker::begin_groups() {
  forgot_empty_ = false;
  for (auto& [name, group] : groups_) {
    group.processes = group.threads = 0;
    group.resident_bytes = group.virtual_bytes = group.swapped_bytes = 0;
    group.smaps = {};
    group.open_files = group.oldest_start = 0;
    group.worst_open_files_ratio = 0;
    group.states = {};
    for (auto& [wchan, threads] : group.wchans) threads = 0;
    for (auto& [thread, all] : group.thread_groups) all.threads = 0;
  }
}

void Tracker::end_groups() {
  thread_groups_ = 0;
  for (auto at = groups_.begin(); at != groups_.end();) {
    Group& group = at->second;
    std::erase_if(group.wchans, [](const auto& one) { return one.second == 0; });
    std::erase_if(group.thread_groups, [](const auto& one) { return one.second.threads == 0; });
    thread_groups_ += group.thread_groups.size() - group.thread_groups.count(kMoreThreads);
    at = args_.remove_empty_groups && group.members == 0 ? groups_.erase(at) : std::next(at);
  }
}

void Tracker::meet(int pid) {
  auto known = processes_.find(pid);
  const bool is_new = known == processes_.end();
  ProcessFolder folder;
  if (!is_new) folder = std::exchange(known->second.folder, {});
  auto text = folder.self ? root_.read(folder.self.get(), "stat") : std::nullopt;
  if (!text) {
    folder = root_.process(pid);
    if (folder.self) text = root_.read(folder.self.get(), "stat");
  }
  const auto stat = text ? parse_stat(*text) : std::nullopt;
  if (!stat) {
    if (!text && root_.gone()) return;
    ++read_errors_;
    // It may come back, and must not count from its beginning again.
    if (!is_new) known->second.seen = true;
    return;
  }
  if (is_new) known = processes_.try_emplace(pid).first;
  Process& process = known->second;
  if (is_new || process.start_ticks != stat->start_ticks) {  // the number may be used again
    enter(process, nullptr);
    process = Process();
    process.start_ticks = stat->start_ticks;
    process.parent = stat->parent;
    process.counts_all = scanned_;
  }
  process.seen = true;
  process.folder = std::move(folder);
  if (!process.decided || args_.recheck_on_scrape) decide(pid, *stat, process);
  if (process.group != nullptr) measure(pid, *stat, process);
  keep_folder(process);
}

void Tracker::keep_folder(Process& process) {
  if (!process.folder.self) return;
  if (kept_folders_ < bounds_.folders) {
    ++kept_folders_;
  } else {
    process.folder = {};
  }
}

void Tracker::decide(int pid, const Stat& stat, Process& process) {
  class Met final : public Candidate {
   public:
    Met(Tracker& tracker, int folder) : tracker_(tracker), folder_(folder) {}
    std::string username() override { return tracker_.username(folder_); }
    std::vector<std::string> cgroups() override {
      const auto text = tracker_.root_.read(folder_, "cgroup");
      const auto paths = parse_cgroups(text.value_or(std::string_view()));
      return {paths.begin(), paths.end()};
    }

   private:
    Tracker& tracker_;
    const int folder_;
  };
  const std::string comm(stat.comm);
  const int folder = process.folder.self.get();
  const auto text = root_.read(folder, "cmdline");
  if (!text) {
    if (!root_.gone()) ++read_errors_;
    return;
  }
  arguments_ = *text;
  Met met(*this, folder);
  met.pid = pid;
  met.comm = comm;
  met.arguments = parse_cmdline(arguments_);
  command_line_.clear();
  for (const std::string_view one : met.arguments) {
    if (one.data() != arguments_.data()) command_line_ += ' ';
    command_line_ += one;
  }
  // RE2's dot, other than Go's, passes over bytes that are no character.
  if (!is_valid_utf8(command_line_)) command_line_ = to_valid_utf8(command_line_);
  met.command_line = command_line_;
  met.start_seconds = root_.boot_time() + stat.start_ticks / ticks_;
  met.start_nanoseconds = stat.start_ticks % ticks_ * (1'000'000'000 / ticks_);
  auto name = names_.name(met);
  if (!name) {
    log_.limited(Level::kWarn, "the name of a process's group cannot be made",
                 {{"pid", pid}, {"err", name.error().message}});
    process.decided = true;
  } else if (*name) {
    enter(process, group_named(std::move(**name)));
    process.decided = true;
  } else if (process.group == nullptr) {
    process.decided = !args_.track_children;
    if (args_.track_children) {
      orphans_.push_back({pid, stat});
      orphans_.back().stat.comm = {};  // the text goes
      process.folder = {};             // there may be any number
    }
  }
}

// The group of the first process above it whose group is known; those on the way get it, too.
void Tracker::inherit(Process& process) {
  std::vector<Process*> line;
  Process* at = &process;
  while (!at->decided) {
    line.push_back(at);
    at->decided = true;  // so that parents in a circle end
    const auto parent = processes_.find(at->parent);
    if (parent == processes_.end() || !parent->second.seen) break;
    at = &parent->second;
  }
  for (Process* one : line) enter(*one, at->group);
}

void Tracker::enter(Process& process, Group* group) {
  if (process.group != nullptr) --process.group->members;
  process.group = group;
  if (group != nullptr) ++group->members;
}

// Null when there are too many.
Group* Tracker::group_named(std::string&& name) {
  const auto found = groups_.find(name);
  if (found != groups_.end()) return &found->second;
  if (groups_.size() >= bounds_.groups && !forgot_empty_) {
    std::erase_if(groups_, [](const auto& one) { return one.second.members == 0; });
    forgot_empty_ = true;
  }
  if (groups_.size() >= bounds_.groups) {
    log_.limited(Level::kWarn, "there are too many groups of processes; one is left out",
                 {{"group", name}, {"most", bounds_.groups}});
    return nullptr;
  }
  return &groups_[std::move(name)];
}

void Tracker::measure(int pid, const Stat& stat, Process& process) {
  const int folder = process.folder.self.get();
  const auto text = root_.read(folder, "status");
  const auto status = text ? parse_status(*text) : std::nullopt;
  if (!status) {
    if (text || !root_.gone()) ++read_errors_;
    return;
  }
  Group& group = *process.group;
  const bool ran = !process.measured || has_run(process.last, *status);
  Counts now = process.last;
  put(stat, now);
  put(*status, now);
  if (!process.measured && !process.counts_all) process.last = now;

  const auto missing = [&](Part part, bool is_missing) {
    process.missing = is_missing ? process.missing | part : process.missing & ~part;
  };
  // stat says whether one thread waits (of several it never does); it may have been read while the
  // thread was still running, and then says so the next time.
  const bool told = stat.threads <= 1;
  if (ran || (told && stat.may_wait && process.wchan.empty())) {
    const bool waits = status->state != 'R' && (stat.may_wait || !told);
    process.wchan = read_wchan(folder, "wchan", waits, process.missing);
  }
  missing(kThreads, false);
  bool several = stat.threads > 1;
  if (several) several = measure_threads(pid, folder, *status, ran, process);
  if (!several) {
    process.threads.clear();
    ++group.states[state_index(stat.state)];
    wait_at(group, process.wchan);
  }
  if (ran || several) {
    const auto io = parsed(root_.read(folder, "io"), parse_io);
    missing(kIo, !io);
    if (io) {
      put(*io, now);
      const bool counts = process.io_known || (!process.measured && process.counts_all);
      if (!counts) put(*io, process.last);
      process.io_known = true;
    }
  }
  const auto open_files = root_.open_files(process.folder);
  missing(kDescriptors, !open_files);
  if (open_files) {
    if (ran || several || !process.open_files_limit) {
      process.open_files_limit = root_.open_files_limit(pid, folder);
      missing(kLimits, !process.open_files_limit);
    }
    group.open_files += *open_files;
    if (process.open_files_limit) {
      const double ratio =
          static_cast<double>(*open_files) / static_cast<double>(*process.open_files_limit);
      group.worst_open_files_ratio = std::max(group.worst_open_files_ratio, ratio);
    }
  }

  ++group.processes;
  group.threads += stat.threads;
  group.resident_bytes += stat.resident_pages * page_;
  group.virtual_bytes += stat.virtual_bytes;
  group.swapped_bytes += status->swapped_bytes;
  const std::uint64_t start = root_.boot_time() + stat.start_ticks / ticks_;
  group.oldest_start = group.oldest_start == 0 ? start : std::min(group.oldest_start, start);
  add_growth(group.total, process.last, now);
  process.last = now;
  process.has_memory = stat.virtual_bytes > 0;
  process.measured = process.current = true;
}

// False when there are not several, or they cannot be listed.
bool Tracker::measure_threads(int pid, int folder, const Status& leader, bool leader_ran,
                              Process& process) {
  const FileDescriptor task = root_.subfolder(folder, "task");
  if (!task || !root_.list(task.get(), thread_ids_)) {
    process.missing |= kThreads;
    return false;
  }
  if (thread_ids_.size() < 2) return false;
  Group& group = *process.group;
  threads_.clear();
  auto known = process.threads.begin();
  for (const int id : thread_ids_) {
    while (known != process.threads.end() && known->id < id) ++known;
    const bool is_new = known == process.threads.end() || known->id != id;
    std::optional<Status> own;
    if (id != pid) {
      own = parsed(root_.read(task.get(), ThreadFile(id, "status").c_str()), parse_status);
      if (!own) continue;  // it has ended
    }
    const Status& status = own ? *own : leader;
    Thread& thread = threads_.emplace_back(is_new ? Thread() : std::move(*known));
    const bool ran = is_new || (own ? has_run(thread.last, status) : leader_ran);
    Counts now = thread.last;
    put(status, now);
    if (own) {
      // The switches of a process are those of all its threads. What a thread had done before its
      // process was first seen does not count.
      const bool before = is_new && !process.measured && !process.counts_all;
      Counts switches{};
      put(status, switches);
      add_growth(group.total, before ? switches : switches_of(thread.last), switches);
      if (ran) {
        unsigned ignored = 0;
        thread.wchan =
            read_wchan(task.get(), ThreadFile(id, "wchan").c_str(), status.state != 'R', ignored);
      }
    }
    ++group.states[state_index(status.state)];
    wait_at(group, own ? thread.wchan : process.wchan);
    thread.id = id;
    if (args_.track_threads) {
      if (ran) read_own_counts(task.get(), id, now, thread);
      if (is_new) thread.last = now;
      thread.name = to_valid_utf8(status.name);
      ThreadGroup& all = thread_group(group, thread.name);
      ++all.threads;
      add_growth(all.total, thread.last, now);
    }
    thread.last = now;
  }
  process.threads.swap(threads_);
  return true;
}

// Its processor times, faults and bytes. What cannot be read is as it was.
void Tracker::read_own_counts(int task, int id, Counts& now, Thread& thread) {
  if (const auto stat = parsed(root_.read(task, ThreadFile(id, "stat").c_str()), parse_stat))
    put(*stat, now);
  if (const auto io = parsed(root_.read(task, ThreadFile(id, "io").c_str()), parse_io)) {
    put(*io, now);
    if (!thread.io_known) put(*io, thread.last);
    thread.io_known = true;
  }
}

// The function of the kernel that it waits in, "" when it does not wait or may not be looked into.
std::string Tracker::read_wchan(int folder, const char* name, bool waits, unsigned& missing) {
  missing &= ~static_cast<unsigned>(kWchan);
  if (!waits) return {};
  const auto text = root_.read(folder, name);
  if (!text) missing |= kWchan;
  const std::string_view wchan = trim(text.value_or(std::string_view()));
  return wchan == "0" ? std::string() : to_valid_utf8(utf8_head(wchan, kMaxWchan));
}

ThreadGroup& Tracker::thread_group(Group& group, const std::string& name) {
  const auto found = group.thread_groups.find(name);
  if (found != group.thread_groups.end()) return found->second;
  if (thread_groups_ >= bounds_.thread_groups) return group.thread_groups[kMoreThreads];
  ++thread_groups_;
  return group.thread_groups[name];
}

// It takes the lock of a process's memory and walks all of it, which may take long: what does not
// fit into the time keeps what was read in an earlier scan, and is first in the next.
void Tracker::gather_smaps() {
  const Mono end = clock_.mono() + bounds_.smaps;
  const auto first = std::lower_bound(pids_.begin(), pids_.end(), smaps_next_);
  std::rotate(pids_.begin(), first, pids_.end());
  smaps_next_ = 0;
  for (const int pid : pids_) {
    const auto found = processes_.find(pid);
    if (found == processes_.end() || !found->second.current) continue;
    Process& process = found->second;
    if (process.has_memory && clock_.mono() >= end) {
      smaps_next_ = pid;
      return;
    }
    process.missing &= ~static_cast<unsigned>(kSmaps);
    process.smaps = {};
    if (!process.has_memory) continue;  // one of the kernel's, or a zombie
    const ProcessFolder opened = process.folder.self ? ProcessFolder() : root_.process(pid);
    const FileDescriptor& folder = process.folder.self ? process.folder.self : opened.self;
    if (!folder) continue;
    const auto smaps = parsed(root_.read(folder.get(), "smaps_rollup"), parse_smaps_rollup);
    if (!smaps) process.missing |= kSmaps;
    if (smaps) process.smaps = *smaps;
  }
}

void Tracker::forget_ended() {
  for (auto at = processes_.begin(); at != processes_.end();) {
    if (at->second.seen) {
      ++at;
      continue;
    }
    enter(at->second, nullptr);
    at = processes_.erase(at);
  }
}

// Of the effective user, as a number when it has no name.
std::string Tracker::username(int folder) {
  const auto status = parsed(root_.read(folder, "status"), parse_status);
  if (!status) return {};
  if (usernames_.size() >= kMaxUsernames) usernames_.clear();
  const auto [at, is_new] = usernames_.try_emplace(status->effective_user);
  if (is_new) {
    std::array<char, 16384> room{};
    struct passwd entry {};
    struct passwd* found = nullptr;
    const bool known = ::getpwuid_r(static_cast<uid_t>(status->effective_user), &entry, room.data(),
                                    room.size(), &found) == 0 &&
                       found != nullptr;
    at->second = known ? found->pw_name : std::to_string(status->effective_user);
  }
  return at->second;
}

}  // namespace agent::exporter::processes
