// Grammar of the protobuf form (wire types of protobuf's own specification; every length a varint):
//   push   = { 0x0A len stream }
//   stream = 0x0A len labels { 0x12 len entry } [ 0x18 varint ]
//   entry  = 0x0A len time 0x12 len line { 0x1A len pair }
//   time   = [ 0x08 varint seconds ] [ 0x10 varint nanos ]
//   pair   = 0x0A len name 0x12 len value
#include "agent/wire/loki_push.h"

#include <google/protobuf/arena.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <snappy.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "agent/base/strings.h"
#include "agent/base/varint.h"
#include "loki_push.pb.h"

namespace agent::wire {
namespace {

using model::Entry;
using model::EntryBatch;
using model::Label;
using model::Labels;
using model::LabelSet;
using model::MetadataPair;

constexpr std::int64_t kSecond = 1'000'000'000;

std::size_t field_size(std::size_t length) { return 1 + varint_size(length) + length; }

char* put_head(char* at, char tag, std::size_t length) {
  *at++ = tag;
  return put_varint(at, length);
}

char* put_field(char* at, char tag, std::string_view bytes) {
  at = put_head(at, tag, bytes.size());
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}

// Seconds rounded down, so that nanos is never negative.
struct Timestamp {
  std::uint64_t seconds;
  std::uint64_t nanos;
  explicit Timestamp(std::int64_t ns) {
    std::int64_t s = ns / kSecond;
    std::int64_t rest = ns % kSecond;
    if (rest < 0) {
      rest += kSecond;
      --s;
    }
    seconds = static_cast<std::uint64_t>(s);
    nanos = static_cast<std::uint64_t>(rest);
  }
  // Without an absent zero, which proto3 allows to be there.
  std::size_t size() const { return 2 + varint_size(seconds) + varint_size(nanos); }
};

std::size_t pair_size(const MetadataPair& pair) {
  return field_size(pair.name.size()) + field_size(pair.value.size());
}

std::size_t entry_size(const Entry& entry) {
  std::size_t size = 2 + Timestamp(entry.time_ns).size() + field_size(entry.line.size());
  for (const MetadataPair& pair : entry.metadata) size += field_size(pair_size(pair));
  return size;
}

char* put_entry(char* at, const Entry& entry) {
  const Timestamp time(entry.time_ns);
  at = put_head(at, 0x0A, time.size());
  *at++ = 0x08;
  at = put_varint(at, time.seconds);
  *at++ = 0x10;
  at = put_varint(at, time.nanos);
  at = put_field(at, 0x12, entry.line);
  for (const MetadataPair& pair : entry.metadata) {
    at = put_head(at, 0x1A, pair_size(pair));
    at = put_field(at, 0x0A, pair.name);
    at = put_field(at, 0x12, pair.value);
  }
  return at;
}

// Nanoseconds of a Timestamp message; none when they do not fit.
std::optional<std::int64_t> nanoseconds(std::int64_t seconds, std::int32_t nanos) {
  constexpr std::int64_t kLimit = std::numeric_limits<std::int64_t>::max() / kSecond - 1;
  if (seconds > kLimit || seconds < -kLimit || nanos < 0 || nanos >= kSecond) return std::nullopt;
  return seconds * kSecond + nanos;
}

tl::unexpected<Error> too_many(std::string_view what, std::size_t limit) {
  return fail(ErrorCode::kExhausted,
              "more than " + std::to_string(limit) + " " + std::string(what) + " in one push");
}

// Counts the entries of a message before an object is made for each: two bytes on the wire would
// become more than a hundred in memory.
class EntryCounter {
 public:
  explicit EntryCounter(std::string_view message)
      : in_(reinterpret_cast<const std::uint8_t*>(message.data()),
            static_cast<int>(message.size())) {}

  // False: not protobuf.
  bool count(std::size_t& parts) { return fields(0, parts); }

