// Collectors of prometheus.exporter.unix that ask the kernel over netlink, over messages that are
// written here.
#include <linux/gen_stats.h>
#include <linux/genetlink.h>
#include <linux/nl80211.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <re2/re2.h>

#include <catch2/catch.hpp>
#include <string>

#include "agent/base/strings.h"
#include "agent/exporter/unix/netlink_parsers.h"
#include "agent/exporter/unix/parsers.h"
#include "agent/io/netlink.h"
#include "agent/wire/exposition.h"

namespace agent::exporter::unix_host {
namespace {

using io::attribute;
using io::struct_bytes;

std::string text(Families families) {
  std::string out;
  for (const auto& family : std::move(families).take())
    for (const auto& point : family.points)
      out +=
          family.name + model::labels_text(point.labels) + " " + format_number(point.value) + "\n";
  return out;
}

template <class T>
std::string number(int type, T value) {
  return attribute(type, struct_bytes(value));
}

std::string generic(std::string_view attributes) {
  return struct_bytes(genlmsghdr{}).append(attributes);
}

const std::string kAddress("\x02\0\0\0\0\x0a", 6);

}  // namespace

TEST_CASE("unix: attributes end at the first that is not whole") {
  std::string seen;
  const auto see = [&](std::string_view bytes) {
    seen.clear();
    io::for_each_attribute(bytes, [&](int type, std::string_view value) {
      seen += std::to_string(type) + "=" + std::string(value) + ";";
    });
    return seen;
  };
  const std::string two = attribute(1, "abc") + attribute(0x8002, "de");
  CHECK(see(two) == "1=abc;2=de;");
  CHECK(see(two.substr(0, 12)) == "1=abc;");
  CHECK(see(std::string("\x02\0\x01\0zz", 6)).empty());
  CHECK(see(std::string("\xff\xff\x01\0zz", 6)).empty());
  CHECK(see("").empty());
}

TEST_CASE("unix: routes over several hops, and what is cut off") {
  rtmsg head{};
  head.rtm_type = RTN_UNICAST;
  head.rtm_dst_len = 16;
  head.rtm_protocol = RTPROT_BGP;
  const auto hop = [](int device, unsigned char weight, std::string_view via) {
    const std::string gateway = attribute(RTA_GATEWAY, via);
    rtnexthop out{};
    out.rtnh_len = static_cast<unsigned short>(sizeof out + gateway.size());
    out.rtnh_hops = weight;
    out.rtnh_ifindex = device;
    return struct_bytes(out) + gateway;
  };
  const LinkNames links = {{2, "eth0"}};
  const std::string message =
      struct_bytes(head) + attribute(RTA_DST, std::string_view("\x0a\x09\0\0", 4)) +
      attribute(RTA_MULTIPATH, hop(2, 1, "\xc0\x01\x02\x03") + hop(7, 4, "\xc0\x01\x02\x04"));
  std::set<Route> routes;
  parse_route(message, links, routes);
  const Route known = {"eth0", "", "10.9.0.0/16", "192.1.2.3", "0", "bgp", "2"};
  const Route nameless = {"", "", "10.9.0.0/16", "192.1.2.4", "0", "bgp", "5"};
  CHECK(routes == std::set<Route>{known, nameless});
  for (std::size_t size = 0; size < message.size(); ++size)
    parse_route(std::string_view(message).substr(0, size), links, routes);
}

TEST_CASE("unix: only queues at the root of a device are told") {
  tcmsg head{};
  head.tcm_ifindex = 2;
  head.tcm_parent = TC_H_ROOT;
  std::string basic = struct_bytes(std::uint64_t{5000}) + struct_bytes(std::uint32_t{7});
  const std::string attributes = attribute(TCA_KIND, std::string_view("fq\0", 3)) +
                                 attribute(TCA_STATS2, attribute(TCA_STATS_BASIC, basic));
  Families out;
  parse_qdisc(struct_bytes(head) + attributes, {{2, "eth0"}}, out);
  head.tcm_parent = 0x10001;
  parse_qdisc(struct_bytes(head) + attributes, {{2, "eth0"}}, out);
  const std::string page = text(std::move(out));
  CHECK(page.find("node_qdisc_bytes_total{device=\"eth0\", kind=\"fq\"} 5000\n") !=
        std::string::npos);
  CHECK(page.find("node_qdisc_packets_total{device=\"eth0\", kind=\"fq\"} 7\n") !=
        std::string::npos);
  CHECK(page.find("node_qdisc_drops_total{device=\"eth0\", kind=\"fq\"} 0\n") != std::string::npos);
  CHECK(std::count(page.begin(), page.end(), '\n') == 7);
}

TEST_CASE("unix: a wireless device, its network and its station") {
  const auto device =
      parse_wifi_interface(generic(number(NL80211_ATTR_IFINDEX, std::uint32_t{3}) +
                                   attribute(NL80211_ATTR_IFNAME, std::string_view("wlan0\0", 6)) +
                                   attribute(NL80211_ATTR_MAC, kAddress) +
                                   number(NL80211_ATTR_WIPHY_FREQ, std::uint32_t{2412})));
  REQUIRE(device);
  CHECK(device->index == 3);
  CHECK(device->name == "wlan0");
  CHECK(device->megahertz == 2412);
  CHECK_FALSE(parse_wifi_interface(generic(number(NL80211_ATTR_IFINDEX, std::uint32_t{3}))));

  Families networks;
  const std::string elements("\x01\x01x\0\x04home\x03", 10);
  const std::string heard = attribute(NL80211_BSS_BSSID, kAddress) +
                            attribute(NL80211_BSS_INFORMATION_ELEMENTS, elements);
  parse_wifi_network("wlan0", generic(attribute(NL80211_ATTR_BSS, heard)), networks);
  CHECK(networks.empty());
  const std::string joined =
      heard + number(NL80211_BSS_STATUS, std::uint32_t{NL80211_BSS_STATUS_ASSOCIATED});
  parse_wifi_network("wlan0", generic(attribute(NL80211_ATTR_BSS, joined)), networks);
  CHECK(text(std::move(networks)) ==
        "node_wifi_station_info{bssid=\"02:00:00:00:00:0a\", device=\"wlan0\", mode=\"client\", "
        "ssid=\"home\"} 1\n");

  Families stations;
  const std::string info =
      number(NL80211_STA_INFO_CONNECTED_TIME, std::uint32_t{30}) +
      number(NL80211_STA_INFO_INACTIVE_TIME, std::uint32_t{400}) +
      number(NL80211_STA_INFO_RX_BYTES, std::uint32_t{7}) +
      number(NL80211_STA_INFO_RX_BYTES64, std::uint64_t{5'000'000'000}) +
      number(NL80211_STA_INFO_TX_BYTES, std::uint32_t{9}) +
      number(NL80211_STA_INFO_SIGNAL, std::int8_t{-52}) +
      attribute(NL80211_STA_INFO_TX_BITRATE,
                number(NL80211_RATE_INFO_BITRATE, std::uint16_t{650}) +
                    number(NL80211_RATE_INFO_BITRATE32, std::uint32_t{130'000}));
  parse_wifi_station(
      "wlan0",
      generic(attribute(NL80211_ATTR_MAC, kAddress) + attribute(NL80211_ATTR_STA_INFO, info)),
      stations);
  const std::string page = text(std::move(stations));
  const auto has = [&](const std::string& name, const std::string& value) {
    return page.find("node_wifi_station_" + name +
                     "{device=\"wlan0\", mac_address=\"02:00:00:00:00:0a\"} " + value + "\n") !=
           std::string::npos;
  };
  CHECK(has("connected_seconds_total", "30"));
  CHECK(has("inactive_seconds", "0.4"));
  CHECK(has("receive_bytes_total", "5e+09"));
  CHECK(has("transmit_bytes_total", "9"));
  CHECK(has("signal_dbm", "-52"));
  CHECK(has("transmit_bits_per_second", "1.3e+10"));
  CHECK(has("beacon_loss_total", "0"));
}

TEST_CASE("unix: names of drivers' statistics become metrics") {
  CHECK(ethtool_metric_name("rx_bytes") == "node_ethtool_received_bytes_total");
  CHECK(ethtool_metric_name("tx_dropped") == "node_ethtool_transmitted_dropped");
  CHECK(ethtool_metric_name("__Queue_0_rx_XDP") == "node_ethtool_queue_0_received_xdp");
  CHECK(ethtool_metric_name("rxtx_rx") == "node_ethtool_rxtx_received");
  const auto name = [](std::string text) { return text.append(32 - text.size(), '\0'); };
  const auto value = [](std::uint64_t number) { return struct_bytes(number); };
  Families out;
  parse_ethtool_stats("eth0",
                      name("rx [0]: bytes") + name("a.b") + name("a-b") + name("skip_me") + "cut",
                      value(5) + value(1) + value(2) + value(3) + value(4), RE2("rx|a_b"), out);
  // Two that become one name are not told.
  CHECK(text(std::move(out)) == "node_ethtool_received_0_bytes{device=\"eth0\"} 5\n");
}

TEST_CASE("unix: what a link is able to") {
  Families out;
  tell_link_modes("eth0", 1U << 5 | 1U << 7 | 1U << 13, 1U << 6, out);
  const std::string page = text(std::move(out));
  for (const char* series :
       {"node_network_supported_speed_bytes{device=\"eth0\", duplex=\"full\", mode=\"1000baseT\"} "
        "1.25e+08\n",
        "node_network_supported_port_info{device=\"eth0\", type=\"TP\"} 1\n",
        "node_network_pause_supported{device=\"eth0\"} 1\n",
        "node_network_pause_advertised{device=\"eth0\"} 0\n",
        "node_network_autonegotiate_advertised{device=\"eth0\"} 1\n"})
    CHECK(page.find(series) != std::string::npos);
}

TEST_CASE("unix: how far an address reaches") {
  const auto scope = [](std::string_view hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
      bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return address_scope(bytes);
  };
  CHECK(scope("7f000001") == "link-local");
  CHECK(scope("a9fe0101") == "link-local");
  CHECK(scope("0a000001") == "global");
  CHECK(scope("00000000").empty());
  CHECK(scope("00000000000000000000000000000001") == "link-local");
  CHECK(scope("fe800000000000000000000000000001") == "link-local");
  CHECK(scope("20010db8000000000000000000000001") == "global");
  CHECK(scope("ff010000000000000000000000000001") == "interface-local");
}

}  // namespace agent::exporter::unix_host
