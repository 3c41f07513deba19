// Btrfs: /sys/fs/btrfs/<uuid> (allocation in bytes, sizes of devices in sectors of 512 bytes), and
// of mounted ones what the kernel tells of their devices (linux/btrfs.h: FS_INFO, DEV_INFO,
// GET_DEV_STATS).
#include <fcntl.h>
#include <linux/btrfs.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace fs = std::filesystem;
namespace {

struct Device {
  std::string name, uuid;
  double size = 0, used = 0;
  std::array<double, BTRFS_DEV_STAT_VALUES_MAX> errors{};
};

// Ids of devices have gaps; so many are tried.
constexpr std::uint64_t kMaxDeviceId = 4096;

// The devices of the file system that is mounted there, and its uuid as hexadecimal digits.
std::optional<std::pair<std::string, std::vector<Device>>> devices_of(const fs::path& mount) {
  const FileDescriptor fd(::open(mount.c_str(), O_RDONLY | O_DIRECTORY | O_NOATIME | O_CLOEXEC));
  btrfs_ioctl_fs_info_args info{};
  if (!fd || ::ioctl(fd.get(), BTRFS_IOC_FS_INFO, &info) != 0) return std::nullopt;
  std::vector<Device> out;
  for (std::uint64_t id = 0; id <= info.max_id && id <= kMaxDeviceId; ++id) {
    btrfs_ioctl_dev_info_args device{};
    device.devid = id;
    if (::ioctl(fd.get(), BTRFS_IOC_DEV_INFO, &device) != 0) {
      if (errno == ENODEV) continue;
      return std::nullopt;
    }
    btrfs_ioctl_get_dev_stats stats{};
    stats.devid = id;
    stats.nr_items = BTRFS_DEV_STAT_VALUES_MAX;
    if (::ioctl(fd.get(), BTRFS_IOC_GET_DEV_STATS, &stats) != 0) return std::nullopt;
    Device one;
    const auto* path = reinterpret_cast<const char*>(device.path);
    one.name = fs::path(std::string(path, ::strnlen(path, sizeof device.path))).filename();
    one.uuid = to_hex({reinterpret_cast<const char*>(device.uuid), sizeof device.uuid});
    for (const std::size_t at : {20U, 16U, 12U, 8U}) one.uuid.insert(at, 1, '-');
    one.size = static_cast<double>(device.total_bytes);
    one.used = static_cast<double>(device.bytes_used);
    for (std::size_t i = 0; i < one.errors.size(); ++i)
      one.errors[i] = static_cast<double>(stats.values[i]);
    out.push_back(std::move(one));
  }
  return std::pair{to_hex({reinterpret_cast<const char*>(info.fsid), sizeof info.fsid}),
                   std::move(out)};
}

// How many bytes of a disk a byte of data takes.
double ratio_of(std::string_view layout, std::size_t devices) {
  const auto all = static_cast<double>(devices);
  if (layout == "single" || layout == "raid0") return 1;
  if (layout == "dup" || layout == "raid1" || layout == "raid10") return 2;
  if (layout == "raid1c3") return 3;
  if (layout == "raid1c4") return 4;
  if (layout == "raid5" && devices > 1) return all / (all - 1);
  if (layout == "raid6" && devices > 2) return all / (all - 2);
  return 0;
}

void add_allocation(const fs::path& folder, const std::string& uuid, std::size_t devices,
                    Families& out) {
  for (const char* type : {"data", "metadata", "system"}) {
    const fs::path here = folder / type;
    if (const auto value = read_number(here / "bytes_reserved"))
      out.gauge("node_btrfs_reserved_bytes", "Space reserved.", *value,
                {{"uuid", uuid}, {"block_group_type", type}});
    for (const std::string& layout : names_in(here).value_or(std::vector<std::string>())) {
      const auto size = read_number(here / layout / "total_bytes");
      const auto used = read_number(here / layout / "used_bytes");
      if (!size || !used) continue;
      const Families::Labels labels = {
          {"uuid", uuid}, {"block_group_type", type}, {"mode", layout}};
      out.gauge("node_btrfs_size_bytes", "Space allocated.", *size, labels);
      out.gauge("node_btrfs_used_bytes", "Space used.", *used, labels);
      out.gauge("node_btrfs_allocation_ratio", "Bytes of disks that a byte takes.",
                ratio_of(layout, devices), labels);
    }
  }
}

void add_device(const std::string& uuid, const Device& device, Families& out) {
  constexpr std::array<const char*, BTRFS_DEV_STAT_VALUES_MAX> kErrors = {
      "write", "read", "flush", "corruption", "generation"};
  const Families::Labels labels = {
      {"uuid", uuid}, {"device", device.name}, {"btrfs_dev_uuid", device.uuid}};
  out.gauge("node_btrfs_device_size_bytes", "Size of a device.", device.size, labels);
  out.gauge("node_btrfs_device_unused_bytes", "What is not allocated of a device.",
            device.size - device.used, labels);
  for (std::size_t i = 0; i < kErrors.size(); ++i)
    out.counter("node_btrfs_device_errors_total", "Errors of a device.", device.errors[i],
                {{"uuid", uuid},
                 {"device", device.name},
                 {"btrfs_dev_uuid", device.uuid},
                 {"type", kErrors[i]}});
}

}  // namespace

