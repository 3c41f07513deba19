// Any bytes as the texts that the collectors of prometheus.exporter.unix read: what becomes of them
// is a page that reads back.
#include <re2/re2.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "agent/base/strings.h"
#include "agent/exporter/unix/parsers.h"
#include "agent/wire/exposition.h"
#include "agent/wire/exposition_families.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent::exporter::unix_host;  // NOLINT
  static const RE2 any(".*");
  static const NameFilter all = NameFilter::make("", "").value();
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Families out;
  agent::Result<> done;
  switch (data[0] % 44) {
    case 0:
      done = parse_loadavg(text, out);
      break;
    case 1:
      done = parse_meminfo(text, out);
      break;
    case 2:
      done = parse_stat(text, out);
      break;
    case 3:
      done = parse_filefd(text, out);
      break;
    case 4:
      done = parse_softnet(text, out);
      break;
    case 5:
      done = parse_conntrack_stat(text, out);
      break;
    case 6:
      done = parse_sockstat(text, out);
      break;
    case 7:
      done = parse_os_release(text, out);
      break;
    case 8:
      done = parse_schedstat(text, out);
      break;
    case 9:
      done = parse_pressure("io", text, out);
      break;
    case 10:
      done = parse_vmstat(text, any, out);
      break;
    case 11:
      done = parse_netstat(text, any, out);
      break;
    case 12:
      done = parse_snmp6(text, any, out);
      break;
    case 13:
      done = parse_netdev(text, all, out);
      break;
    case 14:
      done = parse_diskstats(text, all, out);
      break;
    case 15:
      done = parse_arp(text, all, out);
      break;
    case 16:
      done = parse_udp_queues("v4", text, out);
      break;
    case 17:
      done = parse_buddyinfo(text, out);
      break;
    case 18:
      done = parse_cgroups(text, out);
      break;
    case 19:
      done = parse_drbd(text, out);
      break;
    case 20:
      done = parse_interrupts(text, out);
      break;
    case 21:
      done = parse_slabinfo(text, out);
      break;
    case 22:
      done = parse_softirqs(text, out);
      break;
    case 23:
      done = parse_swaps(text, out);
      break;
    case 24:
      done = parse_xfrm(text, out);
      break;
    case 25:
      done = parse_zoneinfo(text, out);
      break;
    case 26:
      done = parse_sysctl("fs.file-nr:total,current,max", false, text, out);
      break;
    case 27:
      done = parse_sysctl("kernel.seccomp.actions_avail", true, text, out);
      break;
    case 28:
      parse_vulnerability("meltdown", text, out);
      break;
    case 29:
      parse_lnstat("arp_cache", text, out);
      break;
    case 30:
      parse_numa_meminfo(text, out);
      parse_numastat("0", text, out);
      break;
    case 31:
      parse_mountstats(text, text, out);
      break;
    case 33:
      (void)parse_bcache_number(text);
      done = parse_bcache_writeback(text, {{"uuid", "u"}}, out);
      break;
    case 34:
      done = parse_bcache_priority(text, {{"uuid", "u"}}, out);
      break;
    case 35:
      done = parse_btrfs_commits("u", text, out);
      break;
    case 36:
      done = parse_ip_vs_stats(text, out);
      break;
    case 37:
      done = parse_ip_vs(text, {"proto", "remote_address"}, out);
      break;
    case 38:
      done = parse_mdstat(text, out);
      break;
    case 39:
      done = parse_nfs(text, out);
      break;
    case 40:
      done = parse_nfsd(text, out);
      break;
    case 41:
      done = parse_xfs_stats("sda", text, out);
      break;
    case 42:
      done = parse_zfs_kstat("node_zfs_arc_", text, out);
      if (done) done = parse_zfs_objset("pool", text, out);
      if (done) done = parse_zfs_io("pool", text, out);
      break;
    case 43: {  // a line for each file of a sensor: its name, then what is in it
      std::map<std::string, std::map<std::string, std::string>> sensors;
      for (const std::string_view line : agent::split(text, '\n'))
        if (const auto file = parse_sensor_file(line.substr(0, line.find(' ')))) {
          sensors[file->sensor][file->property] =
              line.substr(std::min(line.find(' '), line.size()));
          add_sensor("chip", file->sensor, file->type, sensors[file->sensor], out);
        }
      break;
    }
    default:
      (void)parse_process_stat(text);
      (void)parse_mounts(text);
      (void)parse_mountinfo(text);
      (void)parse_cpu_times(text);
  }
  if (!done && done.error().message.empty()) std::abort();
  const std::string page = agent::wire::write_exposition(std::move(out).take());
  if (!agent::wire::read_families(page)) std::abort();
  return 0;
}
