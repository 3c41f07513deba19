#include "agent/wire/remote_write.h"

#include <catch2/catch.hpp>
#include <string>

#include "agent/base/strings.h"

namespace agent::wire {
namespace {

struct Bed {
  model::LabelSet series(model::Labels labels) { return interner.intern(std::move(labels)); }
  // What a body says, one line an item.
  std::string decoded(std::string_view body, WriteLimits limits = {}) {
    model::SampleBatch batch;
    if (auto r = decode_write_request(body, limits, interner, batch); !r) {
      CHECK(batch.empty());
      return r.error().message;
    }
    std::string out;
    for (const auto& one : batch.samples)
      out += one.series.text() + " " +
             (model::is_stale_marker(one.value) ? "stale" : format_number(one.value)) + " @" +
             std::to_string(one.time_ms) + "\n";
    for (const auto& one : batch.exemplars)
      out += one.series.text() + " " + model::labels_text(one.labels) + " " +
             format_number(one.value) + " @" + std::to_string(one.time_ms) + "\n";
    for (const auto& one : batch.histograms)
      out += one.series.text() + " histogram of " + std::to_string(one.encoded->size()) +
             " bytes @" + std::to_string(one.time_ms) + "\n";
    for (const auto& one : batch.metadata)
      out += one.family + " " + std::to_string(static_cast<int>(one.type)) + " " + one.help + " " +
             one.unit + "\n";
    return out;
  }
  model::Interner interner;
};

}  // namespace

TEST_CASE("remote write: what was encoded reads back, and messages join") {
  Bed bed;
  RemoteWriteEncoder encoder;
  const auto a = bed.series({{"__name__", "a"}, {"job", "j"}});
  encoder.add(model::Sample{a, 1'700'000'000'123, 1.5});
  encoder.add(model::Sample{a, -5, model::stale_marker()});
  encoder.add(model::Exemplar{a, {{"trace", "x"}}, 2, 77});
  const std::string one(encoder.message());
  encoder.clear();
  // A native histogram: count_int 3, timestamp 99.
  encoder.add(model::NativeHistogram{
      a, 99, std::make_shared<const std::string>(std::string("\x08\x03\x78\x63", 4))});
  encoder.add(model::Metadata{"a", model::MetricType::kGauge, "Help.", "s"});
  CHECK(bed.decoded(compress_message(one + std::string(encoder.message()))) ==
        "{__name__=\"a\", job=\"j\"} 1.5 @1700000000123\n"
        "{__name__=\"a\", job=\"j\"} stale @-5\n"
        "{__name__=\"a\", job=\"j\"} {trace=\"x\"} 2 @77\n"
        "{__name__=\"a\", job=\"j\"} histogram of 4 bytes @99\n"
        "a 2 Help. s\n");
}

TEST_CASE("remote write: bytes that are not UTF-8 are replaced") {
  Bed bed;
  RemoteWriteEncoder encoder;
  encoder.add(model::Sample{bed.series({{"__name__", "a"}, {"x", "\xff!"}}), 1, 1});
  CHECK(bed.decoded(compress_message(encoder.message())) ==
        "{__name__=\"a\", x=\"\xEF\xBF\xBD!\"} 1 @1\n");
}

TEST_CASE("remote write: a message comes apart into its series") {
  Bed bed;
  RemoteWriteEncoder encoder;
  const auto a = bed.series({{"__name__", "a"}});
  const auto b = bed.series({{"__name__", "b"}, {"long", std::string(300, 'x')}});
  encoder.add(model::Sample{a, 1, 1});
  encoder.add(model::Exemplar{b, {}, 2, 2});
  encoder.add(model::Sample{a, 2, 3});
  std::vector<EncodedSeries> parts;
  std::string joined;
  REQUIRE(for_each_series(encoder.message(), [&](const EncodedSeries& series) {
    parts.push_back(series);
    joined += series.bytes;
  }));
  REQUIRE(parts.size() == 3);
  CHECK(joined == encoder.message());
  CHECK(parts[0].labels == parts[2].labels);
  CHECK(parts[0].labels != parts[1].labels);
  CHECK(parts[0].kind == EncodedSeries::Kind::kSample);
  CHECK(parts[1].kind == EncodedSeries::Kind::kExemplar);
  const std::string cut(encoder.message().substr(0, encoder.message().size() - 1));
  CHECK_FALSE(for_each_series(cut, [](const EncodedSeries&) {}));
}

TEST_CASE("remote write: what is not a request is refused, before it costs memory") {
  Bed bed;
  CHECK(bed.decoded("") == "the body is not a snappy block");
  CHECK(bed.decoded("nonsense") == "the body is not a snappy block");
  CHECK(bed.decoded(compress_message("\x0A\x7F")) == "the body is not a remote write request");
  WriteLimits small;
  small.max_bytes = 100;
  CHECK(bed.decoded(compress_message(std::string(101, '\0')), small) ==
        "the message has more than 100 bytes");
  std::string empty_series;
  for (int i = 0; i < 1000; ++i) empty_series += std::string("\x0A\x00", 2);
  WriteLimits few;
  few.max_fields = 999;
  CHECK(bed.decoded(compress_message(empty_series), few) == "the message has more than 999 fields");
  CHECK(bed.decoded(compress_message(empty_series)) == "a series has no labels");
  const auto series_of = [](const std::string& labels) {
    return compress_message(std::string("\x0A") + static_cast<char>(labels.size()) + labels);
  };
  CHECK(bed.decoded(series_of(std::string("\x0A\x06\x0A\x01y\x12\x01\xff", 8))) ==
        "a label holds bytes that are not UTF-8");
  CHECK(bed.decoded(series_of("\x0A\x03\x12\x01z")) == "a label has no name");
  CHECK(bed.decoded(series_of("\x0A\x06\x0A\x01y\x12\x01z\x0A\x06\x0A\x01y\x12\x01z")) ==
        "a series has the label y twice");
}

}  // namespace agent::wire
