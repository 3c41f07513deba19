// prometheus.echo: prints each sample on standard output, for looking at a pipeline without a
// Prometheus.
#include <unistd.h>

#include <atomic>
#include <string>
#include <utility>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "agent/component/component.h"
#include "agent/component/receiver.h"

namespace agent::write {
namespace {

struct PrometheusEchoArgs {
  std::string format = "text";

  static component::Schema<PrometheusEchoArgs> schema() {
    return component::Schema<PrometheusEchoArgs>().optional(
        "format", &PrometheusEchoArgs::format,
        "text or openmetrics: whether times are written in milliseconds or in seconds.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    if (format != "text" && format != "openmetrics")
      diagnostics.error(body.span_of("format"), "format must be text or openmetrics");
  }
};

class EchoReceiver final : public component::MetricsReceiver {
 public:
  explicit EchoReceiver(const component::Host& host) : log_(host.log) {}

  void set_seconds(bool seconds) { seconds_ = seconds; }

  Result<> consume(model::SampleBatch batch, std::stop_token) override {
    std::string out;
    for (const model::Metadata& one : batch.metadata)
      out += "# HELP " + one.family + " " + to_valid_utf8(one.help) + "\n";
    for (const model::Sample& sample : batch.samples) {
      model::LabelBuilder labels(sample.series);
      out += labels.get(model::kMetricNameLabel);
      labels.remove(model::kMetricNameLabel);
      if (!labels.labels().empty()) out += model::labels_text(labels.labels());
      out += ' ';
      append_number(out, sample.value);
      if (model::is_stale_marker(sample.value)) out += " (stale)";
      out += ' ';
      if (seconds_) {
        append_number(out, static_cast<double>(sample.time_ms) / 1000);
      } else {
        out += std::to_string(sample.time_ms);
      }
      out += '\n';
    }
    if (auto written = write_all(STDOUT_FILENO, out); !written)
      log_.warn("cannot print samples", {{"err", written.error().message}});
    return {};
  }

 private:
  const Log log_;
  std::atomic<bool> seconds_{false};
};

class PrometheusEcho final : public component::Configured<PrometheusEchoArgs> {
 public:
  explicit PrometheusEcho(const component::Host& host)
      : receiver_(std::make_shared<EchoReceiver>(host)) {
    host.exports({{"receiver", component::capsule<component::MetricsReceiver>(receiver_)}});
  }
  using Configured::prepare;
  Result<component::Commit> prepare(PrometheusEchoArgs args) override {
    return component::Commit(
        [this, seconds = args.format == "openmetrics"] { receiver_->set_seconds(seconds); });
  }

 private:
  const std::shared_ptr<EchoReceiver> receiver_;
};

}  // namespace

component::Declaration prometheus_echo() {
  return component::declare<PrometheusEcho>(
      "prometheus.echo", "Prints the samples that it receives on standard output.",
      {{"receiver", "MetricsReceiver", "Receiver of the samples to show."}});
}

}  // namespace agent::write
