// /sys/class/fc_host/<host>: attributes, and counters in hexadecimal (kernel documentation,
// ABI/testing/sysfs-class-fc_host). Some drivers have not all of them.
#include <array>
#include <utility>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

constexpr std::array<NumberFile, 14> kCounters = {{
    {"dumped_frames", "node_fibrechannel_dumped_frames_total", "Frames dumped.", true},
    {"error_frames", "node_fibrechannel_error_frames_total", "Frames with an error.", true},
    {"invalid_crc_count", "node_fibrechannel_invalid_crc_total", "Wrong checksums.", true},
    {"rx_frames", "node_fibrechannel_rx_frames_total", "Frames received.", true},
    {"rx_words", "node_fibrechannel_rx_words_total", "Words received.", true},
    {"tx_frames", "node_fibrechannel_tx_frames_total", "Frames sent.", true},
    {"tx_words", "node_fibrechannel_tx_words_total", "Words sent.", true},
    {"seconds_since_last_reset", "node_fibrechannel_seconds_since_last_reset_total",
     "Seconds since the port was reset.", true},
    {"invalid_tx_word_count", "node_fibrechannel_invalid_tx_words_total", "Invalid words sent.",
     true},
    {"link_failure_count", "node_fibrechannel_link_failure_total", "Times the link failed.", true},
    {"loss_of_sync_count", "node_fibrechannel_loss_of_sync_total", "Times synchrony was lost.",
     true},
    {"loss_of_signal_count", "node_fibrechannel_loss_of_signal_total", "Times the signal was lost.",
     true},
    {"nos_count", "node_fibrechannel_nos_total", "Not-operational sequences received.", true},
    {"fcp_packet_aborts", "node_fibrechannel_fcp_packet_aborts_total", "Packets aborted.", true},
}};

}  // namespace

Result<Collect> make_fibrechannel(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "class/fc_host"](Families& out) -> Result<> {
    const auto hosts = names_in(folder);
    if (!hosts) return fail(hosts.error());
    for (const std::string& host : *hosts) {
      model::Labels labels = {{"fc_host", host}};
      add_words(
          folder / host,
          std::array{"speed", "port_state", "port_type", "port_id", "port_name", "fabric_name",
                     "symbolic_name", "supported_classes", "supported_speeds", "dev_loss_tmo"},
          labels);
      for (model::Label& label : labels)
        if ((label.name == "port_id" || label.name == "port_name" || label.name == "fabric_name") &&
            label.value.starts_with("0x") && label.value.size() > 2)
          label.value.erase(0, 2);
      out.add(model::MetricType::kGauge, "node_fibrechannel_info",
              "What is known of a host bus adapter; the value is 1.", 1, std::move(labels));
      for (const NumberFile& one : kCounters) {
        // All bits set: the adapter does not count this.
        const std::string text = read_word(folder / host / "statistics" / one.file);
        const auto value = any_number(text);
        if (value && text != "0xffffffffffffffff")
          out.counter(one.name, one.help, *value, {{"fc_host", host}});
      }
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
