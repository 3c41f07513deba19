#include "agent/exporter/cadvisor/kinds.h"

#include <algorithm>

namespace agent::exporter::cadvisor {

const std::vector<KindName>& kind_names() {
  static const auto* const all = new std::vector<KindName>{
      {Kind::kAdvancedTcp, "advtcp", false, ""},
      {Kind::kApp, "app", true, "it asks programs inside of containers for pages of their own"},
      {Kind::kCpu, "cpu", true, ""},
      // Alloy never starts what would fill these and tells 0. Here they are true, at the cost of a
      // reading for each task, and have to be asked for.
      {Kind::kCpuLoad, "cpuLoad", false, ""},
      {Kind::kCpuTopology, "cpu_topology", false, ""},
      {Kind::kCpuset, "cpuset", false, ""},
      {Kind::kDisk, "disk", true, ""},
      {Kind::kDiskIo, "diskIO", true, ""},
      {Kind::kHugetlb, "hugetlb", false, ""},
      {Kind::kMemory, "memory", true, ""},
      {Kind::kMemoryNuma, "memory_numa", false, ""},
      {Kind::kNetwork, "network", true, ""},
      {Kind::kOomEvent, "oom_event", true, ""},
      {Kind::kPerCpu, "percpu", true, ""},
      {Kind::kPerfEvent, "perf_event", true, "it counts all the time, also between scrapes"},
      {Kind::kPressure, "pressure", true, ""},
      {Kind::kProcess, "process", false, ""},
      {Kind::kReferencedMemory, "referenced_memory", false, ""},
      {Kind::kResctrl, "resctrl", false, "it makes monitoring groups, which only root may"},
      {Kind::kSched, "sched", false, ""},
      {Kind::kTcp, "tcp", false, ""},
      {Kind::kUdp, "udp", false, ""},
  };
  return *all;
}

const KindName* find_kind(std::string_view name) {
  for (const KindName& one : kind_names())
    if (one.name == name) return &one;
  return nullptr;
}

Kinds Kinds::chosen(const std::vector<std::string>& enabled,
                    const std::vector<std::string>& disabled) {
  const auto in = [](const std::vector<std::string>& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  Kinds out;
  for (const KindName& one : kind_names()) {
    bool on = one.by_default;
    if (!enabled.empty()) {
      on = in(enabled, one.name);
    } else if (!disabled.empty()) {
      on = !in(disabled, one.name);
    }
    if (on) out.bits_ |= 1U << static_cast<unsigned>(one.kind);
  }
  return out;
}

}  // namespace agent::exporter::cadvisor