 private:
  using Format = google::protobuf::internal::WireFormatLite;
  // The messages inside messages: push > stream > entry > pair.
  bool fields(int depth, std::size_t& parts) {
    for (;;) {
      const std::uint32_t tag = in_.ReadTag();
      if (tag == 0) return in_.ConsumedEntireMessage() || in_.BytesUntilLimit() == 0;
      const int number = Format::GetTagFieldNumber(tag);
      const bool message = Format::GetTagWireType(tag) == Format::WIRETYPE_LENGTH_DELIMITED &&
                           ((depth == 0 && number == 1) || (depth == 1 && number == 2) ||
                            (depth == 2 && number == 3));
      if (!message) {
        if (Format::GetTagWireType(tag) == Format::WIRETYPE_START_GROUP) return false;
        if (!Format::SkipField(&in_, tag)) return false;
        continue;
      }
      ++parts;
      int length = 0;
      if (!in_.ReadVarintSizeAsInt(&length)) return false;
      if (in_.BytesUntilLimit() >= 0 && length > in_.BytesUntilLimit()) return false;
      if (depth == 2) {
        if (!in_.Skip(length)) return false;
        continue;
      }
      const auto limit = in_.PushLimit(length);
      if (!fields(depth + 1, parts)) return false;
      in_.PopLimit(limit);
    }
  }
  google::protobuf::io::CodedInputStream in_;
};

// Puts back what a failed decoder appended.
class Undo {
 public:
  explicit Undo(EntryBatch& batch) : batch_(batch), size_(batch.entries.size()) {}
  ~Undo() {
    if (!done_) batch_.entries.resize(size_);
  }
  void keep() { done_ = true; }

 private:
  EntryBatch& batch_;
  std::size_t size_;
  bool done_ = false;
};

}  // namespace

void LokiPushEncoder::clear() {
  size_ = 0;
  repaired_.clear();
  repaired_bytes_ = model::Arena();
}

const Entry* LokiPushEncoder::valid(const Entry& entry) {
  const bool good =
      is_valid_utf8(entry.line) &&
      std::all_of(entry.metadata.begin(), entry.metadata.end(), [](const MetadataPair& pair) {
        return is_valid_utf8(pair.name) && is_valid_utf8(pair.value);
      });
  if (good) return &entry;
  Entry copy = entry;
  copy.line = repaired_bytes_.store(to_valid_utf8(entry.line));
  std::vector<MetadataPair> pairs;
  for (const MetadataPair& pair : entry.metadata) {
    pairs.push_back({repaired_bytes_.store(to_valid_utf8(pair.name)),
                     repaired_bytes_.store(to_valid_utf8(pair.value))});
  }
  copy.metadata = repaired_bytes_.store(std::span<const MetadataPair>(pairs));
  return &repaired_.emplace_back(std::move(copy));
}

void LokiPushEncoder::add_stream(std::string_view labels, std::span<const Entry* const> entries) {
  std::string repaired_labels;
  if (!is_valid_utf8(labels)) {
    repaired_labels = to_valid_utf8(labels);
    labels = repaired_labels;
  }
  plan_.clear();
  std::size_t size = field_size(labels.size());
  for (const Entry* entry : entries) {
    const Entry* good = valid(*entry);
    const std::size_t bytes = entry_size(*good);
    plan_.push_back({good, bytes});
    size += field_size(bytes);
  }
  const std::size_t needed = size_ + field_size(size);
  if (needed > message_.size()) message_.resize(std::max(needed, message_.size() * 2));
  char* at = put_head(message_.data() + size_, 0x0A, size);
  at = put_field(at, 0x0A, labels);
  for (const Planned& planned : plan_) {
    at = put_head(at, 0x12, planned.size);
    at = put_entry(at, *planned.entry);
  }
  size_ = static_cast<std::size_t>(at - message_.data());
}

std::string_view LokiPushEncoder::body() {
  const std::size_t room = snappy::MaxCompressedLength(size_);
  if (room > body_.size()) body_.resize(room);
  std::size_t length = 0;
  snappy::RawCompress(message_.data(), size_, body_.data(), &length);
  return {body_.data(), length};
}

void append_json_push_stream(std::string& out, const LabelSet& labels,
                             std::span<const Entry* const> entries) {
  const auto text = [&](std::string_view bytes) {
    if (is_valid_utf8(bytes)) {
      append_json_string(out, bytes);
    } else {
      append_json_string(out, to_valid_utf8(bytes));
    }
  };
  if (!out.empty()) out += ',';
  out += R"({"stream":{)";
  for (const Label& label : labels.labels()) {
    if (out.back() != '{') out += ',';
    text(label.name);
    out += ':';
    text(label.value);
  }
  out += R"(},"values":[)";
  for (const Entry* entry : entries) {
    if (out.back() != '[') out += ',';
    out += R"([")" + std::to_string(entry->time_ns) + R"(",)";
    text(entry->line);
    if (!entry->metadata.empty()) {
      out += ",{";
      for (const MetadataPair& pair : entry->metadata) {
        if (out.back() != '{') out += ',';
        text(pair.name);
        out += ':';
        text(pair.value);
      }
      out += '}';
    }
    out += ']';
  }
  out += "]}";
}

std::string json_push(std::string_view streams) {
  return R"({"streams":[)" + std::string(streams) + "]}";
}

Result<> decode_push(std::string_view body, const PushLimits& limits, model::Interner& interner,
                     EntryBatch& out) {
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(body.data(), body.size(), &size))
    return fail(ErrorCode::kInvalid, "the push is not a snappy block");
  if (size > limits.max_bytes || size > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    return fail(ErrorCode::kExhausted, "the push has " + std::to_string(size) +
                                           " bytes when decompressed; at most " +
                                           std::to_string(limits.max_bytes) + " are taken");
  }
  std::string message(size, '\0');
  if (!snappy::RawUncompress(body.data(), body.size(), message.data()))
    return fail(ErrorCode::kInvalid, "the push is not a snappy block");
  std::size_t parts = 0;
  if (!EntryCounter(message).count(parts))
    return fail(ErrorCode::kInvalid, "the push is not a PushRequest message");
  if (parts > limits.max_entries) return too_many("entries", limits.max_entries);

