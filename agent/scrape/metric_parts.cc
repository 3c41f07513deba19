#include "agent/scrape/metric_parts.h"

#include <cmath>
#include <utility>

#include "agent/model/sample.h"
#include "agent/wire/exposition_reader.h"

namespace agent::scrape {
namespace {

using model::MetricType;

// What `labels` are a part of, by its name and the family's type; le and quantile are taken off.
MetricParts::Part part_of(std::string_view family, MetricType type, model::LabelBuilder& labels) {
  using Kind = MetricParts::Kind;
  MetricParts::Part part;
  part.type = type;
  const std::string name(labels.get(model::kMetricNameLabel));
  if (family.empty() || !name.starts_with(family)) return part;
  const std::string_view suffix = std::string_view(name).substr(family.size());
  const bool histogram = type == MetricType::kHistogram;
  if (suffix == "_created") {
    part.kind = Kind::kCreated;
  } else if (type == MetricType::kCounter) {
    if (suffix == "_total") part.kind = Kind::kValue;
  } else if (suffix == "_sum") {
    part.kind = Kind::kSum;
  } else if (suffix == "_count") {
    part.kind = Kind::kCount;
  } else if (histogram && suffix == "_bucket") {
    const auto bound = wire::parse_sample_value(labels.get("le"));
    if (!bound || std::isnan(*bound)) return part;
    part.kind = Kind::kBucket;
    part.bound = *bound;
    labels.set("le", "");
  } else if (!histogram && suffix.empty() && !labels.get("quantile").empty()) {
    part.kind = Kind::kValue;
    labels.set("quantile", "");
  }
  return part;
}

}  // namespace

std::string MetricParts::key_of(std::string_view family, const model::Labels& labels) {
  std::string key(family);
  key.append(2, '\0');  // no series is called so
  for (const model::Label& label : labels)
    key.append(1, '\0').append(label.name).append(1, '\0').append(label.value);
  return key;
}

Result<MetricParts::Part> MetricParts::find(std::string_view text, std::string_view family,
                                            MetricType type) {
  if (++asked_ > kMax)
    return fail(ErrorCode::kExhausted, "there are more parts of metrics than 250000");
  const auto known = parts_.find(text);
  if (known != parts_.end()) {
    const Part& part = known->second;
    if (part.type == type && part.metric->family == family) return part;
  }
  auto exposed = wire::ExpositionReader::labels_of(text);
  if (!exposed) return fail(std::move(exposed.error()));
  model::LabelBuilder labels(std::move(*exposed));
  Part part = part_of(family, type, labels);
  if (part.kind == Kind::kOther) return part;
  labels.set(model::kMetricNameLabel, "");
  Metric metric;
  metric.family = family;
  metric.labels = std::move(labels).take();
  metric.key = key_of(family, metric.labels);
  std::string key = metric.key;
  part.metric = &metrics_.try_emplace(std::move(key), std::move(metric)).first->second;
  parts_.insert_or_assign(std::string(text), part);
  return part;
}

void MetricParts::tidy() {
  if (parts_.size() > 2 * asked_) forget();
  asked_ = 0;
}

void MetricParts::forget() {
  parts_.clear();
  metrics_.clear();
  asked_ = 0;
}

}  // namespace agent::scrape
