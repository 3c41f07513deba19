// Network devices' counters: /proc/net/dev, and what /sys/class/net has beside it.
#include <array>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

// "name: 8 numbers received, 8 numbers transmitted" below two lines of head (proc(5)).
Result<> parse_netdev(std::string_view text, const NameFilter& devices, Families& out) {
  constexpr std::array<const char*, 16> kNames = {
      "receive_bytes",  "receive_packets",  "receive_errs",       "receive_drop",
      "receive_fifo",   "receive_frame",    "receive_compressed", "receive_multicast",
      "transmit_bytes", "transmit_packets", "transmit_errs",      "transmit_drop",
      "transmit_fifo",  "transmit_colls",   "transmit_carrier",   "transmit_compressed"};
  bool any = false;
  for_each_line(text, [&](std::string_view line) {
    const std::size_t colon = line.rfind(':');
    if (colon == std::string_view::npos) return;
    const std::string_view device = trim(line.substr(0, colon));
    const auto fields = words(line.substr(colon + 1));
    if (fields.size() < kNames.size()) return;
    any = true;
    if (!devices.passes(device)) return;
    for (std::size_t i = 0; i < kNames.size(); ++i)
      if (const auto value = number(fields[i]))
        out.counter("node_network_" + std::string(kNames[i]) + "_total",
                    "A counter of a network device.", *value, {{"device", std::string(device)}});
  });
  if (!any) return fail(ErrorCode::kInvalid, "net/dev: no line is understood");
  return {};
}

Result<Collect> make_netdev(const UnixArgs& args, const Roots& roots, Clock&) {
  auto devices = NameFilter::make(args.netdev.device_include, args.netdev.device_exclude);
  if (!devices) return fail(std::move(devices.error()).within("netdev"));
  return Collect([roots, devices = *devices](Families& out) -> Result<> {
    const auto text = read_text(roots.proc / "net/dev");
    if (!text) return fail(text.error());
    if (auto parsed = parse_netdev(*text, devices, out); !parsed) return parsed;
    for_each_line(*text, [&](std::string_view line) {
      const std::size_t colon = line.rfind(':');
      if (colon == std::string_view::npos) return;
      const std::string device(trim(line.substr(0, colon)));
      if (!devices.passes(device)) return;
      if (const auto value =
              read_number(roots.sys / "class/net" / device / "statistics/rx_nohandler"))
        out.counter("node_network_receive_nohandler_total", "A counter of a network device.",
                    *value, {{"device", device}});
    });
    return {};
  });
}

}  // namespace agent::exporter::unix_host
