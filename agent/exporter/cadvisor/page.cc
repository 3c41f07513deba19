#include "agent/exporter/cadvisor/page.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <initializer_list>
#include <iterator>
#include <optional>

#include "agent/base/strings.h"

namespace agent::exporter::cadvisor {
namespace {

using Type = model::MetricType;
constexpr Type kGauge = Type::kGauge;
constexpr Type kCounter = Type::kCounter;

struct Extra {
  std::string_view name;
  std::string_view value;
};

// Where a row puts what it finds.
class Points {
 public:
  Points(const Host& host, model::MetricFamily& family) : host_(host), family_(family) {}
  void of(const std::shared_ptr<const model::Labels>& labels) { labels_ = &labels; }
  const Host& host() const { return host_; }

  // `extra` in any order.
  void add(Value value, std::initializer_list<Extra> extra = {}) {
    if (!value) return;
    auto& point = family_.points.emplace_back();
    point.value = *value;
    point.common = *labels_;
    if (extra.size() == 0) return;
    model::LabelBuilder own;
    for (const Extra& one : extra)
      own.set(one.name, is_valid_utf8(one.value) ? one.value : to_valid_utf8(one.value));
    point.labels = std::move(own).take();
  }

 private:
  const Host& host_;
  model::MetricFamily& family_;
  const std::shared_ptr<const model::Labels>* labels_ = nullptr;
};

struct Row {
  std::optional<Kind> kind;  // none: always
  const char* name;
  Type type;
  const char* help;
  void (*put)(const Group& group, Points& out);
};

std::string_view device_name(const Points& out, const DeviceIo& io) {
  const auto found = out.host().device_names.find({io.major, io.minor});
  return found == out.host().device_names.end() ? std::string_view() : found->second;
}

// Of each device: what the control group counts, and of the root what the host counts of devices
// that its group does not.
template <Operations DeviceIo::*what, std::size_t operation>
void put_io(const Group& group, Points& out, double DiskStats::*of_disk) {
  std::vector<std::string_view> told;
  for (const DeviceIo& io : group.stats.io) {
    const std::string_view device = device_name(out, io);
    // Devices without a name could not be told apart.
    if (device.empty() || std::find(told.begin(), told.end(), device) != told.end()) continue;
    told.push_back(device);
    out.add((io.*what)[operation], {{"device", device}});
  }
  if (of_disk == nullptr) return;
  for (const DiskStats& disk : group.disks)
    if (std::find(told.begin(), told.end(), disk.device) == told.end())
      out.add(disk.*of_disk, {{"device", disk.device}});
}
template <double DiskStats::*what>
void put_disk(const Group& group, Points& out) {
  for (const DiskStats& disk : group.disks) out.add(disk.*what, {{"device", disk.device}});
}
template <double FileSystem::*what>
void put_file_system(const Group& group, Points& out) {
  for (const FileSystem& one : group.file_systems) out.add(one.*what, {{"device", one.device}});
}
template <double Interface::*what>
void put_interface(const Group& group, Points& out) {
  for (const Interface& one : group.network.interfaces)
    out.add(one.*what, {{"interface", one.name}});
}
template <Value HugePages::*what>
void put_huge_pages(const Group& group, Points& out) {
  for (const auto& [size, pages] : group.stats.huge_pages)
    out.add(pages.*what, {{"pagesize", size}});
}
template <std::vector<TcpStates> NetworkStats::*what>
void put_tcp(const Group& group, Points& out) {
  for (const TcpStates& states : group.network.*what)
    for (std::size_t i = 0; i < states.size(); ++i)
      out.add(states[i], {{"tcp_state", kTcpStates[i]}});
}
template <std::vector<UdpSockets> NetworkStats::*what>
void put_udp(const Group& group, Points& out) {
  for (const UdpSockets& one : group.network.*what) {
    out.add(one.dropped, {{"udp_state", "dropped"}});
    out.add(one.listen, {{"udp_state", "listen"}});
    out.add(one.receive_queued, {{"udp_state", "rxqueued"}});
    out.add(one.transmit_queued, {{"udp_state", "txqueued"}});
  }
}
template <auto part, auto what>
void put(const Group& group, Points& out) {
  out.add((group.stats.*part).*what);
}
// Only of groups whose CPU time is limited.
template <Value CpuStats::*what>
void put_cfs(const Group& group, Points& out) {
  if (group.stats.limits.cpu_quota) out.add(group.stats.cpu.*what);
}

// By name. Names, labels and types are cAdvisor's (docs/storage/prometheus.md there).
const std::vector<Row>& rows() {
  using S = Stats;
  using C = CpuStats;
  using M = MemoryStats;
  static const auto* const all = new std::vector<Row>{
      {Kind::kDiskIo, "container_blkio_device_usage_total", kCounter,
       "Bytes that went from and to a device, by operation.",
       [](const Group& g, Points& out) {
         for (const DeviceIo& io : g.stats.io) {
           const std::string major = std::to_string(io.major), minor = std::to_string(io.minor);
           for (std::size_t i = 0; i < kOperations.size(); ++i)
             out.add(io.bytes[i], {{"device", device_name(out, io)},
                                   {"major", major},
                                   {"minor", minor},
                                   {"operation", kOperations[i]}});
         }
       }},
      {Kind::kCpu, "container_cpu_cfs_periods_total", kCounter,
       "Periods of enforcement that have passed.", put_cfs<&C::periods>},
      {Kind::kCpu, "container_cpu_cfs_throttled_periods_total", kCounter,
       "Periods in which the group was throttled.", put_cfs<&C::throttled_periods>},
      {Kind::kCpu, "container_cpu_cfs_throttled_seconds_total", kCounter,
       "Seconds for which the group was throttled.", put_cfs<&C::throttled_seconds>},
      {Kind::kCpuLoad, "container_cpu_load_average_10s", kGauge,
       "Thousandths of tasks that run or want to, averaged over 10 s of scrapes.",
       [](const Group& g, Points& out) {
         if (g.has_processes) out.add(g.processes.load);
       }},
      {Kind::kCpuLoad, "container_cpu_load_d_average_10s", kGauge,
       "Thousandths of tasks that wait uninterruptibly, averaged over 10 s of scrapes.",
       [](const Group& g, Points& out) {
         if (g.has_processes) out.add(g.processes.load_d);
       }},
      {Kind::kSched, "container_cpu_schedstat_run_periods_total", kCounter,
       "Times that tasks of the group were given a CPU.",
       [](const Group& g, Points& out) {
         if (g.has_processes) out.add(g.processes.schedstat.run_periods);
       }},
      {Kind::kSched, "container_cpu_schedstat_run_seconds_total", kCounter,
       "Seconds for which tasks of the group ran.",
       [](const Group& g, Points& out) {
         if (g.has_processes) out.add(g.processes.schedstat.run_seconds);
       }},
      {Kind::kSched, "container_cpu_schedstat_runqueue_seconds_total", kCounter,
       "Seconds for which tasks of the group waited for a CPU.",
       [](const Group& g, Points& out) {
         if (g.has_processes) out.add(g.processes.schedstat.runqueue_seconds);
       }},
      {Kind::kCpu, "container_cpu_system_seconds_total", kCounter, "CPU seconds in the kernel.",
       put<&S::cpu, &C::system>},
      {Kind::kCpu, "container_cpu_usage_seconds_total", kCounter, "CPU seconds, in all or by CPU.",
       [](const Group& g, Points& out) {
         if (g.stats.cpu.per_cpu.empty()) out.add(g.stats.cpu.usage, {{"cpu", "total"}});
         for (std::size_t i = 0; i < g.stats.cpu.per_cpu.size(); ++i) {
           if (g.stats.cpu.per_cpu[i] <= 0) continue;
           std::array<char, 24> name{};
           const int n = std::snprintf(name.data(), name.size(), "cpu%02zu", i);
           out.add(g.stats.cpu.per_cpu[i],
                   {{"cpu", std::string_view(name.data(), static_cast<std::size_t>(n))}});
         }
       }},
      {Kind::kCpu, "container_cpu_user_seconds_total", kCounter, "CPU seconds in programs.",
       put<&S::cpu, &C::user>},
      {Kind::kProcess, "container_file_descriptors", kGauge, "Open files of all processes.",
       [](const Group& g, Points& out) {
         if (g.processes.descriptors_known) out.add(g.processes.descriptors);
       }},
      {Kind::kDisk, "container_fs_inodes_free", kGauge, "File nodes that are free.",
       put_file_system<&FileSystem::inodes_free>},
      {Kind::kDisk, "container_fs_inodes_total", kGauge, "File nodes of the file system.",
       put_file_system<&FileSystem::inodes>},
      {Kind::kDiskIo, "container_fs_io_current", kGauge, "Operations on their way.",
       put_disk<&DiskStats::io_current>},
      {Kind::kDiskIo, "container_fs_io_time_seconds_total", kCounter,
       "Seconds in which operations were on their way.", put_disk<&DiskStats::io_seconds>},
      {Kind::kDiskIo, "container_fs_io_time_weighted_seconds_total", kCounter,
       "Seconds that operations were on their way, summed over all of them.",
       put_disk<&DiskStats::io_weighted_seconds>},
      {Kind::kDisk, "container_fs_limit_bytes", kGauge, "Size of the file system.",
       put_file_system<&FileSystem::bytes>},
      {Kind::kDiskIo, "container_fs_read_seconds_total", kCounter, "Seconds spent in reads.",
       put_disk<&DiskStats::read_seconds>},
      {Kind::kDiskIo, "container_fs_reads_bytes_total", kCounter, "Bytes read from a device.",
       [](const Group& g, Points& out) { put_io<&DeviceIo::bytes, kRead>(g, out, nullptr); }},
      {Kind::kDiskIo, "container_fs_reads_merged_total", kCounter, "Reads merged with others.",
       put_disk<&DiskStats::reads_merged>},
      {Kind::kDiskIo, "container_fs_reads_total", kCounter, "Reads of a device.",
       [](const Group& g, Points& out) {
         put_io<&DeviceIo::count, kRead>(g, out, &DiskStats::reads);
       }},
      {Kind::kDiskIo, "container_fs_sector_reads_total", kCounter, "Sectors of 512 bytes read.",
       put_disk<&DiskStats::sectors_read>},
      {Kind::kDiskIo, "container_fs_sector_writes_total", kCounter, "Sectors of 512 bytes written.",
       put_disk<&DiskStats::sectors_written>},
      {Kind::kDisk, "container_fs_usage_bytes", kGauge,
       "Bytes in use: of the host's file systems all, of a container what it has written.",
       put_file_system<&FileSystem::used_bytes>},
      {Kind::kDiskIo, "container_fs_write_seconds_total", kCounter, "Seconds spent in writes.",
       put_disk<&DiskStats::write_seconds>},
      {Kind::kDiskIo, "container_fs_writes_bytes_total", kCounter, "Bytes written to a device.",
       [](const Group& g, Points& out) { put_io<&DeviceIo::bytes, kWrite>(g, out, nullptr); }},
      {Kind::kDiskIo, "container_fs_writes_merged_total", kCounter, "Writes merged with others.",
       put_disk<&DiskStats::writes_merged>},
      {Kind::kDiskIo, "container_fs_writes_total", kCounter, "Writes to a device.",
       [](const Group& g, Points& out) {
         put_io<&DeviceIo::count, kWrite>(g, out, &DiskStats::writes);
       }},
      {std::nullopt, "container_health_state", kGauge,
       "1 healthy, 0 not or not yet, -1 without a health check.",
       [](const Group& g, Points& out) { out.add(g.health); }},
      {Kind::kHugetlb, "container_hugetlb_failcnt", kCounter,
       "Times that the limit of huge pages was reached.", put_huge_pages<&HugePages::failcnt>},
      {Kind::kHugetlb, "container_hugetlb_max_usage_bytes", kGauge,
       "Most bytes of huge pages that were in use.", put_huge_pages<&HugePages::max_usage>},
      {Kind::kHugetlb, "container_hugetlb_usage_bytes", kGauge, "Bytes of huge pages in use.",
       put_huge_pages<&HugePages::usage>},
      {std::nullopt, "container_last_seen", kGauge, "When the group was last there.",
       [](const Group&, Points& out) { out.add(out.host().now); }},
      {Kind::kMemory, "container_memory_cache", kGauge, "Bytes of the page cache.",
       put<&S::memory, &M::cache>},
      {Kind::kMemory, "container_memory_failcnt", kCounter,
       "Times that the limit of memory was reached.", put<&S::memory, &M::failcnt>},
      {Kind::kMemory, "container_memory_failures_total", kCounter, "Page faults.",
       [](const Group& g, Points& out) {
         const MemoryStats& m = g.stats.memory;
         const auto one = [&](Value value, const char* type, const char* scope) {
           out.add(value, {{"failure_type", type}, {"scope", scope}});
         };
         one(m.pgfault, "pgfault", "container");
         one(m.total_pgfault, "pgfault", "hierarchy");
         one(m.pgmajfault, "pgmajfault", "container");
         one(m.total_pgmajfault, "pgmajfault", "hierarchy");
       }},
      {Kind::kMemory, "container_memory_kernel_usage", kGauge, "Bytes of the kernel's memory.",
       put<&S::memory, &M::kernel>},
      {Kind::kMemory, "container_memory_mapped_file", kGauge, "Bytes of files that are mapped.",
       put<&S::memory, &M::mapped_file>},
      {Kind::kMemory, "container_memory_max_usage_bytes", kGauge, "Most bytes that were in use.",
       put<&S::memory, &M::max_usage>},
      {Kind::kCpuset, "container_memory_migrate", kGauge,
       "1 when memory moves with the CPUs that the group may use.",
       [](const Group& g, Points& out) { out.add(g.stats.memory_migrate); }},
      {Kind::kMemoryNuma, "container_memory_numa_pages", kGauge, "Pages by NUMA node.",
       [](const Group& g, Points& out) {
         for (const NumaPages& one : g.stats.numa)
           out.add(one.pages, {{"node", one.node}, {"scope", one.scope}, {"type", one.type}});
       }},
      {Kind::kMemory, "container_memory_rss", kGauge, "Bytes of anonymous memory.",
       put<&S::memory, &M::rss>},
      {Kind::kMemory, "container_memory_swap", kGauge, "Bytes that are swapped out.",
       put<&S::memory, &M::swap>},
      {Kind::kMemory, "container_memory_total_active_file_bytes", kGauge,
       "Bytes of the page cache that were used of late.", put<&S::memory, &M::active_file>},
      {Kind::kMemory, "container_memory_total_inactive_file_bytes", kGauge,
       "Bytes of the page cache that were not used of late.", put<&S::memory, &M::inactive_file>},
      {Kind::kMemory, "container_memory_usage_bytes", kGauge,
       "Bytes in use, the page cache included.", put<&S::memory, &M::usage>},
      {Kind::kMemory, "container_memory_working_set_bytes", kGauge,
       "Bytes in use, without inactive page cache.", put<&S::memory, &M::working_set>},
      {Kind::kAdvancedTcp, "container_network_advance_tcp_stats_total", kGauge,
       "Counters of the kernel's TCP.",
       [](const Group& g, Points& out) {
         for (const auto& [name, value] : g.network.advanced) out.add(value, {{"tcp_state", name}});
       }},
      {Kind::kNetwork, "container_network_receive_bytes_total", kCounter, "Bytes received.",
       put_interface<&Interface::receive_bytes>},
      {Kind::kNetwork, "container_network_receive_errors_total", kCounter, "Errors of receiving.",
       put_interface<&Interface::receive_errors>},
      {Kind::kNetwork, "container_network_receive_packets_dropped_total", kCounter,
       "Received packets that were dropped.", put_interface<&Interface::receive_dropped>},
      {Kind::kNetwork, "container_network_receive_packets_total", kCounter, "Packets received.",
       put_interface<&Interface::receive_packets>},
      {Kind::kTcp, "container_network_tcp6_usage_total", kGauge, "TCP connections over IPv6.",
       put_tcp<&NetworkStats::tcp6>},
      {Kind::kTcp, "container_network_tcp_usage_total", kGauge, "TCP connections over IPv4.",
       put_tcp<&NetworkStats::tcp>},
      {Kind::kNetwork, "container_network_transmit_bytes_total", kCounter, "Bytes sent.",
       put_interface<&Interface::transmit_bytes>},
      {Kind::kNetwork, "container_network_transmit_errors_total", kCounter, "Errors of sending.",
       put_interface<&Interface::transmit_errors>},
      {Kind::kNetwork, "container_network_transmit_packets_dropped_total", kCounter,
       "Packets dropped instead of sent.", put_interface<&Interface::transmit_dropped>},
      {Kind::kNetwork, "container_network_transmit_packets_total", kCounter, "Packets sent.",
       put_interface<&Interface::transmit_packets>},
      {Kind::kUdp, "container_network_udp6_usage_total", kGauge, "UDP sockets over IPv6.",
       put_udp<&NetworkStats::udp6>},
      {Kind::kUdp, "container_network_udp_usage_total", kGauge, "UDP sockets over IPv4.",
       put_udp<&NetworkStats::udp>},
      {Kind::kOomEvent, "container_oom_events_total", kCounter,
       "Processes that the kernel killed for want of memory.", put<&S::memory, &M::oom_kills>},
      {Kind::kPressure, "container_pressure_cpu_stalled_seconds_total", kCounter,
       "Seconds in which all tasks waited for a CPU.", put<&S::cpu_pressure, &Pressure::stalled>},
      {Kind::kPressure, "container_pressure_cpu_waiting_seconds_total", kCounter,
       "Seconds in which tasks waited for a CPU.", put<&S::cpu_pressure, &Pressure::waiting>},
      {Kind::kPressure, "container_pressure_io_stalled_seconds_total", kCounter,
       "Seconds in which all tasks waited for input or output.",
       put<&S::io_pressure, &Pressure::stalled>},
      {Kind::kPressure, "container_pressure_io_waiting_seconds_total", kCounter,
       "Seconds in which tasks waited for input or output.",
       put<&S::io_pressure, &Pressure::waiting>},
      {Kind::kPressure, "container_pressure_memory_stalled_seconds_total", kCounter,
       "Seconds in which all tasks waited for memory.",
       put<&S::memory_pressure, &Pressure::stalled>},
      {Kind::kPressure, "container_pressure_memory_waiting_seconds_total", kCounter,
       "Seconds in which tasks waited for memory.", put<&S::memory_pressure, &Pressure::waiting>},
      {Kind::kProcess, "container_processes", kGauge, "Processes.",
       [](const Group& g, Points& out) {
         if (g.has_processes) out.add(g.processes.processes);
       }},
      {Kind::kReferencedMemory, "container_referenced_bytes", kGauge,
       "Bytes that were touched since the kernel was last asked to forget.",
       [](const Group& g, Points& out) {
         if (g.processes.referenced_known) out.add(g.processes.referenced_bytes);
       }},
      {Kind::kProcess, "container_sockets", kGauge, "Open sockets of all processes.",
       [](const Group& g, Points& out) {
         if (g.processes.descriptors_known) out.add(g.processes.sockets);
       }},
      {std::nullopt, "container_spec_cpu_period", kGauge,
       "Microseconds of a period in which the quota holds.", put<&S::limits, &Limits::cpu_period>},
      {std::nullopt, "container_spec_cpu_quota", kGauge, "Microseconds of CPU time in each period.",
       put<&S::limits, &Limits::cpu_quota>},
      {std::nullopt, "container_spec_cpu_shares", kGauge, "Share of CPU time among neighbours.",
       put<&S::limits, &Limits::cpu_shares>},
      {std::nullopt, "container_spec_memory_limit_bytes", kGauge,
       "Limit of memory; 0 when there is none.", put<&S::limits, &Limits::memory>},
      {std::nullopt, "container_spec_memory_reservation_limit_bytes", kGauge,
       "Memory that is kept for the group as far as possible; 0 when none is.",
       put<&S::limits, &Limits::memory_reservation>},
      {std::nullopt, "container_spec_memory_swap_limit_bytes", kGauge,
       "Limit of swap, in version 1 of memory and swap; 0 when there is none.",
       put<&S::limits, &Limits::memory_swap>},
      {std::nullopt, "container_start_time_seconds", kGauge, "When it was started, since 1970.",
       [](const Group& g, Points& out) { out.add(g.started); }},
      {Kind::kCpuLoad, "container_tasks_state", kGauge, "Tasks by state.",
       [](const Group& g, Points& out) {
         if (!g.has_processes) return;
         for (std::size_t i = 0; i < kTaskStates.size(); ++i)
           out.add(g.processes.tasks[i], {{"state", kTaskStates[i]}});
       }},
      {Kind::kProcess, "container_threads", kGauge, "Threads.",
       [](const Group& g, Points& out) { out.add(g.stats.threads); }},
      {Kind::kProcess, "container_threads_max", kGauge, "Most threads; 0 without a limit.",
       put<&S::limits, &Limits::threads>},
      {Kind::kProcess, "container_ulimits_soft", kGauge,
       "Soft limits of the first process; -1 without one.",
       [](const Group& g,
          Points& out) { out.add(g.processes.open_files, {{"ulimit", "max_open_files"}}); }},
  };
  return *all;
}

struct MachineRow {
  std::optional<Kind> kind;
  const char* name;
  const char* help;
  void (*put)(const Machine& machine, Points& out);
};

const std::vector<MachineRow>& machine_rows() {
  static const auto* const all = new std::vector<MachineRow>{
      {Kind::kCpuTopology, "machine_cpu_cache_capacity_bytes", "Size of a cache of the CPU.",
       [](const Machine& m, Points& out) {
         for (const auto& one : m.caches)
           out.add(one.bytes, {{"node_id", one.node},
                               {"core_id", one.core},
                               {"type", one.type},
                               {"level", one.level}});
       }},
      {std::nullopt, "machine_cpu_cores", "Logical CPUs.",
       [](const Machine& m, Points& out) { out.add(m.cores); }},
      {std::nullopt, "machine_cpu_physical_cores", "Cores.",
       [](const Machine& m, Points& out) { out.add(m.physical_cores); }},
      {std::nullopt, "machine_cpu_sockets", "CPU sockets.",
       [](const Machine& m, Points& out) { out.add(m.sockets); }},
      {std::nullopt, "machine_dimm_capacity_bytes", "Bytes of memory modules by type.",
       [](const Machine& m, Points& out) {
         for (const auto& [type, one] : m.dimms) out.add(one.bytes, {{"type", type}});
       }},
      {std::nullopt, "machine_dimm_count", "Memory modules by type.",
       [](const Machine& m, Points& out) {
         for (const auto& [type, one] : m.dimms) out.add(one.count, {{"type", type}});
       }},
      {std::nullopt, "machine_memory_bytes", "Bytes of memory.",
       [](const Machine& m, Points& out) { out.add(m.memory); }},
      {Kind::kCpuTopology, "machine_node_distance", "Distance between NUMA nodes.",
       [](const Machine& m, Points& out) {
         for (const auto& node : m.nodes)
           for (std::size_t i = 0; i < std::min(node.distances.size(), m.nodes.size()); ++i)
             out.add(node.distances[i], {{"node_id", node.id}, {"target_node_id", m.nodes[i].id}});
       }},
      {Kind::kHugetlb, "machine_node_hugepages_count", "Huge pages of a NUMA node.",
       [](const Machine& m, Points& out) {
         for (const auto& node : m.nodes)
           for (const auto& [kib, pages] : node.huge_pages)
             out.add(pages, {{"node_id", node.id}, {"page_size", kib}});
       }},
      {Kind::kCpuTopology, "machine_node_memory_capacity_bytes", "Bytes of memory of a NUMA node.",
       [](const Machine& m, Points& out) {
         for (const auto& node : m.nodes) out.add(node.memory, {{"node_id", node.id}});
       }},
      {std::nullopt, "machine_swap_bytes", "Bytes of swap.",
       [](const Machine& m, Points& out) { out.add(m.swap); }},
      {Kind::kCpuTopology, "machine_thread_siblings_count",
       "Threads of the core that a thread belongs to.",
       [](const Machine& m, Points& out) {
         for (const auto& one : m.threads)
           out.add(one.siblings,
                   {{"node_id", one.node}, {"core_id", one.core}, {"thread_id", one.thread}});
       }},
  };
  return *all;
}

model::Labels labels_of(std::initializer_list<Extra> pairs) {
  model::LabelBuilder out;
  for (const Extra& one : pairs) out.set(one.name, to_valid_utf8(one.value));
  return std::move(out).take();
}

}  // namespace

std::vector<model::MetricFamily> make_page(const std::vector<Group>& groups, const Host& host,
                                           const Kinds& kinds) {
  std::vector<model::MetricFamily> out;
  const auto wanted = [&](std::optional<Kind> kind) { return !kind || kinds.has(*kind); };
  const auto single = [&](const char* name, const char* help, double value, model::Labels labels) {
    out.push_back({name, help, kGauge, {{"", std::move(labels), value}}});
  };
  single("cadvisor_version_info", "1, with the versions of what the containers run on.", 1,
         labels_of({{"cadvisorVersion", host.agent_version},
                    {"dockerVersion", host.docker_version},
                    {"kernelVersion", host.machine.kernel_version},
                    {"osVersion", host.machine.os_version}}));
  for (const Row& row : rows()) {
    if (!wanted(row.kind)) continue;
    model::MetricFamily family{row.name, row.help, row.type, {}};
    family.points.reserve(groups.size());
    Points points(host, family);
    for (const Group& group : groups) {
      points.of(group.labels);
      row.put(group, points);
    }
    if (!family.points.empty()) out.push_back(std::move(family));
  }
  single("container_scrape_error", "1 when containers could not be told of as they should.",
         host.failed ? 1 : 0, {});
  const auto machine =
      std::make_shared<const model::Labels>(labels_of({{"boot_id", host.machine.boot_id},
                                                       {"machine_id", host.machine.machine_id},
                                                       {"system_uuid", host.machine.system_uuid}}));
  for (const MachineRow& row : machine_rows()) {
    if (!wanted(row.kind)) continue;
    model::MetricFamily family{row.name, row.help, kGauge, {}};
    Points points(host, family);
    points.of(machine);
    row.put(host.machine, points);
    if (!family.points.empty()) out.push_back(std::move(family));
  }
  single("machine_scrape_error", "1 when the host could not be told of.",
         host.machine.cores && host.machine.memory ? 0 : 1, {});
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

}  // namespace agent::exporter::cadvisor
