// What the bootstrap told about a host, read from its lines.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace fleetctl::plan {

struct InstalledFile {
  std::string sha256;
  std::string mode;   // octal, "640"
  std::string owner;  // by name, as the group
  std::string group;
};

struct Facts {
  std::string architecture;  // as uname -m
  std::string os;            // "debian 12"
  std::string libc;          // "glibc 2.36"
  bool systemd = false;
  bool docker = false;         // its socket is there
  std::int64_t free_kib = -1;  // where the agent goes; -1: unknown
  bool alloy_runs = false;     // Grafana Alloy itself
  std::string unit_active;     // systemctl is-active: active, inactive, failed, unknown
  std::string unit_enabled;    // enabled, disabled
  bool user = false;
  std::map<std::string, bool> groups;          // those that exist -> the service user is a member
  bool release_present = false;                // the wanted one
  std::string current;                         // the release in use
  std::map<std::string, InstalledFile> files;  // by path: those asked for, and what was applied
  std::set<std::string> no_files;              // of these paths: a folder lies there, a link, ...
  std::map<std::string, std::string>
      applied;              // path -> sha256 of what is in effect; empty: unknown
  std::string interrupted;  // "RUN of WHO" of a deploy that was cut off; "": none
};

// Takes one line (without the nonce):
//   arch M | os ID VERSION | libc NAME VERSION | systemd yes | docker yes | free KIB | alloy active
//   unit ACTIVE ENABLED | user yes | group NAME member|exists | release yes | current NAME
//   file PATH SHA256 MODE OWNER GROUP | nofile PATH | applied JSON | underway JSON
// Unknown lines are left out: an older fleetctl may meet a newer script. Errors: a line that cannot
// be read.
agent::Result<> read_fact(std::string_view line, Facts& facts);

}  // namespace fleetctl::plan
