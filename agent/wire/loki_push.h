// The body of Loki's POST /loki/api/v1/push, both ways: protobuf in a snappy block
// (loki_push.proto), and JSON:
//   {"streams": [{"stream": {"a": "b"}, "values": [["<ns since 1970>", "<line>", {"name":
//   "value"}]]}]}
// Protobuf strings must be valid UTF-8 for Loki; bytes that are not become U+FFFD.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/model/entry.h"
#include "agent/model/labels.h"

namespace agent::wire {

// Builds one push after another in the same buffers. One thread at a time.
class LokiPushEncoder {
 public:
  // Starts an empty push.
  void clear();
  // Adds a stream. `labels` is LabelSet::text(); a push names each stream once. The entries' own
  // labels are not looked at.
  void add_stream(std::string_view labels, std::span<const model::Entry* const> entries);
  // The protobuf message so far.
  std::string_view message() const { return {message_.data(), size_}; }
  // It as the body of a request; valid until the next call. Content-Type application/x-protobuf.
  std::string_view body();

 private:
  struct Planned {
    const model::Entry* entry = nullptr;
    std::size_t size = 0;  // of its message
  };
  const model::Entry* valid(const model::Entry& entry);

  std::string message_;  // the buffer only grows; size_ says what counts
  std::size_t size_ = 0;
  std::string body_;
  std::vector<Planned> plan_;          // of the stream being added
  std::deque<model::Entry> repaired_;  // entries that were not UTF-8
  model::Arena repaired_bytes_;
};

// The JSON form. Content-Type application/json.
void append_json_push_stream(std::string& out, const model::LabelSet& labels,
                             std::span<const model::Entry* const> entries);
// {"streams":[ ... ]} around streams that are joined by commas.
std::string json_push(std::string_view streams);

struct PushLimits {
  std::size_t max_bytes = 32U << 20;  // of the message, before anything of its size is allocated
  std::size_t max_entries = 1'000'000;
  std::size_t max_labels = 256;  // of a stream, metadata of an entry
};

// Appends the entries of a push to `out`, in order; lines may point into memory that out.arena
// adopts. Errors: kInvalid (not a push), kExhausted (a limit). `out` is then as it was.
Result<> decode_push(std::string_view body, const PushLimits& limits, model::Interner& interner,
                     model::EntryBatch& out);
Result<> decode_json_push(std::string_view body, const PushLimits& limits,
                          model::Interner& interner, model::EntryBatch& out);

// {a="b", c=`d`} -> labels, sorted.
Result<model::Labels> parse_labels_text(std::string_view text, std::size_t max_labels = 256);

}  // namespace agent::wire
