// In which steps a run goes over its hosts, and how much trouble it puts up with. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/value/value.h"

namespace fleetctl::command {

// "3" or "30%" of a number of hosts.
struct Amount {
  unsigned number = 0;
  bool percent = false;
  // A share is rounded down.
  std::size_t of(std::size_t hosts) const;
  bool operator==(const Amount&) const = default;
};
// Digits, or digits from 0 to 100 and a '%'.
agent::Result<Amount> parse_amount(std::string_view text);
// "1,30%,100%": the sizes of the batches, none of them 0.
agent::Result<std::vector<Amount>> parse_batches(std::string_view text);

struct Rolling {
  std::vector<Amount> serial;      // the last one repeats; none: all hosts at once
  std::optional<Amount> canary;    // so many hosts go first, at least one
  std::optional<Amount> max_fail;  // so many may end badly; none: 0 in batches, else all
  // A playbook's max_fail_percentage, which counts in each batch by itself. Not beside max_fail.
  std::optional<double> max_fail_percentage;
  bool operator==(const Rolling&) const = default;
};
// What a play says, templates resolved; a value that is none says nothing. 0 hosts are all hosts.
agent::Result<Rolling> rolling_of_play(const value::Value& serial,
                                       const value::Value& max_fail_percentage);
// What the operator said, and for the rest what the playbook says: an error where it is needed and
// cannot be told.
agent::Result<Rolling> settled(Rolling said, const agent::Result<Rolling>& playbook);

// Indices of hosts.
struct Batch {
  std::vector<std::size_t> hosts;
  bool canary = false;
};
// All hosts, each once, in their order but for those of the canary, which are the first batch:
// `first`, or else as many as `rolling` says. At least one host per batch.
std::vector<Batch> batches_of(std::size_t hosts, std::vector<std::size_t> first,
                              const Rolling& rolling);

// How badly a run has gone so far.
struct Trouble {
  std::size_t hosts = 0;     // of the whole run
  std::size_t failures = 0;  // that ended badly
  std::size_t before = 0;    // of those, the ones before this batch
  bool in_batches = false;
};
// Whether no further host is begun, in this batch or after it.
bool too_much(const Rolling& rolling, const Batch& batch, const Trouble& trouble);

}  // namespace fleetctl::command
