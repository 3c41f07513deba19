// The arguments of prometheus.exporter.unix that collectors read.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/component/schema.h"

namespace re2 {
class RE2;
}

namespace agent::exporter::unix_host {

// Which devices a collector tells of: those that `include` matches and `exclude` does not; an empty
// expression asks for nothing.
class NameFilter {
 public:
  static Result<NameFilter> make(const std::string& include, const std::string& exclude);
  bool passes(std::string_view name) const;

 private:
  std::shared_ptr<const re2::RE2> include_, exclude_;
};

struct CpuArgs {
  bool guest = false;
  bool info = false;
  std::string bugs_include, flags_include;
  static component::Schema<CpuArgs> schema();
};
struct DiskArgs {
  std::string device_exclude = R"(^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$)";
  std::string device_include;
  static component::Schema<DiskArgs> schema();
};
struct EthtoolArgs {
  std::string device_exclude, device_include;
  std::string metrics_include = ".*";
  static component::Schema<EthtoolArgs> schema();
};
struct FilesystemArgs {
  std::string fs_types_exclude =
      "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|"
      "iso9660|"
      "mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|"
      "tracefs)$";
  std::string mount_points_exclude = "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+)($|/)";
  Duration mount_timeout = std::chrono::seconds(5);
  static component::Schema<FilesystemArgs> schema();
};
struct NetclassArgs {
  bool ignore_invalid_speed_device = false;
  std::string ignored_devices = "^$";
  static component::Schema<NetclassArgs> schema();
};
struct NetdevArgs {
  bool address_info = false;
  std::string device_exclude, device_include;
  static component::Schema<NetdevArgs> schema();
};
struct NetstatArgs {
  std::string fields =
      "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|"
      "TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts)|Tcp_(ActiveOpens|InSegs|OutSegs|"
      "OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|"
      "RcvbufErrors|SndbufErrors))$";
  static component::Schema<NetstatArgs> schema();
};
struct TextfileArgs {
  std::string directory;
  static component::Schema<TextfileArgs> schema();
};
struct VmstatArgs {
  std::string fields = "^(oom_kill|pgpg|pswp|pg.*fault).*";
  static component::Schema<VmstatArgs> schema();
};
struct ArpArgs {
  std::string device_exclude, device_include;
  bool netlink = false;
  static component::Schema<ArpArgs> schema();
};
struct NtpArgs {
  std::string server = "127.0.0.1";
  bool server_is_local = false;
  std::int64_t protocol_version = 4;
  std::int64_t ip_ttl = 1;
  Duration max_distance = std::chrono::microseconds(3'466'080);
  Duration local_offset_tolerance = std::chrono::milliseconds(1);
  static component::Schema<NtpArgs> schema();
};
struct PerfArgs {
  std::string cpus;
  std::vector<std::string> tracepoint;
  bool disable_hardware_profilers = false;
  bool disable_software_profilers = false;
  bool disable_cache_profilers = false;
  std::vector<std::string> hardware_profilers, software_profilers, cache_profilers;
  static component::Schema<PerfArgs> schema();
};
struct RunitArgs {
  std::string service_dir = "/etc/service";
  static component::Schema<RunitArgs> schema();
};
struct SupervisordArgs {
  std::string url = default_url();
  static component::Schema<SupervisordArgs> schema();
  // $SUPERVISORD_URL, as in Alloy, or where supervisord listens when nothing else is said.
  static std::string default_url();
};
struct SystemdArgs {
  bool enable_restarts = false;
  bool start_time = false;
  bool task_metrics = false;
  std::string unit_exclude = R"(.+\.(automount|device|mount|scope|slice))";
  std::string unit_include = ".+";
  static component::Schema<SystemdArgs> schema();
};
struct SysctlArgs {
  std::vector<std::string> include, include_info;
  static component::Schema<SysctlArgs> schema();
};

struct BcacheArgs {
  bool priority_stats = false;
  static component::Schema<BcacheArgs> schema();
};
struct HwmonArgs {
  std::string chip_exclude, chip_include;
  static component::Schema<HwmonArgs> schema();
};
// What may be told of a pair of a virtual and a real server.
inline constexpr std::array<std::string_view, 6> kIpvsLabels = {
    "local_address", "local_port", "remote_address", "remote_port", "proto", "local_mark"};
struct IpvsArgs {
  std::vector<std::string> backend_labels;  // of kIpvsLabels
  static component::Schema<IpvsArgs> schema();
};
struct PowersupplyArgs {
  std::string ignored_supplies = "^$";
  static component::Schema<PowersupplyArgs> schema();
};
struct TapestatsArgs {
  std::string ignored_devices = "^$";
  static component::Schema<TapestatsArgs> schema();
};

struct UnixArgs {
  bool include_exporter_metrics = false;
  std::string procfs_path = "/proc";
  std::string sysfs_path = "/sys";
  std::string rootfs_path = "/";
  std::string udev_data_path = "/run/udev/data";
  std::vector<std::string> enable_collectors, disable_collectors, set_collectors;
  ArpArgs arp;
  BcacheArgs bcache;
  CpuArgs cpu;
  DiskArgs disk;
  EthtoolArgs ethtool;
  FilesystemArgs filesystem;
  HwmonArgs hwmon;
  IpvsArgs ipvs;
  NetclassArgs netclass;
  NetdevArgs netdev;
  NetstatArgs netstat;
  NtpArgs ntp;
  PerfArgs perf;
  PowersupplyArgs powersupply;
  RunitArgs runit;
  SupervisordArgs supervisord;
  SysctlArgs sysctl;
  SystemdArgs systemd;
  TapestatsArgs tapestats;
  TextfileArgs textfile;
  VmstatArgs vmstat;

  static component::Schema<UnixArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};

}  // namespace agent::exporter::unix_host