  const auto memory = std::make_shared<google::protobuf::Arena>();
  auto* request = google::protobuf::Arena::CreateMessage<proto::PushRequest>(memory.get());
  if (!request->ParseFromArray(message.data(), static_cast<int>(message.size())))
    return fail(ErrorCode::kInvalid, "the push is not a PushRequest message");
  Undo undo(out);
  std::vector<MetadataPair> pairs;
  for (const proto::Stream& stream : request->streams()) {
    auto labels = parse_labels_text(stream.labels(), limits.max_labels);
    if (!labels) return fail(std::move(labels.error()));
    const LabelSet set = interner.intern(std::move(*labels));
    for (const proto::Entry& from : stream.entries()) {
      const auto time = nanoseconds(from.timestamp().seconds(), from.timestamp().nanos());
      if (!time) return fail(ErrorCode::kInvalid, "an entry's timestamp is out of range");
      if (static_cast<std::size_t>(from.structured_metadata_size()) > limits.max_labels)
        return too_many("metadata pairs", limits.max_labels);
      Entry entry;
      entry.labels = set;
      entry.time_ns = *time;
      entry.line = from.line();
      pairs.clear();
      for (const proto::LabelPair& pair : from.structured_metadata())
        pairs.push_back({pair.name(), pair.value()});
      entry.metadata = out.arena.store(std::span<const MetadataPair>(pairs));
      out.entries.push_back(std::move(entry));
    }
  }
  out.arena.adopt(memory, size);
  undo.keep();
  return {};
}

namespace {

// Reads the JSON form as a stream of events, so that a hostile body costs no more memory than what
// it says in entries.
class JsonPush : public nlohmann::json_sax<nlohmann::json> {
 public:
  JsonPush(const PushLimits& limits, model::Interner& interner, EntryBatch& out)
      : limits_(limits), interner_(interner), out_(out) {}

  std::optional<Error> error;

