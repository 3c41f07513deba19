// Bodies of Prometheus' remote write, protocol 1.0
// (prometheus.io/docs/specs/prw/remote_write_spec): a protobuf message in a snappy block. Reads
// those of 2.0 as well; remote_write_2.h writes them.
//
// A message is a sequence of series, each with its labels; two messages one behind the other are
// again a message. Queues make use of that: what was encoded once is joined with others and sent.
// They keep with it what protocol 2.0 alone carries, in fields that 1.0 does not have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/model/sample.h"

namespace agent::wire {

// Appends to one message after another in the same buffer. One thread at a time. Labels go out as
// the LabelSet has them, sorted, with bytes that are not UTF-8 replaced by U+FFFD.
class RemoteWriteEncoder {
 public:
  // Without `start_times` those of samples are left out.
  explicit RemoteWriteEncoder(bool start_times = true) : start_times_(start_times) {}

  void clear() {
    message_.clear();
    only_2_ = false;
  }
  void add(const model::Sample& sample);
  void add(const model::Exemplar& exemplar);
  void add(const model::NativeHistogram& histogram);
  void add(const model::Metadata& metadata);
  // What was added since clear().
  std::string_view message() const { return message_; }
  // Some of it protocol 1.0 cannot carry: see to_write_request_1().
  bool only_2() const { return only_2_; }

 private:
  const bool start_times_;
  bool only_2_ = false;
  std::string message_;
};

// The body of a request that carries `message`.
std::string compress_message(std::string_view message);
// The way back; kExhausted when it would have more than `max_bytes`, kInvalid when it is no snappy
// block.
Result<std::string> decompress_message(std::string_view body, std::size_t max_bytes);

// Bytes of the message that a body carries, as it says itself; 0 when it is none.
std::size_t message_size(std::string_view body);

// The body that carries the messages of `bodies`, one behind the other, without compressing them
// again. Each is_body(), and together they have less than 4 GiB.
std::string join_bodies(const std::vector<std::string_view>& bodies);
bool is_body(std::string_view body);

struct EncodedSeries {
  enum class Kind { kSample, kExemplar, kHistogram, kOther };
  std::string_view bytes;        // to be joined to a message again
  std::string_view label_bytes;  // its labels, each as its tag, length and message
  std::string_view rest;         // what it has behind its labels, tag included
  std::uint64_t labels = 0;      // a number that is the same for equal labels
  Kind kind = Kind::kOther;      // of `rest`
};
// Calls `use` for each series of a message of ours. False: not such a message.
bool for_each_series(std::string_view message,
                     const std::function<void(const EncodedSeries&)>& use);

struct WriteLimits {
  std::size_t max_bytes = 32U << 20;   // of the message, before anything of its size is allocated
  std::size_t max_fields = 4'000'000;  // a sample with its series has about fifteen
  std::size_t max_labels = 256;        // of a series
};

// Appends what a request carries to `out`. Errors: kInvalid (not a request), kExhausted (a limit).
// `out` is then as it was.
Result<> decode_write_request(std::string_view body, const WriteLimits& limits,
                              model::Interner& interner, model::SampleBatch& out);
// The same for protocol 2.0. max_bytes holds for the message, and again for all labels and help
// texts written out. Each family's metadata comes once.
Result<> decode_write_request_2(std::string_view body, const WriteLimits& limits,
                                model::Interner& interner, model::SampleBatch& out);

// The family that a series belongs to by its name, when that family has this type:
// "requests_bucket" of a histogram -> "requests".
std::string_view family_of(std::string_view name, model::MetricType type);

}  // namespace agent::wire
