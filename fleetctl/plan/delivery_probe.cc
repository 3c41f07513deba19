#include "fleetctl/plan/delivery_probe.h"

namespace fleetctl::plan {

extern const char* const kDeliveryProbeScript;  // delivery_probe.sh, put into a .cc by the build

namespace {

constexpr std::size_t kMostOutput = 1U << 20;

}  // namespace

std::string delivery_probe_script(const DeliveryProbe& probe) {
  return "N=" + probe.nonce + "\nMARK=" + probe.mark + "\nLIFE=" + std::to_string(probe.life) +
         "\nWANT='" + (probe.journal ? "journal " : "") + (probe.containers ? "containers" : "") +
         "'\n" + kDeliveryProbeScript;
}

bool DeliveryAnswer::add(std::string_view bytes) {
  seen_ += bytes.size();
  if (seen_ > kMostOutput) return false;
  line_ += bytes;
  std::size_t end = 0;
  while ((end = line_.find('\n')) != std::string::npos) {
    const std::string line = line_.substr(0, end);
    line_.erase(0, end + 1);
    if (line.rfind(nonce_ + " ", 0) != 0) continue;
    const std::string_view rest = std::string_view(line).substr(nonce_.size() + 1);
    const std::size_t space = rest.find(' ');
    if (space != std::string_view::npos) tell_(rest.substr(0, space), rest.substr(space + 1));
  }
  return true;
}

}  // namespace fleetctl::plan
