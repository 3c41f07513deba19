// The list of collectors. By default run those that node_exporter runs by default.
#include <utility>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

#define UNIX_COLLECTOR(name) \
  Result<Collect> make_##name(const UnixArgs& args, const Roots& roots, Clock& clock)
UNIX_COLLECTOR(arp);
UNIX_COLLECTOR(conntrack);
UNIX_COLLECTOR(cpu);
UNIX_COLLECTOR(diskstats);
UNIX_COLLECTOR(entropy);
UNIX_COLLECTOR(filefd);
UNIX_COLLECTOR(filesystem);
UNIX_COLLECTOR(loadavg);
UNIX_COLLECTOR(meminfo);
UNIX_COLLECTOR(netclass);
UNIX_COLLECTOR(netdev);
UNIX_COLLECTOR(netstat);
UNIX_COLLECTOR(os);
UNIX_COLLECTOR(pressure);
UNIX_COLLECTOR(schedstat);
UNIX_COLLECTOR(selinux);
UNIX_COLLECTOR(sockstat);
UNIX_COLLECTOR(softnet);
UNIX_COLLECTOR(stat);
UNIX_COLLECTOR(textfile);
UNIX_COLLECTOR(time);
UNIX_COLLECTOR(timex);
UNIX_COLLECTOR(udp_queues);
UNIX_COLLECTOR(uname);
UNIX_COLLECTOR(vmstat);
#undef UNIX_COLLECTOR

const std::vector<CollectorKind>& collector_kinds() {
  static const std::vector<CollectorKind> kKinds = {
      {"arp", true, make_arp},
      {"conntrack", true, make_conntrack},
      {"cpu", true, make_cpu},
      {"diskstats", true, make_diskstats},
      {"entropy", true, make_entropy},
      {"filefd", true, make_filefd},
      {"filesystem", true, make_filesystem},
      {"loadavg", true, make_loadavg},
      {"meminfo", true, make_meminfo},
      {"netclass", true, make_netclass},
      {"netdev", true, make_netdev},
      {"netstat", true, make_netstat},
      {"os", true, make_os},
      {"pressure", true, make_pressure},
      {"schedstat", true, make_schedstat},
      {"selinux", true, make_selinux},
      {"sockstat", true, make_sockstat},
      {"softnet", true, make_softnet},
      {"stat", true, make_stat},
      {"textfile", true, make_textfile},
      {"time", true, make_time},
      {"timex", true, make_timex},
      {"udp_queues", true, make_udp_queues},
      {"uname", true, make_uname},
      {"vmstat", true, make_vmstat},
  };
  return kKinds;
}

std::string_view missing_collector(std::string_view name) {
  constexpr std::string_view kNotYet = "it is not among those it has (see the reference page)";
  for (const std::string_view known : {"bcache",
                                       "bonding",
                                       "btrfs",
                                       "buddyinfo",
                                       "cgroups",
                                       "cpu_vulnerabilities",
                                       "cpufreq",
                                       "dmi",
                                       "drbd",
                                       "drm",
                                       "edac",
                                       "ethtool",
                                       "fibrechannel",
                                       "hwmon",
                                       "infiniband",
                                       "interrupts",
                                       "ipvs",
                                       "ksmd",
                                       "lnstat",
                                       "logind",
                                       "mdadm",
                                       "meminfo_numa",
                                       "mountstats",
                                       "network_route",
                                       "nfs",
                                       "nfsd",
                                       "ntp",
                                       "nvme",
                                       "pcidevice",
                                       "perf",
                                       "powersupplyclass",
                                       "processes",
                                       "qdisc",
                                       "rapl",
                                       "runit",
                                       "slabinfo",
                                       "softirqs",
                                       "supervisord",
                                       "swap",
                                       "sysctl",
                                       "systemd",
                                       "tapestats",
                                       "tcpstat",
                                       "thermal_zone",
                                       "watchdog",
                                       "wifi",
                                       "xfrm",
                                       "xfs",
                                       "zfs",
                                       "zoneinfo"})
    if (known == name) return kNotYet;
  for (const std::string_view other : {"boottime", "devstat", "exec", "thermal"})
    if (other == name) return "it is of other systems than Linux";
  return {};
}

Collect from_file(std::filesystem::path path, Parse parse) {
  return [path = std::move(path), parse](Families& out) -> Result<> {
    const auto text = read_text(path);
    if (!text) return fail(text.error());
    return parse(*text, out);
  };
}

}  // namespace agent::exporter::unix_host
