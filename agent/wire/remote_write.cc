// WriteRequest := { 0A series | 1A metadata }
// series       := length { 0A label } [ 12 sample ] [ 1A exemplar ] [ 22 histogram ]
// label        := length 0A name 12 value             sample := length 09 double 10 milliseconds
//                                                               [ 18 start, of 2.0 ]
// exemplar     := length { 0A label } 11 double 18 milliseconds
// metadata     := length 08 type 12 family 22 help 2A unit
// Protocol 2.0 is read with the messages of remote_write.proto.
#include "agent/wire/remote_write.h"

#include <snappy.h>

#include <cstring>
#include <limits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/base/strings.h"
#include "agent/base/varint.h"
#include "agent/wire/exposition_protobuf.h"
#include "remote_write.pb.h"

namespace agent::wire {
namespace {

std::size_t field_size(std::size_t size) { return 1 + varint_size(size) + size; }
void put_field(std::string& out, char tag, std::string_view bytes) {
  out += tag;
  put_varint(out, bytes.size());
  out += bytes;
}
void put_double(std::string& out, char tag, double value) {
  out += tag;
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);  // little-endian, as every machine that we run on
  out.append(bytes, sizeof value);
}

std::size_t label_size(const model::Label& label) {
  return field_size(label.name.size()) + field_size(label.value.size());
}
std::size_t labels_size(const model::Labels& labels) {
  std::size_t size = 0;
  for (const model::Label& label : labels) size += field_size(label_size(label));
  return size;
}
void put_labels(std::string& out, const model::Labels& labels) {
  for (const model::Label& label : labels) {
    out += '\x0A';
    put_varint(out, label_size(label));
    put_field(out, '\x0A', label.name);
    put_field(out, '\x12', label.value);
  }
}

// `labels`, or `repaired` when bytes of theirs are not UTF-8.
const model::Labels& valid(const model::Labels& labels, model::Labels& repaired) {
  for (const model::Label& label : labels) {
    if (is_valid_utf8(label.value) && is_valid_utf8(label.name)) continue;
    model::LabelBuilder builder;
    for (const model::Label& one : labels)
      builder.set(to_valid_utf8(one.name), to_valid_utf8(one.value));
    repaired = std::move(builder).take();
    return repaired;
  }
  return labels;
}

// A series with one field behind its labels, whose size is `rest`.
void put_series(std::string& out, const model::Labels& labels, std::size_t rest) {
  out += '\x0A';
  put_varint(out, labels_size(labels) + rest);
  put_labels(out, labels);
}

// Counts the fields of a message and, `depth` levels down, of the messages in it, before an object
// is made for each: two bytes on the wire would become a hundred in memory. Bytes that are no
// message are the parser's to refuse.
std::size_t count_fields(std::string_view message, int depth) {
  std::size_t count = 0;
  while (!message.empty()) {
    std::uint64_t tag = 0;
    std::uint64_t size = 0;
    if (!take_varint(message, tag)) break;
    ++count;
    switch (tag & 7U) {
      case 0:
        if (!take_varint(message, size)) return count;
        continue;
      case 1:
        size = 8;
        break;
      case 5:
        size = 4;
        break;
      case 2:
        if (!take_varint(message, size)) return count;
        if (depth > 0 && size <= message.size())
          count += count_fields(message.substr(0, size), depth - 1);
        break;
      default:
        return count;
    }
    if (size > message.size()) return count;
    message.remove_prefix(size);
  }
  return count;
}

Result<model::Labels> labels_of(const google::protobuf::RepeatedPtrField<proto::WriteLabel>& pairs,
                                std::size_t limit) {
  if (static_cast<std::size_t>(pairs.size()) > limit)
    return fail(ErrorCode::kExhausted,
                "a series has more than " + std::to_string(limit) + " labels");
  model::LabelBuilder labels;
  for (const proto::WriteLabel& pair : pairs) {
    if (pair.name().empty()) return fail(ErrorCode::kInvalid, "a label has no name");
    if (!is_valid_utf8(pair.name()) || !is_valid_utf8(pair.value()))
      return fail(ErrorCode::kInvalid, "a label holds bytes that are not UTF-8");
    if (!labels.get(pair.name()).empty())
      return fail(ErrorCode::kInvalid, "a series has the label " + pair.name() + " twice");
    labels.set(pair.name(), pair.value());
  }
  return std::move(labels).take();
}

}  // namespace

