// adjtimex(2), read only: how well the clock is kept.
#include <sys/timex.h>

#include <cerrno>

#include "agent/exporter/unix/parsers.h"

namespace agent::exporter::unix_host {

Result<Collect> make_timex(const UnixArgs&, const Roots&, Clock&) {
  return Collect([](Families& out) -> Result<> {
    timex state{};
    const int status = ::adjtimex(&state);
    if (status < 0) return fail_errno("adjtimex", errno);
    const double unit = (state.status & STA_NANO) != 0 ? 1e-9 : 1e-6;
    constexpr double kMicro = 1e-6;
    constexpr double kFrequency = 65536e6;  // 2^-16 parts in a million
    const auto value = [](auto number) { return static_cast<double>(number); };
    out.gauge("node_timex_sync_status", "1 when the clock is in step with a reliable source.",
              status == TIME_ERROR ? 0 : 1);
    out.gauge("node_timex_offset_seconds", "From the local time to the reference.",
              value(state.offset) * unit);
    out.gauge("node_timex_frequency_adjustment_ratio", "How the local clock is adjusted.",
              1 + value(state.freq) / kFrequency);
    out.gauge("node_timex_maxerror_seconds", "Largest error.", value(state.maxerror) * kMicro);
    out.gauge("node_timex_estimated_error_seconds", "Estimated error.",
              value(state.esterror) * kMicro);
    out.gauge("node_timex_status", "The status as bits.", value(state.status));
    out.gauge("node_timex_loop_time_constant", "Time constant of the phase-locked loop.",
              value(state.constant));
    out.gauge("node_timex_tick_seconds", "Seconds between two ticks.", value(state.tick) * kMicro);
    out.gauge("node_timex_pps_frequency_hertz", "Frequency of the pulse per second.",
              value(state.ppsfreq) / kFrequency);
    out.gauge("node_timex_pps_jitter_seconds", "Jitter of the pulse per second.",
              value(state.jitter) * unit);
    out.gauge("node_timex_pps_shift_seconds", "Length of the interval of the pulse per second.",
              value(state.shift));
    out.gauge("node_timex_pps_stability_hertz", "Stability of the pulse per second.",
              value(state.stabil) / kFrequency);
    out.counter("node_timex_pps_jitter_total", "Pulses beyond the limit of jitter.",
                value(state.jitcnt));
    out.counter("node_timex_pps_calibration_total", "Calibration intervals.", value(state.calcnt));
    out.counter("node_timex_pps_error_total", "Calibration errors.", value(state.errcnt));
    out.counter("node_timex_pps_stability_exceeded_total", "Pulses beyond the limit of stability.",
                value(state.stbcnt));
    out.gauge("node_timex_tai_offset_seconds", "From UTC to international atomic time.",
              value(state.tai));
    return {};
  });
}

}  // namespace agent::exporter::unix_host
