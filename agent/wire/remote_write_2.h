// Messages of Prometheus' remote write, protocol 2.0
// (prometheus.io/docs/specs/prw/remote_write_spec_2_0), made from those of 1.0: what waits to be
// sent is kept in one form, whatever the receiver turns out to speak.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/model/sample.h"

namespace agent::wire {

// What is known of a family; null: nothing. Lives until the call that asked is over.
using FindMetadata = std::function<const model::Metadata*(std::string_view family)>;

// What is known of the family that a series of this name belongs to; null: nothing.
const model::Metadata* metadata_of(std::string_view name, const FindMetadata& find);

// The same series as `message`, one of RemoteWriteEncoder's without metadata, with what is known of
// their families. Samples, histograms and exemplars of one series come together, in their order.
// kInvalid when it is no such message.
Result<std::string> to_write_request_2(std::string_view message, const FindMetadata& find);

struct WriteRequest1 {
  std::string message;
  std::uint32_t histograms = 0;  // left out: they have custom buckets
  std::uint32_t exemplars = 0;   // left out with them
};
// The same series as `message`, one of RemoteWriteEncoder's without metadata, without what
// protocol 1.0 cannot carry. kInvalid when it is no such message.
Result<WriteRequest1> to_write_request_1(std::string_view message);

}  // namespace agent::wire
