// Request    := { 22 text } { 2A series }              the first text is ""; others are numbered
// series     := length 0A numbers { 12 sample } { 1A histogram } { 22 exemplar } 2A metadata
// numbers    := length { name value }                  samples and histograms as in 1.0, with their
//                                                      start times
// exemplar   := length 0A numbers 11 double 18 milliseconds
// metadata   := length 08 type 18 help 20 unit
#include "agent/wire/remote_write_2.h"

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "agent/base/varint.h"
#include "agent/wire/exposition_protobuf.h"
#include "agent/wire/remote_write.h"
#include "remote_write.pb.h"

namespace agent::wire {
namespace {

void put_field(std::string& out, char tag, std::string_view bytes) {
  out += tag;
  put_varint(out, bytes.size());
  out += bytes;
}

// Takes a field of this tag and with a length off the front.
bool take_field(std::string_view& in, char tag, std::string_view& bytes) {
  if (in.empty() || in.front() != tag) return false;
  in.remove_prefix(1);
  std::uint64_t size = 0;
  if (!take_varint(in, size) || size > in.size()) return false;
  bytes = in.substr(0, size);
  in.remove_prefix(size);
  return true;
}

int size_of(std::string_view bytes) { return static_cast<int>(bytes.size()); }

class Symbols {
 public:
  Symbols() { number(""); }
  std::uint32_t number(std::string_view text) {
    const auto [it, added] =
        numbers_.try_emplace(text, static_cast<std::uint32_t>(numbers_.size()));
    if (added) put_field(encoded_, '\x22', text);
    return it->second;
  }
  // Takes the labels off the front of `in`: their numbers. `name`: the value of __name__, if it is
  // among them.
  bool labels(std::string_view& in, std::string& numbers, std::string_view* name) {
    std::string_view label;
    while (!in.empty() && in.front() == '\x0A') {
      std::string_view key;
      std::string_view value;
      if (!take_field(in, '\x0A', label) || !take_field(label, '\x0A', key) ||
          !take_field(label, '\x12', value) || !label.empty())
        return false;
      put_varint(numbers, number(key));
      put_varint(numbers, number(value));
      if (name != nullptr && key == model::kMetricNameLabel) *name = value;
    }
    return true;
  }
  std::string take() { return std::move(encoded_); }

