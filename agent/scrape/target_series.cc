#include "agent/scrape/target_series.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "agent/base/strings.h"
#include "agent/model/type_labels.h"

namespace agent::scrape {
namespace {

constexpr std::size_t kMaxFamilies = 10'000;       // whose metadata is remembered
constexpr std::size_t kMaxHelp = 1024;             // bytes of a help text that are kept
constexpr std::size_t kMaxSeriesText = 64U << 10;  // bytes of a name with its labels
constexpr std::size_t kMaxExemplars = 100;         // of a histogram that is converted
constexpr std::size_t kReportSamples = 8;          // that a scrape adds to those of the page

bool is_metric_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
  };
  if (name.empty() || !letter(name.front())) return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

// A line of this name is of this family.
bool belongs(std::string_view name, std::string_view family) {
  if (family.empty() || !name.starts_with(family)) return false;
  name.remove_prefix(family.size());
  for (const std::string_view suffix :
       {"", "_total", "_created", "_bucket", "_sum", "_count", "_info", "_gsum", "_gcount"})
    if (name == suffix) return true;
  return false;
}

}  // namespace

tl::unexpected<Error> TargetSeries::over(std::string_view what, std::uint64_t limit, Limit kind) {
  exceeded_ = kind;
  return fail(ErrorCode::kExhausted, std::string(what) + " than " + std::to_string(limit));
}

void TargetSeries::start(model::SampleBatch& out) {
  exceeded_ = Limit::kSamples;
  ++reading_;
  expected_ = 0;
  out_ = &out;
  before_ = {out.samples.size(), out.exemplars.size(), out.histograms.size()};
  out.samples.reserve(out.samples.size() + known_.size() + kReportSamples);
  collected_ = {};
}

// The time of the page's own that counts.
std::optional<std::int64_t> TargetSeries::own(std::optional<std::int64_t> time_ms) const {
  return rules_.honor_timestamps ? time_ms : std::nullopt;
}

model::LabelBuilder TargetSeries::typed(model::Labels labels, const Type& type) const {
  model::LabelBuilder out(std::move(labels));
  if (rules_.type_and_unit) model::set_type_and_unit(out, type.type, type.unit);
  return out;
}

// What becomes of the labels on the page: the target's are added, and of two with one name the one
// that honor_labels favours keeps it. Then the limits.
Result<model::LabelSet> TargetSeries::series_of(model::Labels exposed) {
  model::LabelBuilder labels(std::move(exposed));
  const std::string name(labels.get(model::kMetricNameLabel));
  if (name.empty()) return fail(ErrorCode::kInvalid, "a series has no name");
  if (rules_.honor_labels) {
    for (const model::Label& label : target_)
      if (labels.get(label.name).empty()) labels.set(label.name, label.value);
  } else {
    std::vector<model::Label> clashing;
    for (const model::Label& label : target_)
      if (const auto value = labels.get(label.name); !value.empty())
        clashing.push_back({label.name, std::string(value)});
    for (const model::Label& label : target_) labels.set(label.name, label.value);
    // Short names first, so that exported_x gives way to x.
    std::stable_sort(clashing.begin(), clashing.end(),
                     [](const auto& a, const auto& b) { return a.name.size() < b.name.size(); });
    for (const model::Label& label : clashing) {
      std::string to = "exported_" + label.name;
      while (!labels.get(to).empty()) to.insert(0, "exported_");
      labels.set(to, label.value);
    }
  }
  if (!rules_.utf8_names) {
    if (!is_metric_name(name))
      return fail(ErrorCode::kInvalid, "not a metric name: " + json_string(name));
    for (const model::Label& label : labels.labels())
      if (!model::is_valid_label_name(label.name))
        return fail(ErrorCode::kInvalid, "not a label name: " + json_string(label.name));
  }
  const model::Labels& all = labels.labels();
  if (rules_.label_limit != 0 && all.size() > rules_.label_limit)
    return over(name + " has more labels", rules_.label_limit, Limit::kLabels);
  for (const model::Label& label : all) {
    if (rules_.label_name_length_limit != 0 && label.name.size() > rules_.label_name_length_limit)
      return over(name + ": a label's name is longer", rules_.label_name_length_limit,
                  Limit::kLabels);
    if (rules_.label_value_length_limit != 0 &&
        label.value.size() > rules_.label_value_length_limit)
      return over(name + ": the value of " + label.name + " is longer",
                  rules_.label_value_length_limit, Limit::kLabels);
  }
  return interner_.intern(std::move(labels).take());
}

