// Messages of rtnetlink(7): devices, neighbours, queues, routes.
#include <arpa/inet.h>
#include <linux/gen_stats.h>
#include <linux/neighbour.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "agent/exporter/unix/netlink_parsers.h"
#include "agent/exporter/unix/text.h"
#include "agent/io/netlink.h"

namespace agent::exporter::unix_host {
namespace {

using io::for_each_attribute;
using io::read_struct;

// Four or sixteen bytes as a text; "" for anything else.
std::string address_text(std::string_view bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
  if (bytes.size() != 4 && bytes.size() != 16) return {};
  return ::inet_ntop(family, bytes.data(), text.data(), text.size()) == nullptr ? "" : text.data();
}

std::string protocol_name(unsigned char protocol) {
  constexpr std::array<std::pair<int, const char*>, 21> kNames = {
      {{0, "unspec"},    {1, "redirect"}, {2, "kernel"}, {3, "boot"},   {4, "static"},
       {8, "gated"},     {9, "ra"},       {10, "mrt"},   {11, "zebra"}, {12, "bird"},
       {13, "dnrouted"}, {14, "xorp"},    {15, "ntk"},   {16, "dhcp"},  {17, "mrouted"},
       {42, "babel"},    {186, "bgp"},    {187, "isis"}, {188, "ospf"}, {189, "rip"},
       {192, "eigrp"}}};
  for (const auto& [number, name] : kNames)
    if (number == protocol) return name;
  return "unknown";
}

std::string link_name(const LinkNames& links, int index) {
  const auto found = links.find(index);
  return found == links.end() ? std::string() : found->second;
}

}  // namespace

void parse_link(std::string_view payload, LinkNames& links) {
  const auto head = read_struct<ifinfomsg>(payload);
  if (!head) return;
  for_each_attribute(payload.substr(sizeof *head), [&](int type, std::string_view value) {
    if (type == IFLA_IFNAME) links[head->ifi_index] = io::attribute_text(value);
  });
}

void parse_neighbour(std::string_view payload, std::map<int, double>& entries) {
  const auto head = read_struct<ndmsg>(payload);
  if (head && head->ndm_family == AF_INET && (head->ndm_state & NUD_NOARP) == 0)
    entries[head->ndm_ifindex] += 1;
}

void parse_qdisc(std::string_view payload, const LinkNames& links, Families& out) {
  const auto head = read_struct<tcmsg>(payload);
  if (!head || (head->tcm_parent != 0 && head->tcm_parent != TC_H_ROOT)) return;
  std::string kind;
  gnet_stats_queue queue{};
  double bytes = 0;
  double packets = 0;
  for_each_attribute(payload.substr(sizeof *head), [&](int type, std::string_view value) {
    if (type == TCA_KIND) kind = io::attribute_text(value);
    if (type != TCA_STATS2) return;
    for_each_attribute(value, [&](int part, std::string_view stats) {
      // bytes (64 bits), packets (32 bits); newer kernels tell 64 bits of packets behind it.
      if (part == TCA_STATS_BASIC) {
        bytes = static_cast<double>(read_struct<std::uint64_t>(stats).value_or(0));
        if (stats.size() >= 12)
          packets = static_cast<double>(read_struct<std::uint32_t>(stats.substr(8)).value_or(0));
      }
      if (part == TCA_STATS_PKT64)
        packets = static_cast<double>(read_struct<std::uint64_t>(stats).value_or(0));
      if (part == TCA_STATS_QUEUE) queue = read_struct<gnet_stats_queue>(stats).value_or(queue);
    });
  });
  const Families::Labels labels = {{"device", link_name(links, head->tcm_ifindex)}, {"kind", kind}};
  out.counter("node_qdisc_bytes_total", "Bytes sent.", bytes, labels);
  out.counter("node_qdisc_packets_total", "Packets sent.", packets, labels);
  out.counter("node_qdisc_drops_total", "Packets dropped.", queue.drops, labels);
  out.counter("node_qdisc_requeues_total", "Packets put back.", queue.requeues, labels);
  out.counter("node_qdisc_overlimits_total", "Packets over the limit.", queue.overlimits, labels);
  out.gauge("node_qdisc_current_queue_length", "Packets that wait.", queue.qlen, labels);
  out.gauge("node_qdisc_backlog", "Bytes that wait.", queue.backlog, labels);
}

void parse_route(std::string_view payload, const LinkNames& links, std::set<Route>& routes) {
  const auto head = read_struct<rtmsg>(payload);
  if (!head || head->rtm_type != RTN_UNICAST) return;
  std::string source;
  std::string destination;
  std::string gateway;
  std::string_view hops;
  std::uint32_t priority = 0;
  int device = 0;
  for_each_attribute(payload.substr(sizeof *head), [&](int type, std::string_view value) {
    if (type == RTA_PREFSRC) source = address_text(value);
    if (type == RTA_DST) destination = address_text(value);
    if (type == RTA_GATEWAY) gateway = address_text(value);
    if (type == RTA_MULTIPATH) hops = value;
    if (type == RTA_PRIORITY) priority = read_struct<std::uint32_t>(value).value_or(0);
    if (type == RTA_OIF) device = read_struct<int>(value).value_or(0);
  });
  destination =
      head->rtm_dst_len == 0 ? "default" : destination + "/" + std::to_string(head->rtm_dst_len);
  const auto add = [&](int index, const std::string& via, const std::string& weight) {
    routes.insert({link_name(links, index), source, destination, via, std::to_string(priority),
                   protocol_name(head->rtm_protocol), weight});
  };
  if (hops.empty()) return add(device, gateway, "");
  while (const auto hop = read_struct<rtnexthop>(hops)) {
    if (hop->rtnh_len < sizeof *hop || hop->rtnh_len > hops.size()) return;
    std::string via;
    for_each_attribute(hops.substr(sizeof *hop, hop->rtnh_len - sizeof *hop),
                       [&](int type, std::string_view value) {
                         if (type == RTA_GATEWAY) via = address_text(value);
                       });
    add(hop->rtnh_ifindex, via, std::to_string(hop->rtnh_hops + 1));
    hops.remove_prefix(std::min(hops.size(), io::netlink_align(hop->rtnh_len)));
  }
}

namespace {

Result<LinkNames> link_names(io::Netlink& netlink, const std::stop_token& stop) {
  LinkNames links;
  auto asked = netlink.ask(
      RTM_GETLINK, true, io::struct_bytes(ifinfomsg{}),
      [&](std::uint16_t, std::string_view payload) { parse_link(payload, links); }, stop);
  if (!asked) return fail(std::move(asked.error()).within("devices"));
  return links;
}

}  // namespace

Result<> collect_arp(const NameFilter& devices, Families& out, const std::stop_token& stop) {
  auto netlink = io::Netlink::open(NETLINK_ROUTE);
  if (!netlink) return fail(std::move(netlink.error()));
  const auto links = link_names(*netlink, stop);
  if (!links) return fail(links.error());
  std::map<int, double> entries;
  ndmsg wanted{};
  wanted.ndm_family = AF_INET;
  auto asked = netlink->ask(
      RTM_GETNEIGH, true, io::struct_bytes(wanted),
      [&](std::uint16_t, std::string_view payload) { parse_neighbour(payload, entries); }, stop);
  if (!asked) return fail(std::move(asked.error()).within("neighbours"));
  for (const auto& [index, count] : entries)
    if (const std::string device = link_name(*links, index);
        !device.empty() && devices.passes(device))
      out.gauge("node_arp_entries", "Neighbours in the ARP table.", count, {{"device", device}});
  return {};
}

Result<Collect> make_qdisc(const UnixArgs&, const Roots&, Clock&) {
  return Collect([](Families& out, const std::stop_token& stop) -> Result<> {
    auto netlink = io::Netlink::open(NETLINK_ROUTE);
    if (!netlink) return fail(std::move(netlink.error()));
    const auto links = link_names(*netlink, stop);
    if (!links) return fail(links.error());
    return netlink->ask(
        RTM_GETQDISC, true, io::struct_bytes(tcmsg{}),
        [&](std::uint16_t, std::string_view payload) { parse_qdisc(payload, *links, out); }, stop);
  });
}

Result<Collect> make_network_route(const UnixArgs&, const Roots&, Clock&) {
  // A router of the Internet's has a million routes; that many series help nobody.
  constexpr std::size_t kMost = 65536;
  return Collect([](Families& out, const std::stop_token& stop) -> Result<> {
    auto netlink = io::Netlink::open(NETLINK_ROUTE);
    if (!netlink) return fail(std::move(netlink.error()));
    const auto links = link_names(*netlink, stop);
    if (!links) return fail(links.error());
    std::set<Route> routes;
    bool too_many = false;
    auto asked = netlink->ask(
        RTM_GETROUTE, true, io::struct_bytes(rtmsg{}),
        [&](std::uint16_t, std::string_view payload) {
          too_many |= routes.size() >= kMost;
          if (!too_many) parse_route(payload, *links, routes);
        },
        stop);
    if (!asked) return asked;
    if (too_many)
      return fail(ErrorCode::kExhausted, "more than " + std::to_string(kMost) + " routes");
    std::map<std::string, double> by_device;
    for (const Route& route : routes) {
      by_device[route[0]] += 1;
      out.gauge("node_network_route_info", "A route; the value is 1.", 1,
                {{"device", route[0]},
                 {"src", route[1]},
                 {"dest", route[2]},
                 {"gw", route[3]},
                 {"priority", route[4]},
                 {"proto", route[5]},
                 {"weight", route[6]}});
    }
    for (const auto& [device, count] : by_device)
      out.gauge("node_network_routes", "Routes of a device.", count, {{"device", device}});
    return {};
  });
}

}  // namespace agent::exporter::unix_host
