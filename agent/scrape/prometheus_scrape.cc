// prometheus.scrape: asks targets for their metrics at their times and passes the samples on.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/duration.h"
#include "agent/base/file.h"
#include "agent/base/mutex.h"
#include "agent/base/strings.h"
#include "agent/component/collector.h"
#include "agent/component/component.h"
#include "agent/component/http_args.h"
#include "agent/component/receiver.h"
#include "agent/io/http_fetch.h"
#include "agent/io/http_streams.h"
#include "agent/scrape/target.h"
#include "agent/scrape/target_series.h"

namespace agent::scrape {
namespace {

// What a page may be at most where body_size_limit says nothing: a broken or hostile target must
// not cost the host its memory.
constexpr std::int64_t kMaxPage = 32LL << 20;
// A time this near to the planned one is moved onto it: evenly spaced samples need less room in
// every database.
constexpr std::int64_t kAlignNs = 2'000'000;
constexpr Duration kLookAround = std::chrono::seconds(1);

constexpr char kProtobuf[] = "PrometheusProto";

struct Protocol {
  std::string_view name;
  std::string_view accept;
  std::optional<wire::ExpositionFormat> format;  // none: protobuf
};
constexpr std::array<Protocol, 5> kProtocols = {{
    {kProtobuf,
     "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
     std::nullopt},
    {"OpenMetricsText1.0.0", "application/openmetrics-text;version=1.0.0",
     wire::ExpositionFormat::kOpenMetrics},
    {"OpenMetricsText0.0.1", "application/openmetrics-text;version=0.0.1",
     wire::ExpositionFormat::kOpenMetrics},
    {"PrometheusText1.0.0", "text/plain;version=1.0.0", wire::ExpositionFormat::kText},
    {"PrometheusText0.0.4", "text/plain;version=0.0.4", wire::ExpositionFormat::kText},
}};
const Protocol* protocol_named(std::string_view name) {
  for (const Protocol& one : kProtocols)
    if (one.name == name) return &one;
  return nullptr;
}

struct ClusteringArgs {
  bool enabled = false;
  static component::Schema<ClusteringArgs> schema() {
    return component::Schema<ClusteringArgs>().required(
        "enabled", &ClusteringArgs::enabled,
        "Without effect: an agent that knows no others scrapes all of its targets.");
  }
};

struct ScrapeArgs {
  std::vector<model::Target> targets;
  std::vector<std::shared_ptr<component::MetricsReceiver>> forward_to;
  std::string job_name;
  bool honor_labels = false;
  bool honor_timestamps = true;
  bool track_timestamps_staleness = false;
  bool honor_metadata = false;
  component::StringListMap params;
  std::string scrape_failure_log_file;
  Duration scrape_interval = std::chrono::minutes(1);
  Duration scrape_timeout = std::chrono::seconds(10);
  std::vector<std::string> scrape_protocols = {"OpenMetricsText1.0.0", "OpenMetricsText0.0.1",
                                               "PrometheusText1.0.0", "PrometheusText0.0.4"};
  std::string scrape_fallback_protocol = "PrometheusText0.0.4";
  std::string metrics_path = "/metrics";
  std::string scheme = "http";
  component::ByteSize body_size_limit;
  std::int64_t sample_limit = 0;
  std::int64_t target_limit = 0;
  std::int64_t label_limit = 0;
  std::int64_t label_name_length_limit = 0;
  std::int64_t label_value_length_limit = 0;
  bool extra_metrics = false;
  bool enable_compression = true;
  std::string metric_name_validation_scheme = "legacy";
  std::string metric_name_escaping_scheme;
  bool scrape_classic_histograms = false;
  bool scrape_native_histograms = false;
  bool enable_protobuf_negotiation = false;
  bool convert_classic_histograms_to_nhcb = false;
  bool enable_type_and_unit_labels = false;
  bool start_timestamp_zero_ingestion = false;
  std::int64_t native_histogram_bucket_limit = 0;
  double native_histogram_min_bucket_factor = 0;
  component::HttpClientArgs client;
  std::optional<ClusteringArgs> clustering;

