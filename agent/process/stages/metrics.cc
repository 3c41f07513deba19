// stage.metrics: counters, gauges and histograms of what was extracted, on the agent's own
// /metrics, with the entry's labels. They start from zero when the arguments change.
#include <algorithm>
#include <limits>
#include <memory>

#include "agent/base/duration.h"
#include "agent/base/strings.h"
#include "agent/component/series_table.h"
#include "agent/process/stage.h"

namespace agent::process {
namespace {

using component::SeriesTable;

// What the kinds have in common.
struct MetricArgs {
  std::string name;
  std::string description;
  std::string source;
  std::string prefix = "loki_process_custom_";
  Duration max_idle_duration = std::chrono::minutes(5);
  std::string value;

  static component::Schema<MetricArgs> schema() {
    return component::Schema<MetricArgs>()
        .required("name", &MetricArgs::name, "Name of the metric, behind the prefix.")
        .optional("description", &MetricArgs::description, "What it says, for people.")
        .optional("source", &MetricArgs::source,
                  "Extracted value that it is made of; empty is the metric's name.")
        .optional("prefix", &MetricArgs::prefix, "Put before the name.")
        .optional("max_idle_duration", &MetricArgs::max_idle_duration,
                  "Time without a change after which a series is removed.")
        .optional("value", &MetricArgs::value, "Only when the source is this text.");
  }
  std::string full_name() const { return (prefix.empty() ? MetricArgs().prefix : prefix) + name; }
  void check(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    const auto valid = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_' || c == ':';
    };
    const std::string full = full_name();
    if (name.empty() || (full[0] >= '0' && full[0] <= '9') ||
        !std::all_of(full.begin(), full.end(), valid))
      diagnostics.error(body.span_of("name"),
                        json_string(full) + " is not a valid name of a metric");
    if (max_idle_duration < std::chrono::seconds(1))
      diagnostics.error(body.span_of("max_idle_duration"), "max_idle_duration must be at least 1s");
  }
};

struct CounterArgs {
  MetricArgs common;
  std::string action;
  bool match_all = false;
  bool count_entry_bytes = false;
  static component::Schema<CounterArgs> schema() {
    return component::Schema<CounterArgs>()
        .include(&CounterArgs::common)
        .required("action", &CounterArgs::action, "inc adds one, add the source's number.")
        .optional("match_all", &CounterArgs::match_all, "Counts every entry, whatever the source.")
        .optional("count_entry_bytes", &CounterArgs::count_entry_bytes,
                  "Adds the length of the line; with match_all and action \"add\".");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    common.check(body, diagnostics);
    if (action != "inc" && action != "add")
      diagnostics.error(body.span_of("action"),
                        "action must be \"inc\" or \"add\", got " + json_string(action));
    if (match_all && !common.value.empty())
      diagnostics.error(body.span_of("value"), "match_all and value exclude each other");
    if (count_entry_bytes && (!match_all || action != "add"))
      diagnostics.error(body.span_of("count_entry_bytes"),
                        "count_entry_bytes needs match_all = true and action = \"add\"");
    if (match_all && action == "add" && !count_entry_bytes)
      diagnostics.error(body.span_of("match_all"),
                        "match_all with action \"add\" needs count_entry_bytes = true");
  }
};

struct GaugeArgs {
  MetricArgs common;
  std::string action;
  static component::Schema<GaugeArgs> schema() {
    return component::Schema<GaugeArgs>()
        .include(&GaugeArgs::common)
        .required("action", &GaugeArgs::action,
                  "set, add and sub take the source's number, inc and dec are one.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    common.check(body, diagnostics);
    constexpr std::string_view kActions[] = {"set", "inc", "dec", "add", "sub"};
    if (std::find(std::begin(kActions), std::end(kActions), action) == std::end(kActions))
      diagnostics.error(body.span_of("action"),
                        "action must be \"set\", \"inc\", \"dec\", \"add\" or \"sub\", got " +
                            json_string(action));
  }
};

struct HistogramArgs {
  MetricArgs common;
  std::vector<double> buckets;
  static component::Schema<HistogramArgs> schema() {
    return component::Schema<HistogramArgs>()
        .include(&HistogramArgs::common)
        .required("buckets", &HistogramArgs::buckets,
                  "Upper bounds, rising; empty are Prometheus' usual ones.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    constexpr std::size_t kMost = 1000;
    common.check(body, diagnostics);
    if (buckets.size() > kMost)
      diagnostics.error(body.span_of("buckets"), "there are more than 1000 buckets");
    // NaN is not rising either.
    for (std::size_t i = 0; i < buckets.size(); ++i)
      if (!(buckets[i] == buckets[i]) || (i > 0 && !(buckets[i - 1] < buckets[i]))) {
        diagnostics.error(body.span_of("buckets"), "buckets must rise");
        break;
      }
  }
};

enum class Action { kInc, kDec, kSet, kAdd, kSub, kObserve, kBytes };

Action action_of(const std::string& name) {
  if (name == "inc") return Action::kInc;
  if (name == "dec") return Action::kDec;
  if (name == "set") return Action::kSet;
  if (name == "sub") return Action::kSub;
  return Action::kAdd;
}

// A decoded metric block.
struct MetricSpec {
  MetricArgs common;
  model::MetricType type = model::MetricType::kCounter;
  Action action = Action::kInc;
  bool match_all = false;
  std::vector<double> buckets;
};

MetricSpec spec_of(const CounterArgs& args) {
  const Action action = args.count_entry_bytes ? Action::kBytes : action_of(args.action);
  return {args.common, model::MetricType::kCounter, action, args.match_all, {}};
}
MetricSpec spec_of(const GaugeArgs& args) {
  return {args.common, model::MetricType::kGauge, action_of(args.action), false, {}};
}
MetricSpec spec_of(const HistogramArgs& args) {
  std::vector<double> bounds = args.buckets.empty() ? component::default_buckets() : args.buckets;
  // The last bucket has no bound anyway.
  if (bounds.back() == std::numeric_limits<double>::infinity()) bounds.pop_back();
  return {args.common, model::MetricType::kHistogram, Action::kObserve, false, std::move(bounds)};
}

template <class Args>
component::Variant<MetricSpec> metric_kind(std::string name, std::string doc) {
  component::Variant<MetricSpec> kind;
  kind.name = std::move(name);
  kind.doc = std::move(doc);
  kind.fields = [] { return Args::schema().info(); };
  kind.decode = [](const lang::Block& block, std::vector<MetricSpec>& out,
                   lang::Diagnostics& diagnostics) {
    Args args;
    component::decode(block.body, args, diagnostics);
    out.push_back(spec_of(args));
  };
  return kind;
}

struct MetricsArgs {
  std::vector<MetricSpec> metrics;
  static component::Schema<MetricsArgs> schema() {
    return component::Schema<MetricsArgs>().variants(
        &MetricsArgs::metrics,
        {metric_kind<CounterArgs>("metric.counter", "A number that only grows."),
         metric_kind<GaugeArgs>("metric.gauge", "A number that goes up and down."),
         metric_kind<HistogramArgs>("metric.histogram", "How often values were in which range.")});
  }
};

// "0.8", and "250ms" as seconds.
std::optional<double> number_of(const Extracted& value) {
  if (const auto number = to_number(value)) return number;
  const auto* text = std::get_if<std::string_view>(&value);
  if (text == nullptr) return std::nullopt;
  const auto duration = parse_duration(*text);
  if (!duration) return std::nullopt;
  return std::chrono::duration<double>(*duration).count();
}

class MetricsStage final : public Stage {
 public:
  using Arguments = MetricsArgs;
  MetricsStage(const Arguments& args, const StageHost& host)
      : log_(host.log),
        over_limit_(host.counter(
            "loki_process_custom_metrics_over_limit_total",
            "Changes of custom metrics that were not made, since there were too many series.")) {
    for (const MetricSpec& spec : args.metrics) {
      metrics_.push_back(
          {spec, spec.common.source.empty() ? spec.common.name : spec.common.source,
           std::make_unique<SeriesTable>(
               SeriesTable::Options{spec.common.full_name(), spec.common.description, spec.type,
                                    spec.buckets, spec.common.max_idle_duration},
               host.metrics, host.clock, host.labels)});
    }
  }

