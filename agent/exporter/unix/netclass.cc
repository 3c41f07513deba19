// /sys/class/net/<device>: what a network device is (kernel documentation,
// ABI/testing/sysfs-class-net).
#include <array>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

struct Attribute {
  const char* file;
  const char* name;
  bool counter;
};
constexpr std::array<Attribute, 16> kAttributes = {{
    {"addr_assign_type", "node_network_address_assign_type", false},
    {"carrier", "node_network_carrier", false},
    {"carrier_changes", "node_network_carrier_changes_total", true},
    {"carrier_up_count", "node_network_carrier_up_changes_total", true},
    {"carrier_down_count", "node_network_carrier_down_changes_total", true},
    {"dev_id", "node_network_device_id", false},
    {"dormant", "node_network_dormant", false},
    {"ifindex", "node_network_iface_id", false},
    {"iflink", "node_network_iface_link", false},
    {"link_mode", "node_network_iface_link_mode", false},
    {"mtu", "node_network_mtu_bytes", false},
    {"name_assign_type", "node_network_name_assign_type", false},
    {"netdev_group", "node_network_net_dev_group", false},
    {"speed", "node_network_speed_bytes", false},
    {"tx_queue_len", "node_network_transmit_queue_length", false},
    {"type", "node_network_protocol_type", false},
}};

}  // namespace

Result<Collect> make_netclass(const UnixArgs& args, const Roots& roots, Clock&) {
  auto ignored = NameFilter::make("", args.netclass.ignored_devices);
  if (!ignored) return fail(std::move(ignored.error()).within("netclass"));
  return Collect(
      [folder = roots.sys / "class/net", devices = *ignored,
       skip_speed = args.netclass.ignore_invalid_speed_device](Families& out) -> Result<> {
        const auto names = names_in(folder);
        if (!names) return fail(names.error());
        for (const std::string& device : *names) {
          const Folder here(folder / device);
          if (!here || !devices.passes(device)) continue;
          const std::string state = here.word("operstate");
          const auto flags = here.number("flags");
          const bool known = flags && *flags >= 0 && *flags <= 0xFFFFFFFF;
          out.gauge("node_network_up", "1 when the device's state is up.", state == "up" ? 1 : 0,
                    {{"device", device}});
          out.gauge("node_network_info", "What is known of a network device; the value is 1.", 1,
                    {{"device", device},
                     {"address", here.word("address")},
                     {"broadcast", here.word("broadcast")},
                     {"duplex", here.word("duplex")},
                     {"operstate", state},
                     {"adminstate", !known                                           ? ""
                                    : (static_cast<std::uint32_t>(*flags) & 1U) != 0 ? "up"
                                                                                     : "down"},
                     {"ifalias", here.word("ifalias")}});
          if (flags)
            out.gauge("node_network_flags", "A property of a network device.", *flags,
                      {{"device", device}});
          for (const Attribute& one : kAttributes) {
            auto value = here.number(one.file);
            if (!value) continue;
            if (std::string_view(one.file) == "speed") {
              if (*value < 0 && skip_speed) continue;
              *value = *value * 1000 * 1000 / 8;  // megabits
            }
            if (one.counter) {
              out.counter(one.name, "A counter of a network device.", *value, {{"device", device}});
            } else {
              out.gauge(one.name, "A property of a network device.", *value, {{"device", device}});
            }
          }
        }
        return {};
      });
}

}  // namespace agent::exporter::unix_host
