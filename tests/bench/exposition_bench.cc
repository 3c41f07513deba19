// Reading pages of metrics: bytes per second of one core.
#include <benchmark/benchmark.h>

#include <string>

#include "agent/base/strings.h"
#include "agent/scrape/target_series.h"
#include "agent/wire/exposition_reader.h"

namespace {

using agent::wire::ExpositionReader;

// Like node_exporter's page: families of 5 series with two labels each.
std::string page() {
  std::string out;
  for (int family = 0; family < 1000; ++family) {
    const std::string name = "node_something_" + std::to_string(family) + "_seconds_total";
    out += "# HELP " + name + " Seconds that something took.\n# TYPE " + name + " counter\n";
    for (int i = 0; i < 5; ++i) {
      out += name + "{cpu=\"" + std::to_string(i) + "\",mode=\"iowait\"} ";
      agent::append_number(out, family * 7919.25 + i);
      out += '\n';
    }
  }
  return out;
}

// As a scrape does that knows the series: by their bytes.
void read_known(benchmark::State& state) {
  const std::string text = page();
  for (auto _ : state) {
    ExpositionReader reader(text, agent::wire::ExpositionFormat::kText);
    double sum = 0;
    while (true) {
      const auto item = reader.next();
      if (item == ExpositionReader::Item::kEnd || item == ExpositionReader::Item::kBroken) break;
      if (item == ExpositionReader::Item::kSample) sum += reader.value();
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 5000);
}
BENCHMARK(read_known);

// The first scrape: every series is understood.
void read_new(benchmark::State& state) {
  const std::string text = page();
  for (auto _ : state) {
    ExpositionReader reader(text, agent::wire::ExpositionFormat::kText);
    std::size_t labels = 0;
    while (true) {
      const auto item = reader.next();
      if (item == ExpositionReader::Item::kEnd || item == ExpositionReader::Item::kBroken) break;
      if (item == ExpositionReader::Item::kSample) labels += reader.labels()->size();
    }
    benchmark::DoNotOptimize(labels);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 5000);
}
BENCHMARK(read_new);

// What a scrape of known series does with its page: it becomes samples.
void take_known(benchmark::State& state) {
  const std::string text = page();
  agent::model::Interner labels;
  agent::scrape::TargetSeries series(labels, {{"instance", "puck:9100"}, {"job", "node"}}, {});
  std::int64_t time_ms = 0;
  for (auto _ : state) {
    agent::model::SampleBatch batch;
    benchmark::DoNotOptimize(
        series.take(text, agent::wire::ExpositionFormat::kText, ++time_ms, batch));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 5000);
}
BENCHMARK(take_known);

}  // namespace

BENCHMARK_MAIN();
