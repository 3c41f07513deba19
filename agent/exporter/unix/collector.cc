#include "agent/exporter/unix/collector.h"

#include <algorithm>
#include <utility>

#include "agent/base/strings.h"

namespace agent::exporter::unix_host {

void Families::add(model::MetricType type, std::string_view name, std::string_view help,
                   double value, model::Labels labels) {
  auto found = families_.find(name);
  if (found == families_.end()) {
    std::string clean(name);
    for (char& c : clean) {
      const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '_' || c == ':';
      if (!fine) c = '_';
    }
    found = families_.find(clean);
    if (found == families_.end())
      found =
          families_.emplace(clean, model::MetricFamily{clean, std::string(help), type, {}}).first;
  }
  for (model::Label& label : labels)
    if (!is_valid_utf8(label.value)) label.value = to_valid_utf8(label.value);
  std::erase_if(labels, [](const model::Label& label) { return label.value.empty(); });
  const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  std::sort(labels.begin(), labels.end(), by_name);
  const auto same = [](const auto& a, const auto& b) { return a.name == b.name; };
  labels.erase(std::unique(labels.begin(), labels.end(), same), labels.end());
  found->second.points.push_back({"", std::move(labels), value});
}

void Families::add_families(std::vector<model::MetricFamily> families) {
  for (model::MetricFamily& family : families) {
    const auto found = families_.find(family.name);
    if (found == families_.end()) {
      std::string name = family.name;
      families_.emplace(std::move(name), std::move(family));
      continue;
    }
    auto& points = found->second.points;
    points.insert(points.end(), std::make_move_iterator(family.points.begin()),
                  std::make_move_iterator(family.points.end()));
  }
}

std::vector<model::MetricFamily> Families::take() && {
  std::vector<model::MetricFamily> out;
  out.reserve(families_.size());
  for (auto& [name, family] : families_) out.push_back(std::move(family));
  return out;
}

}  // namespace agent::exporter::unix_host
