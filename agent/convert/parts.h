// What the configurations of Promtail and Prometheus have in common, because the one took it from
// the other: options of HTTP clients, relabelling, the ways to find targets.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/convert/section.h"

namespace agent::convert {

// Arguments and blocks of an HTTP client, into the open block.
void write_http_client(Context& context, Section& section);
void write_tls_config(Context& context, const Node& node);

// The rules as blocks of this name, into the open block.
void write_rules(Context& context, const Node& rules, std::string_view block);
// Whether a rule reads this label, writes it, or may do so (labelmap counts for neither).
bool rules_read(const Node* rules, std::string_view label);
bool rules_write(const Node* rules, std::string_view label);
bool rules_act(const Node* rules, std::initializer_list<std::string_view> actions);

// What finds a job's targets, as the value of an argument `targets`.
struct Targets {
  std::vector<std::string> fixed;  // objects
  std::vector<std::string> found;  // exports of components
  Mark mark;

  bool empty() const { return fixed.empty() && found.empty(); }
  std::string code() const;
};

// static_configs. Each group's labels with each of its addresses; `with_address` keeps the address,
// which Promtail has no use for unless a rule reads it.
void add_static_targets(Context& context, Section& job, bool with_address, Targets& targets);
// file_sd_configs, http_sd_configs, dns_sd_configs and docker_sd_configs as components of the
// given label; a finding for every other *_sd_configs.
void add_discovered_targets(Context& context, Section& job, std::string_view label,
                            std::initializer_list<std::string_view> kinds, Targets& targets);
void write_discovery_docker(Context& context, const Node& config, std::string_view label);

}  // namespace agent::convert
