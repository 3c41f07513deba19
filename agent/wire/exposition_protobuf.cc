// page      := { varint-length family }
// family    := name=1 help=2 type=3 { metric=4 } unit=5
// metric    := { label=1 } gauge=2 | counter=3 | summary=4 | untyped=5 | histogram=7  [
// timestamp_ms=6 ] counter   := value=1 exemplar=2 start=3     summary := count=1 sum=2 {
// quantile=3 } start=4 histogram := count=1 sum=2 { bucket=3 } float_count=4 schema=5
// zero_threshold=6 zero_count=7
//              float_zero_count=8 { span=9 } { delta=10 } { count=11 }   negative
//              { span=12 } { delta=13 } { count=14 }                     positive
//              start=15 { exemplar=16 }
#include "agent/wire/exposition_protobuf.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "agent/base/strings.h"
#include "agent/base/varint.h"

namespace agent::wire {
namespace {

using Reader = ProtobufExpositionReader;
using model::MetricType;

constexpr std::size_t kMaxPoints = 10'000;  // of a metric; the same for native buckets
constexpr std::size_t kMaxLabels = 256;
constexpr std::size_t kMaxExemplars = 100;         // of a native histogram
constexpr std::int64_t kMaxIndex = 1'000'000'000;  // of a bucket
constexpr std::int32_t kMinSchema = -4;
constexpr std::int32_t kMaxSchema = 8;

struct Field {
  std::uint64_t number = 0;
  unsigned kind = 0;        // the wire's: 0 varint, 1 eight bytes, 2 bytes, 5 four bytes
  std::uint64_t value = 0;  // of kinds 0, 1 and 5
  std::string_view bytes;   // of kind 2
  double real() const { return std::bit_cast<double>(value); }
};

// Takes a field off the front; false at the end, and with `good` false for what is none.
bool take(std::string_view& in, Field& field, bool& good) {
  if (in.empty()) return false;
  good = false;
  std::uint64_t tag = 0;
  if (!take_varint(in, tag)) return false;
  field.number = tag >> 3U;
  field.kind = static_cast<unsigned>(tag & 7U);
  std::size_t size = 0;
  switch (field.kind) {
    case 0:
      good = take_varint(in, field.value);
      return good;
    case 1:
    case 5:
      size = field.kind == 1 ? 8 : 4;
      if (in.size() < size) return false;
      field.value = 0;
      std::memcpy(&field.value, in.data(), size);  // little-endian, as every machine we run on
      break;
    case 2: {
      std::uint64_t length = 0;
      if (!take_varint(in, length) || length > in.size()) return false;
      size = static_cast<std::size_t>(length);
      field.bytes = in.substr(0, size);
      break;
    }
    default:
      return false;
  }
  in.remove_prefix(size);
  good = true;
  return true;
}

// Calls use(field) for each field of the message; false when it is none or `use` says so.
template <class Use>
bool each(std::string_view message, Use use) {
  bool good = true;
  for (Field field; take(message, field, good);)
    if (!use(field)) return false;
  return good;
}

std::int64_t zigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1U) ^ -static_cast<std::int64_t>(value & 1U);
}

// A repeated number: one field each, or packed into one.
template <class Add>
bool numbers(const Field& field, bool eight_bytes, Add add) {
  if (field.kind != 2) return field.kind == (eight_bytes ? 1U : 0U) && add(field.value);
  std::string_view rest = field.bytes;
  while (!rest.empty()) {
    std::uint64_t value = 0;
    if (eight_bytes) {
      if (rest.size() < 8) return false;
      std::memcpy(&value, rest.data(), 8);
      rest.remove_prefix(8);
    } else if (!take_varint(rest, value)) {
      return false;
    }
    if (!add(value)) return false;
  }
  return true;
}

// google.protobuf.Timestamp := seconds=1 nanos=2
bool read_time(std::string_view message, std::optional<std::int64_t>& out) {
  std::int64_t seconds = 0;
  std::int64_t nanos = 0;
  if (!each(message, [&](const Field& f) {
        if (f.number == 1) seconds = static_cast<std::int64_t>(f.value);
        if (f.number == 2) nanos = static_cast<std::int64_t>(f.value);
        return true;
      }))
    return false;
  constexpr std::int64_t kMaxSeconds = 253'402'300'799;  // as the type's documentation has it
  if (seconds < -kMaxSeconds || seconds > kMaxSeconds || nanos < 0 || nanos > 999'999'999)
    return false;
  out = seconds * 1'000 + nanos / 1'000'000;
  return true;
}