void RemoteWriteEncoder::add(const model::Sample& sample) {
  model::Labels repaired;
  const model::Labels& labels = valid(sample.series.labels(), repaired);
  const auto time = static_cast<std::uint64_t>(sample.time_ms);
  const auto start = static_cast<std::uint64_t>(start_times_ ? sample.start_ms : 0);
  const std::size_t size = 9 + 1 + varint_size(time) + (start == 0 ? 0 : 1 + varint_size(start));
  put_series(message_, labels, field_size(size));
  message_ += '\x12';
  put_varint(message_, size);
  put_double(message_, '\x09', sample.value);
  message_ += '\x10';
  put_varint(message_, time);
  if (start == 0) return;
  message_ += '\x18';
  put_varint(message_, start);
  only_2_ = true;
}

void RemoteWriteEncoder::add(const model::Exemplar& exemplar) {
  model::Labels repaired;
  model::Labels repaired_own;
  const model::Labels& labels = valid(exemplar.series.labels(), repaired);
  const model::Labels& own = valid(exemplar.labels, repaired_own);
  const auto time = static_cast<std::uint64_t>(exemplar.time_ms);
  const std::size_t size = labels_size(own) + 9 + 1 + varint_size(time);
  put_series(message_, labels, field_size(size));
  message_ += '\x1A';
  put_varint(message_, size);
  put_labels(message_, own);
  put_double(message_, '\x11', exemplar.value);
  message_ += '\x18';
  put_varint(message_, time);
}

void RemoteWriteEncoder::add(const model::NativeHistogram& histogram) {
  model::Labels repaired;
  const model::Labels& labels = valid(histogram.series.labels(), repaired);
  put_series(message_, labels, field_size(histogram.encoded->size()));
  put_field(message_, '\x22', *histogram.encoded);
  only_2_ = only_2_ || histogram.custom_buckets || histogram.has_start;
}

void RemoteWriteEncoder::add(const model::Metadata& metadata) {
  const auto type = static_cast<std::uint64_t>(metadata.type);
  const std::string help = to_valid_utf8(metadata.help);
  const std::string family = to_valid_utf8(metadata.family);
  const std::string unit = to_valid_utf8(metadata.unit);
  message_ += '\x1A';
  put_varint(message_,
             2 + field_size(family.size()) + field_size(help.size()) + field_size(unit.size()));
  message_ += '\x08';
  put_varint(message_, type);
  put_field(message_, '\x12', family);
  put_field(message_, '\x22', help);
  put_field(message_, '\x2A', unit);
}

std::string compress_message(std::string_view message) {
  std::string out;
  snappy::Compress(message.data(), message.size(), &out);
  return out;
}

Result<std::string> decompress_message(std::string_view body, std::size_t max_bytes) {
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(body.data(), body.size(), &size))
    return fail(ErrorCode::kInvalid, "the body is not a snappy block");
  if (size > max_bytes)
    return fail(ErrorCode::kExhausted,
                "the message has more than " + std::to_string(max_bytes) + " bytes");
  std::string out;
  if (!snappy::Uncompress(body.data(), body.size(), &out))
    return fail(ErrorCode::kInvalid, "the body is not a snappy block");
  return out;
}

std::size_t message_size(std::string_view body) {
  std::size_t size = 0;
  return snappy::GetUncompressedLength(body.data(), body.size(), &size) ? size : 0;
}

// A snappy block is the size of what it holds, as a varint, and elements that reach back to bytes
// before them, never to a place counted from the start (google/snappy, format_description.txt).
std::string join_bodies(const std::vector<std::string_view>& bodies) {
  std::size_t bytes = 0;
  std::uint64_t size = 0;
  for (const std::string_view body : bodies) {
    bytes += body.size();
    size += message_size(body);
  }
  std::string out;
  out.reserve(bytes + 5);
  put_varint(out, size);
  for (std::string_view body : bodies)
    if (take_varint(body, size)) out += body;
  return out;
}

bool is_body(std::string_view body) {
  return snappy::IsValidCompressedBuffer(body.data(), body.size());
}

bool for_each_series(std::string_view message,
                     const std::function<void(const EncodedSeries&)>& use) {
  using Kind = EncodedSeries::Kind;
  while (!message.empty()) {
    const std::string_view start = message;
    if (message.front() != '\x0A') return false;
    message.remove_prefix(1);
    std::uint64_t size = 0;
    if (!take_varint(message, size) || size > message.size()) return false;
    std::string_view inside = message.substr(0, size);
    message.remove_prefix(size);
    EncodedSeries series;
    series.bytes = start.substr(0, start.size() - message.size());
    // The labels are the first fields.
    const std::string_view labels = inside;
    while (!inside.empty() && inside.front() == '\x0A') {
      inside.remove_prefix(1);
      std::uint64_t label = 0;
      if (!take_varint(inside, label) || label > inside.size()) return false;
      inside.remove_prefix(label);
    }
    series.label_bytes = labels.substr(0, labels.size() - inside.size());
    series.rest = inside;
    series.labels = std::hash<std::string_view>()(series.label_bytes);
    if (!inside.empty()) {
      const char tag = inside.front();
      series.kind = tag == '\x12'   ? Kind::kSample
                    : tag == '\x1A' ? Kind::kExemplar
                    : tag == '\x22' ? Kind::kHistogram
                                    : Kind::kOther;
    }
    use(series);
  }
  return true;
}

