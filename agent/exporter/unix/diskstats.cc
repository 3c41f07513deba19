// /proc/diskstats: major minor name and 11, 15 or 17 counters (kernel documentation,
// admin-guide/iostats). Sectors are 512 bytes, times are milliseconds.
#include <array>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

struct Column {
  const char* name;
  const char* help;
  double factor;
  bool gauge;
};
constexpr std::array<Column, 17> kColumns = {{
    {"node_disk_reads_completed_total", "Reads completed.", 1, false},
    {"node_disk_reads_merged_total", "Reads merged.", 1, false},
    {"node_disk_read_bytes_total", "Bytes read.", 512, false},
    {"node_disk_read_time_seconds_total", "Seconds of all reads.", .001, false},
    {"node_disk_writes_completed_total", "Writes completed.", 1, false},
    {"node_disk_writes_merged_total", "Writes merged.", 1, false},
    {"node_disk_written_bytes_total", "Bytes written.", 512, false},
    {"node_disk_write_time_seconds_total", "Seconds of all writes.", .001, false},
    {"node_disk_io_now", "Inputs and outputs under way.", 1, true},
    {"node_disk_io_time_seconds_total", "Seconds in which anything was under way.", .001, false},
    {"node_disk_io_time_weighted_seconds_total", "Seconds of all that was under way.", .001, false},
    {"node_disk_discards_completed_total", "Discards completed.", 1, false},
    {"node_disk_discards_merged_total", "Discards merged.", 1, false},
    {"node_disk_discarded_sectors_total", "Sectors discarded.", 1, false},
    {"node_disk_discard_time_seconds_total", "Seconds of all discards.", .001, false},
    {"node_disk_flush_requests_total", "Flushes completed.", 1, false},
    {"node_disk_flush_requests_time_seconds_total", "Seconds of all flushes.", .001, false},
}};

constexpr std::array<std::array<const char*, 3>, 3> kAta = {{
    {"ID_ATA_WRITE_CACHE", "node_disk_ata_write_cache", "1 when the disk has a write cache."},
    {"ID_ATA_WRITE_CACHE_ENABLED", "node_disk_ata_write_cache_enabled",
     "1 when the write cache is in use."},
    {"ID_ATA_ROTATION_RATE_RPM", "node_disk_ata_rotation_rate_rpm",
     "Rotations in a minute; 0: it does not rotate."},
}};

// What udev knows of a device: E:NAME=value lines.
std::string udev_value(std::string_view text, std::string_view name) {
  std::string out;
  for_each_line(text, [&](std::string_view line) {
    if (!line.starts_with("E:")) return;
    line.remove_prefix(2);
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == '=')
      out = line.substr(name.size() + 1);
  });
  return out;
}

}  // namespace

Result<> parse_diskstats(std::string_view text, const NameFilter& devices, Families& out) {
  for_each_line(text, [&](std::string_view line) {
    const auto fields = words(line);
    if (fields.size() < 14 || !devices.passes(fields[2])) return;
    const std::string device(fields[2]);
    for (std::size_t i = 3; i < fields.size() && i - 3 < kColumns.size(); ++i) {
      const auto value = number(fields[i]);
      if (!value) return;
      const Column& column = kColumns[i - 3];
      if (column.gauge) {
        out.gauge(column.name, column.help, *value * column.factor, {{"device", device}});
      } else {
        out.counter(column.name, column.help, *value * column.factor, {{"device", device}});
      }
    }
  });
  return {};
}

Result<Collect> make_diskstats(const UnixArgs& args, const Roots& roots, Clock&) {
  auto devices = NameFilter::make(args.disk.device_include,
                                  args.disk.device_include.empty() ? args.disk.device_exclude : "");
  if (!devices) return fail(std::move(devices.error()).within("disk"));
  return Collect([roots, devices = *devices](Families& out) -> Result<> {
    const auto text = read_text(roots.proc / "diskstats");
    if (!text) return fail(text.error());
    if (auto parsed = parse_diskstats(*text, devices, out); !parsed) return parsed;
    for_each_line(*text, [&](std::string_view line) {
      const auto fields = words(line);
      if (fields.size() < 14 || !devices.passes(fields[2])) return;
      const std::string major(fields[0]);
      const std::string minor(fields[1]);
      const std::string device(fields[2]);
      const auto udev_text = read_text(roots.udev / ("b" + major + ":" + minor));
      const std::string udev = udev_text ? *udev_text : std::string();
      std::string serial = udev_value(udev, "SCSI_IDENT_SERIAL");
      if (serial.empty()) serial = udev_value(udev, "ID_SERIAL_SHORT");
      if (serial.empty()) serial = udev_value(udev, "ID_SERIAL");  // of virtual disks
      out.gauge("node_disk_info", "What is known of a disk; the value is 1.", 1,
                {{"device", device},
                 {"major", major},
                 {"minor", minor},
                 {"path", udev_value(udev, "ID_PATH")},
                 {"wwn", udev_value(udev, "ID_WWN")},
                 {"model", udev_value(udev, "ID_MODEL")},
                 {"serial", serial},
                 {"revision", udev_value(udev, "ID_REVISION")},
                 {"rotational", read_word(roots.sys / "block" / device / "queue/rotational")}});
      if (const std::string type = udev_value(udev, "ID_FS_TYPE"); !type.empty())
        out.gauge("node_disk_filesystem_info", "The file system on a disk; the value is 1.", 1,
                  {{"device", device},
                   {"type", type},
                   {"usage", udev_value(udev, "ID_FS_USAGE")},
                   {"uuid", udev_value(udev, "ID_FS_UUID")},
                   {"version", udev_value(udev, "ID_FS_VERSION")}});
      if (const std::string name = udev_value(udev, "DM_NAME"); !name.empty())
        out.gauge("node_disk_device_mapper_info", "A device mapper's names; the value is 1.", 1,
                  {{"device", device},
                   {"name", name},
                   {"uuid", udev_value(udev, "DM_UUID")},
                   {"vg_name", udev_value(udev, "DM_VG_NAME")},
                   {"lv_name", udev_value(udev, "DM_LV_NAME")},
                   {"lv_layer", udev_value(udev, "DM_LV_LAYER")}});
      if (udev_value(udev, "ID_ATA").empty()) return;
      for (const auto& [property, name, help] : kAta)
        if (const auto value = number(udev_value(udev, property)))
          out.gauge(name, help, *value, {{"device", device}});
    });
    return {};
  });
}

}  // namespace agent::exporter::unix_host
