// What one target exposes, from scrape to scrape: its pages become samples, and series that it no
// longer exposes get a staleness marker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/keyed_hash.h"
#include "agent/base/result.h"
#include "agent/model/labels.h"
#include "agent/model/metric_family.h"
#include "agent/model/sample.h"
#include "agent/scrape/metric_parts.h"
#include "agent/wire/classic_histogram.h"
#include "agent/wire/exposition_protobuf.h"
#include "agent/wire/exposition_reader.h"

namespace agent::scrape {

// Samples of one page where nothing else is configured: what a broken or hostile target may cost.
inline constexpr std::uint64_t kDefaultSampleLimit = 250'000;

struct SeriesRules {
  bool honor_labels = false;                   // labels of the page win over the target's
  bool honor_timestamps = true;                // times of the page are used
  bool track_timestamps_staleness = false;     // series with times of their own get markers, too
  bool metadata = false;                       // types, help and units are passed on
  bool utf8_names = false;                     // names outside [a-zA-Z_:][a-zA-Z0-9_:]* are fine
  bool type_and_unit = false;                  // series get __type__ and __unit__
  bool native_histograms = false;              // of protobuf pages
  bool classic_histograms = false;             // beside native ones
  bool convert_classic = false;                // to native ones with custom buckets
  bool starts = false;                         // since when a series counts is told, and a zero
                                               // stands where that was since the last page
  std::uint64_t bucket_limit = 0;              // of a native histogram; 0: none
  double min_bucket_factor = 0;                // by which its bounds grow at least
  std::uint64_t sample_limit = 0;              // 0: kDefaultSampleLimit
  std::uint64_t label_limit = 0;               // 0: none, as below
  std::uint64_t label_name_length_limit = 0;   // bytes
  std::uint64_t label_value_length_limit = 0;  // bytes
  bool operator==(const SeriesRules&) const = default;
};

// Belongs to one thread.
class TargetSeries {
 public:
  struct Outcome {
    std::size_t scraped = 0;     // samples on the page
    std::size_t added = 0;       // series that were not there the last time
    std::size_t duplicates = 0;  // samples left out because their series stood on the page before
    std::size_t contradictory = 0;  // classic histograms that no native one can be made of
  };

  // `interner` outlives it.
  TargetSeries(model::Interner& interner, model::Labels target_labels, SeriesRules rules)
      : interner_(interner), target_(std::move(target_labels)), rules_(rules) {}

  // What a page that failed with kExhausted had too much of.
  enum class Limit { kSamples, kLabels, kBuckets };

  // Appends the page's samples, and markers for series that it lacks. On failure (kInvalid: the
  // page, kExhausted: a limit) `out` is as it was; follow with end().
  Result<Outcome> take(std::string_view page, wire::ExpositionFormat format, std::int64_t time_ms,
                       model::SampleBatch& out);
  Result<Outcome> take(const std::vector<model::MetricFamily>& families, std::int64_t time_ms,
                       model::SampleBatch& out);
  Result<Outcome> take_protobuf(std::string_view page, std::int64_t time_ms,
                                model::SampleBatch& out);
  // Appends a marker for each series of the last page: the target does not answer, or is gone.
  void end(std::int64_t time_ms, model::SampleBatch& out);

  Limit exceeded() const { return exceeded_; }

  std::size_t size() const { return known_.size(); }  // series that are remembered

 private:
  // A series is known by a digest of its text on the page: the text itself would be most of what a
  // series costs.
  struct Known {
    KeyedHash::Digest key;
    model::LabelSet series;
    std::uint32_t reading = 0;  // the last page that it stood on, good or not
    bool there = false;         // it stood on the last good page
    bool marked = false;        // and gets a marker when it ends
    bool own_time = false;      // on the page being read
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  struct Sizes {
    std::size_t samples = 0, exemplars = 0, histograms = 0;
  };
  struct FamilyText {
    model::MetricType type = model::MetricType::kUnknown;
    std::string help, unit;
    bool changed = false;
  };
  struct Type {
    model::MetricType type = model::MetricType::kUnknown;
    std::string unit;
  };

  tl::unexpected<Error> over(std::string_view what, std::uint64_t limit, Limit kind);
  void start(model::SampleBatch& out);
  std::optional<std::int64_t> own(std::optional<std::int64_t> time_ms) const;
  model::LabelBuilder typed(model::Labels labels, const Type& type) const;
  Result<> add_metric(wire::ProtobufExpositionReader& reader, std::int64_t time_ms,
                      Outcome& outcome);
  using Native = wire::ProtobufExpositionReader::Native;
  // A metric of `name` and `labels` without the name.
  Result<> add_native(Native& native, std::string_view name, const model::Labels& labels,
                      const Type& type, std::optional<std::int64_t> own_time,
                      std::optional<std::int64_t> start_ms, std::int64_t time_ms, Outcome& outcome);
  // What was collected in collected_ since the last call.
  Result<> add_collected(std::string_view family, const model::Labels& labels, const Type& type,
                         std::optional<std::int64_t> start_ms, std::int64_t time_ms,
                         Outcome& outcome);
  bool starts_between(std::optional<std::int64_t> start_ms, std::int64_t time_ms) const;
  void tell_start(std::size_t from, std::int64_t start_ms, std::int64_t time_ms);
  template <class Labels>
  Result<Known*> see(std::string_view text, bool own_time, const Labels& labels, Outcome& outcome);
  Known* find(const KeyedHash::Digest& key);
  Known& insert(const KeyedHash::Digest& key, model::LabelSet series);
  template <class Gone>
  void forget(const Gone& gone);
  void make_index(std::size_t places);
  Result<model::LabelSet> series_of(model::Labels exposed);
  Outcome finish(Outcome outcome, std::int64_t time_ms, model::SampleBatch& out);
  void undo();
  void pass_metadata(model::SampleBatch& out);
  FamilyText& family(std::string_view name);

  model::Interner& interner_;
  const model::Labels target_;
  const SeriesRules rules_;
  const KeyedHash hash_;
  std::vector<Known> known_;          // in the order in which they came
  std::vector<std::uint32_t> index_;  // by key: a place in known_, from 1; open addressing
  std::size_t expected_ = 0;          // the place behind that of the sample before
  std::unordered_map<std::string, FamilyText, Hash, std::equal_to<>> families_;
  std::uint32_t reading_ = 0;          // number of the page being read
  model::SampleBatch* out_ = nullptr;  // what it goes into
  Sizes before_;                       // what was in there before
  struct Collected {
    wire::ClassicHistogram histogram;
    std::vector<wire::ProtobufExemplar> exemplars;
    std::optional<std::int64_t> own_time;
  };
  MetricParts parts_;         // of text pages, where it matters
  Collected collected_;       // the classic histogram being read
  std::int64_t last_ms_ = 0;  // of the last good page
  Limit exceeded_ = Limit::kSamples;
  std::string key_;
};

}  // namespace agent::scrape
