// Pushes as loki.source.api gets them. What decodes is encoded and must decode to the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string_view>
#include <vector>

#include "agent/wire/loki_push.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  wire::PushLimits limits;
  limits.max_bytes = 1U << 20;
  limits.max_entries = 10'000;
  model::Interner interner;
  model::EntryBatch batch;
  if (!wire::decode_push(body, limits, interner, batch)) {
    if (!batch.entries.empty()) std::abort();
    return 0;
  }
  std::vector<std::pair<model::LabelSet, std::vector<const model::Entry*>>> streams;
  for (const model::Entry& entry : batch.entries) {
    std::size_t i = 0;
    while (i < streams.size() && !(streams[i].first == entry.labels)) ++i;
    if (i == streams.size()) streams.push_back({entry.labels, {}});
    streams[i].second.push_back(&entry);
  }
  wire::LokiPushEncoder encoder;
  for (const auto& [labels, entries] : streams) encoder.add_stream(labels.text(), entries);
  model::EntryBatch again;
  limits.max_bytes = 8U << 20;  // repaired lines are longer
  if (!wire::decode_push(encoder.body(), limits, interner, again)) std::abort();
  if (again.entries.size() != batch.entries.size()) std::abort();
  return 0;
}
