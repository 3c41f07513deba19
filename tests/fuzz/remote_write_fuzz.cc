// Any bytes as the body of a remote write request, and as a message of ours that is taken apart.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/wire/remote_write.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  agent::model::Interner interner;
  agent::wire::WriteLimits limits;
  limits.max_bytes = 1U << 20;
  limits.max_fields = 10'000;
  for (const std::string& body : {std::string(bytes), agent::wire::compress_message(bytes)}) {
    agent::model::SampleBatch batch;
    const auto decoded = agent::wire::decode_write_request(body, limits, interner, batch);
    if (!decoded && !batch.empty()) std::abort();
    agent::wire::RemoteWriteEncoder encoder;
    for (const auto& one : batch.samples) encoder.add(one);
    std::size_t count = 0;
    if (!agent::wire::for_each_series(encoder.message(), [&](const auto&) { ++count; }) ||
        count != batch.samples.size())
      std::abort();
  }
  std::size_t used = 0;
  const bool whole = agent::wire::for_each_series(
      bytes, [&](const agent::wire::EncodedSeries& series) { used += series.bytes.size(); });
  if (whole && used != size) std::abort();
  return 0;
}
