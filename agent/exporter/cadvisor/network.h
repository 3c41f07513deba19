// The network of a process's namespace, as /proc/<pid>/net tells it. Pure parsers; what is not as
// it should be is passed over.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/exporter/cadvisor/kinds.h"

namespace agent::exporter::cadvisor {

struct Interface {
  std::string name;
  double receive_bytes = 0, receive_packets = 0, receive_errors = 0, receive_dropped = 0;
  double transmit_bytes = 0, transmit_packets = 0, transmit_errors = 0, transmit_dropped = 0;
};

// The kernel's states of a TCP connection, from 1 on.
inline constexpr std::array<const char*, 11> kTcpStates = {
    "established", "synsent",   "synrecv", "finwait1", "finwait2", "timewait",
    "close",       "closewait", "lastack", "listen",   "closing"};
using TcpStates = std::array<double, kTcpStates.size()>;

struct UdpSockets {
  double listen = 0, dropped = 0, receive_queued = 0, transmit_queued = 0;
};

struct NetworkStats {
  std::vector<Interface> interfaces;
  std::vector<TcpStates> tcp, tcp6;                      // one or none
  std::vector<UdpSockets> udp, udp6;                     // one or none
  std::vector<std::pair<std::string, double>> advanced;  // "tcpsynretrans"
};

// Those of the kernel itself and of the host's side of containers (lo, veth*, docker*) are left
// out.
void parse_interfaces(std::string_view text, std::vector<Interface>& out);
TcpStates parse_tcp(std::string_view text);
UdpSockets parse_udp(std::string_view text);
// Of /proc/net/netstat and snmp, the groups TcpExt and Tcp: "TcpExt: names", "TcpExt: values".
void parse_advanced_tcp(std::string_view text, std::vector<std::pair<std::string, double>>& out);

// What `kinds` ask for of the namespace that the process `pid` is in.
NetworkStats read_network(const std::filesystem::path& proc, std::int64_t pid, const Kinds& kinds,
                          std::string& buffer);

}  // namespace agent::exporter::cadvisor
