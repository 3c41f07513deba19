// prometheus.exporter.static: metrics written into the configuration, as a target.
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/component/collector.h"
#include "agent/component/component.h"
#include "agent/model/sample.h"
#include "agent/wire/exposition_reader.h"

namespace agent::exporter {
namespace {

using model::MetricFamily;

// What the name of a sample has more than its family's.
std::string_view suffix_of(std::string_view family, std::string_view sample) {
  if (!sample.starts_with(family)) return {};
  const std::string_view rest = sample.substr(family.size());
  constexpr std::array<std::string_view, 3> kSuffixes = {"_bucket", "_sum", "_count"};
  for (const std::string_view suffix : kSuffixes)
    if (rest == suffix) return suffix;
  return {};
}

Result<std::vector<MetricFamily>> families_of(const std::string& text) {
  using Item = wire::ExpositionReader::Item;
  std::vector<MetricFamily> out;
  const auto family = [&](std::string_view name) -> MetricFamily& {
    for (MetricFamily& one : out)
      if (one.name == name) return one;
    out.push_back({std::string(name), "", model::MetricType::kUnknown, {}});
    return out.back();
  };
  wire::ExpositionReader reader(text, wire::ExpositionFormat::kText);
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

struct StaticArgs {
  std::string text;

  static component::Schema<StaticArgs> schema() {
    return component::Schema<StaticArgs>().required(
        "text", &StaticArgs::text, "Metrics in Prometheus' text exposition format.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (const auto families = families_of(text); !families)
      diagnostics.error(body.span_of("text"), families.error().message);
  }
};

class Written final : public component::Collector {
 public:
  void set(std::vector<MetricFamily> families) {
    MutexLock lock(mutex_);
    families_ = std::move(families);
  }
  Result<std::vector<MetricFamily>> collect(std::stop_token) override {
    MutexLock lock(mutex_);
    return families_;
  }

 private:
  Mutex mutex_;
  std::vector<MetricFamily> families_ GUARDED_BY(mutex_);
};

class StaticExporter final : public component::Configured<StaticArgs> {
 public:
  explicit StaticExporter(const component::Host& host)
      : registered_(host.collectors.add(host.id, written_)) {
    host.exports({{"targets", component::targets_value({component::exporter_target(
                                  host.id, "static", component::host_name())})}});
  }
  using Configured::prepare;
  Result<component::Commit> prepare(StaticArgs args) override {
    auto families = families_of(args.text);
    if (!families) return fail(std::move(families.error()));
    return component::Commit([this, families = std::move(*families)] { written_->set(families); });
  }

 private:
  const std::shared_ptr<Written> written_ = std::make_shared<Written>();
  const std::shared_ptr<void> registered_;
};

}  // namespace

component::Declaration prometheus_exporter_static() {
  return component::declare<StaticExporter>(
      "prometheus.exporter.static", "Exposes metrics that the configuration itself holds.",
      {{"targets", "list(map(string))", "The target that means these metrics."}});
}

}  // namespace agent::exporter