bool read_label(std::string_view message, model::LabelBuilder& out) {
  std::string_view name;
  std::string_view value;
  if (!each(message, [&](const Field& f) {
        if (f.kind == 2 && f.number == 1) name = f.bytes;
        if (f.kind == 2 && f.number == 2) value = f.bytes;
        return true;
      }))
    return false;
  if (name.empty() || name == "__name__" || !is_valid_utf8(name) || !is_valid_utf8(value) ||
      !out.get(name).empty() || out.labels().size() == kMaxLabels)
    return false;
  out.set(name, value);
  return true;
}

bool read_exemplar(std::string_view message, Reader::Exemplar& out) {
  model::LabelBuilder labels;
  if (!each(message, [&](const Field& f) {
        if (f.kind == 2 && f.number == 1) return read_label(f.bytes, labels);
        if (f.kind == 1 && f.number == 2) out.value = f.real();
        if (f.kind == 2 && f.number == 3) return read_time(f.bytes, out.time_ms);
        return true;
      }))
    return false;
  out.labels = std::move(labels).take();
  return true;
}

bool read_span(std::string_view message, Reader::Buckets& out) {
  std::int64_t offset = 0;
  std::uint64_t length = 0;
  if (!each(message, [&](const Field& f) {
        if (f.number == 1) offset = zigzag(f.value);
        if (f.number == 2) length = f.value;
        return true;
      }))
    return false;
  if (offset < std::numeric_limits<std::int32_t>::min() ||
      offset > std::numeric_limits<std::int32_t>::max() || length > kMaxPoints ||
      out.spans.size() == kMaxPoints)
    return false;
  out.spans.emplace_back(static_cast<std::int32_t>(offset), static_cast<std::uint32_t>(length));
  return true;
}

// Spans and counts fit to each other.
bool is_whole(const Reader::Buckets& buckets, bool whole) {
  std::uint64_t places = 0;
  std::int64_t index = 0;
  for (std::size_t i = 0; i < buckets.spans.size(); ++i) {
    if (i > 0 && buckets.spans[i].first < 0) return false;
    places += buckets.spans[i].second;
    index += buckets.spans[i].first + std::int64_t{buckets.spans[i].second};
    if (index < -kMaxIndex || index > kMaxIndex) return false;
  }
  const std::size_t given = whole ? buckets.deltas.size() : buckets.counts.size();
  return places == given && given <= kMaxPoints;
}

struct Histogram {
  std::uint64_t count = 0;
  double float_count = 0;
  double sum = 0;
  std::vector<Reader::Point> buckets;
};

bool read_bucket(std::string_view message, Reader::Point& out) {
  out.suffix = "_bucket";
  out.label = "le";
  double fraction = 0;
  if (!each(message, [&](const Field& f) {
        if (f.kind == 0 && f.number == 1) out.value = static_cast<double>(f.value);
        if (f.kind == 1 && f.number == 2) out.at = f.real();
        if (f.kind == 1 && f.number == 4) fraction = f.real();
        if (f.kind == 2 && f.number == 3) return read_exemplar(f.bytes, out.exemplar.emplace());
        return true;
      }))
    return false;
  if (fraction > 0) out.value = fraction;
  return true;
}

