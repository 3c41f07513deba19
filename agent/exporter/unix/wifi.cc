// Wireless devices, the networks that they are in and the stations that they talk to: nl80211 over
// generic netlink (Linux, include/uapi/linux/nl80211.h).
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/nl80211.h>

#include "agent/exporter/unix/netlink_parsers.h"
#include "agent/exporter/unix/text.h"
#include "agent/io/netlink.h"

namespace agent::exporter::unix_host {
namespace {

using io::for_each_attribute;
using io::read_struct;

// What stands behind the header of generic netlink.
std::string_view body(std::string_view payload) {
  return payload.size() < GENL_HDRLEN ? std::string_view() : payload.substr(GENL_HDRLEN);
}

std::string question(int command, std::string_view attributes) {
  genlmsghdr head{};
  head.cmd = static_cast<std::uint8_t>(command);
  head.version = 1;
  return io::struct_bytes(head).append(attributes);
}

// "02:00:00:00:00:01"
std::string hardware_address(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) {
    if (!out.empty()) out += ':';
    out += to_hex(std::string_view(&byte, 1));
  }
  return out;
}

double number32(std::string_view value) { return read_struct<std::uint32_t>(value).value_or(0); }
double number64(std::string_view value) {
  return static_cast<double>(read_struct<std::uint64_t>(value).value_or(0));
}

// Bits each second; of the two forms the wider one counts.
double bit_rate(std::string_view attributes) {
  double narrow = 0;
  double wide = 0;
  for_each_attribute(attributes, [&](int type, std::string_view value) {
    if (type == NL80211_RATE_INFO_BITRATE) narrow = read_struct<std::uint16_t>(value).value_or(0);
    if (type == NL80211_RATE_INFO_BITRATE32) wide = number32(value);
  });
  return (wide != 0 ? wide : narrow) * 100'000;
}

// The name of a network in its information elements: id (8 bits), length (8 bits), value.
std::string network_name(std::string_view elements) {
  while (elements.size() >= 2) {
    const auto id = static_cast<unsigned char>(elements[0]);
    const auto length = static_cast<unsigned char>(elements[1]);
    elements.remove_prefix(2);
    if (length > elements.size()) return {};
    if (id == 0) return std::string(elements.substr(0, length));
    elements.remove_prefix(length);
  }
  return {};
}

}  // namespace

std::optional<std::uint16_t> parse_family_id(std::string_view payload) {
  std::optional<std::uint16_t> id;
  for_each_attribute(body(payload), [&](int type, std::string_view value) {
    if (type == CTRL_ATTR_FAMILY_ID) id = read_struct<std::uint16_t>(value);
  });
  return id;
}

std::optional<WifiInterface> parse_wifi_interface(std::string_view payload) {
  WifiInterface out;
  for_each_attribute(body(payload), [&](int type, std::string_view value) {
    if (type == NL80211_ATTR_IFINDEX) out.index = read_struct<std::uint32_t>(value).value_or(0);
    if (type == NL80211_ATTR_IFNAME) out.name = io::attribute_text(value);
    if (type == NL80211_ATTR_MAC) out.address = value;
    if (type == NL80211_ATTR_WIPHY_FREQ) out.megahertz = number32(value);
  });
  if (out.name.empty()) return std::nullopt;  // some virtual devices have none
  return out;
}

void parse_wifi_network(std::string_view device, std::string_view payload, Families& out) {
  for_each_attribute(body(payload), [&](int type, std::string_view network) {
    if (type != NL80211_ATTR_BSS) return;
    std::optional<std::uint32_t> status;
    std::string address;
    std::string name;
    for_each_attribute(network, [&](int part, std::string_view value) {
      if (part == NL80211_BSS_STATUS) status = read_struct<std::uint32_t>(value);
      if (part == NL80211_BSS_BSSID) address = hardware_address(value);
      if (part == NL80211_BSS_INFORMATION_ELEMENTS) name = network_name(value);
    });
    if (!status) return;  // one that was only heard
    const bool client =
        *status == NL80211_BSS_STATUS_AUTHENTICATED || *status == NL80211_BSS_STATUS_ASSOCIATED;
    const char* mode = client                                      ? "client"
                       : *status == NL80211_BSS_STATUS_IBSS_JOINED ? "ad-hoc"
                                                                   : "unknown";
    out.gauge(
        "node_wifi_station_info", "The network that a device is in; the value is 1.", 1,
        {{"device", std::string(device)}, {"bssid", address}, {"ssid", name}, {"mode", mode}});
  });
}

