#include "agent/scrape/target_series.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "tests/support/protobuf_page.h"
#include "tests/support/sample_collector.h"

namespace agent::scrape {
namespace {

using wire::ExpositionFormat;

struct Bed {
  explicit Bed(SeriesRules rules = {})
      : series(interner, {{"instance", "h"}, {"job", "j"}}, rules) {}

  // What a page becomes: one sample a line, then the outcome.
  std::string take(std::string_view page, std::int64_t time_ms,
                   ExpositionFormat format = ExpositionFormat::kText) {
    model::SampleBatch batch;
    const auto outcome = series.take(page, format, time_ms, batch);
    if (!outcome) {
      CHECK(batch.empty());
      return outcome.error().message;
    }
    return text(batch) + "scraped " + std::to_string(outcome->scraped) + " added " +
           std::to_string(outcome->added) +
           (outcome->duplicates > 0 ? " duplicates " + std::to_string(outcome->duplicates) : "");
  }
  std::string end(std::int64_t time_ms) {
    model::SampleBatch batch;
    series.end(time_ms, batch);
    return text(batch);
  }
  static std::string text(const model::SampleBatch& batch) {
    std::string out;
    for (const model::Sample& sample : batch.samples)
      out += SampleCollector::text(sample.series) + " " +
             (model::is_stale_marker(sample.value) ? "stale" : format_number(sample.value)) + " @" +
             std::to_string(sample.time_ms) + "\n";
    return out;
  }