  static component::Schema<ScrapeArgs> schema() {
    using A = ScrapeArgs;
    return component::Schema<A>()
        .required("targets", &A::targets, "Targets to scrape.")
        .required("forward_to", &A::forward_to, "Receivers that get the samples.")
        .optional("job_name", &A::job_name,
                  "Label `job` of targets that have none. Empty: the component's id.")
        .optional("honor_labels", &A::honor_labels,
                  "Labels on the page win over the target's. Otherwise they are renamed to "
                  "exported_<name>.")
        .optional("honor_timestamps", &A::honor_timestamps, "Times on the page are used.")
        .optional("track_timestamps_staleness", &A::track_timestamps_staleness,
                  "Series with times of their own get a staleness marker when they end, too.")
        .optional("honor_metadata", &A::honor_metadata,
                  "Types, help texts and units are passed on.")
        .optional("params", &A::params, "Query parameters of each request.")
        .optional("scrape_failure_log_file", &A::scrape_failure_log_file,
                  "File to which a line of JSON is appended for each failed scrape.")
        .optional("scrape_interval", &A::scrape_interval, "Time between two scrapes of a target.")
        .optional("scrape_timeout", &A::scrape_timeout, "Time that a scrape may take.")
        .optional("scrape_protocols", &A::scrape_protocols,
                  "Formats to ask for, the preferred one first.")
        .optional("scrape_fallback_protocol", &A::scrape_fallback_protocol,
                  "Format of a page whose Content-Type names none.")
        .optional("metrics_path", &A::metrics_path, "Path of the page.")
        .optional("scheme", &A::scheme, "http or https.")
        .optional("body_size_limit", &A::body_size_limit,
                  "Bytes of a page, decompressed, above which a scrape fails. 0: 32MiB.")
        .optional("sample_limit", &A::sample_limit,
                  "Samples of a page above which a scrape fails. 0: 250000.")
        .optional("target_limit", &A::target_limit,
                  "Number of targets above which all scrapes fail. 0: no limit.")
        .optional("label_limit", &A::label_limit,
                  "Labels of a series above which a scrape fails. 0: no limit.")
        .optional("label_name_length_limit", &A::label_name_length_limit,
                  "Bytes of a label's name above which a scrape fails. 0: no limit.")
        .optional("label_value_length_limit", &A::label_value_length_limit,
                  "Bytes of a label's value above which a scrape fails. 0: no limit.")
        .optional("extra_metrics", &A::extra_metrics,
                  "Adds scrape_timeout_seconds, scrape_sample_limit and scrape_body_size_bytes.")
        .optional("enable_compression", &A::enable_compression, "Offers gzip.")
        .optional("metric_name_validation_scheme", &A::metric_name_validation_scheme,
                  "Names that are accepted: legacy ([a-zA-Z_:][a-zA-Z0-9_:]*) or utf8 (any).")
        .optional("metric_name_escaping_scheme", &A::metric_name_escaping_scheme,
                  "How targets are asked to write other names: underscores, dots, values or "
                  "allow-utf-8. Empty: as the validation scheme needs it.")
        .optional("scrape_classic_histograms", &A::scrape_classic_histograms,
                  "Classic histograms are scraped beside native ones, and beside what "
                  "convert_classic_histograms_to_nhcb makes of them.")
        .optional("scrape_native_histograms", &A::scrape_native_histograms,
                  "Takes native histograms, which the protobuf format alone carries: it is asked "
                  "for first.")
        .optional("enable_protobuf_negotiation", &A::enable_protobuf_negotiation,
                  "Asks for the protobuf format first.")
        .optional(
            "convert_classic_histograms_to_nhcb", &A::convert_classic_histograms_to_nhcb,
            "Classic histograms become native ones with custom buckets, which "
            "prometheus.remote_write sends by protocol 2.0 alone. Their own series go, unless "
            "scrape_classic_histograms keeps them.")
        .optional("enable_type_and_unit_labels", &A::enable_type_and_unit_labels,
                  "Adds __type__ and __unit__ to the series of families that tell them.")
        .optional("start_timestamp_zero_ingestion", &A::start_timestamp_zero_ingestion,
                  "Takes the times since which series count, from the protobuf format, which is "
                  "asked for first, or the _created lines of OpenMetrics, which are no series "
                  "then: adds a zero where counting began since the last scrape, and remote write "
                  "2.0 sends the times.")
        .optional("native_histogram_bucket_limit", &A::native_histogram_bucket_limit,
                  "Buckets of a native histogram above which its resolution is halved, until it "
                  "has no more. 0: no limit.")
        .optional("native_histogram_min_bucket_factor", &A::native_histogram_min_bucket_factor,
                  "Least growth of a native histogram's bounds from bucket to bucket; its "
                  "resolution is halved until it is so.")
        .include(&A::client)
        .block("clustering", &A::clustering, "Accepted from configurations of a cluster.");
  }

  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    const auto wrong = [&](std::string_view name, std::string message) {
      diagnostics.error(body.span_of(name), std::move(message));
    };
    if (scrape_interval <= Duration::zero()) wrong("scrape_interval", "must be greater than 0");
    if (scrape_timeout <= Duration::zero()) wrong("scrape_timeout", "must be greater than 0");
    if (scrape_timeout > scrape_interval)
      wrong(body.find("scrape_timeout") != nullptr ? "scrape_timeout" : "scrape_interval",
            "scrape_timeout (" + format_duration(scrape_timeout) +
                ") is greater than scrape_interval (" + format_duration(scrape_interval) + ")");
    if (scheme != "http" && scheme != "https") wrong("scheme", "scheme must be http or https");
    if (scrape_protocols.empty()) wrong("scrape_protocols", "scrape_protocols is empty");
    const auto check_protocol = [&](std::string_view attribute, const std::string& name) {
      if (protocol_named(name) == nullptr) {
        wrong(attribute, "unknown protocol " + json_string(name) +
                             ": expected PrometheusProto, OpenMetricsText1.0.0, "
                             "OpenMetricsText0.0.1, PrometheusText1.0.0 or PrometheusText0.0.4");
      }
    };
    for (const std::string& name : scrape_protocols) check_protocol("scrape_protocols", name);
    check_protocol("scrape_fallback_protocol", scrape_fallback_protocol);
    if (metric_name_validation_scheme != "legacy" && metric_name_validation_scheme != "utf8")
      wrong("metric_name_validation_scheme", "expected legacy or utf8");
    const std::string& escaping = metric_name_escaping_scheme;
    if (!escaping.empty() && escaping != "underscores" && escaping != "dots" &&
        escaping != "values" && escaping != "allow-utf-8")
      wrong("metric_name_escaping_scheme", "expected underscores, dots, values or allow-utf-8");
    if (native_histogram_min_bucket_factor < 0)
      wrong("native_histogram_min_bucket_factor",
            "native_histogram_min_bucket_factor must not be negative");
    for (const auto& [name, value] :
         {std::pair{"sample_limit", sample_limit}, std::pair{"target_limit", target_limit},
          std::pair{"label_limit", label_limit},
          std::pair{"native_histogram_bucket_limit", native_histogram_bucket_limit},
          std::pair{"label_name_length_limit", label_name_length_limit},
          std::pair{"label_value_length_limit", label_value_length_limit},
          std::pair{"body_size_limit", body_size_limit.bytes}})
      if (value < 0) wrong(name, std::string(name) + " must not be negative");
    client.validate(body, diagnostics);
  }

