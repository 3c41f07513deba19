// What `fleet-agent apply` is given: what this host shall have. Format in bundle.cc.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"

namespace agent::install {

struct BundleFile {
  std::string path;  // absolute; one of those that allowed_path() takes
  mode_t mode = 0;
  std::string bytes;
  std::string sha256;
};

enum class Restart { kWhenNeeded, kAlways, kNever };

struct Bundle {
  std::string run;                  // names this deploy, in results and messages
  std::string who;                  // operator@machine
  std::string release;              // folder below /opt/fleet-agent, already in place
  std::vector<std::string> groups;  // the service user joins those that exist here
  std::vector<BundleFile> files;
  // Set: release and files are those of this generation on the host (generations.h), 0 being the
  // one before the present; the bundle brings none.
  std::optional<unsigned> back_to;
  Restart restart = Restart::kWhenNeeded;
  bool rolls_back = true;                     // no: what does not come up stays as it is
  std::string http = "127.0.0.1:12345";       // where the agent will answer
  Duration ready = std::chrono::seconds(30);  // how long it may take to become ready and healthy
  // How long it must stay so; zero: once is enough. Unset: 1 s after a restart, half of it after a
  // reload.
  std::optional<Duration> grace;
  bool delivery = true;  // no: it need not have delivered anything
};

// Reads a whole bundle from `fd` until its last byte. Every size is checked before anything is
// allocated for it, every file against its checksum.
Result<Bundle> read_bundle(int fd);
Result<Bundle> parse_bundle(std::string_view bytes);

// Files may only go below /etc/fleet-agent and to the unit and its drop-ins.
bool allowed_path(std::string_view path);
// 16 lower-case hex digits.
bool valid_release(std::string_view name);

}  // namespace agent::install
