// The JSON form of a push.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/wire/loki_push.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  wire::PushLimits limits;
  limits.max_bytes = 1U << 20;
  limits.max_entries = 10'000;
  model::Interner interner;
  model::EntryBatch batch;
  const auto decoded = wire::decode_json_push(body, limits, interner, batch);
  if (!decoded && !batch.entries.empty()) std::abort();
  // The same bytes as the text of a stream's labels.
  if (const auto labels = wire::parse_labels_text(body); labels)
    if (!wire::parse_labels_text(model::labels_text(*labels))) std::abort();
  return 0;
}
