// Where a rendered configuration writes to, as places that can be asked for what arrived. Read from
// what is written out in it; what the host itself looks up (sys.env, files) is not known here.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "agent/io/http_client.h"
#include "fleetctl/command/fleet.h"

namespace fleetctl::command {

// A Loki or a Prometheus.
struct Destination {
  std::string url;              // of its API, without a slash at the end: "http://loki:3100"
  agent::io::HttpOptions http;  // the write's own credentials, tenant and TLS
};
using LabelPair = std::pair<std::string, std::string>;

struct Destinations {
  std::vector<Destination> loki;
  std::vector<Destination> prometheus;
  bool journal = false;     // the journal is read
  bool containers = false;  // containers' logs are read
  bool every_container = false;
  // Labels that the lines of either have, from what gives every line of it a label.
  std::vector<LabelPair> journal_labels;
  std::vector<LabelPair> container_labels;
  std::vector<std::string> notes;  // why a write is not among them
};
Destinations destinations_of(const Host& host);

// "http://loki:3100/loki/api/v1/push" and "http://loki:3100/" are both "http://loki:3100".
std::string loki_url(std::string_view url);
// The same for ".../api/v1/write" and, as Mimir spells it, ".../api/v1/push".
std::string prometheus_url(std::string_view url);

// GET path?name=value&... The answer's body, where its status is 200. An error that holds
// "answers 4xx" is for good: kInvalid; else kUnavailable.
agent::Result<std::string> ask(agent::io::HttpClient& client, const Destination& destination,
                               std::string_view path, const std::vector<LabelPair>& parameters);

// Whether a line with this text and these labels has arrived that was written between the two.
agent::Result<bool> loki_has(agent::io::HttpClient& client, const Destination& destination,
                             const std::string& selector, std::string_view text,
                             std::int64_t since_ns, std::int64_t until_ns);
// Seconds since the newest sample of `up` or of node_exporter's metrics whose instance, hostname or
// host is one of `names`; negative when there is none.
agent::Result<double> newest_sample(agent::io::HttpClient& client, const Destination& destination,
                                    const std::vector<std::string>& names);

}  // namespace fleetctl::command
