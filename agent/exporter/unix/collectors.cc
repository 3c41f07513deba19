// The list of collectors. By default run those that node_exporter runs by default.
#include <utility>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

#define UNIX_COLLECTOR(name) \
  Result<Collect> make_##name(const UnixArgs& args, const Roots& roots, Clock& clock)
UNIX_COLLECTOR(arp);
UNIX_COLLECTOR(bcache);
UNIX_COLLECTOR(bonding);
UNIX_COLLECTOR(btrfs);
UNIX_COLLECTOR(buddyinfo);
UNIX_COLLECTOR(cgroups);
UNIX_COLLECTOR(conntrack);
UNIX_COLLECTOR(cpu);
UNIX_COLLECTOR(cpu_vulnerabilities);
UNIX_COLLECTOR(cpufreq);
UNIX_COLLECTOR(diskstats);
UNIX_COLLECTOR(dmi);
UNIX_COLLECTOR(drbd);
UNIX_COLLECTOR(drm);
UNIX_COLLECTOR(edac);
UNIX_COLLECTOR(entropy);
UNIX_COLLECTOR(ethtool);
UNIX_COLLECTOR(fibrechannel);
UNIX_COLLECTOR(filefd);
UNIX_COLLECTOR(filesystem);
UNIX_COLLECTOR(hwmon);
UNIX_COLLECTOR(infiniband);
UNIX_COLLECTOR(interrupts);
UNIX_COLLECTOR(ipvs);
UNIX_COLLECTOR(ksmd);
UNIX_COLLECTOR(lnstat);
UNIX_COLLECTOR(loadavg);
UNIX_COLLECTOR(logind);
UNIX_COLLECTOR(mdadm);
UNIX_COLLECTOR(meminfo);
UNIX_COLLECTOR(meminfo_numa);
UNIX_COLLECTOR(mountstats);
UNIX_COLLECTOR(netclass);
UNIX_COLLECTOR(netdev);
UNIX_COLLECTOR(netstat);
UNIX_COLLECTOR(network_route);
UNIX_COLLECTOR(nfs);
UNIX_COLLECTOR(nfsd);
UNIX_COLLECTOR(ntp);
UNIX_COLLECTOR(nvme);
UNIX_COLLECTOR(os);
UNIX_COLLECTOR(pcidevice);
UNIX_COLLECTOR(perf);
UNIX_COLLECTOR(powersupplyclass);
UNIX_COLLECTOR(pressure);
UNIX_COLLECTOR(processes);
UNIX_COLLECTOR(qdisc);
UNIX_COLLECTOR(rapl);
UNIX_COLLECTOR(runit);
UNIX_COLLECTOR(schedstat);
UNIX_COLLECTOR(selinux);
UNIX_COLLECTOR(slabinfo);
UNIX_COLLECTOR(sockstat);
UNIX_COLLECTOR(softirqs);
UNIX_COLLECTOR(softnet);
UNIX_COLLECTOR(stat);
UNIX_COLLECTOR(supervisord);
UNIX_COLLECTOR(swap);
UNIX_COLLECTOR(sysctl);
UNIX_COLLECTOR(systemd);
UNIX_COLLECTOR(tapestats);
UNIX_COLLECTOR(tcpstat);
UNIX_COLLECTOR(textfile);
UNIX_COLLECTOR(thermal_zone);
UNIX_COLLECTOR(time);
UNIX_COLLECTOR(timex);
UNIX_COLLECTOR(udp_queues);
UNIX_COLLECTOR(uname);
UNIX_COLLECTOR(vmstat);
UNIX_COLLECTOR(watchdog);
UNIX_COLLECTOR(wifi);
UNIX_COLLECTOR(xfrm);
UNIX_COLLECTOR(xfs);
UNIX_COLLECTOR(zfs);
UNIX_COLLECTOR(zoneinfo);
#undef UNIX_COLLECTOR

const std::vector<CollectorKind>& collector_kinds() {
  static const std::vector<CollectorKind> kKinds = {
      {"arp", true, make_arp},
      {"bcache", true, make_bcache},
      {"bonding", true, make_bonding},
      {"btrfs", true, make_btrfs},
      {"buddyinfo", false, make_buddyinfo},
      {"cgroups", false, make_cgroups},
      {"conntrack", true, make_conntrack},
      {"cpu", true, make_cpu},
      {"cpu_vulnerabilities", false, make_cpu_vulnerabilities, true},
      {"cpufreq", true, make_cpufreq},
      {"diskstats", true, make_diskstats},
      {"dmi", true, make_dmi},
      {"drbd", false, make_drbd},
      {"drm", false, make_drm},
      {"edac", true, make_edac},
      {"entropy", true, make_entropy},
      {"ethtool", false, make_ethtool},
      {"fibrechannel", true, make_fibrechannel},
      {"filefd", true, make_filefd},
      {"filesystem", true, make_filesystem},
      {"hwmon", true, make_hwmon},
      {"infiniband", true, make_infiniband},
      {"interrupts", false, make_interrupts},
      {"ipvs", true, make_ipvs},
      {"ksmd", false, make_ksmd},
      {"lnstat", false, make_lnstat},
      {"loadavg", true, make_loadavg},
      {"logind", false, make_logind},
      {"mdadm", true, make_mdadm},
      {"meminfo", true, make_meminfo},
      {"meminfo_numa", false, make_meminfo_numa},
      {"mountstats", false, make_mountstats},
      {"netclass", true, make_netclass},
      {"netdev", true, make_netdev},
      {"netstat", true, make_netstat},
      {"network_route", false, make_network_route},
      {"nfs", true, make_nfs},
      {"nfsd", true, make_nfsd},
      {"ntp", false, make_ntp},
      {"nvme", true, make_nvme},
      {"os", true, make_os},
      {"pcidevice", false, make_pcidevice, true},
      {"perf", false, make_perf},
      {"powersupplyclass", true, make_powersupplyclass},
      {"pressure", true, make_pressure},
      {"processes", false, make_processes},
      {"qdisc", false, make_qdisc},
      {"rapl", true, make_rapl},
      {"runit", false, make_runit},
      {"schedstat", true, make_schedstat},
      {"selinux", true, make_selinux},
      {"slabinfo", false, make_slabinfo},
      {"sockstat", true, make_sockstat},
      {"softirqs", false, make_softirqs},
      {"softnet", true, make_softnet},
      {"stat", true, make_stat},
      {"supervisord", false, make_supervisord},
      {"swap", false, make_swap, true},
      {"sysctl", false, make_sysctl},
      {"systemd", false, make_systemd},
      {"tapestats", true, make_tapestats},
      {"tcpstat", false, make_tcpstat},
      {"textfile", true, make_textfile},
      {"thermal_zone", true, make_thermal_zone},
      {"time", true, make_time},
      {"timex", true, make_timex},
      {"udp_queues", true, make_udp_queues},
      {"uname", true, make_uname},
      {"vmstat", true, make_vmstat},
      {"watchdog", true, make_watchdog, true},
      {"wifi", false, make_wifi},
      {"xfrm", false, make_xfrm, true},
      {"xfs", true, make_xfs},
      {"zfs", true, make_zfs},
      {"zoneinfo", false, make_zoneinfo},
  };
  return kKinds;
}

std::string_view missing_collector(std::string_view name) {
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