void parse_wifi_station(std::string_view device, std::string_view payload, Families& out) {
  std::string address;
  std::string_view info;
  for_each_attribute(body(payload), [&](int type, std::string_view value) {
    if (type == NL80211_ATTR_MAC) address = hardware_address(value);
    if (type == NL80211_ATTR_STA_INFO) info = value;
  });
  if (address.empty() || info.empty()) return;
  double connected = 0, inactive = 0, receive_rate = 0, transmit_rate = 0, signal = 0;
  double received = 0, received64 = 0, transmitted = 0, transmitted64 = 0;
  double received_packets = 0, transmitted_packets = 0, retries = 0, failed = 0, beacons_lost = 0;
  for_each_attribute(info, [&](int type, std::string_view value) {
    switch (type) {
      case NL80211_STA_INFO_CONNECTED_TIME:
        connected = number32(value);
        break;
      case NL80211_STA_INFO_INACTIVE_TIME:
        inactive = number32(value) / 1000;
        break;
      case NL80211_STA_INFO_RX_BITRATE:
        receive_rate = bit_rate(value);
        break;
      case NL80211_STA_INFO_TX_BITRATE:
        transmit_rate = bit_rate(value);
        break;
      case NL80211_STA_INFO_SIGNAL:
        signal = read_struct<std::int8_t>(value).value_or(0);
        break;
      case NL80211_STA_INFO_RX_BYTES:
        received = number32(value);
        break;
      case NL80211_STA_INFO_RX_BYTES64:
        received64 = number64(value);
        break;
      case NL80211_STA_INFO_TX_BYTES:
        transmitted = number32(value);
        break;
      case NL80211_STA_INFO_TX_BYTES64:
        transmitted64 = number64(value);
        break;
      case NL80211_STA_INFO_RX_PACKETS:
        received_packets = number32(value);
        break;
      case NL80211_STA_INFO_TX_PACKETS:
        transmitted_packets = number32(value);
        break;
      case NL80211_STA_INFO_TX_RETRIES:
        retries = number32(value);
        break;
      case NL80211_STA_INFO_TX_FAILED:
        failed = number32(value);
        break;
      case NL80211_STA_INFO_BEACON_LOSS:
        beacons_lost = number32(value);
        break;
      default:
        break;
    }
  });
  const Families::Labels labels = {{"device", std::string(device)}, {"mac_address", address}};
  out.counter("node_wifi_station_connected_seconds_total", "Seconds since it was connected.",
              connected, labels);
  out.gauge("node_wifi_station_inactive_seconds", "Seconds since anything went on.", inactive,
            labels);
  out.gauge("node_wifi_station_receive_bits_per_second", "Rate of receiving.", receive_rate,
            labels);
  out.gauge("node_wifi_station_transmit_bits_per_second", "Rate of sending.", transmit_rate,
            labels);
  out.counter("node_wifi_station_receive_bytes_total", "Bytes received.",
              received64 != 0 ? received64 : received, labels);
  out.counter("node_wifi_station_transmit_bytes_total", "Bytes sent.",
              transmitted64 != 0 ? transmitted64 : transmitted, labels);
  out.gauge("node_wifi_station_signal_dbm", "Strength of the signal.", signal, labels);
  out.counter("node_wifi_station_transmit_retries_total", "Packets sent again.", retries, labels);
  out.counter("node_wifi_station_transmit_failed_total", "Packets not sent.", failed, labels);
  out.counter("node_wifi_station_beacon_loss_total", "Beacons not heard.", beacons_lost, labels);
  out.counter("node_wifi_station_received_packets_total", "Packets received.", received_packets,
              labels);
  out.counter("node_wifi_station_transmitted_packets_total", "Packets sent.", transmitted_packets,
              labels);
}

Result<Collect> make_wifi(const UnixArgs&, const Roots&, Clock&) {
  return Collect([](Families& out, const std::stop_token& stop) -> Result<> {
    auto netlink = io::Netlink::open(NETLINK_GENERIC);
    if (!netlink) return fail(std::move(netlink.error()));
    std::optional<std::uint16_t> family;
    auto asked = netlink->ask(
        GENL_ID_CTRL, false,
        question(CTRL_CMD_GETFAMILY,
                 io::attribute(CTRL_ATTR_FAMILY_NAME, std::string_view("nl80211\0", 8))),
        [&](std::uint16_t, std::string_view payload) { family = parse_family_id(payload); }, stop);
    if (!asked || !family) return fail(ErrorCode::kNotFound, "no wireless devices");

    std::vector<WifiInterface> interfaces;
    asked = netlink->ask(
        *family, true, question(NL80211_CMD_GET_INTERFACE, ""),
        [&](std::uint16_t, std::string_view payload) {
          if (auto one = parse_wifi_interface(payload)) interfaces.push_back(std::move(*one));
        },
        stop);
    if (!asked) return fail(std::move(asked.error()).within("wireless devices"));
    for (const WifiInterface& one : interfaces) {
      out.gauge("node_wifi_interface_frequency_hertz", "Frequency of a device.",
                one.megahertz * 1e6, {{"device", one.name}});
      std::string which = io::attribute(NL80211_ATTR_IFINDEX, io::struct_bytes(one.index));
      if (!one.address.empty()) which += io::attribute(NL80211_ATTR_MAC, one.address);
      // Not every kind of device has networks and stations.
      for (const auto& [command, parse] :
           {std::pair{NL80211_CMD_GET_SCAN, &parse_wifi_network},
            std::pair{NL80211_CMD_GET_STATION, &parse_wifi_station}}) {
        asked = netlink->ask(
            *family, true, question(command, which),
            [&, use = parse](std::uint16_t, std::string_view payload) {
              use(one.name, payload, out);
            },
            stop);
        if (!asked && asked.error().code != ErrorCode::kNotFound)
          return fail(std::move(asked.error()).within(one.name));
      }
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