TargetSeries::Known* TargetSeries::find(const KeyedHash::Digest& key) {
  // Pages keep their order.
  if (expected_ < known_.size() && known_[expected_].key == key) return &known_[expected_++];
  if (index_.empty()) return nullptr;
  for (std::size_t at = key.low;; ++at) {
    const std::uint32_t place = index_[at & (index_.size() - 1)];
    if (place == 0) return nullptr;
    if (known_[place - 1].key == key) {
      expected_ = place;
      return &known_[place - 1];
    }
  }
}

TargetSeries::Known& TargetSeries::insert(const KeyedHash::Digest& key, model::LabelSet series) {
  known_.push_back({key, std::move(series)});
  if (known_.size() * 4 > index_.size() * 3) {
    make_index(std::max<std::size_t>(16, index_.size() * 2));
  } else {
    std::size_t at = key.low;
    while (index_[at & (index_.size() - 1)] != 0) ++at;
    index_[at & (index_.size() - 1)] = static_cast<std::uint32_t>(known_.size());
  }
  expected_ = known_.size();
  return known_.back();
}

// `places` is a power of two, and more than there are series.
void TargetSeries::make_index(std::size_t places) {
  index_ = std::vector<std::uint32_t>(places);
  for (std::uint32_t i = 0; i < known_.size(); ++i) {
    std::size_t at = known_[i].key.low;
    while (index_[at & (places - 1)] != 0) ++at;
    index_[at & (places - 1)] = i + 1;
  }
}

// Forgets the series of which `gone` says so.
template <class Gone>
void TargetSeries::forget(const Gone& gone) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < known_.size(); ++i) {
    if (gone(known_[i])) continue;
    if (kept != i) known_[kept] = std::move(known_[i]);
    ++kept;
  }
  const bool any = kept != known_.size();
  known_.erase(known_.begin() + static_cast<std::ptrdiff_t>(kept), known_.end());
  if (known_.capacity() > known_.size() + known_.size() / 2) known_.shrink_to_fit();
  if (any) make_index(std::bit_ceil(known_.size() * 4 / 3 + 16));
}

// The series of a line; null: it stood on the page before. The pointer is good until the next.
template <class Labels>
Result<TargetSeries::Known*> TargetSeries::see(std::string_view text, bool own_time,
                                               const Labels& labels, Outcome& outcome) {
  const KeyedHash::Digest key = hash_(text);
  Known* known = find(key);
  if (known == nullptr) {
    if (text.size() > kMaxSeriesText)
      return over("a series has more bytes", kMaxSeriesText, Limit::kLabels);
    Result<model::Labels> exposed = labels();
    if (!exposed) return fail(std::move(exposed.error()));
    auto series = series_of(std::move(*exposed));
    if (!series) return fail(std::move(series.error()));
    known = &insert(key, std::move(*series));
    ++outcome.added;
  }
  ++outcome.scraped;
  const std::uint64_t limit = rules_.sample_limit != 0 ? rules_.sample_limit : kDefaultSampleLimit;
  if (outcome.scraped > limit) return over("there are more samples", limit, Limit::kSamples);
  if (known->reading != reading_) {
    known->reading = reading_;
    known->own_time = own_time;
  } else if (!own_time) {
    ++outcome.duplicates;
    return nullptr;
  }
  return known;
}

