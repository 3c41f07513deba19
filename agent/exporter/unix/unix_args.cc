#include "agent/exporter/unix/unix_args.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstdlib>

#include "agent/base/strings.h"
#include "agent/exporter/unix/collector.h"
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/perf_events.h"

namespace agent::exporter::unix_host {

using component::Schema;

Result<NameFilter> NameFilter::make(const std::string& include, const std::string& exclude) {
  NameFilter out;
  for (const auto& [text, into] :
       {std::pair{&include, &out.include_}, std::pair{&exclude, &out.exclude_}}) {
    if (text->empty()) continue;
    *into = std::make_shared<const RE2>(*text, RE2::Quiet);
    if (!(*into)->ok()) return fail(ErrorCode::kInvalid, "expression: " + (*into)->error());
  }
  return out;
}

bool NameFilter::passes(std::string_view name) const {
  const re2::StringPiece text(name.data(), name.size());
  return (include_ == nullptr || RE2::PartialMatch(text, *include_)) &&
         (exclude_ == nullptr || !RE2::PartialMatch(text, *exclude_));
}

Schema<ArpArgs> ArpArgs::schema() {
  return Schema<ArpArgs>()
      .optional("device_exclude", &ArpArgs::device_exclude,
                "Devices to leave out, as an expression.")
      .optional("device_include", &ArpArgs::device_include, "Only these devices, as an expression.")
      .optional("netlink", &ArpArgs::netlink,
                "Asks the kernel over netlink instead of reading /proc/net/arp; the series are the "
                "same.");
}
Schema<CpuArgs> CpuArgs::schema() {
  return Schema<CpuArgs>()
      .optional("guest", &CpuArgs::guest, "Adds node_cpu_guest_seconds_total.")
      .optional("info", &CpuArgs::info, "Adds node_cpu_info.")
      .optional("bugs_include", &CpuArgs::bugs_include,
                "Bugs of the CPU to tell in node_cpu_bug_info, as an expression.")
      .optional("flags_include", &CpuArgs::flags_include,
                "Flags of the CPU to tell in node_cpu_flag_info, as an expression.");
}
Schema<DiskArgs> DiskArgs::schema() {
  return Schema<DiskArgs>()
      .optional("device_exclude", &DiskArgs::device_exclude,
                "Devices to leave out, as an expression; without effect beside device_include.")
      .optional("device_include", &DiskArgs::device_include,
                "Only these devices, as an expression.");
}
Schema<EthtoolArgs> EthtoolArgs::schema() {
  return Schema<EthtoolArgs>()
      .optional("device_exclude", &EthtoolArgs::device_exclude,
                "Devices to leave out, as an expression.")
      .optional("device_include", &EthtoolArgs::device_include,
                "Only these devices, as an expression.")
      .optional("metrics_include", &EthtoolArgs::metrics_include,
                "Statistics of drivers to tell, as an expression.");
}
Schema<FilesystemArgs> FilesystemArgs::schema() {
  return Schema<FilesystemArgs>()
      .optional("fs_types_exclude", &FilesystemArgs::fs_types_exclude,
                "Types of file systems to leave out, as an expression.")
      .optional("mount_points_exclude", &FilesystemArgs::mount_points_exclude,
                "Mount points to leave out, as an expression.")
      .optional("mount_timeout", &FilesystemArgs::mount_timeout,
                "Time after which a mount that does not answer counts as broken.");
}
Schema<NetclassArgs> NetclassArgs::schema() {
  return Schema<NetclassArgs>()
      .optional("ignore_invalid_speed_device", &NetclassArgs::ignore_invalid_speed_device,
                "Leaves out the speed of devices that have none.")
      .optional("ignored_devices", &NetclassArgs::ignored_devices,
                "Devices to leave out, as an expression.");
}
Schema<NetdevArgs> NetdevArgs::schema() {
  return Schema<NetdevArgs>()
      .optional("address_info", &NetdevArgs::address_info, "Adds node_network_address_info.")
      .optional("device_exclude", &NetdevArgs::device_exclude,
                "Devices to leave out, as an expression.")
      .optional("device_include", &NetdevArgs::device_include,
                "Only these devices, as an expression.");
}
Schema<NetstatArgs> NetstatArgs::schema() {
  return Schema<NetstatArgs>().optional("fields", &NetstatArgs::fields,
                                        "Counters to tell, as an expression.");
}
Schema<NtpArgs> NtpArgs::schema() {
  return Schema<NtpArgs>()
      .optional("server", &NtpArgs::server,
                "Address of a time server; of this host, unless server_is_local.")
      .optional(
          "server_is_local", &NtpArgs::server_is_local,
          "Says that the server may be asked though its address is not 127.0.0.1 or the like.")
      .optional("protocol_version", &NtpArgs::protocol_version, "Version of NTP: 2, 3 or 4.")
      .optional("ip_ttl", &NtpArgs::ip_ttl, "Most hops to the server.")
      .optional("max_distance", &NtpArgs::max_distance,
                "Largest distance to the reference clock that is sane.")
      .optional("local_offset_tolerance", &NtpArgs::local_offset_tolerance,
                "By what the two clocks may differ and be sane.");
}
Schema<PerfArgs> PerfArgs::schema() {
  return Schema<PerfArgs>()
      .optional("cpus", &PerfArgs::cpus,
                "CPUs to count on, like \"0-3,8\" or \"0-10:5\"; empty is all.")
      .optional("tracepoint", &PerfArgs::tracepoint, "Tracepoints to count, \"subsystem:event\".")
      .optional("disable_hardware_profilers", &PerfArgs::disable_hardware_profilers,
                "Counts no events of the hardware.")
      .optional("disable_software_profilers", &PerfArgs::disable_software_profilers,
                "Counts no events of the kernel.")
      .optional("disable_cache_profilers", &PerfArgs::disable_cache_profilers,
                "Counts no events of the caches.")
      .optional("hardware_profilers", &PerfArgs::hardware_profilers,
                "Events of the hardware to count; empty is all.")
      .optional("software_profilers", &PerfArgs::software_profilers,
                "Events of the kernel to count; empty is all.")
      .optional("cache_profilers", &PerfArgs::cache_profilers,
                "Events of the caches to count; empty is all.");
}
Schema<RunitArgs> RunitArgs::schema() {
  return Schema<RunitArgs>().optional("service_dir", &RunitArgs::service_dir,
                                      "Folder with the services of runit.");
}
std::string SupervisordArgs::default_url() {
  const char* url = std::getenv("SUPERVISORD_URL");  // nobody sets it while the agent runs
  return url != nullptr && *url != '\0' ? url : "http://localhost:9001/RPC2";
}
Schema<SupervisordArgs> SupervisordArgs::schema() {
  return Schema<SupervisordArgs>().optional(
      "url", &SupervisordArgs::url,
      "Where supervisord answers: http://, https:// or unix:///path. The default is "
      "$SUPERVISORD_URL when that is set.");
}
Schema<SystemdArgs> SystemdArgs::schema() {
  return Schema<SystemdArgs>()
      .optional("enable_restarts", &SystemdArgs::enable_restarts,
                "Adds node_systemd_service_restart_total.")
      .optional("start_time", &SystemdArgs::start_time,
                "Adds node_systemd_unit_start_time_seconds.")
      .optional("task_metrics", &SystemdArgs::task_metrics,
                "Adds node_systemd_unit_tasks_current and node_systemd_unit_tasks_max.")
      .optional("unit_exclude", &SystemdArgs::unit_exclude,
                "Units to leave out, as an expression for the whole name.")
      .optional("unit_include", &SystemdArgs::unit_include,
                "Only these units, as an expression for the whole name.");
}
Schema<SysctlArgs> SysctlArgs::schema() {
  return Schema<SysctlArgs>()
      .optional(
          "include", &SysctlArgs::include,
          "Numbers of /proc/sys to tell: \"fs.file-nr\", or with a name for each of its numbers "
          "\"fs.file-nr:total,current,max\".")
      .optional("include_info", &SysctlArgs::include_info,
                "Texts of /proc/sys to tell as labels of node_sysctl_info.");
}
Schema<TextfileArgs> TextfileArgs::schema() {
  return Schema<TextfileArgs>().optional("directory", &TextfileArgs::directory,
                                         "Folder with *.prom files; empty reads none.");
}
Schema<VmstatArgs> VmstatArgs::schema() {
  return Schema<VmstatArgs>().optional("fields", &VmstatArgs::fields,
                                       "Lines to tell, as an expression.");
}

Schema<BcacheArgs> BcacheArgs::schema() {
  return Schema<BcacheArgs>().optional(
      "priority_stats", &BcacheArgs::priority_stats,
      "Adds node_bcache_priority_stats_*, which is costly for the kernel.");
}
Schema<HwmonArgs> HwmonArgs::schema() {
  return Schema<HwmonArgs>()
      .optional("chip_exclude", &HwmonArgs::chip_exclude, "Chips to leave out, as an expression.")
      .optional("chip_include", &HwmonArgs::chip_include, "Only these chips, as an expression.");
}
Schema<IpvsArgs> IpvsArgs::schema() {
  return Schema<IpvsArgs>().optional(
      "backend_labels", &IpvsArgs::backend_labels,
      "Labels of node_ipvs_backend_*, whose values are added up over the others; empty: all.");
}
Schema<PowersupplyArgs> PowersupplyArgs::schema() {
  return Schema<PowersupplyArgs>().optional("ignored_supplies", &PowersupplyArgs::ignored_supplies,
                                            "Power supplies to leave out, as an expression.");
}
Schema<TapestatsArgs> TapestatsArgs::schema() {
  return Schema<TapestatsArgs>().optional("ignored_devices", &TapestatsArgs::ignored_devices,
                                          "Tapes to leave out, as an expression.");
}

Schema<UnixArgs> UnixArgs::schema() {
  using A = UnixArgs;
  return Schema<A>()
      .optional("include_exporter_metrics", &A::include_exporter_metrics,
                "Adds the agent's own process_ metrics to the page.")
      .optional("procfs_path", &A::procfs_path, "Where the host's /proc is.")
      .optional("sysfs_path", &A::sysfs_path, "Where the host's /sys is.")
      .optional("rootfs_path", &A::rootfs_path, "Where the host's root is.")
      .optional("udev_data_path", &A::udev_data_path, "Where udev keeps what it knows of devices.")
      .optional("enable_collectors", &A::enable_collectors,
                "Collectors to run beside those that run by default.")
      .optional("disable_collectors", &A::disable_collectors, "Collectors not to run.")
      .optional("set_collectors", &A::set_collectors,
                "The collectors to run, instead of the default.")
      .block("arp", &A::arp, "Collector arp.")
      .block("bcache", &A::bcache, "Collector bcache.")
      .block("cpu", &A::cpu, "Collector cpu.")
      .block("disk", &A::disk, "Collector diskstats.")
      .block("ethtool", &A::ethtool, "Collector ethtool.")
      .block("filesystem", &A::filesystem, "Collector filesystem.")
      .block("hwmon", &A::hwmon, "Collector hwmon.")
      .block("ipvs", &A::ipvs, "Collector ipvs.")
      .block("netclass", &A::netclass, "Collector netclass.")
      .block("netdev", &A::netdev, "Collector netdev.")
      .block("netstat", &A::netstat, "Collector netstat.")
      .block("ntp", &A::ntp, "Collector ntp.")
      .block("perf", &A::perf, "Collector perf.")
      .block("powersupply", &A::powersupply, "Collector powersupplyclass.")
      .block("runit", &A::runit, "Collector runit.")
      .block("supervisord", &A::supervisord, "Collector supervisord.")
      .block("sysctl", &A::sysctl, "Collector sysctl.")
      .block("systemd", &A::systemd, "Collector systemd.")
      .block("tapestats", &A::tapestats, "Collector tapestats.")
      .block("textfile", &A::textfile, "Collector textfile.")
      .block("vmstat", &A::vmstat, "Collector vmstat.");
}

namespace {

// What is wrong in a block is told where the block stands.
const lang::Span& span_of_block(const lang::Body& body, std::string_view name) {
  for (const lang::Block& block : body.blocks)
    if (block.name == name) return block.span;
  return body.span;
}

void check(const NtpArgs& ntp, const lang::Body& body, lang::Diagnostics& diagnostics) {
  const auto wrong = [&](const std::string& what) {
    diagnostics.error(span_of_block(body, "ntp"), "ntp: " + what);
  };
  if (!ntp.server_is_local && !is_loopback(ntp.server))
    wrong("server must be an address of this host, like 127.0.0.1, unless server_is_local = true");
  if (ntp.protocol_version < 2 || ntp.protocol_version > 4) wrong("protocol_version is 2, 3 or 4");
  if (ntp.ip_ttl < 1 || ntp.ip_ttl > 255) wrong("ip_ttl is from 1 to 255");
  if (ntp.local_offset_tolerance < Duration::zero())
    wrong("local_offset_tolerance must not be negative");
}

void check(const PerfArgs& perf, const lang::Body& body, lang::Diagnostics& diagnostics) {
  const lang::Span& span = span_of_block(body, "perf");
  if (!perf.cpus.empty())
    if (const auto cpus = parse_cpu_list(perf.cpus); !cpus)
      diagnostics.error(span, "perf: " + cpus.error().message);
  for (const std::string& name : perf.tracepoint) {
    const auto parts = split(name, ':');
    if (parts.size() != 2 || parts[0].empty() || parts[1].empty() ||
        name.find('/') != std::string::npos || name.find("..") != std::string::npos)
      diagnostics.error(span, "perf: tracepoint " + json_string(name) + " is not subsystem:event");
  }
  for (const auto& [kind, names] : {std::pair{PerfKind::kHardware, &perf.hardware_profilers},
                                    std::pair{PerfKind::kSoftware, &perf.software_profilers},
                                    std::pair{PerfKind::kCache, &perf.cache_profilers}}) {
    std::vector<std::string_view> known;
    for (const PerfEvent& event : perf_events(kind)) known.push_back(event.name);
    for (const std::string& name : *names) {
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      // As in Alloy this is no error.
      const std::string_view near = nearest(name, known);
      diagnostics.warning(span,
                          "perf: there is no event " + json_string(name) +
                              (near.empty() ? "" : "; did you mean " + std::string(near) + "?"));
    }
  }
}

}  // namespace

void UnixArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  if (!netdev.device_include.empty() && !netdev.device_exclude.empty())
    diagnostics.error(body.span, "netdev: device_include and device_exclude cannot both be given");
  for (const std::string& label : ipvs.backend_labels)
    if (std::find(kIpvsLabels.begin(), kIpvsLabels.end(), label) == kIpvsLabels.end())
      diagnostics.error(body.span, "ipvs: there is no backend label " + json_string(label));
  // As in Alloy, what a block says does not matter as long as its collector does not run.
  const auto named = [&](const char* name) {
    const auto in = [&](const std::vector<std::string>& list) {
      return std::find(list.begin(), list.end(), name) != list.end();
    };
    return in(set_collectors) || in(enable_collectors);
  };
  if (named("ntp")) check(ntp, body, diagnostics);
  if (named("perf")) check(perf, body, diagnostics);
  for (const auto& [attribute, list] : {std::pair{"set_collectors", &set_collectors},
                                        std::pair{"enable_collectors", &enable_collectors},
                                        std::pair{"disable_collectors", &disable_collectors}}) {
    for (const std::string& name : *list) {
      std::vector<std::string_view> names;
      bool known = false;
      for (const CollectorKind& kind : collector_kinds()) {
        names.push_back(kind.name);
        known |= kind.name == name;
        if (kind.name == name && kind.only_enabled && list == &set_collectors)
          diagnostics.warning(body.span_of(attribute), "set_collectors does not switch on " + name +
                                                           ", as in Alloy: enable_collectors does");
      }
      if (known) continue;
      // As in Alloy such a name is no error: the rest of the host is worth watching.
      if (const std::string_view why = missing_collector(name); !why.empty()) {
        if (std::string_view(attribute) != "disable_collectors")
          diagnostics.warning(
              body.span_of(attribute),
              "the collector " + name + " is not supported by this agent: " + std::string(why));
        continue;
      }
      const std::string_view near = nearest(name, names);
      diagnostics.warning(body.span_of(attribute),
                          "there is no collector " + json_string(name) +
                              (near.empty() ? "" : "; did you mean " + std::string(near) + "?"));
    }
  }
}

}  // namespace agent::exporter::unix_host
