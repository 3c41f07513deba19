// prometheus.exporter.unix over a host that is a folder of files.
#include <re2/re2.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "agent/base/strings.h"
#include "agent/exporter/unix/parsers.h"
#include "agent/wire/exposition.h"
#include "tests/support/component_box.h"

namespace agent::exporter {

component::Declaration prometheus_exporter_unix();

namespace {

using unix_host::Families;
using unix_host::NameFilter;

std::string text(Families families) {
  std::string out;
  for (const auto& family : std::move(families).take()) {
    for (const auto& point : family.points) {
      out += family.name;
      if (!point.labels.empty()) out += model::labels_text(point.labels);
      out += " " + format_number(point.value) + "\n";
    }
  }
  return out;
}

// What a parser makes of a text, or what it says against it.
template <class Parse, class... More>
std::string parsed(Parse parse, More... more) {
  Families out;
  if (auto r = parse(more..., out); !r) return r.error().message;
  return text(std::move(out));
}

NameFilter all() { return NameFilter::make("", "").value(); }

struct HostTree {
  void write(const std::string& file, const std::string& bytes) {
    const auto path = box.dir / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << bytes;
  }
  // The page of these collectors.
  std::string page(const std::vector<std::string>& collectors,
                   const std::vector<std::string>& enabled = {}) {
    RunningComponent component(box, prometheus_exporter_unix());
    const std::string said =
        component.configure(body_of({{"procfs_path", lang::Value((box.dir / "proc").string())},
                                     {"sysfs_path", lang::Value((box.dir / "sys").string())},
                                     {"rootfs_path", lang::Value((box.dir / "root").string())},
                                     {"udev_data_path", lang::Value((box.dir / "udev").string())},
                                     {"set_collectors", string_list(collectors)},
                                     {"enable_collectors", string_list(enabled)}}));
    if (!said.empty()) return said;
    const auto families = box.collectors.find("prometheus.exporter.unix.x")->collect({});
    REQUIRE(families);
    std::string out;
    for (const auto& family : *families) {
      if (family.name == "node_scrape_collector_duration_seconds" ||
          family.name == "node_exporter_build_info")
        continue;
      for (const auto& point : family.points)
        out += family.name + (point.labels.empty() ? "" : model::labels_text(point.labels)) + " " +
               format_number(point.value) + "\n";
    }
    return out;
  }
  ComponentBox box{"prometheus.exporter.unix.x"};
};

}  // namespace

TEST_CASE("unix: the parsers understand what the kernel writes") {
  using namespace unix_host;  // NOLINT
  CHECK(parsed(parse_loadavg, "0.50 1.25 2.00 3/400 1234\n") ==
        "node_load1 0.5\nnode_load15 2\nnode_load5 1.25\n");
  CHECK(
      parsed(parse_meminfo, "MemTotal:       1000 kB\nActive(anon): 2 kB\nHugePages_Total:  3\n") ==
      "node_memory_Active_anon_bytes 2048\nnode_memory_HugePages_Total 3\n"
      "node_memory_MemTotal_bytes 1.024e+06\n");
  CHECK(parsed(parse_stat,
               "cpu 1\nintr 5 1 1\nctxt 6\nbtime 1700000000\nprocesses 7\n"
               "procs_running 2\nprocs_blocked 1\n") ==
        "node_boot_time_seconds 1.7e+09\nnode_context_switches_total 6\nnode_forks_total 7\n"
        "node_intr_total 5\nnode_procs_blocked 1\nnode_procs_running 2\n");
  CHECK(parsed(parse_filefd, "1024\t0\t1631329\n") ==
        "node_filefd_allocated 1024\nnode_filefd_maximum 1.631329e+06\n");
  CHECK(parsed(parse_softnet, "00000010 00000002 00000001 0 0 0 0 0 00000000\n") ==
        "node_softnet_cpu_collision_total{cpu=\"0\"} 0\nnode_softnet_dropped_total{cpu=\"0\"} 2\n"
        "node_softnet_processed_total{cpu=\"0\"} 16\n"
        "node_softnet_times_squeezed_total{cpu=\"0\"} 1\n");
  CHECK(parsed(parse_conntrack_stat,
               "entries  found invalid drop\n00000001 00000002 0000000a 00000003\n"
               "00000001 00000002 0000000a 00000003\n") ==
        "node_nf_conntrack_stat_drop 6\nnode_nf_conntrack_stat_found 4\n"
        "node_nf_conntrack_stat_invalid 20\n");
  CHECK(parsed(parse_os_release, "ID=debian\nVERSION_ID=\"12\"\n# x\nNAME='A \"b\"'\n") ==
        "node_os_info{id=\"debian\", name=\"A \\\"b\\\"\", version_id=\"12\"} 1\n"
        "node_os_version{id=\"debian\", name=\"A \\\"b\\\"\"} 12\n");
  CHECK(parsed(parse_pressure, "io",
               "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n"
               "full avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n") ==
        "node_pressure_io_stalled_seconds_total 0.5\nnode_pressure_io_waiting_seconds_total 1.5\n");
  CHECK(parsed(parse_schedstat, "version 15\ncpu0 0 0 0 0 0 0 2000000000 3000000000 4\n") ==
        "node_schedstat_running_seconds_total{cpu=\"0\"} 2\n"
        "node_schedstat_timeslices_total{cpu=\"0\"} 4\n"
        "node_schedstat_waiting_seconds_total{cpu=\"0\"} 3\n");
  CHECK(
      parsed(parse_udp_queues, "v4",
             "  sl  local\n  1: 0 0 07 00000010:00000020 00\n  2: 0 0 07 00000001:00000000 00\n") ==
      "node_udp_queues{ip=\"v4\", queue=\"tx\"} 17\nnode_udp_queues{ip=\"v4\", queue=\"rx\"} 32\n");
  CHECK(parsed(parse_arp,
               "IP address HW type\n192.0.2.1 0x1 0x2 02:fc * eth0\n"
               "192.0.2.2 0x1 0x2 02:fd * eth0\nshort line\n",
               all()) == "node_arp_entries{device=\"eth0\"} 2\n");
}

TEST_CASE("unix: names from the kernel cannot break a page") {
  CHECK(parsed(unix_host::parse_meminfo, "Evil{\"\n}: 5 kB\nMemFree: 1 kB\n") ==
        "node_memory_MemFree_bytes 1024\nnode_memory___bytes 5120\n");
  CHECK(parsed(unix_host::parse_meminfo, "Ev il-x: 5\nEv-il: 6 kB\n") ==
        "node_memory_Ev_il_bytes 6144\n");
}

TEST_CASE("unix: texts that are not what they should be are refused") {
  CHECK(parsed(unix_host::parse_loadavg, "") == "loadavg: fewer than three numbers");
  CHECK(parsed(unix_host::parse_loadavg, "a b c") == "loadavg: not a number");
  CHECK(parsed(unix_host::parse_meminfo, "nothing") == "meminfo: no line is understood");
  CHECK(parsed(unix_host::parse_filefd, "1 2") == "file-nr: not three numbers");
  CHECK(parsed(unix_host::parse_softnet, "1 2\n") == "softnet_stat: a line is too short");
}

TEST_CASE("unix: mounts with blanks in their names") {
  const auto mounts = unix_host::parse_mountinfo(
      "22 1 8:1 / / rw,relatime shared:1 master:2 - ext4 /dev/sda1 rw\n"
      "23 22 0:44 / /mnt/a\\040b rw - cifs //srv/a\\040b ro,x\n"
      "broken\n1 2 3 4 5 6 - ext4 /dev/x rw\n1 2 3:4 / /x rw - ext4\n");
  REQUIRE(mounts.size() == 2);
  CHECK(mounts[0].device == "/dev/sda1");
  CHECK(mounts[0].type == "ext4");
  CHECK(mounts[0].major == "8");
  CHECK(mounts[0].minor == "1");
  CHECK(mounts[1].device == "//srv/a b");
  CHECK(mounts[1].mount_point == "/mnt/a b");
  CHECK(mounts[1].read_only);
  CHECK_FALSE(mounts[0].read_only);
}

TEST_CASE("unix: numbers as bcache writes them for people") {
  using unix_host::parse_bcache_number;
  CHECK(parse_bcache_number("0") == 0);
  CHECK(parse_bcache_number("512") == 512);
  CHECK(parse_bcache_number("4.0k") == 4096);
  CHECK(parse_bcache_number("1.10M") == 2072576);  // 1000 of 1024 parts
  CHECK(parse_bcache_number("-2.5k") == -1548);
  CHECK(parse_bcache_number("2Y").value() > 2e24);
  for (const char* wrong : {"", "k", "x", "1.k", ".5k", "1.x", "nan", "infk", "1.2.3k"})
    CHECK_FALSE(parse_bcache_number(wrong));
}

TEST_CASE("unix: names of sensors' files") {
  const auto parts = [](const char* name) {
    const auto file = unix_host::parse_sensor_file(name);
    return file ? file->sensor + "|" + file->type + "|" + file->property : "none";
  };
  CHECK(parts("temp1_input") == "temp1|temp|input");
  CHECK(parts("pwm1_auto_point1_pwm") == "pwm1|pwm|auto_point1_pwm");
  CHECK(parts("beep_enable") == "beep_enable0|beep_enable|");
  CHECK(parts("fan10") == "fan10|fan|");
  for (const char* other : {"", "name", "temp_input", "temp1input", "temp1_", "1_input", "uevent",
                            "temp99999999999999999999_input"})
    CHECK(parts(other) == "none");
}

TEST_CASE("unix: what is broken of an array, a server or a sensor costs itself only") {
  using namespace unix_host;  // NOLINT
  const std::string arrays = parsed(parse_mdstat,
                                    "Personalities : [raid1]\nmd1 :\n  7 blocks [1/1] [U]\n"
                                    "md2 : active raid1 a[0] b[1]\n      x blocks [2/2] [UU]\n"
                                    "md3 : active raid1 a[0] b[1]\n      8 blocks [2/1] [U_]\n"
                                    "      recovery = ( / )\n\nunused devices: <none>\n");
  CHECK(arrays.find("device=\"md3\", state=\"recovering\"} 1\n") != std::string::npos);
  CHECK(arrays.find("node_md_disks_required{device=\"md3\"} 2\n") != std::string::npos);
  CHECK(arrays.find("md1") == std::string::npos);
  CHECK(arrays.find("md2") == std::string::npos);
  CHECK(parsed(parse_mdstat, "") == "");

  CHECK(parsed(parse_ip_vs,
               "TCP  C0A80016:FFFFF wlc\n  -> C0A85216:0CEA Tunnel 1 2 3\n"
               "TCP  C0A80016:0050 wlc\n  -> C0A85216 Tunnel 1 2 3\n  -> zz:0050 Tunnel 1 2 3\n"
               "  -> C0A85216:0050 Tunnel x 2 3\n  -> C0A85216:0050 Tunnel 1 2 3\n",
               std::vector<std::string>{"remote_port", "local_address"}) ==
        "node_ipvs_backend_connections_active{local_address=\"192.168.0.22\", "
        "remote_port=\"80\"} 2\n"
        "node_ipvs_backend_connections_inactive{local_address=\"192.168.0.22\", "
        "remote_port=\"80\"} 3\n"
        "node_ipvs_backend_weight{local_address=\"192.168.0.22\", remote_port=\"80\"} 1\n");
  CHECK(parsed(parse_ip_vs_stats, "a\nb\n1 2 3\n") == "ip_vs_stats: no line of five numbers");

  // A line that is not there is zeros, as node_exporter tells it; a broken one is nothing.
  const std::string calls = parsed(parse_nfs, "net 1 2 3 x\nrpc 7\nproc3 22 1 9\n");
  CHECK(calls.find("node_nfs_packets_total") == std::string::npos);
  CHECK(calls.find("node_nfs_rpcs_total 7\n") != std::string::npos);
  CHECK(calls.find("node_nfs_rpc_retransmissions_total 0\n") != std::string::npos);
  CHECK(calls.find("{method=\"GetAttr\", proto=\"3\"} 9\n") != std::string::npos);
  CHECK(calls.find("{method=\"GetAttr\", proto=\"2\"} 0\n") != std::string::npos);
  CHECK(parsed(parse_nfsd, "") == "nfsd: no line is understood");

  CHECK(parsed(parse_zfs_kstat, "node_zfs_arc_", "hits 4 1\n") == "kstat: no line of names");
}

TEST_CASE("unix: hardware that is half there") {
  HostTree host;
  host.write("sys/class/hwmon/hwmon0/name", "chip\xff\n");
  host.write("sys/class/hwmon/hwmon0/temp1_input", std::string(100000, '9'));
  host.write("sys/class/hwmon/hwmon0/temp2_input", "-1000\n");
  host.write("sys/class/hwmon/hwmon0/temp3_input", "inf\n");
  host.write("sys/class/power_supply/BAT0/capacity", "81 %\n");
  host.write("sys/class/power_supply/BAT0/manufacturer", "\xfe Inc\n");
  host.write("sys/class/net/bonding_masters", "bond0 ../../../etc gone\n");
  host.write("sys/class/net/bond0/bonding/slaves", "a b\n");
  host.write("sys/class/net/bond0/lower_b/bonding_slave/mii_status", "up\n");
  host.write("sys/class/powercap/x/name", "core\n");
  CHECK(host.page({"hwmon", "powersupplyclass", "bonding", "rapl", "nvme", "xfs"}) ==
        "node_bonding_active{master=\"bond0\"} 1\nnode_bonding_slaves{master=\"bond0\"} 1\n"
        "node_hwmon_chip_names{chip=\"chip\", chip_name=\"chip\"} 1\n"
        "node_hwmon_temp_celsius{chip=\"chip\", sensor=\"temp2\"} -1\n"
        "node_power_supply_info{manufacturer=\"\uFFFD Inc\", power_supply=\"BAT0\"} 1\n"
        "node_scrape_collector_success{collector=\"bonding\"} 1\n"
        "node_scrape_collector_success{collector=\"hwmon\"} 1\n"
        "node_scrape_collector_success{collector=\"nvme\"} 0\n"
        "node_scrape_collector_success{collector=\"powersupplyclass\"} 1\n"
        "node_scrape_collector_success{collector=\"rapl\"} 0\n"
        "node_scrape_collector_success{collector=\"xfs\"} 1\n");
}

TEST_CASE("unix: a host in a folder") {
  HostTree host;
  host.write("proc/stat", "cpu  10 0 0 0\ncpu0 100 200 300 400 500 600 700 800 0 0\n");
  host.write("proc/diskstats",
             "   8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n   8 1 sda1 1 2 3 4 5 6 7 8 9 10 11\n");
  host.write("udev/b8:0", "E:ID_MODEL=Disk\nE:ID_SERIAL_SHORT=S1\nE:ID_FS_TYPE=ext4\n");
  host.write("proc/net/dev", "Inter-|\n face |\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
  host.write("proc/1/mountinfo",
             "1 0 8:0 / / rw - ext4 /dev/sda rw\n2 1 0:1 / /proc rw - proc proc rw\n"
             "3 1 8:1 / /gone rw - ext4 /dev/x rw\n");
  std::filesystem::create_directories(host.box.dir / "root");
  CHECK(host.page({"cpu"}) ==
        "node_cpu_seconds_total{cpu=\"0\", mode=\"user\"} 1\n"
        "node_cpu_seconds_total{cpu=\"0\", mode=\"nice\"} 2\n"
        "node_cpu_seconds_total{cpu=\"0\", mode=\"system\"} 3\n"
        "node_cpu_seconds_total{cpu=\"0\", mode=\"idle\"} 4\n"
        "node_cpu_seconds_total{cpu=\"0\", mode=\"iowait\"} 5\n"
        "node_cpu_seconds_total{cpu=\"0\", mode=\"irq\"} 6\n"
        "node_cpu_seconds_total{cpu=\"0\", mode=\"softirq\"} 7\n"
        "node_cpu_seconds_total{cpu=\"0\", mode=\"steal\"} 8\n"
        "node_scrape_collector_success{collector=\"cpu\"} 1\n");
  const std::string disks = host.page({"diskstats"});
  CHECK(disks.find("node_disk_read_bytes_total{device=\"sda\"} 1536\n") != std::string::npos);
  CHECK(disks.find("node_disk_info{device=\"sda\", major=\"8\", minor=\"0\", model=\"Disk\", "
                   "serial=\"S1\"} 1\n") != std::string::npos);
  CHECK(disks.find("node_disk_filesystem_info{device=\"sda\", type=\"ext4\"} 1\n") !=
        std::string::npos);
  CHECK(disks.find("sda1") == std::string::npos);
  const std::string devices = host.page({"netdev"});
  CHECK(devices.find("node_network_receive_bytes_total{device=\"eth0\"} 1\n") != std::string::npos);
  CHECK(devices.find("node_network_transmit_compressed_total{device=\"eth0\"} 16\n") !=
        std::string::npos);
  const std::string mounts = host.page({"filesystem"});
  CHECK(mounts.find("node_filesystem_size_bytes{device=\"/dev/sda\", fstype=\"ext4\", "
                    "mountpoint=\"/\"} ") != std::string::npos);
  CHECK(mounts.find("node_filesystem_device_error{device=\"/dev/x\", "
                    "device_error=\"no such file or directory\", fstype=\"ext4\", "
                    "mountpoint=\"/gone\"} 1\n") != std::string::npos);
  CHECK(mounts.find("/proc") == std::string::npos);
}

TEST_CASE("unix: a collector that fails costs its own series only") {
  HostTree host;
  host.write("proc/loadavg", "1 2 3 1/1 1\n");
  CHECK(host.page({"loadavg", "meminfo", "vmstat"}) ==
        "node_load1 1\nnode_load15 3\nnode_load5 2\n"
        "node_scrape_collector_success{collector=\"loadavg\"} 1\n"
        "node_scrape_collector_success{collector=\"meminfo\"} 0\n"
        "node_scrape_collector_success{collector=\"vmstat\"} 0\n");
}

TEST_CASE("unix: text files of others") {
  HostTree host;
  const auto folder = host.box.dir / "text";
  host.write("text/good.prom", "# TYPE a gauge\na{x=\"1\"} 5\n");
  host.write("text/timed.prom", "b 1 1700000000000\n");
  host.write("text/broken.prom", "c\n");
  host.write("text/other.txt", "d 1\n");
  RunningComponent component(host.box, prometheus_exporter_unix());
  REQUIRE(component
              .configure(
                  body_of({{"set_collectors", string_list({"textfile"})}},
                          {{"textfile", body_of({{"directory", lang::Value(folder.string())}})}}))
              .empty());
  const auto families = host.box.collectors.find("prometheus.exporter.unix.x")->collect({});
  REQUIRE(families);
  const std::string page = wire::write_exposition(*families);
  CHECK(page.find("a{x=\"1\"} 5\n") != std::string::npos);
  CHECK(page.find("\nb ") == std::string::npos);
  CHECK(page.find("\nd ") == std::string::npos);
  CHECK(page.find("node_textfile_scrape_error 1\n") != std::string::npos);
  CHECK(page.find("node_textfile_mtime_seconds{file=\"") != std::string::npos);
}

TEST_CASE("unix: collectors by name; unknown ones are warned about") {
  HostTree host;
  host.write("proc/loadavg", "1 2 3 1/1 1\n");
  RunningComponent component(host.box, prometheus_exporter_unix());
  CHECK(component.configure(
            body_of({{"set_collectors", string_list({"loadavg", "boottime", "lodavg"})},
                     {"disable_collectors", string_list({"loadavg"})},
                     {"enable_collectors", string_list({"uname"})}})) ==
        "the collector boottime is not supported by this agent: it is of other systems than Linux\n"
        "there is no collector \"lodavg\"; did you mean loadavg?");
  const auto families = host.box.collectors.find("prometheus.exporter.unix.x")->collect({});
  REQUIRE(families);
  const std::string page = wire::write_exposition(*families);
  CHECK(page.find("collector=\"uname\"") != std::string::npos);
  CHECK(page.find("\nnode_exporter_build_info{version=\"") != std::string::npos);
  CHECK(page.find("collector=\"loadavg\"") == std::string::npos);
}

TEST_CASE("unix: a wrong number costs its own series only") {
  using namespace unix_host;  // NOLINT
  CHECK(parsed(parse_buddyinfo, "Node 0, zone DMA 1 x 3\nNode zone\n") ==
        "node_buddyinfo_blocks{node=\"0\", size=\"0\", zone=\"DMA\"} 1\n"
        "node_buddyinfo_blocks{node=\"0\", size=\"2\", zone=\"DMA\"} 3\n");
  CHECK(parsed(parse_interrupts, " CPU0 CPU1\n 1: 5 x chip dev ice\nERR: 0\n") ==
        "node_interrupts_total{cpu=\"0\", devices=\"dev ice\", info=\"chip\", type=\"1\"} 5\n");
  CHECK(parsed(parse_softirqs, " CPU0 CPU1\n HI: 1 x 3\n") ==
        "node_softirqs_functions_total{cpu=\"0\", type=\"HI\"} 1\n");
  CHECK(parsed(parse_swaps, "head\n/dev/a partition x 2 -1\nshort\n") ==
        "node_swap_priority{device=\"/dev/a\", type=\"partition\"} -1\n"
        "node_swap_used_bytes{device=\"/dev/a\", type=\"partition\"} 2048\n");
  CHECK(parsed(parse_sysctl, "a.b:x,y", false, "1\t2\n") ==
        "node_sysctl_a_b_x 1\nnode_sysctl_a_b_y 2\n");
  CHECK(parsed(parse_sysctl, "a.b:x", false, "1\t2\n") == "a.b has 2 values and 1 names");
  CHECK(parsed(parse_sysctl, "a.b", false, "one\n") == "a.b is not a number");
  CHECK(parsed(parse_sysctl, "a.b", false, "\n") == "a.b has no value");
}

TEST_CASE("unix: several connections to a server of NFS are told as one") {
  Families out;
  unix_host::parse_mountstats(
      "device server:/a mounted on /mnt with fstype nfs4 statvers=1.1\n"
      "\txprt:\ttcp 1 1 2 0 7 100 90 0 5 0 10 0 3\n\txprt:\ttcp 2 1 2 0 9 100 90 0 5 0 8 0 3\n"
      "\tper-op statistics\n\tREAD: 1 2 3 4 5 6 7 8 9\n",
      "1 2 0:1 / /mnt rw - nfs4 server:/a rw,addr=192.0.2.1\n", out);
  const std::string page = text(std::move(out));
  const std::string labels = "{export=\"server:/a\", mountaddr=\"192.0.2.1\", protocol=\"tcp\"} ";
  const auto has = [&](const std::string& series) {
    return page.find("node_mountstats_nfs_" + series + "\n") != std::string::npos;
  };
  CHECK(has("transport_sends_total" + labels + "200"));
  CHECK(has("transport_idle_time_seconds" + labels + "9"));
  CHECK(has("transport_maximum_rpc_slots" + labels + "10"));
  CHECK(
      has("operations_queue_time_seconds_total{export=\"server:/a\", mountaddr=\"192.0.2.1\", "
          "operation=\"READ\", protocol=\"tcp\"} 0.006"));
}

TEST_CASE("unix: optional collectors run when they are named") {
  HostTree host;
  host.write("proc/swaps", "head\n/dev/a partition 1 0 -1\n");
  host.write("proc/sys/fs/nr_open", "1048576\n");
  host.write("proc/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t3\t172\t1\n");
  CHECK(
      host.page({"cgroups"}) ==
      "node_cgroups_cgroups{subsys_name=\"cpu\"} 172\nnode_cgroups_enabled{subsys_name=\"cpu\"} 1\n"
      "node_scrape_collector_success{collector=\"cgroups\"} 1\n");
  // As in Alloy, set_collectors does not know it.
  CHECK(host.page({"cgroups", "swap"}).find("set_collectors does not switch on swap") !=
        std::string::npos);
  CHECK(host.page({"cgroups"}, {"swap"}).find("node_swap_size_bytes") != std::string::npos);
}

}  // namespace agent::exporter
