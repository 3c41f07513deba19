// Where Docker's syslog driver sends the lines of containers to.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace fleetctl::plan {

// What `syslog-address` says, when that is this machine.
struct LogAddress {
  std::string protocol;   // "tcp", "udp"
  std::string_view port;  // of the text that was read: digits, or an expression in double braces
};
// The first address in the text, whatever quotes and signs are around it.
std::optional<LogAddress> log_address_in(std::string_view text);
// Digits as a number; nullopt: anything else.
std::optional<int> port_of(std::string_view text);

struct ContainerLog {
  std::string container;  // its name, at most 128 bytes of whatever the host said
  std::string protocol;   // "tcp", "udp"
  int port = 0;
};
// A line of the bootstrap's order `containers`, without "| ":
//   ["/NAME",{"Type":"syslog","Config":{"syslog-address":"tcp://127.0.0.1:51400"}}]
// nullopt: its lines go elsewhere. Errors: a line that cannot be read.
agent::Result<std::optional<ContainerLog>> read_container_log(std::string_view line);

}  // namespace fleetctl::plan
