#include "agent/exporter/cadvisor/processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "agent/exporter/cadvisor/text.h"

namespace agent::exporter::cadvisor {
namespace {

// Tasks and open files looked at in one scrape.
constexpr std::size_t kBudget = 1'000'000;

std::vector<std::int64_t> numbers_of(std::string_view text) {
  std::vector<std::int64_t> out;
  for_each_line(text, [&](std::string_view line) {
    const auto value = number(line);
    if (value && *value >= 1 && *value < 1e9) out.push_back(static_cast<std::int64_t>(*value));
  });
  return out;
}

// Open files of a process, and how many of them are sockets; false when that is not ours to see.
bool count_files(const std::string& folder, std::size_t& budget, double& files, double& sockets) {
  DIR* const stream = ::opendir(folder.c_str());
  if (stream == nullptr) return false;
  while (const dirent* const entry = ::readdir(stream)) {
    if (entry->d_name[0] == '.' || budget == 0) continue;
    --budget;
    files += 1;
    std::array<char, 16> target{};
    const ssize_t n = ::readlinkat(::dirfd(stream), entry->d_name, target.data(), target.size());
    if (n > 0 &&
        std::string_view(target.data(), static_cast<std::size_t>(n)).starts_with("socket:"))
      sockets += 1;
  }
  ::closedir(stream);
  return true;
}

}  // namespace

void ProcessStats::add(const ProcessStats& below) {
  processes += below.processes;
  descriptors += below.descriptors;
  sockets += below.sockets;
  descriptors_known |= below.descriptors_known;
  for (std::size_t i = 0; i < tasks.size(); ++i) tasks[i] += below.tasks[i];
  schedstat.add(below.schedstat);
  referenced_bytes += below.referenced_bytes;
  referenced_known |= below.referenced_known;
}

std::optional<std::size_t> parse_task_state(std::string_view stat) {
  // "12 (name) S ...": a name may hold anything.
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= stat.size()) return std::nullopt;
  switch (stat[name_end + 2]) {
    case 'R':
      return 0;
    case 'S':
    case 'I':
      return 1;
    case 'T':
    case 't':
      return 2;
    case 'D':
      return 3;
    default:
      return std::nullopt;
  }
}

std::optional<Schedstat> parse_schedstat(std::string_view text) {
  const auto fields = words(trim(text));
  if (fields.size() != 3) return std::nullopt;
  const auto run = number(fields[0]), wait = number(fields[1]), periods = number(fields[2]);
  if (!run || !wait || !periods) return std::nullopt;
  return Schedstat{*run / 1e9, *wait / 1e9, *periods};
}

Value parse_open_files_limit(std::string_view limits) {
  Value out;
  for_each_line(limits, [&](std::string_view line) {
    constexpr std::string_view kName = "Max open files";
    if (!line.starts_with(kName)) return;
    const auto fields = words(line.substr(kName.size()));
    if (!fields.empty()) out = fields[0] == "unlimited" ? Value(-1) : number(fields[0]);
  });
  return out;
}

std::optional<double> parse_referenced(std::string_view smaps) {
  std::optional<double> out;
  for_each_line(smaps, [&](std::string_view line) {
    constexpr std::string_view kName = "Referenced:";
    if (!line.starts_with(kName)) return;
    const auto fields = words(line.substr(kName.size()));
    if (fields.empty()) return;
    if (const auto kib = number(fields[0])) out = out.value_or(0) + *kib * 1024;
  });
  return out;
}

void RunTimes::update(const std::map<std::int64_t, Schedstat>& tasks) {
  for (const auto& [task, before] : last_) {
    const auto now = tasks.find(task);
    if (now != tasks.end() && now->second.run_seconds >= before.run_seconds) continue;
    // It has ended, or its number is another's now.
    ended_.add(before);
  }
  last_ = tasks;
}

Schedstat RunTimes::total() const {
  Schedstat out = ended_;
  for (const auto& [task, times] : last_) out.add(times);
  return out;
}

bool ProcessReader::needed(const Kinds& kinds) {
  return kinds.has(Kind::kProcess) || kinds.has(Kind::kCpuLoad) || kinds.has(Kind::kSched) ||
         kinds.has(Kind::kReferencedMemory);
}