  SeriesRules rules() const {
    SeriesRules rules;
    rules.honor_labels = honor_labels;
    rules.honor_timestamps = honor_timestamps;
    rules.track_timestamps_staleness = track_timestamps_staleness;
    rules.metadata = honor_metadata;
    rules.utf8_names = metric_name_validation_scheme == "utf8";
    rules.type_and_unit = enable_type_and_unit_labels;
    rules.native_histograms = scrape_native_histograms;
    rules.classic_histograms = scrape_classic_histograms;
    rules.convert_classic = convert_classic_histograms_to_nhcb;
    rules.starts = start_timestamp_zero_ingestion;
    rules.bucket_limit = static_cast<std::uint64_t>(native_histogram_bucket_limit);
    rules.min_bucket_factor = native_histogram_min_bucket_factor;
    rules.sample_limit = static_cast<std::uint64_t>(sample_limit);
    rules.label_limit = static_cast<std::uint64_t>(label_limit);
    rules.label_name_length_limit = static_cast<std::uint64_t>(label_name_length_limit);
    rules.label_value_length_limit = static_cast<std::uint64_t>(label_value_length_limit);
    return rules;
  }

  // What needs the protobuf format has it asked for first.
  std::vector<std::string> protocols() const {
    std::vector<std::string> out = scrape_protocols;
    const bool needed =
        scrape_native_histograms || enable_protobuf_negotiation || start_timestamp_zero_ingestion;
    if (needed && std::find(out.begin(), out.end(), kProtobuf) == out.end())
      out.insert(out.begin(), kProtobuf);
    return out;
  }
};

// The value of the request's Accept header: all formats with falling weight.
std::string accept_header(const ScrapeArgs& args) {
  std::string escaping = args.metric_name_escaping_scheme;
  if (escaping.empty())
    escaping = args.metric_name_validation_scheme == "utf8" ? "allow-utf-8" : "underscores";
  std::string out;
  const std::vector<std::string> protocols = args.protocols();
  auto weight = std::min<std::size_t>(9, protocols.size() + 2);
  for (const std::string& name : protocols) {
    const Protocol* protocol = protocol_named(name);
    out += protocol->accept;
    if (name.ends_with("1.0.0")) out += ";escaping=" + escaping;
    out += ";q=0." + std::to_string(weight) + ",";
    if (weight > 1) --weight;
  }
  return out + "*/*;q=0." + std::to_string(weight);
}

struct Counters {
  explicit Counters(const component::Metrics& metrics)
      : targets(metrics.gauge("prometheus_scrape_targets_gauge", "Targets that are scraped.")),
        forwarded(metrics.counter("prometheus_forwarded_samples_total", "Samples passed on.")),
        latency(metrics.histogram("prometheus_fanout_latency",
                                  "Seconds that receivers took for a batch.",
                                  component::default_buckets())),
        failed(metrics.counter("prometheus_target_scrapes_failed_total", "Scrapes that failed.")),
        refused(metrics.counter("prometheus_target_sync_failed_total",
                                "Targets that cannot be scraped: no address, a bad interval.")),
        over_body(metrics.counter("prometheus_target_scrapes_exceeded_body_size_limit_total",
                                  "Scrapes that failed because the page was too large.")),
        over_limit(metrics.counter("prometheus_target_scrapes_exceeded_sample_limit_total",
                                   "Scrapes that failed because of a limit on samples.")),
        over_labels(metrics.counter("prometheus_target_scrape_pool_exceeded_label_limits_total",
                                    "Scrapes that failed because of a limit on labels.")),
        over_buckets(metrics.counter(
            "prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total",
            "Scrapes that failed because of native_histogram_bucket_limit.")),
        over_targets(
            metrics.counter("prometheus_target_scrape_pool_exceeded_target_limit_total",
                            "Changes after which there were more targets than target_limit.")),
        duplicates(
            metrics.counter("prometheus_target_scrapes_sample_duplicate_timestamp_total",
                            "Samples left out because their series stood on the page twice.")),
        pools(metrics.counter("prometheus_target_scrape_pools_total",
                              "Times that this component began with targets.")),
        reloads(metrics.counter("prometheus_target_scrape_pool_reloads_total",
                                "Changes of more than the targets.")),
        reload_length(metrics.histogram("prometheus_target_reload_length_seconds",
                                        "Seconds that these changes took.",
                                        component::default_buckets())),
        duration(metrics.histogram("prometheus_target_scrape_duration_seconds",
                                   "Seconds that scrapes took.", component::default_buckets())) {}
  const component::Gauge targets;
  const component::Counter forwarded;
  const component::Histogram latency;
  const component::Counter failed;
  const component::Counter refused;
  const component::Counter over_body;
  const component::Counter over_limit;
  const component::Counter over_labels;
  const component::Counter over_buckets;
  const component::Counter over_targets;
  const component::Counter duplicates;
  const component::Counter pools;
  const component::Counter reloads;
  const component::Histogram reload_length;
  const component::Histogram duration;
};

// Those that Prometheus labels with the job.
struct JobMetrics {
  JobMetrics(const component::Metrics& all, const std::string& job)
      : JobMetrics(all.with({{"scrape_job", job}})) {}
  explicit JobMetrics(const component::Metrics& metrics)
      : targets(
            metrics.gauge("prometheus_target_scrape_pool_targets", "Targets that are scraped.")),
        limit(metrics.gauge("prometheus_target_scrape_pool_target_limit",
                            "The argument target_limit; 0: none.")),
        syncs(metrics.counter("prometheus_target_scrape_pool_sync_total",
                              "Lists of targets that were taken over.")),
        sync_length(metrics.histogram("prometheus_target_sync_length_histogram_seconds",
                                      "Seconds that this took.", component::default_buckets())) {}
  component::Gauge targets, limit;
  component::Counter syncs;
  component::Histogram sync_length;
};

// Seconds between two scrapes of a target, from a tenth to ten times what is wanted.
component::Histogram interval_histogram(const component::Metrics& metrics, Duration wanted) {
  std::vector<double> bounds;
  for (const double times : {0.1, 0.5, 0.9, 0.99, 1.0, 1.01, 1.1, 1.5, 2.0, 10.0})
    bounds.push_back(times * std::chrono::duration<double>(wanted).count());
  return metrics.histogram("prometheus_target_interval_length_histogram_seconds",
                           "Seconds between the starts of two scrapes of a target.",
                           std::move(bounds), {{"interval", format_duration(wanted)}});
}

struct Settings {
  ScrapeArgs args;
  io::HttpOptions http;
  std::string accept;
};

// The series that tell of a target's scrapes.
struct ReportSeries {
  enum Which { kUp, kDuration, kScraped, kAfterRelabeling, kAdded, kCount };
  enum Extra { kTimeout, kSampleLimit, kBodySize, kExtraCount };
  std::array<model::LabelSet, kCount> series;
  std::array<model::LabelSet, kExtraCount> extra;

