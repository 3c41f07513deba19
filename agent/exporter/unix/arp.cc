// /proc/net/arp: a line of head, then a line for each neighbour whose last word is the device.
#include <map>

#include "agent/exporter/unix/netlink_parsers.h"
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<> parse_arp(std::string_view text, const NameFilter& devices, Families& out) {
  std::map<std::string, double> entries;
  bool head = true;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (std::exchange(head, false) || fields.size() < 6) return;
    if (devices.passes(fields[5])) entries[std::string(fields[5])] += 1;
  });
  for (const auto& [device, count] : entries)
    out.gauge("node_arp_entries", "Neighbours in the ARP table.", count, {{"device", device}});
  return {};
}

Result<Collect> make_arp(const UnixArgs& args, const Roots& roots, Clock&) {
  auto devices = NameFilter::make(args.arp.device_include, args.arp.device_exclude);
  if (!devices) return fail(std::move(devices.error()).within("arp"));
  if (args.arp.netlink)
    return Collect([devices = *devices](Families& out, const std::stop_token& stop) {
      return collect_arp(devices, out, stop);
    });
  return Collect([path = roots.proc / "net/arp", devices = *devices](Families& out) -> Result<> {
    const auto text = read_text(path);
    if (!text) return fail(text.error());
    return parse_arp(*text, devices, out);
  });
}

}  // namespace agent::exporter::unix_host
