// What the drivers of network devices tell: ioctl(2) SIOCETHTOOL (Linux,
// include/uapi/linux/ethtool.h).
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <re2/re2.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

// Bits of the 32 that ETHTOOL_GSET knows.
struct LinkMode {
  int bit;
  int megabits;
  const char* duplex;
  const char* kind;
};
constexpr std::array<LinkMode, 22> kLinkModes = {{
    {0, 10, "half", "T"},       {1, 10, "full", "T"},         {2, 100, "half", "T"},
    {3, 100, "full", "T"},      {4, 1000, "half", "T"},       {5, 1000, "full", "T"},
    {12, 10000, "full", "T"},   {17, 1000, "full", "KX"},     {18, 10000, "full", "KX4"},
    {19, 10000, "full", "KR"},  {20, 10000, "full", "R_FEC"}, {21, 20000, "full", "MLD2"},
    {22, 20000, "full", "KR2"}, {23, 40000, "full", "KR4"},   {24, 40000, "full", "CR4"},
    {25, 40000, "full", "SR4"}, {26, 40000, "full", "LR4"},   {27, 56000, "full", "KR4"},
    {28, 56000, "full", "CR4"}, {29, 56000, "full", "SR4"},   {30, 56000, "full", "LR4"},
    {31, 25000, "full", "CR"},
}};

constexpr std::size_t kMaxStats = 32768;  // a device with many queues has some thousands

// A field of a struct of the kernel's.
template <std::size_t N>
std::string field(const char (&text)[N]) {
  return std::string(text, ::strnlen(text, N));
}

// Between '_' or the ends, "rx" and "tx" become words.
std::string spelled_out(std::string_view name) {
  std::string out;
  for (const std::string_view part : split(name, '_')) {
    if (!out.empty() || part.data() != name.data()) out += '_';
    out += part == "rx" ? "received" : part == "tx" ? "transmitted" : part;
  }
  return out;
}

}  // namespace

std::string ethtool_metric_name(std::string_view statistic) {
  std::string name(statistic);
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  name.erase(0, std::min(name.size(), name.find_first_not_of('_')));
  for (const std::string_view total :
       {"rx_bytes", "rx_dropped", "rx_errors", "rx_packets", "tx_bytes", "tx_errors", "tx_packets"})
    if (statistic == total) return "node_ethtool_" + spelled_out(name) + "_total";
  return "node_ethtool_" + spelled_out(name);
}

void parse_ethtool_stats(std::string_view device, std::string_view names, std::string_view values,
                         const re2::RE2& include, Families& out) {
  // Two statistics whose names become one are not told: nobody could say which it is.
  std::map<std::string, std::optional<double>> metrics;
  for (std::size_t i = 0; (i + 1) * ETH_GSTRING_LEN <= names.size() && (i + 1) * 8 <= values.size();
       ++i) {
    std::string_view name = names.substr(i * ETH_GSTRING_LEN, ETH_GSTRING_LEN);
    name = trim(name.substr(0, name.find('\0')));
    const std::string clean = collapse_name(name);
    if (clean.empty() || !re2::RE2::PartialMatch(clean, include)) continue;
    std::uint64_t value = 0;
    std::memcpy(&value, values.data() + i * 8, sizeof value);
    const auto [at, fresh] =
        metrics.emplace(ethtool_metric_name(clean), static_cast<double>(value));
    if (!fresh) at->second.reset();
  }
  for (const auto& [name, value] : metrics)
    if (value)
      out.untyped(name, "A statistic of a network device's driver.", *value,
                  {{"device", std::string(device)}});
}

void tell_link_modes(std::string_view device, std::uint32_t supported, std::uint32_t advertised,
                     Families& out) {
  const std::string name(device);
  for (const auto& [what, modes] : {std::pair{std::string("supported"), supported},
                                    std::pair{std::string("advertised"), advertised}}) {
    for (const LinkMode& mode : kLinkModes)
      if ((modes & (1U << mode.bit)) != 0)
        out.gauge("node_network_" + what + "_speed_bytes",
                  "Speeds of a device, in bytes each second.", mode.megabits * 1e6 / 8,
                  {{"device", name},
                   {"duplex", mode.duplex},
                   {"mode", std::to_string(mode.megabits) + "base" + mode.kind}});
    constexpr std::array<std::pair<int, const char*>, 3> kAbilities = {
        {{6, "autonegotiate_"}, {13, "pause_"}, {14, "asymmetricpause_"}}};
    for (const auto& [bit, ability] : kAbilities)
      out.gauge("node_network_" + (ability + what), "1 when a device is able to.",
                (modes & (1U << bit)) != 0 ? 1 : 0, {{"device", name}});
  }
  constexpr std::array<std::pair<int, const char*>, 6> kPorts = {
      {{7, "TP"}, {8, "AUI"}, {9, "MII"}, {10, "FIBRE"}, {11, "BNC"}, {16, "Backplane"}}};
  for (const auto& [bit, port] : kPorts)
    if ((supported & (1U << bit)) != 0)
      out.gauge("node_network_supported_port_info", "Kinds of ports of a device; the value is 1.",
                1, {{"device", name}, {"type", port}});
}

