// One scrape of the containers of a host: finds the control groups, asks Docker, reads, and makes
// the page.
#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/exporter/cadvisor/cadvisor_args.h"
#include "agent/exporter/cadvisor/page.h"

namespace agent::exporter::cadvisor {

// Where the host's files are.
struct HostRoots {
  std::filesystem::path proc = "/proc", sys = "/sys", etc = "/etc";
};

// One thread at a time.
class Scraper {
 public:
  Scraper(CadvisorArgs args, DockerOptions docker, HostRoots roots, const Clock& clock, Log log);
  std::vector<model::MetricFamily> scrape(const std::stop_token& stop);

 private:
  Group read(const Cgroup& cgroup, const Container* container);
  void add_root(Group& group);
  void add_file_systems(Group& group, const Container* container);
  void read_host();

  const CadvisorArgs args_;
  const Kinds kinds_;
  const HostRoots roots_;
  const Clock& clock_;
  const Log log_;
  Docker docker_;
  ProcessReader processes_;
  Machine machine_;
  Mono machine_due_ = Mono::min();
  std::string buffer_;

  // Of the scrape that is on.
  Hierarchies hierarchies_;
  std::string mounts_;
  std::optional<FileSystem> docker_file_system_;
};

}  // namespace agent::exporter::cadvisor