Result<TargetSeries::Outcome> TargetSeries::take(std::string_view page,
                                                 wire::ExpositionFormat format,
                                                 std::int64_t time_ms, model::SampleBatch& out) {
  using Item = wire::ExpositionReader::Item;
  start(out);
  Outcome outcome;
  wire::ExpositionReader reader(page, format);
  std::string_view told;  // the family that the newest comment is about
  Type type;
  const bool created = rules_.starts && format == wire::ExpositionFormat::kOpenMetrics;
  const bool comments = rules_.type_and_unit || rules_.convert_classic || created;
  const MetricParts::Metric* metric = nullptr;  // that the newest series is a part of
  std::size_t metric_at = 0;                    // where its samples begin
  std::optional<std::int64_t> start_ms;         // since when it counts
  const auto end_metric = [&]() -> Result<> {
    const MetricParts::Metric* ended = std::exchange(metric, nullptr);
    const auto since = std::exchange(start_ms, std::nullopt);
    if (ended == nullptr) return {};
    if (since) tell_start(metric_at, *since, time_ms);
    return add_collected(ended->family, ended->labels, type, since, time_ms, outcome);
  };
  // True: the series is not taken as it is.
  const auto part_of_metric = [&]() -> Result<bool> {
    MetricParts::Part part;
    const bool histogram = type.type == model::MetricType::kHistogram;
    if ((histogram && (rules_.convert_classic || created)) ||
        (created &&
         (type.type == model::MetricType::kCounter || type.type == model::MetricType::kSummary))) {
      auto found = parts_.find(reader.series(), told, type.type);
      if (!found) return fail(std::move(found.error()));
      part = *found;
    }
    if (part.metric != metric) {
      if (auto ended = end_metric(); !ended) return fail(std::move(ended.error()));
      metric = part.metric;
      metric_at = out.samples.size();
    }
    if (part.metric == nullptr) return false;
    if (part.kind == MetricParts::Kind::kCreated) {
      if (!created) return false;
      if (std::abs(reader.value()) < 9e12)
        start_ms = static_cast<std::int64_t>(reader.value() * 1000);
      return true;
    }
    if (!rules_.convert_classic || !histogram) return false;
    if (part.kind == MetricParts::Kind::kBucket)
      collected_.histogram.bucket(part.bound, reader.value());
    if (part.kind == MetricParts::Kind::kSum) collected_.histogram.sum(reader.value());
    if (part.kind == MetricParts::Kind::kCount) collected_.histogram.count(reader.value());
    collected_.own_time = reader.time_ms();
    if (const auto& exemplar = reader.exemplar();
        exemplar && collected_.exemplars.size() < kMaxExemplars) {
      if (auto own = wire::ExpositionReader::labels_of(exemplar->labels))
        collected_.exemplars.push_back({std::move(*own), exemplar->value, exemplar->time_ms});
    }
    return !rules_.classic_histograms;
  };
  while (true) {
    const Item item = reader.next();
    if (comments) {
      Result<bool> taken = false;
      if (item == Item::kSample) {
        taken = part_of_metric();
      } else if (auto ended = end_metric(); !ended) {
        taken = fail(std::move(ended.error()));
      }
      if (!taken) {
        undo();
        return fail(std::move(taken.error()));
      }
      if (*taken) continue;
    }
    if (item == Item::kSample) {
      const auto labels = [&]() -> Result<model::Labels> {
        auto exposed = reader.labels();
        if (!exposed || !rules_.type_and_unit) return exposed;
        const std::string name(model::LabelBuilder(*exposed).get(model::kMetricNameLabel));
        return typed(std::move(*exposed), belongs(name, told) ? type : Type()).labels();
      };
      const std::optional<std::int64_t> own_time = own(reader.time_ms());
      const auto known = see(reader.series(), own_time.has_value(), labels, outcome);
      if (!known) {
        undo();
        return fail(known.error());
      }
      if (*known == nullptr) continue;
      const model::LabelSet& series = (*known)->series;
      out.samples.push_back({series, own_time.value_or(time_ms), reader.value(), 0});
      if (const auto& exemplar = reader.exemplar()) {
        // One that is wrong is left out, as if it were not there.
        if (auto of_exemplar = wire::ExpositionReader::labels_of(exemplar->labels))
          out.exemplars.push_back({series, std::move(*of_exemplar), exemplar->value,
                                   exemplar->time_ms.value_or(time_ms)});
      }
    } else if (item == Item::kEnd) {
      break;
    } else if (item == Item::kBroken) {
      undo();
      return fail(ErrorCode::kInvalid, reader.error());
    }
    if (comments && item != Item::kSample) {
      if (std::exchange(told, reader.family()) != reader.family()) type = {};
      if (item == Item::kType) type.type = reader.type();
      if (item == Item::kUnit) type.unit = reader.text();
    }
    if (rules_.metadata && item != Item::kSample) {
      if (families_.size() >= kMaxFamilies && families_.find(reader.family()) == families_.end())
        continue;
      FamilyText& known = family(reader.family());
      if (item == Item::kType) {
        known.changed |= known.type != reader.type();
        known.type = reader.type();
      } else {
        std::string& old = item == Item::kHelp ? known.help : known.unit;
        std::string text = reader.text();
        if (text.size() > kMaxHelp) text = to_valid_utf8(text.substr(0, kMaxHelp));
        known.changed |= old != text;
        old = std::move(text);
      }
    }
  }
  return finish(outcome, time_ms, out);
}

