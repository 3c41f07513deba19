// The pure half of the collectors that ask the kernel over netlink: what the bytes behind the
// header of a message mean. Any bytes may come in; what is not whole is passed over.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/exporter/unix/collector.h"
#include "agent/exporter/unix/unix_args.h"

namespace agent::exporter::unix_host {

using LinkNames = std::map<int, std::string>;  // by index
// RTM_NEWLINK.
void parse_link(std::string_view payload, LinkNames& links);
// RTM_NEWNEIGH of IPv4: counts by device what /proc/net/arp shows.
void parse_neighbour(std::string_view payload, std::map<int, double>& entries);
// The table of /proc/net/arp, asked for over netlink.
Result<> collect_arp(const NameFilter& devices, Families& out, const std::stop_token& stop);
// RTM_NEWQDISC: the ones at the root of a device.
void parse_qdisc(std::string_view payload, const LinkNames& links, Families& out);

// device, src, dest, gw, priority, proto, weight
using Route = std::array<std::string, 7>;
// RTM_NEWROUTE: a route to one host or net, or each of its hops.
void parse_route(std::string_view payload, const LinkNames& links, std::set<Route>& routes);

// By state of TCP; [0] is unknown. Sums of bytes that wait.
struct TcpSockets {
  std::array<double, 12> states{};
  std::array<bool, 12> seen{};
  double received = 0;
  double sent = 0;
  bool any = false;
};
// inet_diag_msg.
void parse_tcp_socket(std::string_view payload, TcpSockets& sockets);

// Generic netlink: the id of a family in the answer to CTRL_CMD_GETFAMILY.
std::optional<std::uint16_t> parse_family_id(std::string_view payload);

struct WifiInterface {
  std::uint32_t index = 0;
  std::string name;
  std::string address;  // six bytes
  double megahertz = 0;
};
// NL80211_CMD_NEW_INTERFACE.
std::optional<WifiInterface> parse_wifi_interface(std::string_view payload);
// NL80211_CMD_NEW_SCAN_RESULTS: the network that the device is in, if it is this one.
void parse_wifi_network(std::string_view device, std::string_view payload, Families& out);
// NL80211_CMD_NEW_STATION.
void parse_wifi_station(std::string_view device, std::string_view payload, Families& out);

}  // namespace agent::exporter::unix_host
