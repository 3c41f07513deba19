// /sys/class/infiniband/<device>/ports/<port>: state, rate and counters (kernel documentation,
// ABI/stable/sysfs-class-infiniband). Data is counted in words of four bytes; counters_ext is of
// kernels before 4.5.
#include <array>
#include <cmath>
#include <utility>

#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {
namespace {

constexpr std::array<NumberFile, 22> kCounters = {{
    {"VL15_dropped", "node_infiniband_vl15_dropped_total",
     "Packets of subnet management thrown away.", true},
    {"excessive_buffer_overrun_errors", "node_infiniband_excessive_buffer_overrun_errors_total",
     "Times that buffers overran again and again.", true},
    {"link_downed", "node_infiniband_link_downed_total", "Times the link went down.", true},
    {"link_error_recovery", "node_infiniband_link_error_recovery_total",
     "Times the link came back from an error.", true},
    {"local_link_integrity_errors", "node_infiniband_local_link_integrity_errors_total",
     "Times that there were too many local errors.", true},
    {"multicast_rcv_packets", "node_infiniband_multicast_packets_received_total",
     "Multicast packets received.", true},
    {"multicast_xmit_packets", "node_infiniband_multicast_packets_transmitted_total",
     "Multicast packets sent.", true},
    {"port_rcv_constraint_errors", "node_infiniband_port_constraint_errors_received_total",
     "Packets that the switch's port threw away.", true},
    {"port_xmit_constraint_errors", "node_infiniband_port_constraint_errors_transmitted_total",
     "Packets that the switch's port did not send.", true},
    {"port_rcv_data", "node_infiniband_port_data_received_bytes_total", "Bytes received.", true, 4},
    {"port_xmit_data", "node_infiniband_port_data_transmitted_bytes_total", "Bytes sent.", true, 4},
    {"port_rcv_discards", "node_infiniband_port_discards_received_total",
     "Packets received and thrown away.", true},
    {"port_xmit_discards", "node_infiniband_port_discards_transmitted_total",
     "Packets to send that were thrown away.", true},
    {"port_rcv_errors", "node_infiniband_port_errors_received_total",
     "Packets received with an error.", true},
    {"port_rcv_packets", "node_infiniband_port_packets_received_total", "Packets received.", true},
    {"port_rcv_remote_physical_errors", "node_infiniband_port_receive_remote_physical_errors_total",
     "Packets received that were marked as bad.", true},
    {"port_rcv_switch_relay_errors", "node_infiniband_port_receive_switch_relay_errors_total",
     "Packets that the switch could not pass on.", true},
    {"port_xmit_packets", "node_infiniband_port_packets_transmitted_total", "Packets sent.", true},
    {"port_xmit_wait", "node_infiniband_port_transmit_wait_total",
     "Ticks in which data waited and none was sent.", true},
    {"symbol_error", "node_infiniband_symbol_error_total", "Minor errors of the link.", true},
    {"unicast_rcv_packets", "node_infiniband_unicast_packets_received_total",
     "Unicast packets received.", true},
    {"unicast_xmit_packets", "node_infiniband_unicast_packets_transmitted_total",
     "Unicast packets sent.", true},
}};
constexpr std::array<NumberFile, 8> kLegacy = {{
    {"port_multicast_rcv_packets", "node_infiniband_legacy_multicast_packets_received_total",
     "Multicast packets received.", true},
    {"port_multicast_xmit_packets", "node_infiniband_legacy_multicast_packets_transmitted_total",
     "Multicast packets sent.", true},
    {"port_rcv_data_64", "node_infiniband_legacy_data_received_bytes_total", "Bytes received.",
     true, 4},
    {"port_rcv_packets_64", "node_infiniband_legacy_packets_received_total", "Packets received.",
     true},
    {"port_unicast_rcv_packets", "node_infiniband_legacy_unicast_packets_received_total",
     "Unicast packets received.", true},
    {"port_unicast_xmit_packets", "node_infiniband_legacy_unicast_packets_transmitted_total",
     "Unicast packets sent.", true},
    {"port_xmit_data_64", "node_infiniband_legacy_data_transmitted_bytes_total", "Bytes sent.",
     true, 4},
    {"port_xmit_packets_64", "node_infiniband_legacy_packets_transmitted_total", "Packets sent.",
     true},
}};

// Of some drivers (mlx5, irdma), in hw_counters.
constexpr const char* kOfDriver = "A counter of the adapter's driver.";
constexpr std::array<NumberFile, 30> kHardware = {{
    {"lifespan", "node_infiniband_lifespan_seconds", "Age that the counters may have.", false, 1,
     1000},
    {"duplicate_request", "node_infiniband_duplicate_requests_packets_total", kOfDriver, true},
    {"implied_nak_seq_err", "node_infiniband_implied_nak_seq_errors_total", kOfDriver, true},
    {"local_ack_timeout_err", "node_infiniband_local_ack_timeout_errors_total", kOfDriver, true},
    {"np_cnp_sent", "node_infiniband_np_cnp_packets_sent_total", kOfDriver, true},
    {"np_ecn_marked_roce_packets", "node_infiniband_np_ecn_marked_roce_packets_received_total",
     kOfDriver, true},
    {"out_of_buffer", "node_infiniband_out_of_buffer_drops_total", kOfDriver, true},
    {"out_of_sequence", "node_infiniband_out_of_sequence_packets_received_total", kOfDriver, true},
    {"packet_seq_err", "node_infiniband_packet_sequence_errors_total", kOfDriver, true},
    {"req_cqe_error", "node_infiniband_req_cqes_errors_total", kOfDriver, true},
    {"req_cqe_flush_error", "node_infiniband_req_cqes_flush_errors_total", kOfDriver, true},
    {"req_remote_access_errors", "node_infiniband_req_remote_access_errors_total", kOfDriver, true},
    {"req_remote_invalid_request", "node_infiniband_req_remote_invalid_request_errors_total",
     kOfDriver, true},
    {"resp_cqe_error", "node_infiniband_resp_cqes_errors_total", kOfDriver, true},
    {"resp_cqe_flush_error", "node_infiniband_resp_cqes_flush_errors_total", kOfDriver, true},
    {"resp_local_length_error", "node_infiniband_resp_local_length_errors_total", kOfDriver, true},
    {"resp_remote_access_errors", "node_infiniband_resp_remote_access_errors_total", kOfDriver,
     true},
    {"rnr_nak_retry_err", "node_infiniband_rnr_nak_retry_packets_received_total", kOfDriver, true},
    {"roce_adp_retrans", "node_infiniband_roce_adp_retransmits_total", kOfDriver, true},
    {"roce_adp_retrans_to", "node_infiniband_roce_adp_retransmits_timeout_total", kOfDriver, true},
    {"roce_slow_restart", "node_infiniband_roce_slow_restart_used_total", kOfDriver, true},
    {"roce_slow_restart_cnps", "node_infiniband_roce_slow_restart_cnps_total", kOfDriver, true},
    {"roce_slow_restart_trans", "node_infiniband_roce_slow_restart_total", kOfDriver, true},
    {"rp_cnp_handled", "node_infiniband_rp_cnp_packets_handled_total", kOfDriver, true},
    {"rp_cnp_ignored", "node_infiniband_rp_cnp_ignored_packets_received_total", kOfDriver, true},
    {"rx_atomic_requests", "node_infiniband_rx_atomic_requests_total", kOfDriver, true},
    {"rx_dct_connect", "node_infiniband_rx_dct_connect_requests_total", kOfDriver, true},
    {"rx_icrc_encapsulated", "node_infiniband_rx_icrc_encapsulated_errors_total", kOfDriver, true},
    {"rx_read_requests", "node_infiniband_rx_read_requests_total", kOfDriver, true},
    {"rx_write_requests", "node_infiniband_rx_write_requests_total", kOfDriver, true},
}};

// "4: ACTIVE" -> 4; "100 Gb/sec (4X EDR)" -> 100.
std::optional<double> leading_number(const std::string& text, char end) {
  const std::size_t at = text.find(end);
  return at == std::string::npos ? std::nullopt : number(trim(text.substr(0, at)));
}

}  // namespace