namespace {

// The message of a body, of a type of protoc's.
template <class Message>
Result<Message*> parse(std::string_view body, const WriteLimits& limits, int depth,
                       google::protobuf::Arena& arena) {
  auto message = decompress_message(body, limits.max_bytes);
  if (!message) return fail(std::move(message.error()));
  if (count_fields(*message, depth) > limits.max_fields)
    return fail(ErrorCode::kExhausted,
                "the message has more than " + std::to_string(limits.max_fields) + " fields");
  auto* request = google::protobuf::Arena::CreateMessage<Message>(&arena);
  if (message->size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !request->ParseFromArray(message->data(), static_cast<int>(message->size())))
    return fail(ErrorCode::kInvalid, "the body is not a remote write request");
  return request;
}

Result<> add_histogram(const std::string& encoded, const model::LabelSet& set,
                       model::SampleBatch& out) {
  proto::HistogramTime time;
  if (!time.ParseFromString(encoded))
    return fail(ErrorCode::kInvalid, "a native histogram is not a message");
  out.histograms.push_back({set, time.timestamp(), std::make_shared<const std::string>(encoded),
                            time.schema() == kCustomBuckets, time.start_timestamp() != 0});
  return {};
}

bool is_type(std::int32_t type) {
  return type >= 0 && type <= static_cast<int>(model::MetricType::kStateSet);
}

void append_all(model::SampleBatch from, model::SampleBatch& to) {
  const auto append = [](auto& all, auto& more) {
    all.insert(all.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
  };
  append(to.samples, from.samples);
  append(to.exemplars, from.exemplars);
  append(to.histograms, from.histograms);
  append(to.metadata, from.metadata);
}

// The texts of a message of protocol 2.0. References cost a byte and mean a text of any length, so
// what they are written out to is bounded by itself.
class Symbols {
 public:
  using Texts = google::protobuf::RepeatedPtrField<std::string>;
  using Numbers = google::protobuf::RepeatedField<std::uint32_t>;
  Symbols(const Texts& texts, std::size_t max_bytes) : texts_(texts), left_(max_bytes) {}

  Result<> check() const {
    if (texts_.empty() || !texts_.Get(0).empty())
      return fail(ErrorCode::kInvalid, "the first symbol is not empty");
    for (const std::string& text : texts_)
      if (!is_valid_utf8(text))
        return fail(ErrorCode::kInvalid, "a symbol holds bytes that are not UTF-8");
    return {};
  }
  Result<std::string_view> text(std::uint32_t number) {
    if (number >= static_cast<std::uint32_t>(texts_.size()))
      return fail(ErrorCode::kInvalid, "a reference to a symbol that is not there");
    const std::string& text = texts_.Get(static_cast<int>(number));
    if (text.size() > left_)
      return fail(ErrorCode::kExhausted, "the message has too much text once it is written out");
    left_ -= text.size();
    return std::string_view(text);
  }
  Result<model::Labels> labels(const Numbers& numbers, std::size_t limit) {
    if (numbers.size() % 2 != 0)
      return fail(ErrorCode::kInvalid, "a label has a name and no value");
    if (static_cast<std::size_t>(numbers.size()) / 2 > limit)
      return fail(ErrorCode::kExhausted,
                  "a series has more than " + std::to_string(limit) + " labels");
    model::LabelBuilder labels;
    for (int i = 0; i < numbers.size(); i += 2) {
      const auto name = text(numbers.Get(i));
      if (!name) return fail(name.error());
      const auto value = text(numbers.Get(i + 1));
      if (!value) return fail(value.error());
      if (name->empty()) return fail(ErrorCode::kInvalid, "a label has no name");
      if (!labels.get(*name).empty())
        return fail(ErrorCode::kInvalid, "a series has the label " + std::string(*name) + " twice");
      labels.set(std::string(*name), std::string(*value));
    }
    return std::move(labels).take();
  }

 private:
  const Texts& texts_;
  std::size_t left_;
};

}  // namespace

Result<> decode_write_request(std::string_view body, const WriteLimits& limits,
                              model::Interner& interner, model::SampleBatch& out) {
  google::protobuf::Arena arena;
  auto request = parse<proto::WriteRequest>(body, limits, 2, arena);
  if (!request) return fail(std::move(request.error()));
  model::SampleBatch found;
  for (const proto::WriteSeries& series : (*request)->series()) {
    auto labels = labels_of(series.labels(), limits.max_labels);
    if (!labels) return fail(std::move(labels.error()));
    if (labels->empty()) return fail(ErrorCode::kInvalid, "a series has no labels");
    const model::LabelSet set = interner.intern(std::move(*labels));
    for (const proto::WriteSample& sample : series.samples())
      found.samples.push_back({set, sample.timestamp(), sample.value(), sample.start_timestamp()});
    for (const proto::WriteExemplar& exemplar : series.exemplars()) {
      auto own = labels_of(exemplar.labels(), limits.max_labels);
      if (!own) return fail(std::move(own.error()));
      found.exemplars.push_back({set, std::move(*own), exemplar.value(), exemplar.timestamp()});
    }
    for (const std::string& histogram : series.histograms())
      if (auto r = add_histogram(histogram, set, found); !r) return r;
  }
  for (const proto::WriteMetadata& one : (*request)->metadata()) {
    if (!is_type(one.type())) continue;
    found.metadata.push_back({to_valid_utf8(one.family()),
                              static_cast<model::MetricType>(one.type()), to_valid_utf8(one.help()),
                              to_valid_utf8(one.unit())});
  }
  append_all(std::move(found), out);
  return {};
}

Result<> decode_write_request_2(std::string_view body, const WriteLimits& limits,
                                model::Interner& interner, model::SampleBatch& out) {
  google::protobuf::Arena arena;
  auto request = parse<proto::WriteRequest2>(body, limits, 2, arena);
  if (!request) return fail(std::move(request.error()));
  Symbols symbols((*request)->symbols(), limits.max_bytes);
  if ((*request)->series().empty()) return {};
  if (auto r = symbols.check(); !r) return r;
  model::SampleBatch found;
  std::unordered_set<std::string> families;
  for (const proto::WriteSeries2& series : (*request)->series()) {
    auto labels = symbols.labels(series.labels(), limits.max_labels);
    if (!labels) return fail(std::move(labels.error()));
    if (labels->empty()) return fail(ErrorCode::kInvalid, "a series has no labels");
    const model::LabelSet set = interner.intern(std::move(*labels));
    for (const proto::WriteSample& sample : series.samples())
      found.samples.push_back({set, sample.timestamp(), sample.value(), sample.start_timestamp()});
    for (const proto::WriteExemplar2& exemplar : series.exemplars()) {
      auto own = symbols.labels(exemplar.labels(), limits.max_labels);
      if (!own) return fail(std::move(own.error()));
      found.exemplars.push_back({set, std::move(*own), exemplar.value(), exemplar.timestamp()});
    }
    for (const std::string& histogram : series.histograms())
      if (auto r = add_histogram(histogram, set, found); !r) return r;
    const proto::WriteMetadata2& told = series.metadata();
    if (!is_type(told.type()) || (told.type() == 0 && told.help() == 0 && told.unit() == 0))
      continue;
    const auto type = static_cast<model::MetricType>(told.type());
    std::string family(family_of(set.get(model::kMetricNameLabel), type));
    if (family.empty() || !families.insert(family).second) continue;
    const auto help = symbols.text(told.help());
    if (!help) return fail(help.error());
    const auto unit = symbols.text(told.unit());
    if (!unit) return fail(unit.error());
    found.metadata.push_back({std::move(family), type, std::string(*help), std::string(*unit)});
  }
  append_all(std::move(found), out);
  return {};
}

std::string_view family_of(std::string_view name, model::MetricType type) {
  using Type = model::MetricType;
  struct Suffix {
    std::string_view text;
    Type type;
  };
  // A counter is known by its whole name: "_total" belongs to it.
  constexpr Suffix kSuffixes[] = {
      {"_bucket", Type::kHistogram},      {"_sum", Type::kHistogram},
      {"_count", Type::kHistogram},       {"_created", Type::kHistogram},
      {"_bucket", Type::kGaugeHistogram}, {"_gsum", Type::kGaugeHistogram},
      {"_gcount", Type::kGaugeHistogram}, {"_sum", Type::kSummary},
      {"_count", Type::kSummary},         {"_created", Type::kSummary},
  };
  for (const Suffix& suffix : kSuffixes)
    if (suffix.type == type && name.size() > suffix.text.size() && name.ends_with(suffix.text))
      return name.substr(0, name.size() - suffix.text.size());
  return name;
}

}  // namespace agent::wire
