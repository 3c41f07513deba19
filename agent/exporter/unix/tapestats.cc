// /sys/class/scsi_tape/st<N>/stats (kernel documentation, scsi/st).
#include <array>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

Result<Collect> make_tapestats(const UnixArgs& args, const Roots& roots, Clock&) {
  auto devices = NameFilter::make("", args.tapestats.ignored_devices);
  if (!devices) return fail(std::move(devices.error()).within("tapestats"));
  return Collect([folder = roots.sys / "class/scsi_tape",
                  devices = *devices](Families& out) -> Result<> {
    static constexpr std::array<NumberFile, 10> kFiles = {{
        {"in_flight", "node_tape_io_now", "Inputs and outputs under way."},
        {"io_ns", "node_tape_io_time_seconds_total", "Seconds of all inputs and outputs.", true,
         1e-9},
        {"other_cnt", "node_tape_io_others_total", "Commands that neither read nor write.", true},
        {"read_byte_cnt", "node_tape_read_bytes_total", "Bytes read.", true},
        {"read_cnt", "node_tape_reads_completed_total", "Reads completed.", true},
        {"read_ns", "node_tape_read_time_seconds_total", "Seconds of all reads.", true, 1e-9},
        {"resid_cnt", "node_tape_residual_total", "Reads and writes that left something.", true},
        {"write_byte_cnt", "node_tape_written_bytes_total", "Bytes written.", true},
        {"write_cnt", "node_tape_writes_completed_total", "Writes completed.", true},
        {"write_ns", "node_tape_write_time_seconds_total", "Seconds of all writes.", true, 1e-9},
    }};
    if (const auto all = names_in(folder); !all) return fail(all.error());
    // A tape has other names as well (nst0, st0a), which mean the same counters.
    for (const std::string& device : numbered_in(folder, "st"))
      if (devices.passes(device))
        add_numbers(folder / device / "stats", kFiles, {{"device", device}}, out);
    return {};
  });
}

}  // namespace agent::exporter::unix_host