Result<TargetSeries::Outcome> TargetSeries::take(const std::vector<model::MetricFamily>& families,
                                                 std::int64_t time_ms, model::SampleBatch& out) {
  start(out);
  Outcome outcome;
  for (const model::MetricFamily& one : families) {
    const bool convert = rules_.convert_classic && one.type == model::MetricType::kHistogram;
    model::LabelBuilder collected;  // the labels of what is being collected
    const auto end_metric = [&]() -> Result<> {
      return add_collected(one.name, collected.labels(), {one.type, {}}, {}, time_ms, outcome);
    };
    for (const auto& point : one.points) {
      if (convert) {
        model::LabelBuilder labels(point.all_labels());
        const auto bound = wire::parse_sample_value(labels.get("le"));
        labels.remove("le");
        if (labels.labels() != collected.labels()) {
          if (auto ended = end_metric(); !ended) {
            undo();
            return fail(std::move(ended.error()));
          }
          collected = std::move(labels);
        }
        if (point.suffix == "_bucket" && bound) collected_.histogram.bucket(*bound, point.value);
        if (point.suffix == "_sum") collected_.histogram.sum(point.value);
        if (point.suffix == "_count") collected_.histogram.count(point.value);
        collected_.own_time = point.time_ms;
        if (!rules_.classic_histograms) continue;
      }
      // Not a text of any format, only unmistakable.
      key_.assign(one.name).append(point.suffix);
      point.each_label([&](const model::Label& label) {
        key_.append(1, '\0').append(label.name).append(1, '\0').append(label.value);
      });
      const auto labels = [&]() -> Result<model::Labels> {
        model::LabelBuilder builder(point.all_labels());
        builder.set(model::kMetricNameLabel, one.name + point.suffix);
        return typed(std::move(builder).take(), {one.type, {}}).labels();
      };
      const std::optional<std::int64_t> own_time = own(point.time_ms);
      const auto known = see(key_, own_time.has_value(), labels, outcome);
      if (!known) {
        undo();
        return fail(known.error());
      }
      if (*known != nullptr)
        out.samples.push_back({(*known)->series, own_time.value_or(time_ms), point.value, 0});
    }
    if (auto ended = end_metric(); !ended) {
      undo();
      return fail(std::move(ended.error()));
    }
    if (rules_.metadata) {
      FamilyText& known = family(one.name);
      known.changed |= known.type != one.type || known.help != one.help;
      known.type = one.type;
      known.help = one.help;
    }
  }
  return finish(outcome, time_ms, out);
}

Result<TargetSeries::Outcome> TargetSeries::take_protobuf(std::string_view page,
                                                          std::int64_t time_ms,
                                                          model::SampleBatch& out) {
  using Item = wire::ProtobufExpositionReader::Item;
  start(out);
  Outcome outcome;
  wire::ProtobufExpositionReader reader(page);
  while (true) {
    const Item item = reader.next();
    if (item == Item::kEnd) break;
    if (item == Item::kFamily) {
      const auto& told = reader.family();
      if (!rules_.metadata || (families_.size() >= kMaxFamilies && !families_.contains(told.name)))
        continue;
      FamilyText& known = family(told.name);
      std::string help = to_valid_utf8(std::string_view(told.help).substr(0, kMaxHelp));
      known.changed |= known.type != told.type || known.help != help || known.unit != told.unit;
      known.type = told.type;
      known.help = std::move(help);
      known.unit = told.unit;
      continue;
    }
    Result<> added = item == Item::kBroken ? fail(ErrorCode::kInvalid, reader.error())
                                           : add_metric(reader, time_ms, outcome);
    if (!added) {
      undo();
      return fail(std::move(added.error()));
    }
  }
  return finish(outcome, time_ms, out);
}