  model::Interner interner;
  TargetSeries series;
};

}  // namespace

TEST_CASE("target series: samples get the target's labels and the scrape's time") {
  Bed bed;
  CHECK(bed.take("a 1\nb{x=\"1\"} 2\n", 1000) ==
        "a{instance=\"h\", job=\"j\"} 1 @1000\nb{instance=\"h\", job=\"j\", x=\"1\"} 2 @1000\n"
        "scraped 2 added 2");
  CHECK(bed.take("a 3\nb{x=\"1\"} 4\n", 2000) ==
        "a{instance=\"h\", job=\"j\"} 3 @2000\nb{instance=\"h\", job=\"j\", x=\"1\"} 4 @2000\n"
        "scraped 2 added 0");
}

TEST_CASE("target series: what is not there any more gets a marker, once") {
  Bed bed;
  bed.take("a 1\nb 2\n", 1000);
  CHECK(bed.take("a 1\n", 2000) ==
        "a{instance=\"h\", job=\"j\"} 1 @2000\nb{instance=\"h\", job=\"j\"} stale @2000\n"
        "scraped 1 added 0");
  CHECK(bed.take("a 1\n", 3000) == "a{instance=\"h\", job=\"j\"} 1 @3000\nscraped 1 added 0");
  // One goes while another comes.
  CHECK(bed.take("c 1\n", 4000) ==
        "c{instance=\"h\", job=\"j\"} 1 @4000\na{instance=\"h\", job=\"j\"} stale @4000\n"
        "scraped 1 added 1");
  CHECK(bed.end(5000) == "c{instance=\"h\", job=\"j\"} stale @5000\n");
  CHECK(bed.end(6000).empty());
  CHECK(bed.take("c 1\n", 7000) == "c{instance=\"h\", job=\"j\"} 1 @7000\nscraped 1 added 0");
}

TEST_CASE("target series: of many, in any order, only those that go get markers") {
  model::Interner interner;
  TargetSeries series(interner, {{"job", "j"}}, {});
  const auto page = [](int from, int to, int step) {
    std::string out;
    for (int i = from; i != to; i += step) out += "a{i=\"" + std::to_string(i) + "\"} 1\n";
    return out;
  };
  const auto take = [&](const std::string& text, std::int64_t time_ms) {
    model::SampleBatch batch;
    const auto outcome = series.take(text, ExpositionFormat::kText, time_ms, batch);
    REQUIRE(outcome);
    const auto gone =
        std::count_if(batch.samples.begin(), batch.samples.end(),
                      [](const model::Sample& one) { return model::is_stale_marker(one.value); });
    CHECK(batch.samples.size() == outcome->scraped + static_cast<std::size_t>(gone));
    CHECK(series.size() == outcome->scraped);
    return "added " + std::to_string(outcome->added) + " gone " + std::to_string(gone);
  };
  CHECK(take(page(0, 3000, 1), 1) == "added 3000 gone 0");
  CHECK(take(page(2999, -1, -1), 2) == "added 0 gone 0");
  CHECK(take(page(0, 3000, 3), 3) == "added 0 gone 2000");
  CHECK(take(page(0, 3000, 3), 4) == "added 0 gone 0");
  CHECK(take(page(1500, 4500, 1), 5) == "added 2500 gone 500");
  CHECK(interner.size() == 3000);
}

TEST_CASE("target series: a page that breaks in the middle is refused as a whole, then all end") {
  Bed bed;
  bed.take("a 1\nb 2\n", 1000);
  CHECK(bed.take("a 1\nc 3\nnonsense\n", 2000) == "line 3: expected a value after the series");
  model::SampleBatch markers;
  bed.series.end(2000, markers);
  REQUIRE(markers.samples.size() == 2);  // of a and b, in any order
  std::set<std::string> ended;
  for (const model::Sample& sample : markers.samples) {
    CHECK(model::is_stale_marker(sample.value));
    CHECK(sample.time_ms == 2000);
    ended.insert(SampleCollector::text(sample.series));
  }
  CHECK(ended ==
        std::set<std::string>{"a{instance=\"h\", job=\"j\"}", "b{instance=\"h\", job=\"j\"}"});
  CHECK(bed.take("a 1\n", 3000) == "a{instance=\"h\", job=\"j\"} 1 @3000\nscraped 1 added 0");
}

TEST_CASE("target series: clashing labels are renamed, or win with honor_labels") {
  const char* page = "a{job=\"own\",exported_job=\"e\",instance=\"\"} 1\n";
  Bed bed;
  CHECK(bed.take(page, 1).starts_with(
      "a{exported_exported_job=\"own\", exported_job=\"e\", instance=\"h\", job=\"j\"} 1"));
  SeriesRules rules;
  rules.honor_labels = true;
  Bed honoring(rules);
  CHECK(honoring.take(page, 1).starts_with("a{exported_job=\"e\", instance=\"h\", job=\"own\"} 1"));
}

TEST_CASE("target series: times of the page") {
  Bed bed;
  CHECK(bed.take("a 1 500\n", 1000) == "a{instance=\"h\", job=\"j\"} 1 @500\nscraped 1 added 1");
  // No marker: Prometheus cannot know when such a series ends.
  CHECK(bed.take("b 1\n", 2000) == "b{instance=\"h\", job=\"j\"} 1 @2000\nscraped 1 added 1");
  SeriesRules track;
  track.track_timestamps_staleness = true;
  Bed tracking(track);
  tracking.take("a 1 500\n", 1000);
  CHECK(tracking.take("", 2000) == "a{instance=\"h\", job=\"j\"} stale @2000\nscraped 0 added 0");
  SeriesRules ignore;
  ignore.honor_timestamps = false;
  Bed ignoring(ignore);
  CHECK(ignoring.take("a 1 500\n", 1000) ==
        "a{instance=\"h\", job=\"j\"} 1 @1000\nscraped 1 added 1");
}

TEST_CASE("target series: a series that stands on a page twice counts once") {
  Bed bed;
  CHECK(bed.take("a 1\na 2\na{} 3\n", 1) ==
        "a{instance=\"h\", job=\"j\"} 1 @1\na{instance=\"h\", job=\"j\"} 3 @1\n"
        "scraped 3 added 2 duplicates 1");
}

TEST_CASE("target series: limits fail the page") {
  const auto with = [](auto set) {
    SeriesRules rules;
    set(rules);
    return rules;
  };
  CHECK(Bed(with([](auto& r) { r.sample_limit = 1; })).take("a 1\nb 2\n", 1) ==
        "there are more samples than 1");
  CHECK(Bed(with([](auto& r) { r.label_limit = 3; })).take("a{x=\"1\"} 1\n", 1) ==
        "a has more labels than 3");
  CHECK(Bed(with([](auto& r) {
          r.label_name_length_limit = 8;
        })).take("a{long_name=\"1\"} 1\n", 1) == "a: a label's name is longer than 8");
  CHECK(Bed(with([](auto& r) { r.label_value_length_limit = 3; })).take("a{x=\"1234\"} 1\n", 1) ==
        "a: the value of x is longer than 3");
  CHECK(Bed().take("a{x=\"" + std::string(70000, 'x') + "\"} 1\n", 1) ==
        "a series has more bytes than 65536");
  CHECK(Bed().take("{\"a b\"} 1\n", 1) == "not a metric name: \"a b\"");
  CHECK(Bed().take("{x=\"1\"} 1\n", 1) == "a series has no name");
  CHECK(Bed(with([](auto& r) { r.utf8_names = true; })).take("{\"a b\"} 1\n", 1) ==
        "a b{instance=\"h\", job=\"j\"} 1 @1\nscraped 1 added 1");
}

TEST_CASE("target series: pages that fail do not make it grow") {
  Bed bed;
  bed.take("a 1\n", 1);
  for (int i = 0; i < 50; ++i) {
    std::string page;
    for (int k = 0; k < 100; ++k) page += "x" + std::to_string(i * 100 + k) + " 1\n";
    bed.take(page + "broken\n", 2);
    bed.end(2);
  }
  CHECK(bed.series.size() <= 1);
}

TEST_CASE("target series: exemplars and metadata") {
  SeriesRules rules;
  rules.metadata = true;
  Bed bed(rules);
  const char* page =
      "# TYPE a counter\n# HELP a Help.\n# UNIT a s\na_total 1 # {t=\"1\"} 0.5\n# EOF\n";
  model::SampleBatch batch;
  REQUIRE(bed.series.take(page, ExpositionFormat::kOpenMetrics, 7, batch));
  REQUIRE(batch.exemplars.size() == 1);
  CHECK(model::labels_text(batch.exemplars[0].labels) == "{t=\"1\"}");
  CHECK(batch.exemplars[0].time_ms == 7);
  REQUIRE(batch.metadata.size() == 1);
  CHECK(batch.metadata[0].family == "a");
  CHECK(batch.metadata[0].help == "Help.");
  CHECK(batch.metadata[0].unit == "s");
  CHECK(batch.metadata[0].type == model::MetricType::kCounter);
  model::SampleBatch again;
  REQUIRE(bed.series.take(page, ExpositionFormat::kOpenMetrics, 8, again));
  CHECK(again.metadata.empty());
}

TEST_CASE("target series: types and units as labels") {
  SeriesRules rules;
  rules.type_and_unit = true;
  Bed bed(rules);
  CHECK(bed.take("# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total 1\n"
                 "# HELP b Help.\nb 2\nother 3\n# EOF\n",
                 5, ExpositionFormat::kOpenMetrics) ==
        "a_seconds_total{__type__=\"counter\", __unit__=\"seconds\", instance=\"h\", job=\"j\"} 1 "
        "@5\nb{instance=\"h\", job=\"j\"} 2 @5\nother{instance=\"h\", job=\"j\"} 3 @5\n"
        "scraped 3 added 3");
  model::SampleBatch batch;
  REQUIRE(bed.series.take({{"g", "", model::MetricType::kGauge, {{"", {}, 1}}}}, 6, batch));
  CHECK(SampleCollector::text(batch.samples.at(0).series) ==
        "g{__type__=\"gauge\", instance=\"h\", job=\"j\"}");
}

namespace {

namespace pb = agent::protobuf_page;

// A histogram with native and classic buckets, and a counter that counts since `start` seconds.
std::string protobuf_page(int start) {
  const std::string histogram = pb::number(1, 3) + pb::real(2, 4.5) +
                                pb::bytes(3, pb::number(1, 2) + pb::real(2, 1)) +
                                pb::number(5, pb::zigzag(3)) +
                                pb::bytes(12, pb::number(1, pb::zigzag(1)) + pb::number(2, 2)) +
                                pb::number(13, pb::zigzag(2)) + pb::number(13, pb::zigzag(-1));
  return pb::family("h", 4, {pb::bytes(1, pb::label("job", "own")) + pb::bytes(7, histogram)},
                    "Help.") +
         pb::family("c_total", 0,
                    {pb::bytes(3, pb::real(1, 7) +
                                      pb::bytes(3, pb::number(1, static_cast<unsigned>(start))))});
}

std::string protobuf_text(Bed& bed, const std::string& page, std::int64_t time_ms) {
  model::SampleBatch batch;
  const auto outcome = bed.series.take_protobuf(page, time_ms, batch);
  if (!outcome) return outcome.error().message;
  std::string out = Bed::text(batch);
  for (const auto& one : batch.histograms)
    out += "native " + SampleCollector::text(one.series) + " @" + std::to_string(one.time_ms) +
           " of " + std::to_string(one.encoded->size()) + "\n";
  return out;
}

}  // namespace

TEST_CASE("target series: a protobuf page is what its text would be, native histograms aside") {
  const std::string labels = "exported_job=\"own\", instance=\"h\", job=\"j\"";
  const std::string classic = "h_count{" + labels + "} 3 @9000\nh_sum{" + labels +
                              "} 4.5 @9000\nh_bucket{" + labels + ", le=\"1\"} 2 @9000\nh_bucket{" +
                              labels + ", le=\"+Inf\"} 3 @9000\n";
  const std::string counter = "c_total{instance=\"h\", job=\"j\"} 7 @9000\n";
  SeriesRules rules;
  Bed plain(rules);
  CHECK(protobuf_text(plain, protobuf_page(1), 9000) == classic + counter);
  rules.native_histograms = true;
  Bed native(rules);
  const std::string one = protobuf_text(native, protobuf_page(1), 9000);
  CHECK(one.find(counter + "native h{" + labels + "} @9000 of ") == 0);
  // It ends as other series do.
  CHECK(native.end(9500).find("h{" + labels + "} stale @9500\n") != std::string::npos);
  rules.classic_histograms = true;
  Bed both(rules);
  CHECK(protobuf_text(both, protobuf_page(1), 9000).find(classic + counter + "native h{") == 0);
  rules.bucket_limit = 1;
  rules.native_histograms = true;
  Bed limited(rules);
  CHECK(protobuf_text(limited, protobuf_page(1), 9000).find("native h{") != std::string::npos);
}

TEST_CASE("target series: a protobuf page that breaks is refused as a whole") {
  Bed bed;
  CHECK(protobuf_text(bed, protobuf_page(1) + "\x7f", 9000) == "family 3: it is cut off");
  CHECK(bed.series.size() == 0);
}

TEST_CASE("target series: counting that began between two pages begins with a zero") {
  SeriesRules rules;
  rules.starts = true;
  Bed bed(rules);
  const std::string counter = "c_total{instance=\"h\", job=\"j\"}";
  CHECK(protobuf_text(bed, protobuf_page(1), 9000).find(counter + " 0") == std::string::npos);
  CHECK(protobuf_text(bed, protobuf_page(15), 19'000)
            .find(counter + " 0 @15000\n" + counter + " 7 @19000\n") != std::string::npos);
  CHECK(protobuf_text(bed, protobuf_page(15), 29'000).find(counter + " 0") == std::string::npos);
}

TEST_CASE("target series: families of an exporter of this process") {
  Bed bed;
  std::vector<model::MetricFamily> families = {
      {"a_seconds",
       "A.",
       model::MetricType::kHistogram,
       {{"_bucket", {{"le", "+Inf"}}, 3}, {"_sum", {}, 1.5}, {"_count", {}, 3}}},
      {"b", "B.", model::MetricType::kGauge, {{"", {}, 1, 77}}}};
  model::SampleBatch batch;
  const auto outcome = bed.series.take(families, 1000, batch);
  REQUIRE(outcome);
  CHECK(outcome->added == 4);
  CHECK(Bed::text(batch) ==
        "a_seconds_bucket{instance=\"h\", job=\"j\", le=\"+Inf\"} 3 @1000\n"
        "a_seconds_sum{instance=\"h\", job=\"j\"} 1.5 @1000\n"
        "a_seconds_count{instance=\"h\", job=\"j\"} 3 @1000\n"
        "b{instance=\"h\", job=\"j\"} 1 @77\n");
  families.erase(families.begin());
  model::SampleBatch next;
  REQUIRE(bed.series.take(families, 2000, next));
  CHECK(next.samples.size() == 4);  // b, and three markers
}

namespace {

// The histograms of a batch, with what remote write's messages say of them.
std::string natives(const model::SampleBatch& batch) {
  std::string out;
  for (const auto& one : batch.histograms) {
    out += SampleCollector::text(one.series) + " @" + std::to_string(one.time_ms);
    if (one.custom_buckets) out += " custom";
    if (one.has_start) out += " since";
    out += "\n";
  }
  for (const auto& one : batch.exemplars)
    out += SampleCollector::text(one.series) + " exemplar " + format_number(one.value) + "\n";
  return out;
}

constexpr char kClassicPage[] =
    "# TYPE h histogram\n"
    "h_bucket{a=\"1\",le=\"1\"} 2 # {t=\"x\"} 0.5\n"
    "h_bucket{a=\"1\",le=\"+Inf\"} 5\n"
    "h_sum{a=\"1\"} 7\n"
    "h_count{a=\"1\"} 5\n"
    "h_bucket{a=\"2\",le=\"+Inf\"} 1\n"
    "h_count{a=\"2\"} 1\n"
    "# TYPE s summary\n"
    "s_sum 1\n"
    "s_count 2\n"
    "# EOF\n";

}  // namespace

TEST_CASE("target series: classic histograms become native ones, and go or stay beside them") {
  SeriesRules rules;
  rules.convert_classic = true;
  rules.classic_histograms = GENERATE(false, true);
  Bed bed(rules);
  const std::string labels = "instance=\"h\", job=\"j\"}";
  for (const std::int64_t time_ms : {1000, 2000}) {
    model::SampleBatch batch;
    const auto outcome =
        bed.series.take(kClassicPage, ExpositionFormat::kOpenMetrics, time_ms, batch);
    REQUIRE(outcome);
    const std::string at = " @" + std::to_string(time_ms);
    CHECK(natives(batch).find("h{a=\"1\", " + labels + at + " custom\nh{a=\"2\", " + labels + at +
                              " custom\n") == 0);
    CHECK(natives(batch).find("h{a=\"1\", " + labels + " exemplar 0.5\n") != std::string::npos);
    CHECK(batch.samples.size() == (rules.classic_histograms ? 8 : 2));
    CHECK(outcome->added == (time_ms == 1000 ? outcome->scraped : 0));
    CHECK(outcome->contradictory == 0);
  }
  // It ends as any series.
  CHECK(bed.end(3000).find("h{a=\"1\", " + labels + " stale @3000\n") != std::string::npos);
}

TEST_CASE("target series: a classic histogram that contradicts itself is left out, and counted") {
  SeriesRules rules;
  rules.convert_classic = true;
  Bed bed(rules);
  const char* page = GENERATE("h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\n",
                              "h_bucket{le=\"1\"} 2\nh_count 1\n", "h_sum 1\n");
  model::SampleBatch batch;
  const auto outcome = bed.series.take("# TYPE h histogram\n" + std::string(page) + "other 1\n",
                                       ExpositionFormat::kText, 1, batch);
  REQUIRE(outcome);
  CHECK(outcome->contradictory == 1);
  CHECK(batch.histograms.empty());
  CHECK(Bed::text(batch) == "other{instance=\"h\", job=\"j\"} 1 @1\n");
}

TEST_CASE("target series: what is no part of a histogram stays as it is") {
  SeriesRules rules;
  rules.convert_classic = true;
  Bed bed(rules);
  // No type; another family's; a bound that is no number; of a gauge.
  CHECK(bed.take("h_bucket{le=\"1\"} 2\n# TYPE h histogram\nx_count 1\nh_bucket{le=\"a\"} 1\n"
                 "h_bucket 1\n# TYPE g gauge\ng_count 1\n",
                 1)
            .find("scraped 5 added 5") != std::string::npos);
  model::SampleBatch batch;
  REQUIRE(bed.series.take({{"e",
                            "",
                            model::MetricType::kHistogram,
                            {{"_bucket", {{"le", "1"}}, 1}, {"_count", {}, 3}, {"_sum", {}, 1.5}}}},
                          2, batch));
  CHECK(natives(batch) == "e{instance=\"h\", job=\"j\"} @2 custom\n");
}

TEST_CASE("target series: a protobuf page's classic histograms are converted, native ones stay") {
  SeriesRules rules;
  rules.convert_classic = true;
  rules.native_histograms = GENERATE(false, true);
  Bed bed(rules);
  model::SampleBatch batch;
  REQUIRE(bed.series.take_protobuf(protobuf_page(1), 9000, batch));
  CHECK(natives(batch) == std::string("h{exported_job=\"own\", instance=\"h\", job=\"j\"} @9000") +
                              (rules.native_histograms ? "\n" : " custom\n"));
  CHECK(batch.samples.size() == 1);
}

TEST_CASE("target series: _created is a series, or since when others count") {
  const std::string page =
      "# TYPE c counter\nc_total{a=\"1\"} 7\nc_created{a=\"1\"} 1.5\n"
      "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 2\nh_created 1.5\n"
      "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_count 1\ns_sum 1\ns_created 1.5\n# EOF\n";
  Bed plain;
  CHECK(plain.take(page, 1000, ExpositionFormat::kOpenMetrics).find("scraped 10 added 10") !=
        std::string::npos);

  SeriesRules rules;
  rules.starts = true;
  rules.convert_classic = GENERATE(false, true);
  Bed bed(rules);
  const std::size_t series = rules.convert_classic ? 4 : 7;
  for (const std::int64_t time_ms : {1000, 2000, 3000}) {
    model::SampleBatch batch;
    REQUIRE(bed.series.take(page, ExpositionFormat::kOpenMetrics, time_ms, batch));
    // What was told before it can have been is not believed; where it falls between two pages
    // stands a zero.
    const bool between = time_ms == 2000;
    CHECK(batch.samples.size() == (between ? 2 : 1) * series);
    CHECK(batch.histograms.size() == (rules.convert_classic ? (between ? 2 : 1) : 0));
    std::size_t zeros = 0;
    for (const auto& one : batch.samples) {
      CHECK(one.start_ms == (one.time_ms == 1500 || time_ms == 1000 ? 0 : 1500));
      if (one.time_ms == 1500 && one.value == 0) ++zeros;
    }
    CHECK(zeros == (between ? series : 0));
    if (rules.convert_classic) CHECK(batch.histograms.back().has_start == (time_ms > 1000));
  }
}

}  // namespace agent::scrape