bool read_histogram(std::string_view message, Reader::Metric& out) {
  Histogram classic;
  Reader::Native native;
  bool schema_given = false;
  const auto add_delta = [](Reader::Buckets& to) {
    return [&to](std::uint64_t value) {
      to.deltas.push_back(zigzag(value));
      return to.deltas.size() <= kMaxPoints;
    };
  };
  const auto add_count = [](Reader::Buckets& to) {
    return [&to](std::uint64_t value) {
      to.counts.push_back(std::bit_cast<double>(value));
      return to.counts.size() <= kMaxPoints;
    };
  };
  const bool good = each(message, [&](const Field& f) {
    switch (f.number) {
      case 1:
        classic.count = f.value;
        return f.kind == 0;
      case 2:
        classic.sum = f.real();
        return f.kind == 1;
      case 3:
        return f.kind == 2 && classic.buckets.size() < kMaxPoints &&
               read_bucket(f.bytes, classic.buckets.emplace_back());
      case 4:
        classic.float_count = f.real();
        return f.kind == 1;
      case 5:
        schema_given = true;
        native.schema = static_cast<std::int32_t>(zigzag(f.value));
        return f.kind == 0 && zigzag(f.value) >= kMinSchema && zigzag(f.value) <= kMaxSchema;
      case 6:
        native.zero_threshold = f.real();
        return f.kind == 1;
      case 7:
        native.zero_count = f.value;
        return f.kind == 0;
      case 8:
        native.float_zero_count = f.real();
        return f.kind == 1;
      case 9:
        return f.kind == 2 && read_span(f.bytes, native.negative);
      case 10:
        return numbers(f, false, add_delta(native.negative));
      case 11:
        return numbers(f, true, add_count(native.negative));
      case 12:
        return f.kind == 2 && read_span(f.bytes, native.positive);
      case 13:
        return numbers(f, false, add_delta(native.positive));
      case 14:
        return numbers(f, true, add_count(native.positive));
      case 15:
        return f.kind == 2 && read_time(f.bytes, out.start_ms);
      case 16:
        return f.kind == 2 && native.exemplars.size() < kMaxExemplars &&
               read_exemplar(f.bytes, native.exemplars.emplace_back());
      default:
        return true;
    }
  });
  if (!good) return false;

  native.whole = !(classic.float_count > 0) && !(native.float_zero_count > 0) &&
                 native.negative.counts.empty() && native.positive.counts.empty();
  const double count =
      classic.float_count > 0 ? classic.float_count : static_cast<double>(classic.count);
  if (!native.positive.spans.empty() || !native.negative.spans.empty() ||
      native.zero_threshold > 0 || native.zero_count > 0 || native.float_zero_count > 0) {
    if (!schema_given || !is_whole(native.negative, native.whole) ||
        !is_whole(native.positive, native.whole))
      return false;
    native.count = classic.count;
    native.float_count = count;
    native.sum = classic.sum;
    out.native = std::move(native);
  }
  out.classic = !classic.buckets.empty();
  const double inf = std::numeric_limits<double>::infinity();
  out.points.push_back({"_count", "", 0, count, {}});
  out.points.push_back({"_sum", "", 0, classic.sum, {}});
  if (classic.buckets.empty() || classic.buckets.back().at != inf)
    classic.buckets.push_back({"_bucket", "le", inf, count, {}});
  std::move(classic.buckets.begin(), classic.buckets.end(), std::back_inserter(out.points));
  return true;
}

bool read_summary(std::string_view message, Reader::Metric& out) {
  double count = 0;
  double sum = 0;
  if (!each(message, [&](const Field& f) {
        if (f.kind == 0 && f.number == 1) count = static_cast<double>(f.value);
        if (f.kind == 1 && f.number == 2) sum = f.real();
        if (f.kind == 2 && f.number == 4) return read_time(f.bytes, out.start_ms);
        if (f.kind != 2 || f.number != 3) return true;
        Reader::Point& point = out.points.emplace_back();
        point.label = "quantile";
        return out.points.size() < kMaxPoints && each(f.bytes, [&](const Field& part) {
                 if (part.kind == 1 && part.number == 1) point.at = part.real();
                 if (part.kind == 1 && part.number == 2) point.value = part.real();
                 return true;
               });
      }))
    return false;
  out.points.push_back({"_count", "", 0, count, {}});
  out.points.push_back({"_sum", "", 0, sum, {}});
  return true;
}

// A counter, gauge or untyped metric.
bool read_number(std::string_view message, bool counter, Reader::Metric& out) {
  Reader::Point& point = out.points.emplace_back();
  return each(message, [&](const Field& f) {
    if (f.kind == 1 && f.number == 1) point.value = f.real();
    if (!counter || f.kind != 2) return true;
    if (f.number == 2) return read_exemplar(f.bytes, point.exemplar.emplace());
    if (f.number == 3) return read_time(f.bytes, out.start_ms);
    return true;
  });
}

}  // namespace

bool is_protobuf_exposition(std::string_view content_type) {
  const auto parts = split(content_type, ';');
  if (trim(parts.front()) != "application/vnd.google.protobuf") return false;
  bool family = false;
  bool delimited = false;
  for (const std::string_view part : parts) {
    family |= trim(part) == "proto=io.prometheus.client.MetricFamily";
    delimited |= trim(part) == "encoding=delimited";
  }
  return family && delimited;
}

std::size_t Reader::Native::buckets() const {
  return negative.deltas.size() + negative.counts.size() + positive.deltas.size() +
         positive.counts.size();
}