ProcessStats ProcessReader::own(const Folder& folder, bool v1, const std::string& path,
                                const Kinds& kinds, std::string& buffer, std::size_t& budget) {
  ProcessStats out;
  const auto list = [&](const char* name) {
    const auto text = read_small(folder.fd(), name, buffer, 16U << 20);
    return text ? numbers_of(*text) : std::vector<std::int64_t>();
  };
  const std::string proc = proc_.string() + "/";
  const std::vector<std::int64_t> processes = list("cgroup.procs");
  out.processes = static_cast<double>(processes.size());
  for (const std::int64_t pid : processes) {
    if (budget == 0) break;
    --budget;
    const std::string folder_of_pid = proc + std::to_string(pid);
    if (kinds.has(Kind::kProcess)) {
      out.descriptors_known |=
          count_files(folder_of_pid + "/fd", budget, out.descriptors, out.sockets);
      if (pid == processes.front()) {
        if (const auto text = read_small(folder_of_pid + "/limits", buffer))
          out.open_files = parse_open_files_limit(*text);
      }
    }
    if (kinds.has(Kind::kReferencedMemory)) {
      if (const auto text = read_small(folder_of_pid + "/smaps_rollup", buffer)) {
        if (const auto bytes = parse_referenced(*text)) {
          out.referenced_bytes += *bytes;
          out.referenced_known = true;
        }
      }
    }
  }
  if (!kinds.has(Kind::kCpuLoad) && !kinds.has(Kind::kSched)) return out;
  std::map<std::int64_t, Schedstat> times;
  for (const std::int64_t task : list(v1 ? "tasks" : "cgroup.threads")) {
    if (budget == 0) break;
    --budget;
    // The file of a process sums up its threads, at their cost; this one does not.
    const std::string id = std::to_string(task);
    const std::string folder_of_task = proc + id + "/task/" + id;
    if (kinds.has(Kind::kCpuLoad)) {
      if (const auto text = read_small(folder_of_task + "/stat", buffer))
        if (const auto state = parse_task_state(*text)) out.tasks[*state] += 1;
    }
    if (kinds.has(Kind::kSched)) {
      if (const auto text = read_small(folder_of_task + "/schedstat", buffer))
        if (const auto one = parse_schedstat(*text)) times.emplace(task, *one);
    }
  }
  if (kinds.has(Kind::kSched)) {
    RunTimes& all = memory_[path].run_times;
    all.update(times);
    out.schedstat = all.total();
  }
  return out;
}

namespace {

// The group of this path among groups sorted by path, or the end.
auto find_group(const std::vector<Cgroup>& groups, std::string_view path) {
  const auto found = std::lower_bound(
      groups.begin(), groups.end(), path,
      [](const Cgroup& group, std::string_view wanted) { return group.path < wanted; });
  return found != groups.end() && found->path == path ? found : groups.end();
}

std::string_view above(std::string_view path) {
  return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

}  // namespace

// What groups that are gone have run stays with the next one above that is still there.
void ProcessReader::forget(const std::vector<Cgroup>& groups) {
  for (auto it = memory_.begin(); it != memory_.end();) {
    if (find_group(groups, it->first) != groups.end()) {
      ++it;
      continue;
    }
    std::string_view heir = it->first;
    do heir = above(heir);
    while (heir != "/" && find_group(groups, heir) == groups.end());
    const auto found = memory_.find(heir);
    if (found != memory_.end() && found != it)
      found->second.run_times.take_over(it->second.run_times.total());
    it = memory_.erase(it);
  }
}

// Decays by e in 10 s, as the kernel's own load averages do.
void ProcessReader::average(Memory& memory, ProcessStats& stats, double now) const {
  const double kept = memory.at > 0 ? std::exp(-std::max(now - memory.at, 0.0) / 10) : 0;
  memory.load = memory.load * kept + stats.tasks[0] * (1 - kept);
  memory.load_d = memory.load_d * kept + stats.tasks[3] * (1 - kept);
  memory.at = now;
  stats.load = std::trunc(memory.load * 1000);
  stats.load_d = std::trunc(memory.load_d * 1000);
}

std::vector<ProcessStats> ProcessReader::read(const Hierarchies& hierarchies,
                                              const std::vector<Cgroup>& groups, const Kinds& kinds,
                                              double now, std::string& buffer) {
  std::vector<ProcessStats> out(groups.size());
  std::size_t budget = kBudget;
  forget(groups);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    Folder folder;
    bool v1 = true;
    for (const char* controller : {"cpuacct", "cpu", "memory", "pids"}) {
      const auto mount = hierarchies.v1.find(controller);
      if (mount == hierarchies.v1.end()) continue;
      folder = Folder(mount->second, groups[i].path);
      if (folder) break;
    }
    if (!folder) {
      folder = Folder(hierarchies.v2, groups[i].path);
      v1 = false;
    }
    if (folder) out[i] = own(folder, v1, groups[i].path, kinds, buffer, budget);
  }
  // Groups come by path: who is below another comes after it.
  for (std::size_t i = groups.size(); i-- > 1;) {
    const auto parent = find_group(groups, above(groups[i].path));
    if (parent != groups.end()) out[static_cast<std::size_t>(parent - groups.begin())].add(out[i]);
  }
  if (kinds.has(Kind::kCpuLoad))
    for (std::size_t i = 0; i < groups.size(); ++i) average(memory_[groups[i].path], out[i], now);
  return out;
}

}  // namespace agent::exporter::cadvisor
