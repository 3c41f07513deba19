// IP Virtual Server: /proc/net/ip_vs_stats (two lines of head, then five hexadecimal numbers) and
// /proc/net/ip_vs:
//   TCP  C0A80016:0CEA wlc            a virtual server, address and port in hexadecimal
//     -> C0A85216:0CEA Tunnel 100 248 2     a real one: forward, weight, active and inactive
//   FWM  10001000 wlc                 a virtual server by firewall mark
// An IPv6 address is in the usual form, between brackets.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <map>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

struct Endpoint {
  std::string address, port;
};
std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = number(text.substr(colon + 1), 16);
  if (!port || *port > 65535) return std::nullopt;
  std::string_view address = text.substr(0, colon);
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (address.size() == 8) {
    const auto bits = number(address, 16);
    if (!bits) return std::nullopt;
    const in_addr four{htonl(static_cast<std::uint32_t>(*bits))};
    ::inet_ntop(AF_INET, &four, out.data(), out.size());
  } else {
    if (address.starts_with('[') && address.ends_with(']'))
      address = address.substr(1, address.size() - 2);
    in6_addr six{};
    if (::inet_pton(AF_INET6, std::string(address).c_str(), &six) != 1) return std::nullopt;
    ::inet_ntop(AF_INET6, &six, out.data(), out.size());
  }
  return Endpoint{out.data(), std::to_string(static_cast<int>(*port))};
}

}  // namespace

Result<> parse_ip_vs_stats(std::string_view text, Families& out) {
  constexpr std::array<std::array<const char*, 2>, 5> kNames = {{
      {"node_ipvs_connections_total", "Connections made."},
      {"node_ipvs_incoming_packets_total", "Packets received."},
      {"node_ipvs_outgoing_packets_total", "Packets sent."},
      {"node_ipvs_incoming_bytes_total", "Bytes received."},
      {"node_ipvs_outgoing_bytes_total", "Bytes sent."},
  }};
  std::size_t line_number = 0;
  bool any = false;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (++line_number != 3 || fields.size() != kNames.size()) return;
    any = true;
    for (std::size_t i = 0; i < kNames.size(); ++i)
      if (const auto value = number(fields[i], 16)) out.counter(kNames[i][0], kNames[i][1], *value);
  });
  if (!any) return fail(ErrorCode::kInvalid, "ip_vs_stats: no line of five numbers");
  return {};
}

Result<> parse_ip_vs(std::string_view text, const std::vector<std::string>& wanted, Families& out) {
  using Sums = std::array<double, 3>;  // active, inactive, weight
  std::map<model::Labels, Sums> backends;
  std::string protocol, mark;
  std::optional<Endpoint> local;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 2) return;
    if (fields[0] == "TCP" || fields[0] == "UDP" || fields[0] == "SCTP") {
      protocol = fields[0];
      mark.clear();
      local = parse_endpoint(fields[1]);
    } else if (fields[0] == "FWM") {
      protocol = fields[0];
      mark = fields[1];
      local = Endpoint{"", "0"};
    } else if (fields[0] == "->" && fields.size() >= 6 && local) {
      const auto remote = parse_endpoint(fields[1]);
      const auto weight = number(fields[3]);
      const auto active = number(fields[4]);
      const auto inactive = number(fields[5]);
      if (!remote || !weight || !active || !inactive) return;
      const std::array<const std::string*, kIpvsLabels.size()> values = {
          &local->address, &local->port, &remote->address, &remote->port, &protocol, &mark};
      model::Labels labels;
      for (std::size_t i = 0; i < kIpvsLabels.size(); ++i)
        if (wanted.empty() ||
            std::find(wanted.begin(), wanted.end(), kIpvsLabels[i]) != wanted.end())
          labels.push_back({std::string(kIpvsLabels[i]), *values[i]});
      Sums& sums = backends[labels];
      sums[0] += *active;
      sums[1] += *inactive;
      sums[2] += *weight;
    }
  });
  for (const auto& [labels, sums] : backends) {
    out.add(model::MetricType::kGauge, "node_ipvs_backend_connections_active",
            "Active connections to a real server.", sums[0], labels);
    out.add(model::MetricType::kGauge, "node_ipvs_backend_connections_inactive",
            "Inactive connections to a real server.", sums[1], labels);
    out.add(model::MetricType::kGauge, "node_ipvs_backend_weight", "Weight of a real server.",
            sums[2], labels);
  }
  return {};
}

Result<Collect> make_ipvs(const UnixArgs& args, const Roots& roots, Clock&) {
  return Collect(
      [folder = roots.proc / "net", wanted = args.ipvs.backend_labels](Families& out) -> Result<> {
        const auto stats = read_text(folder / "ip_vs_stats");
        if (!stats) return fail(stats.error());
        if (auto parsed = parse_ip_vs_stats(*stats, out); !parsed) return parsed;
        const auto backends = read_text(folder / "ip_vs");
        if (!backends) return fail(backends.error());
        return parse_ip_vs(*backends, wanted, out);
      });
}

}  // namespace agent::exporter::unix_host
