#include "agent/exporter/cadvisor/network.h"

#include "agent/exporter/cadvisor/text.h"

namespace agent::exporter::cadvisor {
namespace {

constexpr std::size_t kMaxInterfaces = 1024;
constexpr std::size_t kMaxCounters = 1024;
constexpr std::size_t kMaxSockets = 64U << 20;  // bytes of a list of sockets

std::optional<double> hex(std::string_view text) { return number(text, 16); }

}  // namespace

void parse_interfaces(std::string_view text, std::vector<Interface>& out) {
  for_each_line(text, [&](std::string_view line) {
    const std::size_t colon = line.find(':');  // the two lines of headings have none
    if (colon == std::string_view::npos || out.size() == kMaxInterfaces) return;
    const std::string_view name = trim(line.substr(0, colon));
    for (const std::string_view ignored : {"lo", "veth", "docker"})
      if (name.starts_with(ignored)) return;
    const auto fields = words(line.substr(colon + 1));
    if (name.empty() || fields.size() < 12) return;
    std::array<double, 12> values{};
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto value = number(fields[i]);
      if (!value) return;
      values[i] = *value;
    }
    out.push_back({std::string(name), values[0], values[1], values[2], values[3], values[8],
                   values[9], values[10], values[11]});
  });
}

TcpStates parse_tcp(std::string_view text) {
  TcpStates out{};
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 4) return;
    const auto state = hex(fields[3]);
    if (state && *state >= 1 && *state <= static_cast<double>(out.size()))
      out[static_cast<std::size_t>(*state) - 1] += 1;
  });
  return out;
}

UdpSockets parse_udp(std::string_view text) {
  UdpSockets out;
  bool first = true;
  for_each_line(text, [&](std::string_view line) {
    if (std::exchange(first, false)) return;  // headings
    const auto fields = words(line);
    if (fields.size() < 13) return;
    const std::size_t colon = fields[4].find(':');
    if (colon == std::string_view::npos) return;
    const auto transmit = hex(fields[4].substr(0, colon));
    const auto receive = hex(fields[4].substr(colon + 1));
    const auto dropped = number(fields[12]);
    if (!transmit || !receive || !dropped) return;
    out.listen += 1;
    out.transmit_queued += *transmit;
    out.receive_queued += *receive;
    out.dropped += *dropped;
  });
  return out;
}

void parse_advanced_tcp(std::string_view text, std::vector<std::pair<std::string, double>>& out) {
  std::vector<std::string_view> names;
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.empty() || (fields[0] != "TcpExt:" && fields[0] != "Tcp:")) return;
    if (names.empty() || names[0] != fields[0]) {
      names = fields;
      return;
    }
    for (std::size_t i = 1; i < std::min(names.size(), fields.size()); ++i) {
      const auto value = number(fields[i]);
      if (!value || out.size() == kMaxCounters) continue;
      std::string name(names[i]);
      for (char& c : name)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      out.emplace_back(std::move(name), *value);
    }
    names.clear();
  });
}

NetworkStats read_network(const std::filesystem::path& proc, std::int64_t pid, const Kinds& kinds,
                          std::string& buffer) {
  NetworkStats out;
  const std::string folder = proc.string() + "/" + std::to_string(pid) + "/net/";
  const auto with = [&](const char* name, auto use) {
    if (const auto text = read_small(folder + name, buffer, kMaxSockets)) use(*text);
  };
  if (kinds.has(Kind::kNetwork))
    with("dev", [&](std::string_view text) { parse_interfaces(text, out.interfaces); });
  if (kinds.has(Kind::kTcp)) {
    with("tcp", [&](std::string_view text) { out.tcp = {parse_tcp(text)}; });
    with("tcp6", [&](std::string_view text) { out.tcp6 = {parse_tcp(text)}; });
  }
  if (kinds.has(Kind::kUdp)) {
    with("udp", [&](std::string_view text) { out.udp = {parse_udp(text)}; });
    with("udp6", [&](std::string_view text) { out.udp6 = {parse_udp(text)}; });
  }
  if (kinds.has(Kind::kAdvancedTcp)) {
    with("netstat", [&](std::string_view text) { parse_advanced_tcp(text, out.advanced); });
    with("snmp", [&](std::string_view text) { parse_advanced_tcp(text, out.advanced); });
  }
  return out;
}

}  // namespace agent::exporter::cadvisor
