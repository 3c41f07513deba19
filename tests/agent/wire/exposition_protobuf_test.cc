#include "agent/wire/exposition_protobuf.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "agent/base/strings.h"
#include "agent/model/sample.h"
#include "agent/wire/remote_write.h"
#include "tests/support/protobuf_page.h"

namespace agent::wire {
namespace {

using Reader = ProtobufExpositionReader;
using Item = Reader::Item;
namespace pb = agent::protobuf_page;

// What is on the page, as text.
std::string read(std::string_view page) {
  Reader reader(page);
  std::string out;
  while (true) {
    switch (reader.next()) {
      case Item::kEnd:
        return out;
      case Item::kBroken:
        return out + "! " + reader.error() + "\n";
      case Item::kFamily:
        out += "# " + reader.family().name + " " +
               std::to_string(static_cast<int>(reader.family().type)) + " " + reader.family().help +
               " " + reader.family().unit + "\n";
        break;
      case Item::kMetric: {
        const auto& metric = reader.metric();
        for (const auto& point : metric.points) {
          out +=
              reader.family().name + std::string(point.suffix) + model::labels_text(metric.labels);
          if (!point.label.empty())
            out += " " + std::string(point.label) + "=" + format_number(point.at);
          out += " " + format_number(point.value);
          if (metric.time_ms) out += " @" + std::to_string(*metric.time_ms);
          if (metric.start_ms) out += " since " + std::to_string(*metric.start_ms);
          if (point.exemplar)
            out += " # " + model::labels_text(point.exemplar->labels) + " " +
                   format_number(point.exemplar->value);
          out += "\n";
        }
        if (metric.native)
          out += "native " + std::to_string(metric.native->count) + " buckets " +
                 std::to_string(metric.native->buckets()) + "\n";
      }
    }
  }
}

std::string native(std::int32_t schema, const std::vector<std::pair<int, int>>& spans,
                   const std::vector<int>& deltas) {
  std::string out = pb::number(1, 10) + pb::real(2, 12.5) + pb::number(5, pb::zigzag(schema)) +
                    pb::real(6, 0.001) + pb::number(7, 2);
  for (const auto& [offset, length] : spans)
    out += pb::bytes(
        12, pb::number(1, pb::zigzag(offset)) + pb::number(2, static_cast<std::uint64_t>(length)));
  for (const int delta : deltas) out += pb::number(13, pb::zigzag(delta));
  return out;
}

std::string one(const std::string& family, int type, const std::string& metric) {
  return pb::family(family, type, {metric});
}

Reader::Native native_of(const std::string& histogram) {
  const std::string page = one("h", 4, pb::bytes(7, histogram));
  Reader reader(page);
  REQUIRE(reader.next() == Item::kFamily);
  REQUIRE(reader.next() == Item::kMetric);
  REQUIRE(reader.metric().native);
  return *reader.metric().native;
}

}  // namespace

TEST_CASE("protobuf exposition: each kind of metric") {
  const std::string exemplar = pb::bytes(1, pb::label("trace", "t")) + pb::real(2, 0.5);
  std::string page;
  page += pb::family("c_total", 0,
                     {pb::bytes(1, pb::label("a", "b")) +
                      pb::bytes(3, pb::real(1, 3) + pb::bytes(2, exemplar) +
                                       pb::bytes(3, pb::number(1, 1'700'000'000)))},
                     "Help.", "things");
  page += one("g", 1, pb::bytes(2, pb::real(1, -1.5)) + pb::number(6, 1234));
  page += one("u", 3, pb::bytes(5, pb::real(1, 7)));
  page += one("s", 2,
              pb::bytes(4, pb::number(1, 5) + pb::real(2, 9) +
                               pb::bytes(3, pb::real(1, 0.5) + pb::real(2, 1.25))));
  page += one("h", 4,
              pb::bytes(7, pb::number(1, 5) + pb::real(2, 9) +
                               pb::bytes(3, pb::number(1, 2) + pb::real(2, 1)) +
                               pb::bytes(3, pb::number(1, 4) + pb::real(2, 2.5))));
  CHECK(read(page) ==
        "# c_total 1 Help. things\n"
        "c_total{a=\"b\"} 3 since 1700000000000 # {trace=\"t\"} 0.5\n"
        "# g 2  \ng{} -1.5 @1234\n# u 0  \nu{} 7\n"
        "# s 5  \ns{} quantile=0.5 1.25\ns_count{} 5\ns_sum{} 9\n"
        "# h 3  \nh_count{} 5\nh_sum{} 9\nh_bucket{} le=1 2\nh_bucket{} le=2.5 4\n"
        "h_bucket{} le=+Inf 5\n");
}

TEST_CASE("protobuf exposition: a native histogram, with and without classic buckets") {
  const std::string alone = native(3, {{0, 2}, {5, 1}}, {1, 2, -1});
  CHECK(read(one("h", 4, pb::bytes(7, alone))) ==
        "# h 3  \nh_count{} 10\nh_sum{} 12.5\nh_bucket{} le=+Inf 10\nnative 10 buckets 3\n");
  const std::string both = alone + pb::bytes(3, pb::number(1, 2) + pb::real(2, 1));
  const std::string page = one("h", 4, pb::bytes(7, both));
  Reader reader(page);
  reader.next();
  reader.next();
  CHECK(reader.metric().classic);
  CHECK(reader.metric().points.size() == 4);
}

TEST_CASE("protobuf exposition: what is not as it should be ends the page") {
  const std::string good = one("g", 1, pb::bytes(2, pb::real(1, 1)));
  CHECK(read(good + "\x05") == "# g 2  \ng{} 1\n! family 2: it is cut off\n");
  CHECK(read(good + std::string("\x01\x08", 2)).find("it is not as it should be") !=
        std::string::npos);
  const auto refused = [](const std::string& page) {
    return read(page).find("!") != std::string::npos;
  };
  CHECK(refused(one("", 1, pb::bytes(2, pb::real(1, 1)))));
  CHECK(refused(one("g", 9, pb::bytes(2, pb::real(1, 1)))));
  CHECK(refused(one("g", 1, "")));
  CHECK(refused(one("g", 1, pb::bytes(1, pb::label("", "x")) + pb::bytes(2, pb::real(1, 1)))));
  CHECK(refused(
      one("g", 1, pb::bytes(1, pb::label("__name__", "x")) + pb::bytes(2, pb::real(1, 1)))));
  CHECK(refused(one("g", 1,
                    pb::bytes(1, pb::label("a", "x")) + pb::bytes(1, pb::label("a", "y")) +
                        pb::bytes(2, pb::real(1, 1)))));
  CHECK(refused(one("g", 1, pb::bytes(1, pb::label("a", "\xff")) + pb::bytes(2, pb::real(1, 1)))));
  // Native histograms whose parts do not fit.
  CHECK(refused(one("h", 4, pb::bytes(7, native(3, {{0, 2}}, {1})))));
  CHECK(refused(one("h", 4, pb::bytes(7, native(9, {{0, 1}}, {1})))));
  CHECK(refused(one("h", 4, pb::bytes(7, native(3, {{0, 1}, {-3, 1}}, {1, 1})))));
  // Many in few bytes.
  std::string bomb;
  for (int i = 0; i < 20'000; ++i) bomb += pb::bytes(3, "");
  CHECK(refused(one("h", 4, pb::bytes(7, bomb))));
  CHECK(refused(one("h", 4, pb::bytes(7, native(3, {{0, 2'000'000'000}}, {1})))));
}

TEST_CASE("protobuf exposition: resolution is halved until a native histogram fits") {
  // Buckets 1 to 4 and 9 with 1, 3, 2, 2 and 5; two neighbours each: 4, 4 and 5.
  auto histogram = native_of(native(3, {{1, 4}, {4, 1}}, {1, 2, -1, 0, 3}));
  REQUIRE(coarsen(histogram, 3, 0));
  CHECK(histogram.schema == 2);
  CHECK(histogram.positive.spans ==
        std::vector<std::pair<std::int32_t, std::uint32_t>>{{1, 2}, {2, 1}});
  CHECK(histogram.positive.deltas == std::vector<std::int64_t>{4, 0, 1});
  REQUIRE(coarsen(histogram, 2, 0));
  CHECK(histogram.positive.deltas == std::vector<std::int64_t>{8, -3});

  // Negative places as well: -3 and -2 are one bucket, -1 and 0 the next.
  auto negative = native_of(native(0, {{-3, 4}}, {1, 0, 0, 0}));
  REQUIRE(coarsen(negative, 2, 0));
  CHECK(negative.positive.spans == std::vector<std::pair<std::int32_t, std::uint32_t>>{{-1, 2}});
  CHECK(negative.positive.deltas == std::vector<std::int64_t>{2, 0});

  // Schema 2 has a growth of about 1.19, schema 1 of 1.41.
  auto fine = native_of(native(3, {{1, 2}}, {1, 1}));
  REQUIRE(coarsen(fine, 0, 1.3));
  CHECK(fine.schema == 1);
  auto far = native_of(native(-4, {{0, 1}, {100, 1}}, {1, 1}));
  CHECK_FALSE(coarsen(far, 1, 0));
}

TEST_CASE("protobuf exposition: a native histogram is what remote write reads") {
  const auto histogram = native_of(native(3, {{0, 2}}, {1, 2}));
  model::Interner labels;
  RemoteWriteEncoder encoder;
  encoder.add(model::NativeHistogram{
      labels.intern({{"__name__", "h"}}), 1234,
      std::make_shared<const std::string>(encode_native_histogram(histogram, 1234))});
  model::SampleBatch batch;
  REQUIRE(decode_write_request(compress_message(encoder.message()), {}, labels, batch));
  REQUIRE(batch.histograms.size() == 1);
  CHECK(batch.histograms[0].time_ms == 1234);
}

TEST_CASE("protobuf exposition: its Content-Type") {
  CHECK(
      is_protobuf_exposition("application/vnd.google.protobuf; "
                             "proto=io.prometheus.client.MetricFamily; encoding=delimited"));
  CHECK_FALSE(is_protobuf_exposition("application/vnd.google.protobuf"));
  CHECK_FALSE(is_protobuf_exposition("text/plain"));
}

}  // namespace agent::wire
