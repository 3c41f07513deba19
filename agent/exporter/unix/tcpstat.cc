// Sockets of TCP by their state, and the bytes that wait in them: sock_diag(7).
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include "agent/exporter/unix/netlink_parsers.h"
#include "agent/io/netlink.h"

namespace agent::exporter::unix_host {

void parse_tcp_socket(std::string_view payload, TcpSockets& sockets) {
  const auto one = io::read_struct<inet_diag_msg>(payload);
  if (!one) return;
  const std::size_t state = one->idiag_state < sockets.states.size() ? one->idiag_state : 0;
  sockets.states[state] += 1;
  sockets.seen[state] = true;
  sockets.received += one->idiag_rqueue;
  sockets.sent += one->idiag_wqueue;
  sockets.any = true;
}

Result<Collect> make_tcpstat(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(
      [tcp6 = roots.proc / "net/tcp6"](Families& out, const std::stop_token& stop) -> Result<> {
        constexpr std::array<const char*, 12> kStates = {
            "unknown",   "established", "syn_sent",   "syn_recv", "fin_wait1", "fin_wait2",
            "time_wait", "close",       "close_wait", "last_ack", "listen",    "closing"};
        auto netlink = io::Netlink::open(NETLINK_SOCK_DIAG);
        if (!netlink) return fail(std::move(netlink.error()));
        TcpSockets sockets;
        std::error_code none;
        for (const int family : {AF_INET, AF_INET6}) {
          if (family == AF_INET6 && !std::filesystem::exists(tcp6, none)) continue;
          inet_diag_req_v2 wanted{};
          wanted.sdiag_family = static_cast<std::uint8_t>(family);
          wanted.sdiag_protocol = IPPROTO_TCP;
          wanted.idiag_states = 0xfff;
          auto asked = netlink->ask(
              SOCK_DIAG_BY_FAMILY, true, io::struct_bytes(wanted),
              [&](std::uint16_t, std::string_view payload) { parse_tcp_socket(payload, sockets); },
              stop);
          if (!asked) return asked;
        }
        const auto add = [&](const char* state, double value) {
          out.gauge("node_tcp_connection_states",
                    "Sockets in a state, and bytes that wait in them.", value, {{"state", state}});
        };
        for (std::size_t i = 0; i < kStates.size(); ++i)
          if (sockets.seen[i]) add(kStates[i], sockets.states[i]);
        if (sockets.any) {
          add("rx_queued_bytes", sockets.received);
          add("tx_queued_bytes", sockets.sent);
        }
        return {};
      });
}

}  // namespace agent::exporter::unix_host
