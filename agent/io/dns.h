// Records of the domain name system, asked for with c-ares: from the servers of /etc/resolv.conf,
// in its search domains.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"

namespace agent::io {

enum class DnsType : std::uint16_t { kA = 1, kNs = 2, kMx = 15, kAaaa = 28, kSrv = 33 };

struct DnsRecord {
  std::string target;      // an address, or a name without the dot at its end
  std::uint16_t port = 0;  // of kSrv
  auto operator<=>(const DnsRecord&) const = default;
};
using DnsRecords = std::vector<DnsRecord>;

struct DnsOptions {
  std::string servers;  // "127.0.0.1:5353,[::1]:5354"; empty: those of the host
  Duration patience = std::chrono::seconds(10);  // with all questions together
};

// The records of each name, sorted, each once. A name that does not exist has none; that nobody
// answers is kUnavailable. Ends within a second of a stop, then with kCancelled. Any thread.
std::vector<Result<DnsRecords>> look_up(const std::vector<std::string>& names, DnsType type,
                                        const DnsOptions& options, const Clock& clock,
                                        const std::stop_token& stop);

}  // namespace agent::io
