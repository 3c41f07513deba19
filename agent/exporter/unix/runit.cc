// Services of runit: <folder>/<service>/supervise/status, 20 bytes (runit's runsv.c): the time of
// the last change as TAI64N (12 bytes), the process id (4 bytes, the lowest first), paused, what is
// wanted ('u', 'd'), whether it was told to end, the state (0 down, 1 run, 2 finish).
#include "agent/exporter/unix/parsers.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::unix_host {

bool parse_runit_status(std::string_view service, std::string_view status, bool normally_up,
                        Families& out) {
  if (status.size() != 20) return false;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(status[i]); };
  std::uint64_t seconds = 0;
  for (std::size_t i = 0; i < 8; ++i) seconds = seconds << 8 | byte(i);
  constexpr std::uint64_t kEpoch = 0x400000000000000aULL;  // 1970, ten seconds ahead of UTC
  const auto since_1970 = static_cast<std::int64_t>(seconds - kEpoch);
  const Families::Labels labels = {{"service", std::string(service)}, {"supervisor", "runit"}};
  out.gauge("node_service_state", "State: 0 down, 1 run, 2 finish.", byte(19), labels);
  out.gauge("node_service_desired_state", "State that is wanted: 0 down, 1 run.",
            status[17] == 'u' ? 1 : 0, labels);
  out.gauge("node_service_normal_state", "1 when it is to run from the beginning.",
            normally_up ? 1 : 0, labels);
  out.gauge("node_service_state_last_change_timestamp_seconds", "When the state changed last.",
            static_cast<double>(since_1970), labels);
  return true;
}

Result<Collect> make_runit(const UnixArgs& args, const Roots&, Clock&) {
  return Collect([folder = std::filesystem::path(args.runit.service_dir)](
                     Families& out, const std::stop_token& stop) -> Result<> {
    const auto services = names_in(folder);
    if (!services) return fail(services.error());
    Result<> done;
    for (const std::string& service : *services) {
      if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped");
      std::error_code none;
      if (!std::filesystem::is_directory(folder / service, none)) continue;
      const auto status = read_file(folder / service / "supervise/status", 64);
      // One that is not supervised (yet) has no such file.
      if (!status && status.error().code == ErrorCode::kNotFound) continue;
      const bool up = !std::filesystem::exists(folder / service / "down", none);
      if (status && parse_runit_status(service, *status, up, out)) continue;
      if (done)
        done = status ? fail(ErrorCode::kInvalid, service + ": the status is not 20 bytes")
                      : fail(status.error());
    }
    return done;
  });
}

}  // namespace agent::exporter::unix_host
