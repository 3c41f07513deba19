// What `fleet-agent installed` told about a host (format: agent/install/installed.cc).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace fleetctl::plan {

// A state of the host, named by the change that made it.
struct Generation {
  unsigned number = 0;  // 0: no deploy yet
  std::string run;
  std::string who;
  std::int64_t time = 0;  // seconds since 1970; 0: unknown
  std::string release;
  std::string config_sha256;    // "": no configuration, or unknown
  bool release_present = true;  // no: the host cannot go back to it
};

struct Ill {
  std::string component;
  std::string message;
};

// A file that is not as the last deploy left it.
struct Drift {
  std::string path;
  std::string how;            // "changed", "missing"
  std::int64_t modified = 0;  // seconds since 1970
  std::int64_t uid = 0;       // its owner
};

// What flows through the agent; below 0 is not known.
struct Figures {
  double lines_per_second = -1;
  double samples_per_second = -1;
  // Read and not acknowledged.
  std::int64_t backlog_entries = -1;
  std::int64_t backlog_samples = -1;
  std::int64_t backlog_bytes = -1;
  std::int64_t oldest_seconds = -1;
};

struct LastError {
  std::string component;  // "": there was none
  std::string message;
  std::int64_t time = 0;  // seconds since 1970; 0: unknown
  bool now = false;       // it has not gone since
};

struct Installed {
  std::string version;  // of the agent that is in use
  Generation present;
  std::vector<Generation> kept;  // newest first, without the present one
  std::string interrupted;       // "RUN of WHO" of a deploy that was cut off; "": none
  std::string config_sha256;     // of what lies there
  std::string applied_sha256;    // of what the last deploy put there
  std::int64_t config_modified = 0;
  std::int64_t config_uid = 0;
  std::string unit_active;   // active, inactive, failed, ...
  std::string unit_enabled;  // enabled, disabled, ...
  std::int64_t restarts = 0;
  std::int64_t up_seconds = -1;  // -1: not running
  bool ready = false;
  bool healthy = false;
  std::string answer;  // why it is not ready
  std::vector<Ill> unhealthy;
  std::vector<Drift> drift;
  Figures figures;
  LastError last_error;
  std::string address;  // where its pages are, "127.0.0.1:12345"; "": unknown
  std::string prefix;   // of their paths, "" or "/agent"
  bool tls = false;     // they are https
};

// Members that are missing or of another type are left as they are above; errors: not an object.
agent::Result<Installed> read_installed(std::string_view text);

}  // namespace fleetctl::plan
