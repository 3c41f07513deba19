// Entries as bytes for keeping on disk: nothing is lost or changed, not their order, not bytes that
// are no UTF-8, not labels that pipelines alone see.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/model/entry.h"

namespace agent::wire {

// Replaces `out` by the entries of `batch`, compressed. Receipts stay where they are.
void encode_batch(const model::EntryBatch& batch, std::string& out);

// Appends the entries to `out`. kInvalid when it is no such record; `out` then holds some of them
// or none.
Result<> decode_batch(std::string_view bytes, model::Interner& interner, model::EntryBatch& out);

}  // namespace agent::wire
