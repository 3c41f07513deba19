// Any bytes as the files that prometheus.exporter.cadvisor reads, and as the daemon's answers: what
// becomes of them is a page that reads back.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/exporter/cadvisor/cgroup_v1.h"
#include "agent/exporter/cadvisor/cgroup_v2.h"
#include "agent/exporter/cadvisor/docker.h"
#include "agent/exporter/cadvisor/page.h"
#include "agent/exporter/cadvisor/text.h"
#include "agent/wire/exposition.h"
#include "agent/wire/exposition_families.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent::exporter::cadvisor;  // NOLINT
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Group group;
  Host host;
  Stats& stats = group.stats;
  group.cgroup.path = "/x";
  group.has_processes = true;
  agent::model::LabelBuilder labels;
  labels.set("id", "/x");
  switch (data[0] % 29) {
    case 0:
      v1::parse_cpuacct_stat(text, stats.cpu);
      break;
    case 1:
      v1::parse_usage_percpu(text, stats.cpu);
      break;
    case 2:
      stats.limits.cpu_quota = 1;
      v1::parse_cpu_stat(text, stats.cpu);
      break;
    case 3:
      v1::parse_memory_stat(text, stats.memory);
      break;
    case 4:
      v1::parse_oom_control(text, stats.memory);
      break;
    case 5:
      v1::parse_numa_stat(text, stats.numa);
      break;
    case 6:
      v1::parse_blkio(text, &DeviceIo::bytes, stats.io);
      break;
    case 7:
      v2::parse_cpu_stat(text, stats.cpu);
      break;
    case 8:
      v2::parse_cpu_max(text, stats.limits);
      break;
    case 9:
      v2::parse_memory_stat(text, stats.memory);
      break;
    case 10:
      v2::parse_memory_events(text, stats.memory);
      break;
    case 11:
      v2::parse_numa_stat(text, stats.numa);
      break;
    case 12:
      v2::parse_io_stat(text, stats.io);
      break;
    case 13:
      v2::parse_pressure(text, stats.io_pressure);
      break;
    case 14:
      parse_interfaces(text, group.network.interfaces);
      break;
    case 15:
      group.network.tcp = {parse_tcp(text)};
      break;
    case 16:
      group.network.udp = {parse_udp(text)};
      break;
    case 17:
      parse_advanced_tcp(text, group.network.advanced);
      break;
    case 18:
      (void)parse_task_state(text);
      break;
    case 19:
      (void)parse_schedstat(text);
      break;
    case 20:
      group.processes.open_files = parse_open_files_limit(text);
      break;
    case 21:
      (void)parse_referenced(text);
      break;
    case 22:
      host.machine.memory = parse_meminfo(text).total;
      break;
    case 23:
      stats.io.push_back({8, 0, {1, 1, 1, 1, 1, 1}, {}});
      host.device_names = parse_partitions(text);
      break;
    case 24:
      group.disks = parse_diskstats(text);
      break;
    case 25:
      (void)parse_hierarchies(text, "/sys");
      break;
    case 26:
      if (docker_id(text).size() % 64 != 0) std::abort();
      labels.set("id", agent::to_valid_utf8(text));
      break;
    case 27:
      (void)health_of(text);
      break;
    default: {
      // A list and an inspection in one: what both take of it becomes labels.
      const auto list = agent::wire::parse_docker_containers(text);
      const auto inspected = agent::wire::parse_docker_inspection(
          list && !list->empty() ? text.substr(1, text.size() - 2) : text);
      DockerOptions options;
      options.environment = {"A", "é"};
      options.labels = {"restartcount"};
      labels = agent::model::LabelBuilder(
          container_labels(list && !list->empty() ? list->front() : agent::wire::DockerContainer(),
                           inspected ? *inspected : agent::wire::DockerInspection(), options));
    }
  }
  group.labels = std::make_shared<const agent::model::Labels>(std::move(labels).take());
  std::vector<std::string> all;
  for (const KindName& one : kind_names()) all.emplace_back(one.name);
  const std::string page =
      agent::wire::write_exposition(make_page({group}, host, Kinds::chosen(all, {})));
  if (!agent::wire::read_families(page)) std::abort();
  return 0;
}
