#include "agent/exporter/cadvisor/scraper.h"

#include <algorithm>
#include <cmath>

#include "agent/base/strings.h"
#include "agent/exporter/cadvisor/cgroup_v1.h"
#include "agent/exporter/cadvisor/cgroup_v2.h"

namespace agent::exporter::cadvisor {
namespace {

// CPUs, memory and modules seldom change, and a large host has thousands of files of them.
constexpr Duration kMachineEvery = std::chrono::minutes(5);
constexpr std::size_t kMaxMounts = 8U << 20;

}  // namespace

Scraper::Scraper(CadvisorArgs args, DockerOptions docker, HostRoots roots, const Clock& clock,
                 Log log)
    : args_(std::move(args)),
      kinds_(args_.kinds()),
      roots_(std::move(roots)),
      clock_(clock),
      log_(std::move(log)),
      docker_(std::move(docker), clock),
      processes_(roots_.proc) {}

void Scraper::read_host() {
  if (clock_.mono() >= machine_due_) {
    machine_ = read_machine(roots_.proc, roots_.sys, roots_.etc, kinds_, buffer_);
    machine_due_ = clock_.mono() + kMachineEvery;
  }
  const auto mounts = read_small(roots_.proc / "self/mounts", buffer_, kMaxMounts);
  mounts_ = mounts ? std::string(*mounts) : std::string();
  hierarchies_ = parse_hierarchies(mounts_, roots_.sys);
}

// What control groups do not tell of the host as a whole.
void Scraper::add_root(Group& group) {
  group.stats.limits.memory = machine_.memory;
  group.stats.limits.memory_swap = machine_.swap;
  if (kinds_.has(Kind::kMemory) && !group.stats.memory.usage) {
    if (const auto text = read_small(roots_.proc / "meminfo", buffer_)) {
      const MemoryInfo memory = parse_meminfo(*text);
      if (memory.total && memory.free) group.stats.memory.usage = *memory.total - *memory.free;
      if (memory.swap_total && memory.swap_free)
        group.stats.memory.swap = *memory.swap_total - *memory.swap_free;
    }
  }
  if (kinds_.has(Kind::kPressure)) {
    for (const auto& [name, into] : {std::pair{"cpu", &group.stats.cpu_pressure},
                                     std::pair{"memory", &group.stats.memory_pressure},
                                     std::pair{"io", &group.stats.io_pressure}}) {
      if (into->waiting) continue;
      if (const auto text = read_small(roots_.proc / "pressure" / name, buffer_))
        v2::parse_pressure(*text, *into);
    }
  }
  if (kinds_.has(Kind::kDiskIo)) {
    if (const auto text = read_small(roots_.proc / "diskstats", buffer_))
      group.disks = parse_diskstats(*text);
  }
  if (kinds_.has(Kind::kDisk)) group.file_systems = local_file_systems(mounts_);
  group.network = read_network(roots_.proc, 1, kinds_, buffer_);
}

void Scraper::add_file_systems(Group& group, const Container* container) {
  if (!docker_file_system_) return;
  FileSystem own = *docker_file_system_;
  if (!container->own_bytes) return;
  own.used_bytes = *container->own_bytes;
  group.file_systems.push_back(std::move(own));
}

Group Scraper::read(const Cgroup& cgroup, const Container* container) {
  Group out;
  out.cgroup = cgroup;
  const bool root = cgroup.path == "/";
  model::LabelBuilder labels(container == nullptr ? model::Labels() : container->labels);
  labels.set("id", to_valid_utf8(cgroup.path));
  out.labels = std::make_shared<const model::Labels>(std::move(labels).take());
  if (cgroup.made_ns > 0) out.started = std::floor(static_cast<double>(cgroup.made_ns) / 1e9);
  if (!root || !args_.disable_root_cgroup_stats) {
    v1::read(hierarchies_, cgroup.path, kinds_, buffer_, out.stats);
    v2::read(hierarchies_, cgroup.path, kinds_, buffer_, out.stats);
    if (root) add_root(out);
    MemoryStats& memory = out.stats.memory;
    if (memory.usage)
      memory.working_set = std::max(*memory.usage - memory.inactive_file.value_or(0), 0.0);
  }
  if (container != nullptr) {
    if (container->started_ns > 0)
      out.started = std::floor(static_cast<double>(container->started_ns) / 1e9);
    out.health = container->health;
    // Who shares the network of another container would tell that one's again.
    if (container->pid > 0 && !container->network_mode.starts_with("container:"))
      out.network = read_network(roots_.proc, container->pid, kinds_, buffer_);
    if (kinds_.has(Kind::kDisk)) add_file_systems(out, container);
  }
  return out;
}

std::vector<model::MetricFamily> Scraper::scrape(const std::stop_token& stop) {
  Host host;
  read_host();
  FoundCgroups found = find_cgroups(hierarchies_);
  if (hierarchies_.empty()) {
    host.failed = true;
    log_.limited(Level::kWarn, "no control groups are mounted");
  }
  if (!found.complete) {
    host.failed = true;
    log_.limited(Level::kWarn, "there are more control groups than are told of",
                 {{"limit", kMaxCgroups}});
  }
  if (const auto asked = docker_.refresh(found.groups, stop); !asked) {
    host.failed = true;
    log_.limited(Level::kWarn, "cannot ask Docker about containers",
                 {{"docker_host", args_.docker_host}, {"error", asked.error().message}});
  }
  if (const std::string& folder = docker_.daemon().files;
      kinds_.has(Kind::kDisk) && !folder.empty())
    docker_file_system_ = file_system_of(mounts_, folder);

  std::vector<Group> groups;
  std::vector<ProcessStats> processes;
  if (ProcessReader::needed(kinds_)) {
    const std::chrono::duration<double> now = clock_.mono().time_since_epoch();
    processes = processes_.read(hierarchies_, found.groups, kinds_, now.count(), buffer_);
  }
  for (std::size_t i = 0; i < found.groups.size() && !stop.stop_requested(); ++i) {
    const Cgroup& cgroup = found.groups[i];
    const Container* const container = docker_.find(docker_id(cgroup.path));
    if (container == nullptr && !args_.wants_raw(cgroup.path)) continue;
    groups.push_back(read(cgroup, container));
    if (processes.empty()) continue;
    if (cgroup.path == "/" && args_.disable_root_cgroup_stats) continue;
    groups.back().processes = processes[i];
    groups.back().has_processes = true;
  }
  if (const auto text = read_small(roots_.proc / "partitions", buffer_))
    host.device_names = parse_partitions(*text);
  host.machine = machine_;
  host.docker_version = docker_.daemon().version;
  host.agent_version = AGENT_VERSION;
  host.now = std::floor(static_cast<double>(clock_.wall_ns()) / 1e9);
  return make_page(groups, host, kinds_);
}

}  // namespace agent::exporter::cadvisor