Result<> TargetSeries::add_metric(wire::ProtobufExpositionReader& reader, std::int64_t time_ms,
                                  Outcome& outcome) {
  auto& metric = reader.metric();
  const auto& told = reader.family();
  const Type type{told.type, told.unit};
  const std::optional<std::int64_t> start_ms = rules_.starts ? metric.start_ms : std::nullopt;
  if (metric.native && rules_.native_histograms) {
    if (auto added = add_native(*metric.native, told.name, metric.labels, type, metric.time_ms,
                                start_ms, time_ms, outcome);
        !added)
      return added;
    if (!rules_.classic_histograms || !metric.classic) return {};
  } else if (rules_.convert_classic && told.type == model::MetricType::kHistogram) {
    for (auto& point : metric.points) {
      if (point.suffix == "_bucket") collected_.histogram.bucket(point.at, point.value);
      if (point.suffix == "_sum") collected_.histogram.sum(point.value);
      if (point.suffix == "_count") collected_.histogram.count(point.value);
      if (point.exemplar && collected_.exemplars.size() < kMaxExemplars)
        collected_.exemplars.push_back(*point.exemplar);
    }
    collected_.own_time = metric.time_ms;
    if (auto added = add_collected(told.name, metric.labels, type, start_ms, time_ms, outcome);
        !added)
      return added;
    if (!rules_.classic_histograms) return {};
  }
  const std::size_t first = out_->samples.size();
  const std::optional<std::int64_t> own_time = own(metric.time_ms);
  for (auto& point : metric.points) {
    const std::string at = point.label.empty() ? std::string() : format_number(point.at);
    key_.assign(told.name).append(point.suffix).append(1, '\0').append(at);
    for (const model::Label& label : metric.labels)
      key_.append(1, '\0').append(label.name).append(1, '\0').append(label.value);
    const auto labels = [&]() -> Result<model::Labels> {
      model::LabelBuilder builder(metric.labels);
      builder.set(model::kMetricNameLabel, told.name + std::string(point.suffix));
      if (!point.label.empty()) builder.set(point.label, at);
      return typed(std::move(builder).take(), type).labels();
    };
    const auto known = see(key_, own_time.has_value(), labels, outcome);
    if (!known) return fail(known.error());
    if (*known == nullptr) continue;
    const model::LabelSet& series = (*known)->series;
    out_->samples.push_back({series, own_time.value_or(time_ms), point.value, 0});
    if (point.exemplar)
      out_->exemplars.push_back({series, std::move(point.exemplar->labels), point.exemplar->value,
                                 point.exemplar->time_ms.value_or(time_ms)});
  }
  if (start_ms) tell_start(first, *start_ms, time_ms);
  return {};
}

Result<> TargetSeries::add_native(Native& native, std::string_view name,
                                  const model::Labels& labels, const Type& type,
                                  std::optional<std::int64_t> own_time,
                                  std::optional<std::int64_t> start_ms, std::int64_t time_ms,
                                  Outcome& outcome) {
  if (!wire::coarsen(native, rules_.bucket_limit, rules_.min_bucket_factor))
    return over(std::string(name) + ": a native histogram has more buckets", rules_.bucket_limit,
                Limit::kBuckets);
  key_ = MetricParts::key_of(name, labels);
  const auto all_labels = [&]() -> Result<model::Labels> {
    model::LabelBuilder builder(labels);
    builder.set(model::kMetricNameLabel, name);
    return typed(std::move(builder).take(), type).labels();
  };
  own_time = own(own_time);
  const auto known = see(key_, own_time.has_value(), all_labels, outcome);
  if (!known) return fail(known.error());
  if (*known == nullptr) return {};
  const model::LabelSet& series = (*known)->series;
  const std::int64_t at = own_time.value_or(time_ms);
  const auto put = [&](std::int64_t when, std::string encoded, bool has_start) {
    out_->histograms.push_back({series, when,
                                std::make_shared<const std::string>(std::move(encoded)),
                                native.schema == wire::kCustomBuckets, has_start});
  };
  if (starts_between(start_ms, time_ms) && !own_time)
    put(*start_ms, wire::encode_empty_histogram(native, *start_ms), false);
  const std::int64_t since = start_ms && *start_ms <= at ? *start_ms : 0;
  put(at, wire::encode_native_histogram(native, at, since), since != 0);
  for (auto& one : native.exemplars)
    out_->exemplars.push_back(
        {series, std::move(one.labels), one.value, one.time_ms.value_or(time_ms)});
  return {};
}

