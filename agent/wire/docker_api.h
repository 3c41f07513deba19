// What the Docker Engine API answers, as far as this agent asks. Pure; bounded and tolerant:
// unknown members are skipped, missing ones keep their defaults, a wrong type is an error of the
// one element. (Docker Engine API v1.41: ContainerList, ContainerInspect, NetworkList,
// SystemEvents, SystemInfo.)
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"

namespace agent::wire {

using DockerLabels = std::vector<std::pair<std::string, std::string>>;  // in the daemon's order

struct DockerPort {
  std::string ip;  // of the public side
  int private_port = 0;
  int public_port = 0;  // 0: not published
  std::string type;     // "tcp", "udp", "sctp"
};

struct DockerEndpoint {
  std::string network;  // name
  std::string network_id;
  std::string ip;  // "" while the container does not run
};

struct DockerContainer {
  std::string id;
  std::string name;    // with its leading slash; "" when it has none
  std::string state;   // "running", "exited", "created", "paused", "restarting", "dead", "removing"
  std::string status;  // for people, with its health: "Up 5 minutes (healthy)"
  std::string image;   // as it was asked for, or an id when that name is another image's now
  std::string network_mode;
  DockerLabels labels;
  std::vector<DockerPort> ports;
  std::vector<DockerEndpoint> endpoints;  // sorted by name of the network
  std::int64_t own_bytes = -1;            // of its files, when these were asked for; else -1
  bool alive() const { return state == "running" || state == "paused" || state == "restarting"; }
};

struct DockerInspection {
  std::string id;
  std::string name;
  std::string image;                     // as it was asked for
  std::string network_mode;              // "bridge", "host", "container:<id>"
  std::vector<std::string> environment;  // "NAME=value"
  std::int64_t pid = 0;                  // of its first process; 0 when it does not run
  std::int64_t restarts = 0;             // by the daemon, since it was made
  bool running = false;
  bool tty = false;
  std::string log_driver;  // "json-file"
  std::int64_t started_ns = 0;
  std::int64_t finished_ns = 0;  // 0: never
  DockerLabels labels;
};

struct DockerDaemon {
  std::string version;
  std::string files;  // the folder that containers' own files are in
};

struct DockerNetwork {
  std::string id;
  std::string name;
  std::string scope;
  bool internal = false;
  bool ingress = false;
  DockerLabels labels;
};

struct DockerEvent {
  std::string type;    // "container", "network"
  std::string action;  // "start", "die", "destroy", "exec_start: ls" ...
  std::string id;
  std::int64_t time_ns = 0;
};

Result<std::vector<DockerContainer>> parse_docker_containers(std::string_view json);
Result<DockerInspection> parse_docker_inspection(std::string_view json);
Result<DockerDaemon> parse_docker_info(std::string_view json);
Result<std::vector<DockerNetwork>> parse_docker_networks(std::string_view json);
Result<DockerEvent> parse_docker_event(std::string_view json);
// The daemon's words in {"message": "..."}; else the beginning of the text itself.
std::string docker_error_message(std::string_view body);

// The bytes of GET /events -> events: one JSON object after another, separated by newlines.
class DockerEvents {
 public:
  // Calls `sink` for each whole event. What cannot be read is skipped.
  void feed(std::string_view bytes, const std::function<void(const DockerEvent&)>& sink);

 private:
  std::string rest_;
  bool skipping_ = false;  // an object longer than anything sensible
};

// {"label":["a","b"],"name":["c"]} as the query parameter `filters` wants it, not yet
// percent-encoded.
std::string docker_filters(
    const std::vector<std::pair<std::string, std::vector<std::string>>>& filters);

}  // namespace agent::wire
