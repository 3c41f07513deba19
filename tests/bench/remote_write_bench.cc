// What a sample costs on its way into the queue of prometheus.remote_write, and out of it.
#include <benchmark/benchmark.h>

#include <string>

#include "agent/model/labels.h"
#include "agent/wire/remote_write.h"
#include "agent/wire/remote_write_2.h"
#include "agent/write/remote_endpoint.h"
#include "agent/write/remote_requests.h"
#include "tests/support/temp_dir.h"

namespace {

using namespace agent;

// One page of a node_exporter: 1,000 series with five labels each.
model::SampleBatch page(model::Interner& labels, std::int64_t time_ms) {
  model::SampleBatch batch;
  for (int i = 0; i < 1000; ++i)
    batch.samples.push_back(
        {labels.intern({{"__name__", "node_something_" + std::to_string(i / 5) + "_seconds_total"},
                        {"cpu", std::to_string(i % 5)},
                        {"instance", "puck"},
                        {"job", "integrations/node_exporter"},
                        {"mode", "iowait"}}),
         time_ms, i * 7919.25});
  return batch;
}

// Into the queue on disk; with external labels when the argument says so.
void accept(benchmark::State& state) {
  TempDir dir;
  SystemClock clock;
  model::Interner labels;
  component::Metrics metrics;
  write::RemoteEndpointSettings settings;
  settings.folder = dir / "queue";
  if (state.range(0) != 0) {
    model::RelabelRule rule;
    rule.target_label = "cluster";
    rule.replacement = "lab";
    settings.rules = *model::RelabelRules::compile({rule});
  }
  write::RemoteEndpoint endpoint({clock, labels, Log::none(), metrics, [] {}}, settings);
  const model::SampleBatch batch = page(labels, 1);
  for (auto _ : state) endpoint.accept(batch);
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 1000);
}
BENCHMARK(accept)->Arg(0)->Arg(1);

write::SampleQueue::Part part(std::int64_t time_ms) {
  model::Interner labels;
  wire::RemoteWriteEncoder encoder;
  for (const auto& one : page(labels, time_ms).samples) encoder.add(one);
  write::SampleQueue::Part out;
  out.counts.samples = 1000;
  out.body = wire::compress_message(encoder.message());
  return out;
}

// 20 pages become requests of 2,000 samples, for one request at a time and for several.
void group(benchmark::State& state) {
  std::vector<write::SampleQueue::Part> parts;
  for (int time = 0; time < 20; ++time) parts.push_back(part(time));
  const auto lanes = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(write::group_parts(parts, lanes, 2000));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 20'000);
}
BENCHMARK(group)->Arg(1)->Arg(10);

// A request of protocol 1.0 is written in 2.0.
void to_version_2(benchmark::State& state) {
  const std::string message = *wire::decompress_message(part(1).body, 1U << 30);
  for (auto _ : state) {
    const auto second = wire::to_write_request_2(
        message, [](std::string_view) -> const model::Metadata* { return nullptr; });
    benchmark::DoNotOptimize(wire::compress_message(*second));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 1000);
  const auto second = *wire::to_write_request_2(
      message, [](std::string_view) -> const model::Metadata* { return nullptr; });
  state.counters["bytes_a_sample"] =
      static_cast<double>(wire::compress_message(second).size()) / 1000;
  state.counters["bytes_a_sample_1"] = static_cast<double>(part(1).body.size()) / 1000;
}
BENCHMARK(to_version_2);

}  // namespace

BENCHMARK_MAIN();
