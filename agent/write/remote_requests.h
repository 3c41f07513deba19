// How what waits in a SampleQueue becomes requests: grouped so that several may be on their way at
// the same time, and divided when a receiver refuses one. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/write/sample_queue.h"

namespace agent::write {

// What one request carries.
struct SampleGroup {
  std::string body;  // compress_message() of its series
  SampleCounts counts;
  std::size_t lane = 0;  // groups of one lane follow each other
  int divided = 0;       // how often
};

struct Grouping {
  std::vector<SampleGroup> groups;  // a lane's groups in order
  std::uint64_t unreadable = 0;     // items of parts that are no messages
};
// The items of `parts`, at most about `per_send` in each group. All items of a series are in one of
// the `lanes` lanes, in order.
Grouping group_parts(const std::vector<SampleQueue::Part>& parts, std::size_t lanes,
                     std::size_t per_send);

// Two groups with the items of one, to be sent in this order; none when it cannot be divided. What
// is refused is often old (a part at the beginning) or some series among all: divides by the order
// and by the series in turn.
std::vector<SampleGroup> divide(const SampleGroup& group);

}  // namespace agent::write
