// loki.echo: writes each entry into the agent's own log, for looking at a pipeline without a Loki.
#include <utility>

#include "agent/base/strings.h"
#include "agent/component/component.h"
#include "agent/component/receiver.h"

namespace agent::write {
namespace {

struct EchoArgs {
  static component::Schema<EchoArgs> schema() { return {}; }
};

std::string rfc3339(std::int64_t time_ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t nanos = time_ns % kSecond;
  if (nanos < 0) nanos += kSecond;
  const std::time_t seconds = static_cast<std::time_t>((time_ns - nanos) / kSecond);
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  char text[48];
  const std::size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
  std::string fraction = std::to_string(kSecond + nanos).substr(1);
  return std::string(text, n) + "." + fraction + "Z";
}

class EchoReceiver final : public component::LogReceiver {
 public:
  EchoReceiver(Log log, const component::Metrics& metrics)
      : log_(std::move(log)),
        entries_(metrics.counter("loki_echo_entries_total", "Entries written to the log.")) {}

  Result<> consume(model::EntryBatch batch, std::stop_token) override {
    for (const model::Entry& entry : batch.entries) {
      std::string metadata;
      for (const model::MetadataPair& pair : entry.metadata) {
        metadata += metadata.empty() ? "{" : ", ";
        metadata += std::string(pair.name) + "=" + json_string(pair.value);
      }
      metadata += metadata.empty() ? "{}" : "}";
      log_.info("entry", {{"timestamp", rfc3339(entry.time_ns)},
                          {"labels", entry.labels.text()},
                          {"entry", to_valid_utf8(entry.line)},
                          {"structured_metadata", to_valid_utf8(metadata)}});
    }
    entries_->add(static_cast<double>(batch.entries.size()));
    batch.settle();
    return {};
  }

 private:
  const Log log_;
  const component::Counter entries_;
};

class LokiEcho final : public component::Configured<EchoArgs> {
 public:
  explicit LokiEcho(component::Host host) {
    host.exports({{"receiver", component::capsule<component::LogReceiver>(
                                   std::make_shared<EchoReceiver>(host.log, host.metrics))}});
  }
  using Configured::prepare;
  Result<component::Commit> prepare(EchoArgs) override {
    return component::Commit([] {});
  }
};

}  // namespace

component::Declaration loki_echo() {
  return component::declare<LokiEcho>(
      "loki.echo", "Writes the entries that it receives into the agent's own log.",
      {{"receiver", "LogsReceiver", "Receiver of the entries to show."}});
}

}  // namespace agent::write