  void process(Batch& batch) override {
    for (const Item& item : batch.items)
      for (const Custom& metric : metrics_) {
        if (change(metric, item, batch.arena)) continue;
        over_limit_->increment();
        log_.limited(Level::kWarn, "stage.metrics: a metric has too many series, no more are made",
                     {{"metric", metric.spec.common.full_name()}, {"labels", item.labels.text()}});
      }
  }

 private:
  struct Custom {
    MetricSpec spec;
    std::string source;
    std::unique_ptr<SeriesTable> series;
  };

  // False when there are too many series.
  static bool change(const Custom& metric, const Item& item, model::Arena& arena) {
    SeriesTable& series = *metric.series;
    std::optional<Extracted> value;
    if (!metric.spec.match_all) {
      value = item.find(metric.source);
      if (!value) return true;
      if (!metric.spec.common.value.empty() && to_text(*value, arena) != metric.spec.common.value)
        return true;
    }
    switch (metric.spec.action) {
      case Action::kInc:
        return series.add(item.labels, 1);
      case Action::kDec:
        return series.add(item.labels, -1);
      case Action::kBytes:
        return series.add(item.labels, static_cast<double>(item.line.size()));
      default:
        break;
    }
    const auto number = number_of(*value);
    if (!number) return true;
    switch (metric.spec.action) {
      case Action::kSet:
        return series.set(item.labels, *number);
      case Action::kSub:
        return series.add(item.labels, -*number);
      case Action::kObserve:
        return series.observe(item.labels, *number);
      default:
        // A counter only grows.
        if (metric.spec.type == model::MetricType::kCounter && !(*number >= 0)) return true;
        return series.add(item.labels, *number);
    }
  }

  const Log log_;
  component::Counter over_limit_;
  std::vector<Custom> metrics_;
};

}  // namespace

StageDeclaration stage_metrics() {
  return declare_stage<MetricsStage>("metrics", "Makes metrics of extracted values.");
}

}  // namespace agent::process