  ReportSeries(model::Interner& interner, const model::Labels& target) {
    constexpr std::array<const char*, kCount> kNames = {
        "up", "scrape_duration_seconds", "scrape_samples_scraped",
        "scrape_samples_post_metric_relabeling", "scrape_series_added"};
    constexpr std::array<const char*, kExtraCount> kExtraNames = {
        "scrape_timeout_seconds", "scrape_sample_limit", "scrape_body_size_bytes"};
    const auto named = [&](const char* name) {
      model::LabelBuilder labels(target);
      labels.set(model::kMetricNameLabel, name);
      return interner.intern(std::move(labels).take());
    };
    for (std::size_t i = 0; i < kCount; ++i) series[i] = named(kNames[i]);
    for (std::size_t i = 0; i < kExtraCount; ++i) extra[i] = named(kExtraNames[i]);
  }
};

// One target's life.
struct Loop {
  Loop(model::Interner& interner, ScrapeTarget what, const SeriesRules& rules)
      : target(std::move(what)),
        series(std::make_unique<TargetSeries>(interner, target.labels, rules)),
        report(interner, target.labels) {}
  ScrapeTarget target;
  std::unique_ptr<TargetSeries> series;
  ReportSeries report;
  bool reported = false;    // the report series have samples
  std::int64_t due_ns = 0;  // wall time
  bool in_flight = false;
  std::optional<std::int64_t> leaves_ns;  // not a target any more; when its series end
  std::optional<Mono> began;              // the newest scrape
  component::Histogram intervals;         // between two of them
};

struct Answer {
  Result<> outcome;
  std::string_view page;
  std::optional<wire::ExpositionFormat> format = std::nullopt;  // none: protobuf
  const std::vector<model::MetricFamily>* families = nullptr;
};

class Scrape final : public component::Configured<ScrapeArgs>, public component::Worker {
 public:
  explicit Scrape(component::Host host)
      : host_(std::move(host)), counters_(host_.metrics), seed_(component::host_name()) {}

