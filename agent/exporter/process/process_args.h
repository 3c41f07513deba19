// The arguments of prometheus.exporter.process.
#pragma once

#include <string>
#include <vector>

#include "agent/component/schema.h"

namespace agent::exporter::processes {

// All of comm, exe and cmdline that are given must match.
struct MatcherArgs {
  std::string name = "{{.ExeBase}}";
  std::vector<std::string> comm;
  std::vector<std::string> exe;
  std::vector<std::string> cmdline;
  static component::Schema<MatcherArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};

struct ProcessArgs {
  std::string procfs_path = "/proc";
  bool track_children = true;
  bool track_threads = true;
  bool gather_smaps = false;
  bool recheck_on_scrape = false;
  bool remove_empty_groups = false;
  std::vector<MatcherArgs> matchers;
  static component::Schema<ProcessArgs> schema();
};

}  // namespace agent::exporter::processes
