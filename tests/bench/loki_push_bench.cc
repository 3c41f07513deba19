// Encoding pushes: lines per second of one core, from entries to the body of the request.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "agent/wire/loki_push.h"

namespace {

using agent::model::Entry;
using agent::model::EntryBatch;

// Lines of a web server's log, 160 bytes, in `streams` streams: about a push's worth.
void fill(EntryBatch& batch, agent::model::Interner& interner, int streams) {
  for (int i = 0; i < 6000; ++i) {
    Entry entry;
    entry.labels = interner.intern({{"container", "web" + std::to_string(i % streams)},
                                    {"hostname", "puck"},
                                    {"job", "docker"}});
    entry.time_ns = 1'700'000'000'000'000'000 + i * 1000;
    std::string line = "192.0.2." + std::to_string(i % 250) +
                       " - - [21/Nov/2026:09:00:00 +0000] \"GET /api/v1/items/" +
                       std::to_string(i * 7919) + " HTTP/1.1\" 200 " + std::to_string(i * 31) +
                       " \"https://example.net/list\" \"Mozilla/5.0 (X11; Linux x86_64)\"";
    line.resize(160, ' ');
    entry.line = batch.arena.store(line);
    batch.entries.push_back(entry);
  }
}

void encode(benchmark::State& state) {
  agent::model::Interner interner;
  EntryBatch batch;
  const auto streams = static_cast<int>(state.range(0));
  fill(batch, interner, streams);
  std::vector<std::vector<const Entry*>> grouped(static_cast<std::size_t>(streams));
  for (std::size_t i = 0; i < batch.entries.size(); ++i)
    grouped[i % grouped.size()].push_back(&batch.entries[i]);
  agent::wire::LokiPushEncoder encoder;
  std::size_t bytes = 0;
  for (auto _ : state) {
    encoder.clear();
    for (const auto& entries : grouped) encoder.add_stream(entries[0]->labels.text(), entries);
    bytes = encoder.body().size();
    benchmark::DoNotOptimize(bytes);
  }
  const auto lines = static_cast<std::int64_t>(batch.entries.size());
  state.SetItemsProcessed(state.iterations() * lines);
  state.SetBytesProcessed(state.iterations() * lines * 160);
  state.counters["ratio"] = 160.0 * static_cast<double>(lines) / static_cast<double>(bytes);
}
BENCHMARK(encode)->Arg(1)->Arg(30)->Arg(1000);

void decode(benchmark::State& state) {
  agent::model::Interner interner;
  EntryBatch batch;
  fill(batch, interner, 1);
  std::vector<const Entry*> entries;
  for (const Entry& entry : batch.entries) entries.push_back(&entry);
  agent::wire::LokiPushEncoder encoder;
  encoder.add_stream(batch.entries[0].labels.text(), entries);
  const std::string body(encoder.body());
  for (auto _ : state) {
    EntryBatch out;
    if (!agent::wire::decode_push(body, {}, interner, out)) state.SkipWithError("not decoded");
    benchmark::DoNotOptimize(out.entries.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(entries.size()));
}
BENCHMARK(decode);

}  // namespace

BENCHMARK_MAIN();