  using Configured::prepare;
  Result<component::Commit> prepare(ScrapeArgs args) override {
    auto settings = std::make_shared<Settings>();
    settings->args = std::move(args);
    if (settings->args.job_name.empty()) settings->args.job_name = host_.id;
    settings->http = settings->args.client.options();
    settings->accept = accept_header(settings->args);
    return component::Commit([this, settings] {
      forward_.set(settings->args.forward_to);
      MutexLock lock(mutex_);
      settings_ = settings;
      new_settings_ = true;
      changed_.notify_all();
      if (streams_) streams_->wakeup();
    });
  }

  Result<> run(std::stop_token stop) override {
    loops_.clear();
    used_.reset();
    while (!stop.stop_requested()) {
      adopt_settings();
      const std::int64_t now = host_.clock.wall_ns();
      std::int64_t next = now + kLookAround.count();
      for (std::size_t i = 0; i < loops_.size();) {
        const std::shared_ptr<Loop> loop = loops_[i];
        if (loop->leaves_ns && *loop->leaves_ns <= now) {
          say_good_bye(*loop, *loop->leaves_ns, stop);
          loops_.erase(loops_.begin() + static_cast<std::ptrdiff_t>(i));
          continue;
        }
        if (!loop->leaves_ns) {
          // A clock that was set back must not silence a target for long.
          if (loop->due_ns > now + 2 * loop->target.interval.count())
            loop->due_ns = first_due_ns(loop->target, seed_, now);
          if (loop->due_ns <= now && !stop.stop_requested()) begin(loop, now, stop);
        }
        next = std::min(next, loop->leaves_ns.value_or(loop->due_ns));
        ++i;
      }
      wait_until(next, stop);
    }
    MutexLock lock(mutex_);
    streams_.reset();  // with what is on its way
    return {};
  }