Result<Collect> make_infiniband(const UnixArgs&, const Roots& roots, Clock&) {
  return Collect([folder = roots.sys / "class/infiniband"](Families& out) -> Result<> {
    const auto devices = names_in(folder);
    if (!devices) return fail(devices.error());
    for (const std::string& device : *devices) {
      const auto here = folder / device;
      out.gauge("node_infiniband_info", "What is known of an adapter; the value is 1.", 1,
                {{"device", device},
                 {"board_id", read_word(here / "board_id")},
                 {"firmware_version", read_word(here / "fw_ver")},
                 {"hca_type", read_word(here / "hca_type")}});
      for (const std::string& port : numbered_in(here / "ports", "")) {
        const Families::Labels labels = {{"device", device}, {"port", port}};
        const auto place = here / "ports" / port;
        if (const auto state = leading_number(read_word(place / "state"), ':'))
          out.gauge("node_infiniband_state_id",
                    "1: down, 2: init, 3: armed, 4: active, 5: act defer.", *state, labels);
        if (const auto state = leading_number(read_word(place / "phys_state"), ':'))
          out.gauge("node_infiniband_physical_state_id",
                    "1: sleep, 2: polling, 3: disabled, 4: shift, 5: link up, 6: link error "
                    "recover, 7: phytest.",
                    *state, labels);
        if (const auto rate = leading_number(read_word(place / "rate"), ' '))
          out.gauge("node_infiniband_rate_bytes_per_second", "Most bytes in a second.",
                    std::trunc(*rate * 125000000), labels);  // gigabits
        add_numbers(place / "counters", kCounters, labels, out);
        add_numbers(place / "counters_ext", kLegacy, labels, out);
        add_numbers(place / "hw_counters", kHardware, labels, out);
      }
    }
    return {};
  });
}

}  // namespace agent::exporter::unix_host
