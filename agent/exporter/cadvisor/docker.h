// What the Docker daemon knows of the containers whose control groups are there. Asked during
// scrapes and at no other time: one list a scrape for names and health; one inspection for each
// container that is new or was started again; and, when file systems are told of, the sizes of
// what containers have written once in some minutes, because the daemon looks at all their files
// for it. What was learned stays as long as the control group does, so that a daemon that is away
// costs no names.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/exporter/cadvisor/cgroups.h"
#include "agent/exporter/cadvisor/stats.h"
#include "agent/io/http_client.h"
#include "agent/model/labels.h"
#include "agent/wire/docker_api.h"

namespace agent::exporter::cadvisor {

struct DockerOptions {
  io::HttpOrigin origin;
  io::HttpOptions http;
  bool all_labels = true;
  std::vector<std::string> labels;       // when not all: these
  std::vector<std::string> environment;  // beginnings of names of variables that become labels
  bool sizes = true;
};

struct Container {
  std::uint64_t instance = 0;  // of its control group when it was inspected; 0: not yet
  std::string name;
  std::string image;
  std::string network_mode;
  model::Labels labels;  // of every series, without id; sorted
  std::int64_t started_ns = 0;
  std::int64_t pid = 0;
  int health = -1;  // 1 healthy, 0 starting or unhealthy, -1 without a check
  Value own_bytes;
};

// The labels that a container's series carry beside id. Names and values come from anybody who may
// start a container: bytes that are no text are replaced, long values cut, and of labels that
// become the same name the first by the original name stays.
model::Labels container_labels(const wire::DockerContainer& listed,
                               const wire::DockerInspection& inspected,
                               const DockerOptions& options);
// From the words of a list: "Up 5 minutes (healthy)".
int health_of(std::string_view status);

class Docker {
 public:
  Docker(DockerOptions options, const Clock& clock);

  // Learns what is new of the containers that these groups belong to. A failure tells what could
  // not be asked; what was known stays. Ends within a second of a stop, and after some seconds when
  // the daemon does not answer.
  Result<> refresh(const std::vector<Cgroup>& groups, const std::stop_token& stop);
  const Container* find(std::string_view id) const;
  const wire::DockerDaemon& daemon() const { return daemon_; }

 private:
  template <class T>
  Result<T> ask(const std::string& path, Duration timeout, Result<T> (*parse)(std::string_view),
                const std::stop_token& stop);
  Result<> ask_sizes(const std::stop_token& stop);

  const DockerOptions options_;
  const Clock& clock_;
  io::HttpClient client_;
  bool answered_ = false;  // ever
  Mono quiet_until_ = Mono::min();
  std::optional<Error> last_failure_;
  // Times long ago, from which a while can still be reckoned.
  Mono last_sizes_ = Mono::min() + std::chrono::hours(1);
  Mono sizes_due_ = Mono::min(), daemon_due_ = Mono::min();
  wire::DockerDaemon daemon_;
  std::map<std::string, Container, std::less<>> containers_;  // by id
};

}  // namespace agent::exporter::cadvisor
