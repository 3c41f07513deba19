// Network devices' counters: /proc/net/dev, and what /sys/class/net has beside it. Their addresses:
// getifaddrs(3).
#include <arpa/inet.h>
#include <ifaddrs.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>

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

std::string address_scope(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const auto ends_zero = [&](std::string_view text) {
    return text.find_first_not_of('\0') == std::string_view::npos;
  };
  if (bytes.size() == 4) {
    if (byte(0) == 127 || (byte(0) == 169 && byte(1) == 254) ||
        (byte(0) == 224 && byte(1) == 0 && byte(2) == 0))
      return "link-local";
    const bool broadcast = bytes == "\xff\xff\xff\xff";
    return broadcast || ends_zero(bytes) || byte(0) >> 4 == 14 ? "" : "global";
  }
  if (bytes.size() != 16) return "";
  const bool loopback = ends_zero(bytes.substr(0, 15)) && byte(15) == 1;
  if (loopback || (byte(0) == 0xfe && (byte(1) & 0xc0U) == 0x80)) return "link-local";
  if (byte(0) == 0xff) {
    if ((byte(1) & 0x0fU) == 2) return "link-local";
    return (byte(1) & 0x0fU) == 1 ? "interface-local" : "";
  }
  return ends_zero(bytes) ? "" : "global";
}

namespace {

// The bytes of an address of the Internet's; none of any other.
std::string_view address_bytes(const sockaddr* address) {
  if (address == nullptr) return {};
  if (address->sa_family == AF_INET) {
    const auto* four = reinterpret_cast<const sockaddr_in*>(address);
    return {reinterpret_cast<const char*>(&four->sin_addr), sizeof four->sin_addr};
  }
  if (address->sa_family == AF_INET6) {
    const auto* six = reinterpret_cast<const sockaddr_in6*>(address);
    return {reinterpret_cast<const char*>(&six->sin6_addr), sizeof six->sin6_addr};
  }
  return {};
}

Result<> tell_addresses(Families& out) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return fail_errno("addresses of devices", errno);
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, ::freeifaddrs);
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    const std::string_view bytes = address_bytes(one->ifa_addr);
    if (bytes.empty()) continue;
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (::inet_ntop(one->ifa_addr->sa_family, bytes.data(), text.data(), text.size()) == nullptr)
      continue;
    int prefix = 0;
    for (const char byte : address_bytes(one->ifa_netmask))
      prefix += std::popcount(static_cast<unsigned char>(byte));
    out.gauge("node_network_address_info", "An address of a network device; the value is 1.", 1,
              {{"device", one->ifa_name},
               {"address", text.data()},
               {"netmask", std::to_string(prefix)},
               {"scope", address_scope(bytes)}});
  }
  return {};
}

}  // namespace

Result<Collect> make_netdev(const UnixArgs& args, const Roots& roots, Clock&) {
  auto devices = NameFilter::make(args.netdev.device_include, args.netdev.device_exclude);
  if (!devices) return fail(std::move(devices.error()).within("netdev"));
  return Collect(
      [roots, devices = *devices, addresses = args.netdev.address_info](Families& out) -> Result<> {
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
        return addresses ? tell_addresses(out) : Result<>();
      });
}

}  // namespace agent::exporter::unix_host
