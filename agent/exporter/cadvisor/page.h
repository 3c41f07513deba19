// The page: which families there are, of which kind, and what of a control group or of the host is
// in each.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/exporter/cadvisor/cgroups.h"
#include "agent/exporter/cadvisor/kinds.h"
#include "agent/exporter/cadvisor/machine.h"
#include "agent/exporter/cadvisor/network.h"
#include "agent/exporter/cadvisor/processes.h"
#include "agent/exporter/cadvisor/stats.h"
#include "agent/model/metric_family.h"

namespace agent::exporter::cadvisor {

// All that is told of one control group.
struct Group {
  Cgroup cgroup;
  std::shared_ptr<const model::Labels> labels;  // of each of its series
  Stats stats;
  NetworkStats network;
  ProcessStats processes;
  bool has_processes = false;  // they were looked at
  Value started;               // seconds since 1970
  Value health;                // of a container
  std::vector<FileSystem> file_systems;
  std::vector<DiskStats> disks;  // of the root
};

struct Host {
  Machine machine;
  std::string docker_version, agent_version;
  std::map<DeviceNumber, std::string> device_names;
  double now = 0;  // seconds since 1970
  bool failed = false;
};

// Families by name, without those that have no point.
std::vector<model::MetricFamily> make_page(const std::vector<Group>& groups, const Host& host,
                                           const Kinds& kinds);

}  // namespace agent::exporter::cadvisor