namespace {

// One question about one device; the answer replaces `question`. The number is errno, 0 for fine.
int ask(int socket, const std::string& device, void* question) {
  ifreq request{};
  device.copy(request.ifr_name, sizeof request.ifr_name - 1);
  request.ifr_data = static_cast<char*>(question);
  return ::ioctl(socket, SIOCETHTOOL, &request) == 0 ? 0 : errno;
}

// Names and numbers of a device's statistics. The kernel writes as many as there are at that
// moment, whatever it was asked for: the room is for more than any driver has.
class Statistics {
 public:
  void tell(int socket, const std::string& device, std::size_t count, const re2::RE2& include,
            Families& out) {
    if (count == 0 || count > kMaxStats) return;
    const auto number = static_cast<std::uint32_t>(count);
    ethtool_gstrings strings{};
    strings.cmd = ETHTOOL_GSTRINGS;
    strings.string_set = ETH_SS_STATS;
    strings.len = number;
    ethtool_stats stats{};
    stats.cmd = ETHTOOL_GSTATS;
    stats.n_stats = number;
    std::memcpy(names_.data(), &strings, sizeof strings);
    std::memcpy(numbers_.data(), &stats, sizeof stats);
    if (ask(socket, device, names_.data()) != 0 || ask(socket, device, numbers_.data()) != 0)
      return;
    std::memcpy(&strings, names_.data(), sizeof strings);
    std::memcpy(&stats, numbers_.data(), sizeof stats);
    if (strings.len != number || stats.n_stats != number) return;  // it has just changed
    parse_ethtool_stats(
        device, std::string_view(names_.data() + sizeof strings, count * ETH_GSTRING_LEN),
        std::string_view(numbers_.data() + sizeof stats, count * sizeof(std::uint64_t)), include,
        out);
  }

 private:
  std::vector<char> names_ =
      std::vector<char>(sizeof(ethtool_gstrings) + kMaxStats * ETH_GSTRING_LEN);
  std::vector<char> numbers_ =
      std::vector<char>(sizeof(ethtool_stats) + kMaxStats * sizeof(std::uint64_t));
};

}  // namespace

Result<Collect> make_ethtool(const UnixArgs& args, const Roots& roots, Clock&) {
  auto devices = NameFilter::make(args.ethtool.device_include, args.ethtool.device_exclude);
  if (!devices) return fail(std::move(devices.error()).within("ethtool"));
  const auto include = std::make_shared<const RE2>(args.ethtool.metrics_include, RE2::Quiet);
  if (!include->ok()) return fail(ErrorCode::kInvalid, "ethtool: expression: " + include->error());
  return Collect([folder = roots.sys / "class/net", devices = *devices, include](
                     Families& out, const std::stop_token& stop) -> Result<> {
    const FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return fail_errno("ethtool", errno);
    Statistics statistics;
    Result<> done;
    const auto check = [&](const std::string& device, int error) {
      // Many devices have no such thing, some have gone since.
      if (error != 0 && error != EOPNOTSUPP && error != ENODEV && done)
        done = fail_errno("ethtool: " + device, error);
      return error == 0;
    };
    const auto found = entries(folder);
    if (found.empty()) return fail(ErrorCode::kNotFound, folder.string() + ": no devices");
    for (const std::filesystem::path& path : found) {
      if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped");
      const std::string device = path.filename().string();
      std::error_code none;
      if (!std::filesystem::is_directory(path, none) || !devices.passes(device)) continue;
      ethtool_cmd link{};
      link.cmd = ETHTOOL_GSET;
      if (check(device, ask(socket.get(), device, &link))) {
        tell_link_modes(device, link.supported, link.advertising, out);
        out.gauge("node_network_autonegotiate",
                  "1 when a device agrees on its speed with the other.", link.autoneg,
                  {{"device", device}});
      }
      ethtool_drvinfo driver{};
      driver.cmd = ETHTOOL_GDRVINFO;
      if (!check(device, ask(socket.get(), device, &driver))) continue;
      out.gauge("node_ethtool_info", "What is known of a device's driver; the value is 1.", 1,
                {{"device", device},
                 {"bus_info", field(driver.bus_info)},
                 {"driver", field(driver.driver)},
                 {"expansion_rom_version", field(driver.erom_version)},
                 {"firmware_version", field(driver.fw_version)},
                 {"version", field(driver.version)}});
      statistics.tell(socket.get(), device, driver.n_stats, *include, out);
    }
    return done;
  });
}

}  // namespace agent::exporter::unix_host
