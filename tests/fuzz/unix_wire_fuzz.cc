// Any bytes as what the kernel and other programs answer to collectors of prometheus.exporter.unix:
// what becomes of them is a page that reads back.
#include <re2/re2.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/exporter/unix/netlink_parsers.h"
#include "agent/exporter/unix/parsers.h"
#include "agent/wire/exposition.h"
#include "agent/wire/exposition_families.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent::exporter::unix_host;  // NOLINT
  static const RE2 any(".*");
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const LinkNames links = {{1, "lo"}, {2, "eth0"}};
  Families out;
  switch (data[0] % 12) {
    case 0: {
      LinkNames names;
      parse_link(bytes, names);
      break;
    }
    case 1: {
      std::map<int, double> entries;
      parse_neighbour(bytes, entries);
      break;
    }
    case 2:
      parse_qdisc(bytes, links, out);
      break;
    case 3: {
      std::set<Route> routes;
      parse_route(bytes, links, routes);
      break;
    }
    case 4: {
      TcpSockets sockets;
      parse_tcp_socket(bytes, sockets);
      break;
    }
    case 5:
      (void)parse_family_id(bytes);
      (void)parse_wifi_interface(bytes);
      break;
    case 6:
      parse_wifi_network("wlan0", bytes, out);
      break;
    case 7:
      parse_wifi_station("wlan0", bytes, out);
      break;
    case 8:
      if (const auto parsed = parse_supervisord(bytes, out);
          !parsed && parsed.error().message.empty())
        std::abort();
      break;
    case 9:
      if (const auto parsed =
              parse_ntp(bytes, 0, 1'700'000'000'000'000'000, 1'700'000'001'000'000'000))
        (void)ntp_is_sane(*parsed, 3.5, 0.001);
      break;
    case 10:
      (void)parse_runit_status("web", bytes, true, out);
      break;
    default:
      parse_ethtool_stats("eth0", bytes, bytes, any, out);
      (void)address_scope(bytes);
  }
  const std::string page = agent::wire::write_exposition(std::move(out).take());
  if (!agent::wire::read_families(page)) std::abort();
  return 0;
}
