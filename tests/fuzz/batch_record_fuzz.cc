// Any bytes as a record, packed or as they are inside: it is refused, or gives entries that make
// the same record again.
#include <snappy.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/wire/batch_record.h"

namespace {

void use(std::string_view bytes) {
  agent::model::Interner labels;
  agent::model::EntryBatch batch;
  if (!agent::wire::decode_batch(bytes, labels, batch)) return;
  std::string first;
  agent::wire::encode_batch(batch, first);
  agent::model::EntryBatch again;
  if (!agent::wire::decode_batch(first, labels, again)) std::abort();
  std::string second;
  agent::wire::encode_batch(again, second);
  if (first != second || again.entries.size() != batch.entries.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  use(bytes);
  std::string packed;
  snappy::Compress(bytes.data(), bytes.size(), &packed);
  use(packed);
  return 0;
}
