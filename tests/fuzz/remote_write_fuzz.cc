// Any bytes as the body of a remote write request of either protocol, and as a message of ours that
// is taken apart.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/wire/remote_write.h"
#include "agent/wire/remote_write_2.h"

namespace {

using Decode = agent::Result<> (*)(std::string_view, const agent::wire::WriteLimits&,
                                   agent::model::Interner&, agent::model::SampleBatch&);

// What is accepted can be written as both protocols, and says the same in both.
void use(const std::string& body, Decode decode) {
  agent::model::Interner interner;
  agent::wire::WriteLimits limits;
  limits.max_bytes = 1U << 20;
  limits.max_fields = 10'000;
  agent::model::SampleBatch batch;
  const auto decoded = decode(body, limits, interner, batch);
  if (!decoded && !batch.empty()) std::abort();
  agent::wire::RemoteWriteEncoder encoder;
  for (const auto& one : batch.samples) encoder.add(one);
  for (const auto& one : batch.exemplars) encoder.add(one);
  for (const auto& one : batch.histograms) encoder.add(one);
  const std::size_t items = batch.samples.size() + batch.exemplars.size() + batch.histograms.size();
  std::size_t count = 0;
  if (!agent::wire::for_each_series(encoder.message(), [&](const auto&) { ++count; }) ||
      count != items)
    std::abort();
  const auto second = agent::wire::to_write_request_2(
      encoder.message(), [&](std::string_view family) -> const agent::model::Metadata* {
        for (const auto& one : batch.metadata)
          if (one.family == family) return &one;
        return nullptr;
      });
  if (!second) std::abort();
  const auto first = agent::wire::to_write_request_1(encoder.message());
  if (!first || !agent::wire::for_each_series(first->message, [&](const auto&) { --count; }) ||
      count != first->histograms + first->exemplars)
    std::abort();
  limits.max_bytes = 64U << 20;
  limits.max_fields = 1'000'000;
  agent::model::SampleBatch again;
  if (!agent::wire::decode_write_request_2(agent::wire::compress_message(*second), limits, interner,
                                           again))
    std::abort();
  if (again.samples.size() + again.exemplars.size() + again.histograms.size() != items)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const std::string& body : {std::string(bytes), agent::wire::compress_message(bytes)}) {
    use(body, agent::wire::decode_write_request);
    use(body, agent::wire::decode_write_request_2);
  }
  // As a part of a queue's record it is passed on or refused.
  [[maybe_unused]] const auto ignored = agent::wire::to_write_request_2(
      bytes, [](std::string_view) -> const agent::model::Metadata* { return nullptr; });
  [[maybe_unused]] const auto reduced = agent::wire::to_write_request_1(bytes);
  std::size_t used = 0;
  const bool whole = agent::wire::for_each_series(
      bytes, [&](const agent::wire::EncodedSeries& series) { used += series.bytes.size(); });
  if (whole && used != size) std::abort();
  return 0;
}
