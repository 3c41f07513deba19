// Host names as an inventory and --limit write them: `name`, `name:port`, `[ipv6]:port`, and ranges
// such as `db[01:10:2]-[a:c]`. Pure functions. Source: ansible-core 2.14, parsing of addresses.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace fleetctl::inventory {

struct Address {
  std::string host;  // may still hold ranges
  std::optional<int> port;
};

// nullopt when `text` is not one host name or IP address with an optional port.
std::optional<Address> parse_address(std::string_view text, bool allow_ranges);
// Whether `text` is an IPv4 or IPv6 address (such a name has no short form).
bool is_ip_address(std::string_view text);

struct HostNames {
  std::vector<std::string> names;
  std::optional<int> port;  // for all of them
};
inline constexpr std::size_t kMaxHostsPerRange = 65536;
// The names that one entry of an inventory stands for. Ranges include both ends; a leading zero in
// the first bound fixes the width.
agent::Result<HostNames> expand_host_pattern(std::string_view text);

}  // namespace fleetctl::inventory
