// The pure half of the collectors: what a text of the kernel's means. Any bytes may come in; what
// is not as it should be is refused (kInvalid) or passed over.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/exporter/unix/collector.h"
#include "agent/exporter/unix/unix_args.h"

namespace re2 {
class RE2;
}

namespace agent::exporter::unix_host {

using Parse = Result<> (*)(std::string_view text, Families& out);
// A collector that is a file and its parser.
Collect from_file(std::filesystem::path path, Parse parse);

Result<> parse_loadavg(std::string_view text, Families& out);
Result<> parse_meminfo(std::string_view text, Families& out);
Result<> parse_stat(std::string_view text, Families& out);
Result<> parse_filefd(std::string_view text, Families& out);
Result<> parse_softnet(std::string_view text, Families& out);
Result<> parse_conntrack_stat(std::string_view text, Families& out);
Result<> parse_sockstat(std::string_view text, Families& out);
Result<> parse_os_release(std::string_view text, Families& out);
Result<> parse_schedstat(std::string_view text, Families& out);
// `resource`: "cpu", "io", "memory".
Result<> parse_pressure(std::string_view resource, std::string_view text, Families& out);
Result<> parse_vmstat(std::string_view text, const re2::RE2& fields, Families& out);
// Pairs of lines "Tcp: names" "Tcp: values".
Result<> parse_netstat(std::string_view text, const re2::RE2& fields, Families& out);
// "Ip6InReceives 5" lines.
Result<> parse_snmp6(std::string_view text, const re2::RE2& fields, Families& out);
Result<> parse_netdev(std::string_view text, const NameFilter& devices, Families& out);
Result<> parse_diskstats(std::string_view text, const NameFilter& devices, Families& out);
Result<> parse_arp(std::string_view text, const NameFilter& devices, Families& out);
// `protocol`: "v4", "v6" of /proc/net/udp and udp6.
Result<> parse_udp_queues(std::string_view protocol, std::string_view text, Families& out);

// Seconds in the modes user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice.
using CpuSeconds = std::array<double, 10>;
using CpuTimes = std::vector<std::pair<std::string, CpuSeconds>>;  // by CPU, in order of the text
CpuTimes parse_cpu_times(std::string_view text);

struct Mount {
  std::string device, mount_point, type;
  bool read_only = false;
};
// /proc/<pid>/mounts: device, mount point and type with octal escapes, options.
std::vector<Mount> parse_mounts(std::string_view text);

}  // namespace agent::exporter::unix_host