Reader::Item Reader::broken(const char* what) {
  error_ = "family " + std::to_string(families_) +
           (family_.name.empty() ? "" : " (" + to_valid_utf8(family_.name) + ")") + ": " + what;
  rest_ = {};
  metrics_ = {};
  return Item::kBroken;
}

bool Reader::read_family() {
  family_ = {};
  std::uint64_t type = 0;
  if (!each(metrics_, [&](const Field& f) {
        if (f.kind == 2 && f.number == 1) family_.name = f.bytes;
        if (f.kind == 2 && f.number == 2) family_.help = f.bytes;
        if (f.kind == 2 && f.number == 5) family_.unit = f.bytes;
        if (f.kind == 0 && f.number == 3) type = f.value;
        return true;
      }))
    return false;
  constexpr MetricType kTypes[] = {MetricType::kCounter,   MetricType::kGauge,
                                   MetricType::kSummary,   MetricType::kUnknown,
                                   MetricType::kHistogram, MetricType::kGaugeHistogram};
  if (type >= std::size(kTypes)) return false;
  family_.type = kTypes[type];
  return !family_.name.empty() && is_valid_utf8(family_.name) && is_valid_utf8(family_.unit);
}

bool Reader::read_metric(std::string_view message) {
  metric_.labels.clear();
  metric_.time_ms.reset();
  metric_.start_ms.reset();
  metric_.points.clear();
  metric_.native.reset();
  metric_.classic = false;
  model::LabelBuilder labels;
  std::string_view value;
  const std::uint64_t kValueField = [&] {
    switch (family_.type) {
      case MetricType::kCounter:
        return 3U;
      case MetricType::kGauge:
        return 2U;
      case MetricType::kSummary:
        return 4U;
      case MetricType::kHistogram:
      case MetricType::kGaugeHistogram:
        return 7U;
      default:
        return 5U;
    }
  }();
  bool found = false;
  if (!each(message, [&](const Field& f) {
        if (f.kind == 2 && f.number == 1) return read_label(f.bytes, labels);
        if (f.kind == 0 && f.number == 6) metric_.time_ms = static_cast<std::int64_t>(f.value);
        if (f.kind == 2 && f.number == kValueField) {
          value = f.bytes;
          found = true;
        }
        return true;
      }))
    return false;
  metric_.labels = std::move(labels).take();
  if (!found) return false;
  if (kValueField == 4) return read_summary(value, metric_);
  if (kValueField != 7) return read_number(value, kValueField == 3, metric_);
  if (!read_histogram(value, metric_)) return false;
  if (metric_.native) metric_.native->gauge = family_.type == MetricType::kGaugeHistogram;
  return true;
}

Reader::Item Reader::next() {
  // What is left of the family.
  bool good = true;
  for (Field field; take(metrics_, field, good);) {
    if (field.number != 4 || field.kind != 2) continue;
    return read_metric(field.bytes) ? Item::kMetric : broken("a metric is not as it should be");
  }
  if (rest_.empty()) return error_.empty() ? Item::kEnd : Item::kBroken;
  ++families_;
  family_ = {};
  std::uint64_t size = 0;
  if (!take_varint(rest_, size) || size > rest_.size()) return broken("it is cut off");
  metrics_ = rest_.substr(0, static_cast<std::size_t>(size));
  rest_.remove_prefix(static_cast<std::size_t>(size));
  if (!read_family()) return broken("it is not as it should be");
  return Item::kFamily;
}

namespace {

// One step coarser: two neighbours become one bucket.
void halve(Reader::Buckets& buckets, bool whole) {
  Reader::Buckets out;
  std::vector<std::uint64_t> merged;  // whole counts; hostile ones wrap around
  std::uint64_t count = 0;            // of the bucket being read
  std::int64_t index = 0;             // its place
  std::int64_t end = 0;               // behind the newest bucket of `out`
  std::size_t at = 0;
  for (const auto& [offset, length] : buckets.spans) {
    index += offset;
    for (std::uint32_t i = 0; i < length; ++i, ++index, ++at) {
      const std::int64_t to = ((index - 1) >> 1) + 1;
      if (merged.empty() || to != end - 1) {
        if (merged.empty() || to != end)
          out.spans.emplace_back(static_cast<std::int32_t>(merged.empty() ? to : to - end), 0U);
        ++out.spans.back().second;
        end = to + 1;
        merged.push_back(0);
        if (!whole) out.counts.push_back(0);
      }
      if (whole) {
        count += static_cast<std::uint64_t>(buckets.deltas[at]);
        merged.back() += count;
      } else {
        out.counts.back() += buckets.counts[at];
      }
    }
  }
  std::uint64_t before = 0;
  for (const std::uint64_t one : merged) {
    if (whole) out.deltas.push_back(static_cast<std::int64_t>(one - before));
    before = one;
  }
  buckets = std::move(out);
}

}  // namespace