  bool null() override { return scalar(nullptr); }
  bool boolean(bool) override { return scalar(nullptr); }
  bool number_integer(number_integer_t value) override { return number(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override { return number(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { return number(text); }
  bool string(string_t& text) override { return scalar(&text); }
  bool binary(binary_t&) override { return wrong("a binary value"); }

  bool key(string_t& text) override {
    key_ = text;
    return true;
  }

  bool start_object(std::size_t) override {
    if (skipped_ > 0) return skip();
    switch (at_) {
      case At::kNothing:
        at_ = At::kRequest;
        return true;
      case At::kStreams:
        at_ = At::kStream;
        labels_.clear();
        first_ = out_.entries.size();
        return true;
      case At::kStream:
        if (key_ != "stream") return skip();
        at_ = At::kLabels;
        return true;
      case At::kValue:
        if (position_ != 2) return wrong("an object where a string should be");
        at_ = At::kMetadata;
        pairs_.clear();
        return true;
      case At::kRequest:
        return skip();
      default:
        return wrong("an object where a string should be");
    }
  }

  bool end_object() override {
    if (skipped_ > 0) return unskip();
    switch (at_) {
      case At::kStream: {
        const LabelSet set = interner_.intern(std::move(labels_));
        labels_.clear();
        for (std::size_t i = first_; i < out_.entries.size(); ++i) out_.entries[i].labels = set;
        at_ = At::kStreams;
        return true;
      }
      case At::kLabels:
        at_ = At::kStream;
        return true;
      case At::kMetadata: {
        std::vector<MetadataPair> views;
        for (const auto& [name, value] : pairs_) views.push_back({name, value});
        out_.entries.back().metadata = out_.arena.store(std::span<const MetadataPair>(views));
        at_ = At::kValue;
        ++position_;
        return true;
      }
      default:
        at_ = At::kEnd;
        return true;
    }
  }

  bool start_array(std::size_t) override {
    if (skipped_ > 0) return skip();
    if (at_ == At::kRequest && key_ == "streams") {
      at_ = At::kStreams;
    } else if (at_ == At::kStream && key_ == "values") {
      at_ = At::kValues;
    } else if (at_ == At::kValues) {
      if (out_.entries.size() - begin_ >= limits_.max_entries) {
        error = too_many("entries", limits_.max_entries).value();
        return false;
      }
      out_.entries.emplace_back();
      at_ = At::kValue;
      position_ = 0;
    } else if (at_ == At::kRequest || at_ == At::kStream) {
      return skip();
    } else {
      return wrong("a list where none should be");
    }
    return true;
  }

  bool end_array() override {
    if (skipped_ > 0) return unskip();
    switch (at_) {
      case At::kStreams:
        at_ = At::kRequest;
        return true;
      case At::kValues:
        at_ = At::kStream;
        return true;
      default:
        at_ = At::kValues;
        return position_ >= 2 || wrong("a value without timestamp and line");
    }
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    return wrong("JSON that breaks off at byte " + std::to_string(position));
  }

 private:
  enum class At {
    kNothing,
    kRequest,
    kStreams,
    kStream,
    kLabels,
    kValues,
    kValue,
    kMetadata,
    kEnd
  };

  bool wrong(const std::string& what) {
    if (!error) error = Error{ErrorCode::kInvalid, "the push holds " + what};
    return false;
  }
  // Passes over a value that we do not know.
  bool skip() {
    if (++skipped_ > 64) return wrong("values nested deeper than 64");
    return true;
  }
  bool unskip() {
    --skipped_;
    return true;
  }
  bool number(const std::string& text) {
    if (skipped_ > 0 || at_ != At::kValue || position_ != 0) return scalar(nullptr);
    return scalar(&text);
  }
  // `text`: null for what is no string.
  bool scalar(const std::string* text) {
    if (skipped_ > 0 || at_ == At::kRequest || at_ == At::kStream) return true;
    if (text == nullptr) return wrong("something else where a string should be");
    switch (at_) {
      case At::kLabels:
        if (labels_.size() >= limits_.max_labels) return many_labels();
        if (!model::is_valid_label_name(key_)) return wrong("the label name " + json_string(key_));
        labels_.push_back({key_, *text});
        return true;
      case At::kMetadata:
        if (pairs_.size() >= limits_.max_labels) return many_labels();
        pairs_.emplace_back(key_, *text);
        return true;
      case At::kValue:
        break;
      default:
        return wrong("a string where none should be");
    }
    Entry& entry = out_.entries.back();
    if (position_ == 0) {
      const char* end = text->data() + text->size();
      const auto parsed = std::from_chars(text->data(), end, entry.time_ns);
      if (parsed.ec != std::errc() || parsed.ptr != end)
        return wrong("the timestamp " + json_string(text->substr(0, 64)));
    } else if (position_ == 1) {
      entry.line = out_.arena.store(*text);
    } else {
      return wrong("a value of more than timestamp, line and metadata");
    }
    ++position_;
    return true;
  }
  bool many_labels() {
    error = too_many("labels of a stream", limits_.max_labels).value();
    return false;
  }

  const PushLimits& limits_;
  model::Interner& interner_;
  EntryBatch& out_;
  const std::size_t begin_ = out_.entries.size();
  At at_ = At::kNothing;
  int skipped_ = 0;
  std::string key_;
  Labels labels_;
  std::vector<std::pair<std::string, std::string>> pairs_;
  std::size_t first_ = 0;     // entry of this stream
  std::size_t position_ = 0;  // inside a value
};

// A Go string literal's content at `at` (behind the opening quote); moves `at` behind the closing
// one.
std::optional<std::string> go_string(std::string_view text, std::size_t& at, char quote) {
  std::string out;
  const auto digits = [&](std::size_t count, int base) -> std::optional<std::uint32_t> {
    std::uint32_t value = 0;
    if (at + count > text.size()) return std::nullopt;
    const char* first = text.data() + at;
    const auto parsed = std::from_chars(first, first + count, value, base);
    if (parsed.ec != std::errc() || parsed.ptr != first + count) return std::nullopt;
    at += count;
    return value;
  };
  while (at < text.size()) {
    const char c = text[at++];
    if (c == quote) return out;
    if (c != '\\' || quote == '`') {
      if (c == '\n' && quote == '"') return std::nullopt;
      out += c;
      continue;
    }
    if (at >= text.size()) return std::nullopt;
    constexpr std::string_view kNames = "abfnrtv\\\"";
    constexpr std::string_view kBytes = "\a\b\f\n\r\t\v\\\"";
    const char name = text[at++];
    const std::size_t simple = kNames.find(name);
    std::optional<std::uint32_t> code;
    bool rune = false;
    if (simple != std::string_view::npos) {
      out += kBytes[simple];
      continue;
    }
    if (name == 'x') {
      code = digits(2, 16);
    } else if (name == 'u' || name == 'U') {
      code = digits(name == 'u' ? 4 : 8, 16);
      rune = true;
    } else if (name >= '0' && name <= '3') {
      --at;
      code = digits(3, 8);
    }
    if (!code) return std::nullopt;
    if (!rune) {
      out += static_cast<char>(*code);
      continue;
    }
    if (*code > 0x10FFFF || (*code >= 0xD800 && *code <= 0xDFFF)) return std::nullopt;
    const auto byte = [&](std::uint32_t value) { out += static_cast<char>(value); };
    if (*code < 0x80) {
      byte(*code);
    } else if (*code < 0x800) {
      byte(0xC0 | (*code >> 6));
      byte(0x80 | (*code & 0x3F));
    } else if (*code < 0x10000) {
      byte(0xE0 | (*code >> 12));
      byte(0x80 | ((*code >> 6) & 0x3F));
      byte(0x80 | (*code & 0x3F));
    } else {
      byte(0xF0 | (*code >> 18));
      byte(0x80 | ((*code >> 12) & 0x3F));
      byte(0x80 | ((*code >> 6) & 0x3F));
      byte(0x80 | (*code & 0x3F));
    }
  }
  return std::nullopt;
}

}  // namespace

Result<> decode_json_push(std::string_view body, const PushLimits& limits,
                          model::Interner& interner, EntryBatch& out) {
  if (body.size() > limits.max_bytes) {
    return fail(ErrorCode::kExhausted, "the push has " + std::to_string(body.size()) +
                                           " bytes; at most " + std::to_string(limits.max_bytes) +
                                           " are taken");
  }
  Undo undo(out);
  JsonPush sax(limits, interner, out);
  if (!nlohmann::json::sax_parse(body.begin(), body.end(), &sax) || sax.error) {
    if (!sax.error) sax.error = Error{ErrorCode::kInvalid, "the push is not JSON"};
    return fail(std::move(*sax.error));
  }
  undo.keep();
  return {};
}

Result<Labels> parse_labels_text(std::string_view text, std::size_t max_labels) {
  const auto wrong = [&](std::string_view why) {
    return fail(
        ErrorCode::kInvalid,
        "the labels " + json_string(to_valid_utf8(text.substr(0, 200))) + ": " + std::string(why));
  };
  Labels labels;
  std::size_t at = 0;
  const auto space = [&] {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n')) ++at;
  };
  const auto take = [&](char c) {
    space();
    if (at >= text.size() || text[at] != c) return false;
    ++at;
    return true;
  };
  if (!take('{')) return wrong("expected {");
  while (!take('}')) {
    if (!labels.empty()) {
      if (!take(',')) return wrong("expected , or }");
      if (take('}')) break;
    }
    if (labels.size() >= max_labels) return too_many("labels of a stream", max_labels);
    space();
    const std::size_t start = at;
    while (at < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[at])) != 0 || text[at] == '_'))
      ++at;
    Label label;
    label.name = text.substr(start, at - start);
    if (!model::is_valid_label_name(label.name)) return wrong("expected a label name");
    if (!take('=')) return wrong("expected =");
    space();
    const char quote = at < text.size() ? text[at] : '\0';
    if (quote != '"' && quote != '`') return wrong("expected a quoted value");
    ++at;
    auto value = go_string(text, at, quote);
    if (!value) return wrong("a value that is not a Go string");
    label.value = std::move(*value);
    labels.push_back(std::move(label));
  }
  space();
  if (at != text.size()) return wrong("text behind }");
  std::stable_sort(labels.begin(), labels.end(),
                   [](const Label& a, const Label& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < labels.size(); ++i) {
    if (labels[i].name == labels[i - 1].name) return wrong("a label twice");
  }
  labels.erase(
      std::remove_if(labels.begin(), labels.end(), [](const Label& l) { return l.value.empty(); }),
      labels.end());
  return labels;
}

}  // namespace agent::wire
