// /proc/drbd: words "key:value"; "<n>:" begins a device (DRBD 8.4 User's Guide, 6.2). ns nr dw dr
// and oos are KiB; of nr node_exporter does not know it, and neither do we.
#include <array>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

struct Key {
  std::string_view key;
  const char* name;
  const char* help;
  double factor;
  bool counter;
};
constexpr std::array<Key, 12> kNumbers = {{
    {"ns", "network_sent_bytes_total", "Bytes sent to the peer.", 1024, true},
    {"nr", "network_received_bytes_total", "Received from the peer.", 1, true},
    {"dw", "disk_written_bytes_total", "Bytes written to the disk.", 1024, true},
    {"dr", "disk_read_bytes_total", "Bytes read from the disk.", 1024, true},
    {"al", "activitylog_writes_total", "Updates of the activity log.", 1, true},
    {"bm", "bitmap_writes_total", "Updates of the bitmap.", 1, true},
    {"lo", "local_pending", "Requests to the local disk that are open.", 1, false},
    {"pe", "remote_pending", "Requests that the peer has not answered.", 1, false},
    {"ua", "remote_unacknowledged", "Requests of the peer that are not answered.", 1, false},
    {"ap", "application_pending", "Requests of applications that are not answered.", 1, false},
    {"ep", "epochs", "Epochs under way.", 1, false},
    {"oos", "out_of_sync_bytes", "Bytes that are out of sync.", 1024, false},
}};

}  // namespace

Result<> parse_drbd(std::string_view text, Families& out) {
  std::string device = "unknown";
  for_each_line(text, [&](std::string_view line) {
    for (const std::string_view word : words(line)) {
      const std::size_t colon = word.find(':');
      if (colon == std::string_view::npos || word.find(':', colon + 1) != std::string_view::npos)
        continue;
      const std::string_view key = word.substr(0, colon);
      const std::string_view value = word.substr(colon + 1);
      if (value.empty()) {
        if (!key.empty() && key.size() < 10 &&
            key.find_first_not_of("0123456789") == std::string_view::npos)
          device = "drbd" + std::string(key);
        continue;
      }
      for (const Key& one : kNumbers) {
        if (one.key != key) continue;
        if (const auto amount = number(value))
          out.add(one.counter ? model::MetricType::kCounter : model::MetricType::kGauge,
                  "node_drbd_" + std::string(one.name), one.help, *amount * one.factor,
                  {{"device", device}});
      }
      // "local/remote"
      const auto pair = [&](const char* name, const char* help, std::string_view good) {
        const std::size_t slash = value.find('/');
        if (slash == std::string_view::npos) return;
        out.gauge(name, help, value.substr(0, slash) == good ? 1 : 0,
                  {{"device", device}, {"node", "local"}});
        out.gauge(name, help, value.substr(slash + 1) == good ? 1 : 0,
                  {{"device", device}, {"node", "remote"}});
      };
      if (key == "ro")
        pair("node_drbd_node_role_is_primary", "1 when the node is primary.", "Primary");
      if (key == "ds")
        pair("node_drbd_disk_state_is_up_to_date", "1 when the node's disk is up to date.",
             "UpToDate");
      if (key == "cs")
        out.gauge("node_drbd_connected", "1 when the peer is connected.",
                  value == "Connected" ? 1 : 0, {{"device", device}});
    }
  });
  return {};
}

Result<Collect> make_drbd(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect(from_file(roots.proc / "drbd", parse_drbd));
}

}  // namespace agent::exporter::unix_host