 private:
  std::unordered_map<std::string_view, std::uint32_t> numbers_;
  std::string encoded_;
};

struct Series {
  std::string labels;  // numbers
  std::string metadata;
  std::string samples, histograms, exemplars;  // fields, tags included
};

// A message cannot have both samples and histograms.
void put_series(std::string& out, const Series& series, const std::string& values,
                const std::string& exemplars) {
  std::string inside;
  put_field(inside, '\x0A', series.labels);
  inside += values;
  inside += exemplars;
  if (!series.metadata.empty()) put_field(inside, '\x2A', series.metadata);
  put_field(out, '\x2A', inside);
}

}  // namespace

const model::Metadata* metadata_of(std::string_view name, const FindMetadata& find) {
  if (const model::Metadata* exact = find(name)) return exact;
  for (const std::string_view suffix :
       {"_total", "_bucket", "_sum", "_count", "_created", "_info", "_gsum", "_gcount"}) {
    if (name.size() <= suffix.size() || !name.ends_with(suffix)) continue;
    const std::string_view family = name.substr(0, name.size() - suffix.size());
    const model::Metadata* found = find(family);
    if (found == nullptr) return nullptr;
    const bool counter =
        found->type == model::MetricType::kCounter && (suffix == "_total" || suffix == "_created");
    const bool info = found->type == model::MetricType::kInfo && suffix == "_info";
    return counter || info || family_of(name, found->type) == family ? found : nullptr;
  }
  return nullptr;
}

Result<std::string> to_write_request_2(std::string_view message, const FindMetadata& find) {
  Symbols symbols;
  std::vector<Series> all;
  std::unordered_map<std::string_view, std::size_t> by_labels;  // label_bytes -> place in `all`
  bool good = true;
  const auto add = [&](const EncodedSeries& one) {
    const auto [it, added] = by_labels.try_emplace(one.label_bytes, all.size());
    if (added) {
      Series series;
      std::string_view name;
      std::string_view labels = one.label_bytes;
      if (!symbols.labels(labels, series.labels, &name)) return false;
      if (const model::Metadata* known = metadata_of(name, find)) {
        series.metadata += '\x08';
        put_varint(series.metadata, static_cast<std::uint64_t>(known->type));
        series.metadata += '\x18';
        put_varint(series.metadata, symbols.number(known->help));
        series.metadata += '\x20';
        put_varint(series.metadata, symbols.number(known->unit));
      }
      all.push_back(std::move(series));
    }
    Series& series = all[it->second];
    std::string_view rest = one.rest;
    std::string_view bytes;
    switch (one.kind) {
      case EncodedSeries::Kind::kSample:
        series.samples += rest;
        return true;
      case EncodedSeries::Kind::kHistogram:
        if (!take_field(rest, '\x22', bytes) || !rest.empty()) return false;
        put_field(series.histograms, '\x1A', bytes);
        return true;
      case EncodedSeries::Kind::kExemplar: {
        if (!take_field(rest, '\x1A', bytes) || !rest.empty()) return false;
        std::string numbers;
        std::string exemplar;
        if (!symbols.labels(bytes, numbers, nullptr)) return false;
        put_field(exemplar, '\x0A', numbers);
        exemplar += bytes;  // its value and time: fields as in 1.0
        put_field(series.exemplars, '\x22', exemplar);
        return true;
      }
      case EncodedSeries::Kind::kOther:
        break;
    }
    return false;
  };
  if (!for_each_series(message, [&](const EncodedSeries& one) { good = good && add(one); }) ||
      !good)
    return fail(ErrorCode::kInvalid, "not a message of series");
  std::string out;
  for (const Series& series : all) {
    if (!series.samples.empty() || series.histograms.empty())
      put_series(out, series, series.samples, series.exemplars);
    if (!series.histograms.empty())
      put_series(out, series, series.histograms, series.samples.empty() ? series.exemplars : "");
  }
  return symbols.take() + out;
}

Result<WriteRequest1> to_write_request_1(std::string_view message) {
  WriteRequest1 out;
  bool good = true;
  std::string rest;
  std::string_view without;  // the series of the newest histogram that was left out
  const auto reduce = [&](const EncodedSeries& one) {
    std::string_view from = one.rest;
    std::string_view bytes;
    if (one.kind == EncodedSeries::Kind::kOther) return false;
    if (one.kind == EncodedSeries::Kind::kSample) {
      proto::WriteSample sample;
      if (!take_field(from, '\x12', bytes) || !sample.ParseFromArray(bytes.data(), size_of(bytes)))
        return false;
      sample.clear_start_timestamp();
      put_field(rest, '\x12', sample.SerializeAsString());
    } else if (one.kind == EncodedSeries::Kind::kHistogram) {
      proto::HistogramTime histogram;
      if (!take_field(from, '\x22', bytes) ||
          !histogram.ParseFromArray(bytes.data(), size_of(bytes)))
        return false;
      if (histogram.schema() == kCustomBuckets) {
        ++out.histograms;
        without = one.label_bytes;
        return true;
      }
      histogram.clear_start_timestamp();
      put_field(rest, '\x22', histogram.SerializeAsString());
    } else {
      if (one.kind == EncodedSeries::Kind::kExemplar && one.label_bytes == without) {
        ++out.exemplars;
      } else {
        out.message += one.bytes;
      }
      return true;
    }
    out.message += '\x0A';
    put_varint(out.message, one.label_bytes.size() + rest.size());
    out.message += one.label_bytes;
    out.message += rest;
    return true;
  };
  if (!for_each_series(message,
                       [&](const EncodedSeries& one) {
                         rest.clear();
                         good = good && reduce(one);
                       }) ||
      !good)
    return fail(ErrorCode::kInvalid, "not a message of series");
  return out;
}

}  // namespace agent::wire