Result<> TargetSeries::add_collected(std::string_view family, const model::Labels& labels,
                                     const Type& type, std::optional<std::int64_t> start_ms,
                                     std::int64_t time_ms, Outcome& outcome) {
  if (collected_.histogram.empty()) return {};
  auto native = collected_.histogram.convert();
  collected_.histogram.clear();
  auto exemplars = std::exchange(collected_.exemplars, {});
  if (!native) {
    ++outcome.contradictory;
    return {};
  }
  native->exemplars = std::move(exemplars);
  return add_native(*native, family, labels, type, collected_.own_time, start_ms, time_ms, outcome);
}

// Each start falls between two pages, once.
bool TargetSeries::starts_between(std::optional<std::int64_t> start_ms,
                                  std::int64_t time_ms) const {
  return start_ms && last_ms_ != 0 && *start_ms > last_ms_ && *start_ms < time_ms;
}

// The samples from `from` on count since then.
void TargetSeries::tell_start(std::size_t from, std::int64_t start_ms, std::int64_t time_ms) {
  std::vector<model::Sample>& samples = out_->samples;
  const auto first = samples.begin() + static_cast<std::ptrdiff_t>(from);
  const std::vector<model::Sample> told(std::make_move_iterator(first),
                                        std::make_move_iterator(samples.end()));
  samples.erase(first, samples.end());
  for (model::Sample sample : told) {
    const bool own_time = sample.time_ms != time_ms;
    if (starts_between(start_ms, time_ms) && !own_time)
      samples.push_back({sample.series, start_ms, 0, 0});
    if (start_ms <= sample.time_ms) sample.start_ms = start_ms;
    samples.push_back(std::move(sample));
  }
}

TargetSeries::FamilyText& TargetSeries::family(std::string_view name) {
  auto found = families_.find(name);
  if (found == families_.end()) {
    found = families_.emplace(std::string(name), FamilyText{}).first;
    found->second.changed = true;
  }
  return found->second;
}

void TargetSeries::pass_metadata(model::SampleBatch& out) {
  for (auto& [name, text] : families_) {
    if (!text.changed) continue;
    text.changed = false;
    out.metadata.push_back({name, text.type, text.help, text.unit});
  }
}

TargetSeries::Outcome TargetSeries::finish(Outcome outcome, std::int64_t time_ms,
                                           model::SampleBatch& out) {
  if (rules_.metadata) pass_metadata(out);
  forget([&](Known& known) {
    if (known.reading == reading_) {
      known.there = true;
      known.marked = !known.own_time || rules_.track_timestamps_staleness;
      return false;
    }
    if (known.there && known.marked)
      out.samples.push_back({known.series, time_ms, model::stale_marker(), 0});
    return true;
  });
  last_ms_ = time_ms;
  parts_.tidy();
  return outcome;
}

// Takes back what a page that failed brought up, so that a hostile one cannot make us grow.
void TargetSeries::undo() {
  const auto cut = [](auto& all, std::size_t size) {
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(size), all.end());
  };
  cut(out_->samples, before_.samples);
  cut(out_->exemplars, before_.exemplars);
  cut(out_->histograms, before_.histograms);
  parts_.forget();
  forget([](const Known& known) { return !known.there; });
}

void TargetSeries::end(std::int64_t time_ms, model::SampleBatch& out) {
  for (Known& known : known_) {
    if (known.there && known.marked)
      out.samples.push_back({known.series, time_ms, model::stale_marker(), 0});
    known.there = false;
  }
}

}  // namespace agent::scrape
