#include "agent/wire/exposition_families.h"

#include <array>
#include <string>
#include <utility>

#include "agent/model/sample.h"
#include "agent/wire/exposition_reader.h"

namespace agent::wire {

using model::MetricFamily;

namespace {

// What the name of a sample has more than its family's.
std::string_view suffix_of(std::string_view family, std::string_view sample) {
  if (!sample.starts_with(family)) return {};
  const std::string_view rest = sample.substr(family.size());
  constexpr std::array<std::string_view, 3> kSuffixes = {"_bucket", "_sum", "_count"};
  for (const std::string_view suffix : kSuffixes)
    if (rest == suffix) return suffix;
  return {};
}

}  // namespace

Result<std::vector<MetricFamily>> read_families(std::string_view text) {
  using Item = ExpositionReader::Item;
  std::vector<MetricFamily> out;
  const auto family = [&](std::string_view name) -> MetricFamily& {
    for (MetricFamily& one : out)
      if (one.name == name) return one;
    out.push_back({std::string(name), "", model::MetricType::kUnknown, {}});
    return out.back();
  };
  ExpositionReader reader(text, ExpositionFormat::kText);
  while (true) {
    const Item item = reader.next();
    if (item == Item::kEnd) break;
    if (item == Item::kBroken) return fail(ErrorCode::kInvalid, reader.error());
    if (item == Item::kHelp) family(reader.family()).help = reader.text();
    if (item == Item::kType) family(reader.family()).type = reader.type();
    if (item != Item::kSample) continue;
    auto labels = reader.labels();
    if (!labels) return fail(std::move(labels.error()));
    model::LabelBuilder own(std::move(*labels));
    const std::string name(own.get(model::kMetricNameLabel));
    if (name.empty()) return fail(ErrorCode::kInvalid, "a series has no name");
    own.remove(model::kMetricNameLabel);
    MetricFamily::Point point{"", std::move(own).take(), reader.value(), reader.time_ms()};
    MetricFamily* into = nullptr;
    for (MetricFamily& one : out) {
      const bool parts =
          one.type == model::MetricType::kHistogram || one.type == model::MetricType::kSummary;
      const std::string_view suffix = parts ? suffix_of(one.name, name) : std::string_view();
      if (suffix.empty()) continue;
      point.suffix = suffix;
      into = &one;
    }
    (into != nullptr ? *into : family(name)).points.push_back(std::move(point));
  }
  std::erase_if(out, [](const MetricFamily& one) { return one.points.empty(); });
  return out;
}

}  // namespace agent::wire
