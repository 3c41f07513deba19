// The list of collectors. By default run those that node_exporter runs by default.
#include <utility>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

#define UNIX_COLLECTOR(name) \
  Result<Collect> make_##name(const UnixArgs& args, const Roots& roots, Clock& clock)
UNIX_COLLECTOR(arp);
UNIX_COLLECTOR(buddyinfo);
UNIX_COLLECTOR(cgroups);
UNIX_COLLECTOR(conntrack);
UNIX_COLLECTOR(cpu);
UNIX_COLLECTOR(cpu_vulnerabilities);
UNIX_COLLECTOR(diskstats);
UNIX_COLLECTOR(drbd);
UNIX_COLLECTOR(drm);
UNIX_COLLECTOR(entropy);
UNIX_COLLECTOR(filefd);
UNIX_COLLECTOR(filesystem);
UNIX_COLLECTOR(interrupts);
UNIX_COLLECTOR(ksmd);
UNIX_COLLECTOR(lnstat);
UNIX_COLLECTOR(loadavg);
UNIX_COLLECTOR(meminfo);
UNIX_COLLECTOR(meminfo_numa);
UNIX_COLLECTOR(mountstats);
UNIX_COLLECTOR(netclass);
UNIX_COLLECTOR(netdev);
UNIX_COLLECTOR(netstat);
UNIX_COLLECTOR(os);
UNIX_COLLECTOR(pcidevice);
UNIX_COLLECTOR(pressure);
UNIX_COLLECTOR(processes);
UNIX_COLLECTOR(schedstat);
UNIX_COLLECTOR(selinux);
UNIX_COLLECTOR(slabinfo);
UNIX_COLLECTOR(sockstat);
UNIX_COLLECTOR(softirqs);
UNIX_COLLECTOR(softnet);
UNIX_COLLECTOR(stat);
UNIX_COLLECTOR(swap);
UNIX_COLLECTOR(sysctl);
UNIX_COLLECTOR(textfile);
UNIX_COLLECTOR(time);
UNIX_COLLECTOR(timex);
UNIX_COLLECTOR(udp_queues);
UNIX_COLLECTOR(uname);
UNIX_COLLECTOR(vmstat);
UNIX_COLLECTOR(xfrm);
UNIX_COLLECTOR(zoneinfo);
#undef UNIX_COLLECTOR

const std::vector<CollectorKind>& collector_kinds() {
  static const std::vector<CollectorKind> kKinds = {
      {"arp", true, make_arp},
      {"buddyinfo", false, make_buddyinfo},
      {"cgroups", false, make_cgroups},
      {"conntrack", true, make_conntrack},
      {"cpu", true, make_cpu},
      {"cpu_vulnerabilities", false, make_cpu_vulnerabilities, true},
      {"diskstats", true, make_diskstats},
      {"drbd", false, make_drbd},
      {"drm", false, make_drm},
      {"entropy", true, make_entropy},
      {"filefd", true, make_filefd},
      {"filesystem", true, make_filesystem},
      {"interrupts", false, make_interrupts},
      {"ksmd", false, make_ksmd},
      {"lnstat", false, make_lnstat},
      {"loadavg", true, make_loadavg},
      {"meminfo", true, make_meminfo},
      {"meminfo_numa", false, make_meminfo_numa},
      {"mountstats", false, make_mountstats},
      {"netclass", true, make_netclass},
      {"netdev", true, make_netdev},
      {"netstat", true, make_netstat},
      {"os", true, make_os},
      {"pcidevice", false, make_pcidevice, true},
      {"pressure", true, make_pressure},
      {"processes", false, make_processes},
      {"schedstat", true, make_schedstat},
      {"selinux", true, make_selinux},
      {"slabinfo", false, make_slabinfo},
      {"sockstat", true, make_sockstat},
      {"softirqs", false, make_softirqs},
      {"softnet", true, make_softnet},
      {"stat", true, make_stat},
      {"swap", false, make_swap, true},
      {"sysctl", false, make_sysctl},
      {"textfile", true, make_textfile},
      {"time", true, make_time},
      {"timex", true, make_timex},
      {"udp_queues", true, make_udp_queues},
      {"uname", true, make_uname},
      {"vmstat", true, make_vmstat},
      {"xfrm", false, make_xfrm, true},
      {"zoneinfo", false, make_zoneinfo},
  };
  return kKinds;
}

std::string_view missing_collector(std::string_view name) {
  constexpr std::string_view kNotYet = "it is not among those it has (see the reference page)";
  for (const std::string_view known :
       {"bcache",    "bonding", "btrfs",        "cpufreq",       "dmi",
        "edac",      "ethtool", "fibrechannel", "hwmon",         "infiniband",
        "ipvs",      "logind",  "mdadm",        "network_route", "nfs",
        "nfsd",      "ntp",     "nvme",         "perf",          "powersupplyclass",
        "qdisc",     "rapl",    "runit",        "supervisord",   "systemd",
        "tapestats", "tcpstat", "thermal_zone", "watchdog",      "wifi",
        "xfs",       "zfs",     "zoneinfo"})
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