  void debug_info(component::DebugWriter& out) const override {
    MutexLock lock(mutex_);
    double per_second = 0;
    for (const auto& [url, status] : status_)
      per_second += static_cast<double>(status.samples) /
                    std::chrono::duration<double>(status.interval).count();
    out.value("samples_per_second", format_number(std::round(per_second * 100) / 100));
    std::size_t i = 0;
    for (const auto& [url, status] : status_) {
      const std::string at = "target." + std::to_string(i++) + ".";
      out.value(at + "url", url);
      out.value(at + "labels", status.labels);
      out.value(at + "up", status.error.empty() ? "true" : "false");
      out.value(at + "last_error", status.error);
      out.value(at + "last_scrape_unix_seconds", std::to_string(status.ended_ns / 1'000'000'000));
      out.value(at + "last_scrape_duration", format_duration(status.took));
      out.value(at + "samples", std::to_string(status.samples));
    }
  }

 private:
  struct Status {
    std::string labels;
    std::string error;
    Duration took{};
    std::int64_t ended_ns = 0;  // wall time
    std::size_t samples = 0;
    Duration interval = std::chrono::minutes(1);
  };

  void wait_until(std::int64_t wall_ns, const std::stop_token& stop) {
    const Duration left(std::max<std::int64_t>(0, wall_ns - host_.clock.wall_ns()));
    std::shared_ptr<io::HttpStreams> streams;
    {
      MutexLock lock(mutex_);
      if (new_settings_) return;
      streams = streams_;
      if (streams == nullptr || streams->size() == 0) {
        host_.clock.wait(lock, changed_, host_.clock.mono() + left, stop,
                         [this]() NO_THREAD_SAFETY_ANALYSIS { return new_settings_; });
        return;
      }
    }
    streams->poll(left, stop);
  }

  void adopt_settings() {
    std::shared_ptr<const Settings> settings;
    {
      MutexLock lock(mutex_);
      if (!new_settings_) return;
      new_settings_ = false;
      settings = settings_;
      if (used_ == nullptr || !(used_->http == settings->http)) {
        streams_ = std::make_shared<io::HttpStreams>(settings->http);
        oauth_ = std::make_unique<io::HttpClient>(settings->http);
        for (const auto& loop : loops_) loop->in_flight = false;
      }
    }
    const Mono started = host_.clock.mono();
    const ScrapeArgs& args = settings->args;
    const SeriesRules rules = args.rules();
    const auto last = std::exchange(used_, settings);
    const bool same_rules = last != nullptr && last->args.rules() == rules;
    if (last == nullptr) counters_.pools->increment();
    if (last == nullptr || last->args.job_name != args.job_name)
      job_.emplace(host_.metrics, args.job_name);

    TargetDefaults defaults;
    defaults.job_name = args.job_name;
    defaults.scheme = args.scheme;
    defaults.metrics_path = args.metrics_path;
    defaults.params = args.params;
    defaults.interval = args.scrape_interval;
    defaults.timeout = args.scrape_timeout;

    const std::int64_t now = host_.clock.wall_ns();
    std::vector<std::shared_ptr<Loop>> old = std::move(loops_);
    loops_.clear();
    std::vector<ScrapeTarget> wanted;
    for (const model::Target& found : args.targets) {
      auto target = scrape_target(found, defaults);
      if (!target) {
        counters_.refused->increment();
        host_.log.warn("a target cannot be scraped", {{"err", target.error().message}});
        continue;
      }
      wanted.push_back(std::move(*target));
    }
    // Targets that differ in nothing that we look at are one.
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    too_many_ =
        args.target_limit > 0 && wanted.size() > static_cast<std::size_t>(args.target_limit);
    if (too_many_) counters_.over_targets->increment();

    const auto take = [&](const auto& fits) -> std::shared_ptr<Loop> {
      const auto it = std::find_if(
          old.begin(), old.end(), [&](const auto& loop) { return loop != nullptr && fits(*loop); });
      return it == old.end() ? nullptr : std::exchange(*it, nullptr);
    };
    std::vector<const ScrapeTarget*> fresh;
    for (const ScrapeTarget& target : wanted) {
      auto loop = take([&](const Loop& one) { return one.target == target; });
      if (loop == nullptr) {
        fresh.push_back(&target);
        continue;
      }
      if (loop->leaves_ns) loop->due_ns = first_due_ns(target, seed_, now);
      loop->leaves_ns.reset();
      loops_.push_back(std::move(loop));
    }
    for (const ScrapeTarget* target : fresh) {
      auto loop = std::make_shared<Loop>(host_.labels, *target, rules);
      loop->intervals = interval_histogram(host_.metrics, target->interval);
      loop->due_ns = first_due_ns(*target, seed_, now);
      // Another place or pace of the same series: they go on, and must not be ended by the old
      // loop.
      if (auto before =
              take([&](const Loop& one) { return one.target.labels == target->labels; })) {
        loop->series = std::move(before->series);
        loop->reported = before->reported;
      }
      loops_.push_back(std::move(loop));
    }
    for (auto& loop : old) {
      if (loop == nullptr) continue;
      // Prometheus, too, waits for what would have been the scrape after the next.
      if (!loop->leaves_ns) loop->leaves_ns = now + 2 * loop->target.interval.count();
      loops_.push_back(std::move(loop));
    }
    if (!same_rules) {
      for (const auto& loop : loops_) {
        model::SampleBatch batch;
        loop->series->end(now / 1'000'000, batch);
        pass_on(std::move(batch), {});
        loop->series = std::make_unique<TargetSeries>(host_.labels, loop->target.labels, rules);
      }
    }
    counters_.targets->set(static_cast<double>(wanted.size()));
    job_->targets->set(static_cast<double>(wanted.size()));
    job_->limit->set(static_cast<double>(args.target_limit));
    job_->syncs->increment();
    const double took = std::chrono::duration<double>(host_.clock.mono() - started).count();
    job_->sync_length->observe(took);
    if (last != nullptr &&
        !(same_rules && last->http == settings->http && last->accept == settings->accept &&
          last->args.target_limit == args.target_limit && defaults_ == defaults)) {
      counters_.reloads->increment();
      counters_.reload_length->observe(took);
    }
    defaults_ = defaults;
    MutexLock lock(mutex_);
    status_.erase(std::remove_if(status_.begin(), status_.end(),
                                 [&](const auto& row) {
                                   return std::none_of(wanted.begin(), wanted.end(),
                                                       [&](const ScrapeTarget& target) {
                                                         return target.url == row.first;
                                                       });
                                 }),
                  status_.end());
  }

  void begin(const std::shared_ptr<Loop>& loop, std::int64_t now, const std::stop_token& stop) {
    const std::int64_t planned = loop->due_ns;
    const std::int64_t interval = loop->target.interval.count();
    loop->due_ns += interval;
    // Times that were missed are not made up for.
    if (loop->due_ns <= now) loop->due_ns += (now - loop->due_ns) / interval * interval + interval;
    if (loop->in_flight) return;  // its timeout is at most the interval, so it ends about now
    const std::int64_t time_ms = (now - planned <= kAlignNs ? planned : now) / 1'000'000;
    const Mono started = host_.clock.mono();
    if (const auto last = std::exchange(loop->began, started))
      loop->intervals->observe(std::chrono::duration<double>(started - *last).count());
    if (too_many_) {
      finish(*loop, {fail(ErrorCode::kExhausted, "there are more targets than target_limit"), {}},
             time_ms, started, stop);
      return;
    }
    if (!loop->target.exporter.empty()) {
      const auto collector = host_.collectors.find(loop->target.exporter);
      Answer answer;
      Result<std::vector<model::MetricFamily>> families = std::vector<model::MetricFamily>();
      if (collector != nullptr) {
        families = collector->collect(stop);
      } else {
        families = fail(ErrorCode::kNotFound, "there is no exporter " + loop->target.exporter);
      }
      if (families) {
        answer.families = &*families;
      } else {
        answer.outcome = fail(families.error());
      }
      if (stop.stop_requested()) return;
      finish(*loop, answer, time_ms, started, stop);
      return;
    }
    request(loop, time_ms, started, stop);
  }

  void request(const std::shared_ptr<Loop>& loop, std::int64_t time_ms, Mono started,
               const std::stop_token& stop) {
    auto bearer = oauth_->token(stop);
    if (!bearer) {
      finish(*loop, {fail(bearer.error()), {}}, time_ms, started, stop);
      return;
    }
    const ScrapeArgs& args = used_->args;
    io::HttpRequest request;
    request.url = loop->target.url;
    request.headers = {
        {"Accept", used_->accept},
        {"X-Prometheus-Scrape-Timeout-Seconds",
         format_number(std::chrono::duration<double>(loop->target.timeout).count())}};
    request.timeout = loop->target.timeout;
    request.max_body = static_cast<std::size_t>(
        args.body_size_limit.bytes > 0 ? args.body_size_limit.bytes : kMaxPage);
    request.accept_compressed = args.enable_compression;
    loop->in_flight = true;
    MutexLock lock(mutex_);
    streams_->authorize(std::move(*bearer));
    io::fetch(*streams_, std::move(request),
              [this, weak = std::weak_ptr<Loop>(loop), time_ms, started,
               stop](Result<io::HttpResponse> response) {
                const auto now = weak.lock();
                if (now == nullptr) return;
                now->in_flight = false;
                if (stop.stop_requested() || now->leaves_ns) return;
                finish(*now, answer_of(response), time_ms, started, stop);
              });
  }

  Answer answer_of(const Result<io::HttpResponse>& response) {
    Answer answer;
    if (!response) {
      if (response.error().code == ErrorCode::kExhausted) counters_.over_body->increment();
      answer.outcome = fail(response.error());
      return answer;
    }
    if (response->status == 401) oauth_->forget_token();
    if (response->status != 200) {
      answer.outcome = fail(ErrorCode::kUnavailable,
                            "the target answers with status " + std::to_string(response->status));
      return answer;
    }
    answer.page = response->body;
    const std::string_view type = response->header("content-type");
    if (wire::is_protobuf_exposition(type)) return answer;
    answer.format = wire::exposition_format(type);
    if (!answer.format)
      answer.format = protocol_named(used_->args.scrape_fallback_protocol)->format;
    return answer;
  }

  void finish(Loop& loop, const Answer& answer, std::int64_t time_ms, Mono started,
              const std::stop_token& stop) {
    model::SampleBatch batch;
    Result<TargetSeries::Outcome> taken = TargetSeries::Outcome{};
    if (!answer.outcome) {
      taken = fail(answer.outcome.error());
    } else if (answer.families != nullptr) {
      taken = loop.series->take(*answer.families, time_ms, batch);
    } else if (answer.format) {
      taken = loop.series->take(answer.page, *answer.format, time_ms, batch);
    } else {
      taken = loop.series->take_protobuf(answer.page, time_ms, batch);
    }
    const Duration took = host_.clock.mono() - started;
    counters_.duration->observe(std::chrono::duration<double>(took).count());
    if (!taken) {
      loop.series->end(time_ms, batch);
      counters_.failed->increment();
      if (taken.error().code == ErrorCode::kExhausted && answer.outcome) {
        switch (loop.series->exceeded()) {
          case TargetSeries::Limit::kSamples:
            counters_.over_limit->increment();
            break;
          case TargetSeries::Limit::kLabels:
            counters_.over_labels->increment();
            break;
          case TargetSeries::Limit::kBuckets:
            counters_.over_buckets->increment();
            break;
        }
      }
      tell_failure(loop, taken.error());
    }
    const TargetSeries::Outcome outcome = taken ? *taken : TargetSeries::Outcome{};
    counters_.duplicates->add(static_cast<double>(outcome.duplicates));
    if (outcome.contradictory > 0)
      host_.log.limited(Level::kWarn, "classic histograms contradict themselves and are left out",
                        {{"target", loop.target.url}, {"histograms", outcome.contradictory}});

    const auto report = [&](ReportSeries::Which which, double value) {
      batch.samples.push_back({loop.report.series[which], time_ms, value});
    };
    report(ReportSeries::kUp, taken ? 1 : 0);
    report(ReportSeries::kDuration, std::chrono::duration<double>(took).count());
    report(ReportSeries::kScraped, static_cast<double>(outcome.scraped));
    report(ReportSeries::kAfterRelabeling, static_cast<double>(outcome.scraped));
    report(ReportSeries::kAdded, static_cast<double>(outcome.added));
    if (used_->args.extra_metrics) {
      const auto extra = [&](ReportSeries::Extra which, double value) {
        batch.samples.push_back({loop.report.extra[which], time_ms, value});
      };
      extra(ReportSeries::kTimeout, std::chrono::duration<double>(loop.target.timeout).count());
      extra(ReportSeries::kSampleLimit, static_cast<double>(used_->args.sample_limit));
      extra(ReportSeries::kBodySize, static_cast<double>(answer.page.size()));
    }
    loop.reported = true;
    {
      MutexLock lock(mutex_);
      const auto it = std::find_if(status_.begin(), status_.end(),
                                   [&](const auto& row) { return row.first == loop.target.url; });
      Status& status =
          it != status_.end() ? it->second : status_.emplace_back(loop.target.url, Status()).second;
      if (status.labels.empty()) status.labels = model::labels_text(loop.target.labels);
      status.error = taken ? std::string() : taken.error().message;
      status.took = took;
      status.ended_ns = host_.clock.wall_ns();
      status.samples = outcome.scraped;
      status.interval = loop.target.interval;
    }
    pass_on(std::move(batch), stop);
  }

  void tell_failure(const Loop& loop, const Error& error) {
    host_.log.debug("a scrape failed", {{"target", loop.target.url}, {"err", error.message}});
    const std::string& file = used_->args.scrape_failure_log_file;
    if (file.empty()) return;
    const std::string line = "{\"time_ms\":" + std::to_string(host_.clock.wall_ns() / 1'000'000) +
                             ",\"level\":\"ERROR\",\"msg\":\"scrape failed\",\"job_name\":" +
                             json_string(used_->args.job_name) +
                             ",\"target\":" + json_string(loop.target.url) +
                             ",\"err\":" + json_string(to_valid_utf8(error.message)) + "}\n";
    if (auto written = append_file(file, line); !written)
      host_.log.warn("cannot write to scrape_failure_log_file", {{"err", written.error().message}});
  }

  // The target is gone: all of its series end.
  void say_good_bye(Loop& loop, std::int64_t at_ns, const std::stop_token& stop) {
    model::SampleBatch batch;
    const std::int64_t time_ms = at_ns / 1'000'000;
    loop.series->end(time_ms, batch);
    if (loop.reported)
      for (const model::LabelSet& series : loop.report.series)
        batch.samples.push_back({series, time_ms, model::stale_marker()});
    pass_on(std::move(batch), stop);
  }

  void pass_on(model::SampleBatch batch, const std::stop_token& stop) {
    if (batch.empty()) return;
    const std::size_t samples = batch.samples.size();
    const Mono before = host_.clock.mono();
    if (auto passed = forward_.consume(std::move(batch), stop); !passed) {
      if (!stop.stop_requested())
        host_.log.warn("samples were not taken", {{"err", passed.error().message}});
      return;
    }
    counters_.latency->observe(std::chrono::duration<double>(host_.clock.mono() - before).count());
    counters_.forwarded->add(static_cast<double>(samples));
  }

  component::Host host_;
  const Counters counters_;
  const std::string seed_;
  component::MetricsFanout forward_{host_.tap};

  mutable Mutex mutex_;
  Condition changed_;
  std::shared_ptr<const Settings> settings_ GUARDED_BY(mutex_);
  bool new_settings_ GUARDED_BY(mutex_) = false;
  // Made and polled by the thread in run(); others only wake it up.
  std::shared_ptr<io::HttpStreams> streams_ GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, Status>> status_ GUARDED_BY(mutex_);  // by URL

  // Of the thread in run():
  std::shared_ptr<const Settings> used_;
  TargetDefaults defaults_;
  std::optional<JobMetrics> job_;
  std::unique_ptr<io::HttpClient> oauth_;  // only for its token
  std::vector<std::shared_ptr<Loop>> loops_;
  bool too_many_ = false;
};

}  // namespace

component::Declaration prometheus_scrape() {
  return component::declare<Scrape>(
      "prometheus.scrape",
      "Scrapes metrics of targets, over HTTP or from this agent's own exporters.");
}

}  // namespace agent::scrape