bool coarsen(Reader::Native& histogram, std::uint64_t limit, double min_factor) {
  if (histogram.schema == kCustomBuckets) return limit == 0 || histogram.buckets() <= limit;
  const auto fits = [&] {
    // Bounds of schema n grow by 2^(2^-n).
    return (limit == 0 || histogram.buckets() <= limit) &&
           (min_factor <= 1 || std::exp2(std::exp2(-histogram.schema)) >= min_factor);
  };
  while (!fits()) {
    if (histogram.schema <= kMinSchema) return limit == 0 || histogram.buckets() <= limit;
    --histogram.schema;
    halve(histogram.negative, histogram.whole);
    halve(histogram.positive, histogram.whole);
  }
  return true;
}

namespace {

void put_double(std::string& out, char tag, double value) {
  out += tag;
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}
void put_number(std::string& out, char tag, std::uint64_t value) {
  out += tag;
  put_varint(out, value);
}
std::uint64_t to_zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63);
}
void put_bytes(std::string& out, char tag, std::string_view bytes) {
  out += tag;
  put_varint(out, bytes.size());
  out += bytes;
}

std::string packed_doubles(const std::vector<double>& values) {
  std::string out(values.size() * sizeof(double), '\0');
  if (!values.empty()) std::memcpy(out.data(), values.data(), out.size());
  return out;
}

// `tag` is that of the spans; the deltas' and the counts' follow it.
void put_buckets(std::string& out, char tag, const Reader::Buckets& buckets) {
  for (const auto& [offset, length] : buckets.spans) {
    std::string span;
    put_number(span, '\x08', to_zigzag(offset));
    put_number(span, '\x10', length);
    put_bytes(out, tag, span);
  }
  std::string packed;
  for (const std::int64_t delta : buckets.deltas) put_varint(packed, to_zigzag(delta));
  if (!packed.empty()) put_bytes(out, static_cast<char>(tag + 8), packed);
  if (!buckets.counts.empty())
    put_bytes(out, static_cast<char>(tag + 16), packed_doubles(buckets.counts));
}

}  // namespace

std::string encode_native_histogram(const Reader::Native& h, std::int64_t time_ms,
                                    std::int64_t start_ms) {
  // Histogram := count=1 | float=2  sum=3 schema=4 zero_threshold=5 zero_count=6 | float=7
  //              negative spans=8 deltas=9 counts=10, positive 11 12 13, reset_hint=14 timestamp=15
  //              bounds=16 start=17 (2.0 alone)
  std::string out;
  if (h.whole) {
    put_number(out, '\x08', h.count);
  } else {
    put_double(out, '\x11', h.float_count);
  }
  put_double(out, '\x19', h.sum);
  put_number(out, '\x20', to_zigzag(h.schema));
  put_double(out, '\x29', h.zero_threshold);
  if (h.whole) {
    put_number(out, '\x30', h.zero_count);
  } else {
    put_double(out, '\x39', h.float_zero_count);
  }
  put_buckets(out, '\x42', h.negative);
  put_buckets(out, '\x5A', h.positive);
  if (h.gauge || h.fresh) put_number(out, '\x70', h.gauge ? 3 : 1);
  put_number(out, '\x78', static_cast<std::uint64_t>(time_ms));
  if (!h.custom_values.empty()) {
    out += '\x82';
    put_bytes(out, '\x01', packed_doubles(h.custom_values));
  }
  if (start_ms != 0) {
    out += '\x88';
    put_number(out, '\x01', static_cast<std::uint64_t>(start_ms));
  }
  return out;
}

std::string encode_empty_histogram(const Reader::Native& h, std::int64_t time_ms) {
  Reader::Native empty;
  empty.whole = h.whole;
  empty.schema = h.schema;
  empty.zero_threshold = h.zero_threshold;
  empty.gauge = h.gauge;
  empty.fresh = true;
  empty.custom_values = h.custom_values;
  return encode_native_histogram(empty, time_ms);
}

}  // namespace agent::wire
