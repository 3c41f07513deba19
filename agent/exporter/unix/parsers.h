// The pure half of the collectors: what a text of the kernel's means. Any bytes may come in; what
// is not as it should be is refused (kInvalid) or passed over.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
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

Result<> parse_buddyinfo(std::string_view text, Families& out);
Result<> parse_cgroups(std::string_view text, Families& out);
Result<> parse_drbd(std::string_view text, Families& out);
Result<> parse_interrupts(std::string_view text, Families& out);
Result<> parse_slabinfo(std::string_view text, Families& out);
Result<> parse_softirqs(std::string_view text, Families& out);
Result<> parse_swaps(std::string_view text, Families& out);
Result<> parse_xfrm(std::string_view text, Families& out);
Result<> parse_zoneinfo(std::string_view text, Families& out);
// `wanted`: "fs.file-nr" or "fs.file-nr:total,current,max"; `info`: its words become labels.
Result<> parse_sysctl(std::string_view wanted, bool info, std::string_view text, Families& out);
// `name`: of the file.
void parse_vulnerability(std::string_view name, std::string_view text, Families& out);
void parse_lnstat(std::string_view subsystem, std::string_view text, Families& out);
void parse_numa_meminfo(std::string_view text, Families& out);
void parse_numastat(std::string_view node, std::string_view text, Families& out);
void parse_mountstats(std::string_view mountstats, std::string_view mountinfo, Families& out);

// The name of a metric of a driver's statistic whose name holds only letters, digits and '_'.
std::string ethtool_metric_name(std::string_view statistic);
// `names`: 32 bytes each, `values`: 8 bytes each; `include` is asked for the names with '_' for
// what a metric's name cannot hold.
void parse_ethtool_stats(std::string_view device, std::string_view names, std::string_view values,
                         const re2::RE2& include, Families& out);
// Bits of ethtool_link_mode_bit_indices (Linux, include/uapi/linux/ethtool.h).
void tell_link_modes(std::string_view device, std::uint32_t supported, std::uint32_t advertised,
                     Families& out);

// Of an address' 4 or 16 bytes: "global", "link-local", "interface-local" or "".
std::string address_scope(std::string_view bytes);

// `status`: the bytes of supervise/status. False when they are not what they should be.
bool parse_runit_status(std::string_view service, std::string_view status, bool normally_up,
                        Families& out);
// An answer of XML-RPC to supervisor.getAllProcessInfo.
Result<> parse_supervisord(std::string_view xml, Families& out);

struct NtpAnswer {
  int leap = 0;
  int stratum = 0;
  double rtt = 0, offset = 0, root_delay = 0, root_dispersion = 0;  // seconds
  double time = 0;            // of the server when it answered, seconds since 1970
  double reference = 0;       // when its clock was set, seconds since 1970; 0 when it does not know
  std::optional<double> age;  // seconds since then
};
// `nonce`: what was sent as our transmit time; `sent_ns`, `received_ns`: by the local clock.
Result<NtpAnswer> parse_ntp(std::string_view bytes, std::uint64_t nonce, std::int64_t sent_ns,
                            std::int64_t received_ns);
// RFC 5905's and ntpdate's rules; both limits are seconds.
bool ntp_is_sane(const NtpAnswer& answer, double max_distance, double tolerance);
// An address of the host itself, as a text.
bool is_loopback(const std::string& address);

struct ProcessStat {
  std::string state;  // a letter
  double threads = 0;
};
std::optional<ProcessStat> parse_process_stat(std::string_view text);
// A number as bcache writes it: 1.5k.
std::optional<double> parse_bcache_number(std::string_view text);
Result<> parse_bcache_priority(std::string_view text, const Families::Labels& labels,
                               Families& out);
Result<> parse_bcache_writeback(std::string_view text, const Families::Labels& labels,
                                Families& out);
Result<> parse_btrfs_commits(const std::string& uuid, std::string_view text, Families& out);
Result<> parse_ip_vs_stats(std::string_view text, Families& out);
// `wanted`: which of kIpvsLabels, empty for all.
Result<> parse_ip_vs(std::string_view text, const std::vector<std::string>& wanted, Families& out);
Result<> parse_mdstat(std::string_view text, Families& out);
Result<> parse_nfs(std::string_view text, Families& out);
Result<> parse_nfsd(std::string_view text, Families& out);
Result<> parse_xfs_stats(const std::string& device, std::string_view text, Families& out);
// `prefix` is that of the series' names.
Result<> parse_zfs_kstat(const std::string& prefix, std::string_view text, Families& out);
Result<> parse_zfs_objset(const std::string& pool, std::string_view text, Families& out);
Result<> parse_zfs_io(const std::string& pool, std::string_view text, Families& out);

// The name of a sensor's file: temp1_input is {"temp1", "temp", "input"}. None for other files.
struct SensorFile {
  std::string sensor, type, property;
};
std::optional<SensorFile> parse_sensor_file(std::string_view name);
// Series of one sensor, whose files are `properties`.
void add_sensor(const std::string& chip, const std::string& sensor, const std::string& type,
                const std::map<std::string, std::string>& properties, Families& out);

// Seconds in the modes user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice.
using CpuSeconds = std::array<double, 10>;
using CpuTimes = std::vector<std::pair<std::string, CpuSeconds>>;  // by CPU, in order of the text
CpuTimes parse_cpu_times(std::string_view text);

struct Mount {
  std::string device, mount_point, type, options;
  std::string major, minor;  // of mountinfo
  bool read_only = false;
};
// /proc/<pid>/mounts and mountinfo (proc(5)), whose words have octal escapes.
std::vector<Mount> parse_mounts(std::string_view text);
std::vector<Mount> parse_mountinfo(std::string_view text);

}  // namespace agent::exporter::unix_host