// "commits 8911" lines, times in milliseconds.
Result<> parse_btrfs_commits(const std::string& uuid, std::string_view text, Families& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    const auto value = fields.size() == 2 ? number(fields[1]) : std::nullopt;
    if (!value) return;
    const Families::Labels labels = {{"uuid", uuid}};
    if (fields[0] == "commits") out.counter("node_btrfs_commits_total", "Commits.", *value, labels);
    if (fields[0] == "last_commit_ms")
      out.gauge("node_btrfs_last_commit_seconds", "Seconds of the last commit.", *value / 1000,
                labels);
    if (fields[0] == "max_commit_ms")
      out.gauge("node_btrfs_max_commit_seconds", "Seconds of the slowest commit.", *value / 1000,
                labels);
    if (fields[0] == "total_commit_ms")
      out.counter("node_btrfs_commit_seconds_total", "Seconds of all commits.", *value / 1000,
                  labels);
  });
  return {};
}

Result<Collect> make_btrfs(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([roots, folder = roots.sys / "fs/btrfs"](Families& out) -> Result<> {
    std::map<std::string, std::vector<Device>> mounted;  // by uuid, without dashes
    std::vector<std::string> names;
    for (std::string& name : names_in(folder).value_or(std::vector<std::string>()))
      if (name.find('-') != std::string::npos) names.push_back(std::move(name));
    const auto mounts =
        names.empty() ? Result<std::string>() : read_text(roots.proc / "1/mountinfo");
    if (mounts)
      for (const Mount& mount : parse_mountinfo(*mounts))
        if (mount.type == "btrfs")
          if (auto found = devices_of(roots.root / fs::path(mount.mount_point).relative_path()))
            mounted.insert(std::move(*found));
    for (const std::string& name : names) {
      const fs::path here = folder / name;
      std::string uuid = read_word(here / "metadata_uuid");
      if (uuid.empty()) uuid = name;
      out.gauge("node_btrfs_info", "A Btrfs file system; the value is 1.", 1,
                {{"uuid", uuid}, {"label", read_word(here / "label")}});
      if (const auto value = read_number(here / "allocation/global_rsv_size"))
        out.gauge("node_btrfs_global_rsv_size_bytes", "Size of the global reserve.", *value,
                  {{"uuid", uuid}});
      if (const auto text = read_attribute(here / "commit_stats"))
        if (auto parsed = parse_btrfs_commits(uuid, *text, out); !parsed) return parsed;
      const auto devices = names_in(here / "devices").value_or(std::vector<std::string>());
      add_allocation(here / "allocation", uuid, devices.size(), out);
      std::string digits = name;
      std::erase(digits, '-');
      if (const auto found = mounted.find(digits); found != mounted.end()) {
        for (const Device& device : found->second) add_device(uuid, device, out);
        continue;
      }
      for (const std::string& device : devices)
        if (const auto sectors = read_number(here / "devices" / device / "size"))
          out.gauge("node_btrfs_device_size_bytes", "Size of a device.", *sectors * 512,
                    {{"uuid", uuid}, {"device", device}});
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
