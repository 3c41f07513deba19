// In which steps a run goes over its hosts, and how much trouble it puts up with. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace fleetctl::command {

// "3" or "30%" of a number of hosts.
struct Amount {
  unsigned number = 0;
  bool percent = false;
  // A share is rounded down.
  std::size_t of(std::size_t hosts) const;
};
// Digits, or digits from 0 to 100 and a '%'.
agent::Result<Amount> parse_amount(std::string_view text);
// "1,30%,100%": the sizes of the batches, none of them 0.
agent::Result<std::vector<Amount>> parse_batches(std::string_view text);

struct Rolling {
  std::vector<Amount> serial;      // the last one repeats; none: all hosts at once
  std::optional<Amount> canary;    // so many hosts go first, at least one
  std::optional<Amount> max_fail;  // so many may end badly; none: 0 in batches, else all
  bool in_batches() const { return !serial.empty() || canary; }
};

// Indices of hosts.
struct Batch {
  std::vector<std::size_t> hosts;
  bool canary = false;
};
// All hosts, each once, in their order but for those of the canary, which are the first batch:
// `first`, or else as many as `rolling` says. At least one host per batch.
std::vector<Batch> batches_of(std::size_t hosts, std::vector<std::size_t> first,
                              const Rolling& rolling);
// How many of `hosts` may end badly before no further one is begun; nullopt: all of them.
std::optional<std::size_t> tolerated(const Rolling& rolling, std::size_t hosts, bool in_batches);

}  // namespace fleetctl::command
