#include "agent/wire/remote_write.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "agent/base/strings.h"
#include "agent/wire/classic_histogram.h"
#include "agent/wire/remote_write_2.h"

namespace agent::wire {
namespace {

struct Bed {
  model::LabelSet series(model::Labels labels) { return interner.intern(std::move(labels)); }
  // What a body says, one line an item.
  std::string decoded(std::string_view body, WriteLimits limits = {}) {
    return decoded_by(decode_write_request, body, limits);
  }
  std::string decoded_2(std::string_view body, WriteLimits limits = {}) {
    return decoded_by(decode_write_request_2, body, limits);
  }
  template <class Decode>
  std::string decoded_by(Decode decode, std::string_view body, WriteLimits limits) {
    model::SampleBatch batch;
    if (auto r = decode(body, limits, interner, batch); !r) {
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

TEST_CASE("remote write: protocol 2.0 says the same, with the families' metadata") {
  Bed bed;
  RemoteWriteEncoder encoder;
  const auto a = bed.series({{"__name__", "a_total"}, {"job", "j"}});
  const auto b = bed.series({{"__name__", "b_bucket"}, {"job", "j"}, {"le", "1"}});
  const auto c = bed.series({{"__name__", "c_count"}, {"job", "\xC3\xA9"}});
  encoder.add(model::Sample{a, 1'700'000'000'123, 1.5});
  encoder.add(model::Sample{b, 2, 3});
  encoder.add(model::Exemplar{a, {{"trace", "j"}}, 2, 77});
  encoder.add(model::Sample{a, 1'700'000'000'124, model::stale_marker()});
  encoder.add(model::Sample{c, 5, 6});
  encoder.add(model::NativeHistogram{
      c, 99, std::make_shared<const std::string>(std::string("\x08\x03\x78\x63", 4))});
  const std::vector<model::Metadata> known = {
      {"a", model::MetricType::kCounter, "A.", ""},
      {"b", model::MetricType::kHistogram, "B.", "s"},
      {"c", model::MetricType::kGauge, "Has nothing to do with c_count.", ""},
  };
  const FindMetadata find = [&](std::string_view family) -> const model::Metadata* {
    for (const auto& one : known)
      if (one.family == family) return &one;
    return nullptr;
  };
  const auto second = to_write_request_2(encoder.message(), find);
  REQUIRE(second);
  CHECK(bed.decoded_2(compress_message(*second)) ==
        "{__name__=\"a_total\", job=\"j\"} 1.5 @1700000000123\n"
        "{__name__=\"a_total\", job=\"j\"} stale @1700000000124\n"
        "{__name__=\"b_bucket\", job=\"j\", le=\"1\"} 3 @2\n"
        "{__name__=\"c_count\", job=\"\xC3\xA9\"} 6 @5\n"
        "{__name__=\"a_total\", job=\"j\"} {trace=\"j\"} 2 @77\n"
        "{__name__=\"c_count\", job=\"\xC3\xA9\"} histogram of 4 bytes @99\n"
        "a_total 1 A. \n"
        "b 3 B. s\n");
  // Who takes it for protocol 1.0 sees nothing at all.
  CHECK(bed.decoded(compress_message(*second)).empty());
  CHECK_FALSE(to_write_request_2("\x0A\x03\x0A\x01x", find));
  CHECK_FALSE(to_write_request_2(
      std::string(encoder.message().substr(0, encoder.message().size() - 1)), find));
}

TEST_CASE(
    "remote write: what is not a request of protocol 2.0 is refused, before it costs memory") {
  Bed bed;
  const auto text = [](std::string_view of) {
    return std::string("\x22") + static_cast<char>(of.size()) + std::string(of);
  };
  const auto series = [](std::string_view of) {
    return std::string("\x2A") + static_cast<char>(of.size()) + std::string(of);
  };
  const auto said = [&](const std::string& message, WriteLimits limits = {}) {
    return bed.decoded_2(compress_message(message), limits);
  };
  const std::string symbols = text("") + text("__name__") + text("a");
  const std::string sample("\x12\x0B\x09\0\0\0\0\0\0\xF0\x3F\x10\x07", 13);
  CHECK(said(symbols + series("\x0A\x02\x01\x02" + sample)) == "{__name__=\"a\"} 1 @7\n");
  CHECK(said(symbols).empty());
  CHECK(said(series("\x0A\x02\x01\x02")) == "the first symbol is not empty");
  CHECK(said(text("x") + series("\x0A\x02\x01\x02")) == "the first symbol is not empty");
  CHECK(said(text("") + text("\xff") + series("")) == "a symbol holds bytes that are not UTF-8");
  CHECK(said(symbols + series("\x0A\x02\x01\x03")) == "a reference to a symbol that is not there");
  CHECK(said(symbols + series("\x0A\x03\x01\x02\x01")) == "a label has a name and no value");
  CHECK(said(symbols + series(std::string("\x0A\x02\x00\x02", 4))) == "a label has no name");
  CHECK(said(symbols + series("\x0A\x04\x01\x02\x01\x02")) ==
        "a series has the label __name__ twice");
  CHECK(said(symbols + series("")) == "a series has no labels");
  WriteLimits few;
  few.max_labels = 1;
  CHECK(said(symbols + series("\x0A\x04\x01\x02\x02\x01"), few) ==
        "a series has more than 1 labels");
  // A reference costs a byte; what it stands for counts.
  std::string bomb = text("") + text("__name__") + text(std::string(100, 'x'));
  for (int i = 0; i < 50; ++i) bomb += series("\x0A\x02\x01\x02");
  WriteLimits small;
  small.max_bytes = 1000;
  CHECK(said(bomb, small) == "the message has too much text once it is written out");
}

TEST_CASE("remote write: what 2.0 alone carries stays in it, and is left out for 1.0") {
  Bed bed;
  RemoteWriteEncoder encoder;
  const auto a = bed.series({{"__name__", "a"}});
  const auto b = bed.series({{"__name__", "b"}});
  encoder.add(model::Sample{a, 5, 1});
  CHECK_FALSE(encoder.only_2());
  const std::string plain(encoder.message());
  RemoteWriteEncoder without(false);
  without.add(model::Sample{a, 5, 1, 3});
  CHECK(without.message() == plain);
  CHECK_FALSE(without.only_2());

  encoder.clear();
  encoder.add(model::Sample{a, 5, 1, 3});
  CHECK(encoder.only_2());
  ClassicHistogram classic;
  classic.bucket(1, 2);
  classic.count(3);
  const auto native = classic.convert();
  REQUIRE(native);
  encoder.add(model::NativeHistogram{
      b, 7, std::make_shared<const std::string>(encode_native_histogram(*native, 7, 6)), true,
      true});
  encoder.add(model::Exemplar{b, {{"trace", "x"}}, 2, 7});
  ProtobufExpositionReader::Native exponential;
  exponential.count = exponential.zero_count = 3;
  exponential.schema = 3;
  encoder.add(model::NativeHistogram{
      b, 8, std::make_shared<const std::string>(encode_native_histogram(exponential, 8, 6)), false,
      true});

  const auto second =
      to_write_request_2(encoder.message(), [](std::string_view) { return nullptr; });
  REQUIRE(second);
  model::SampleBatch read;
  REQUIRE(decode_write_request_2(compress_message(*second), {}, bed.interner, read));
  REQUIRE(read.samples.size() == 1);
  CHECK(read.samples[0].start_ms == 3);
  REQUIRE(read.histograms.size() == 2);
  CHECK(read.histograms[0].custom_buckets);
  CHECK(read.histograms[0].has_start);
  CHECK(*read.histograms[0].encoded == encode_native_histogram(*native, 7, 6));

  const auto first = to_write_request_1(encoder.message());
  REQUIRE(first);
  CHECK(first->histograms == 1);
  CHECK(first->exemplars == 1);
  model::SampleBatch reduced;
  REQUIRE(decode_write_request(compress_message(first->message), {}, bed.interner, reduced));
  REQUIRE(reduced.samples.size() == 1);
  CHECK(reduced.samples[0].start_ms == 0);
  REQUIRE(reduced.histograms.size() == 1);
  CHECK_FALSE(reduced.histograms[0].has_start);
  // The same fields but for the start, in another order.
  std::string wanted = encode_native_histogram(exponential, 8);
  std::string got = *reduced.histograms[0].encoded;
  std::sort(wanted.begin(), wanted.end());
  std::sort(got.begin(), got.end());
  CHECK(got == wanted);
  CHECK(reduced.exemplars.empty());
  CHECK_FALSE(to_write_request_1("\x0A\x03\x0A\x01x"));
}

}  // namespace agent::wire
