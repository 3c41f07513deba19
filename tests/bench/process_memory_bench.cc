// Stages with a memory, and the search for secrets: lines as services write them.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "agent/process/secret_rules.h"
#include "tests/bench/counting_sink.h"
#include "tests/support/component_box.h"

namespace agent::process {

component::Declaration loki_process();

namespace {

const std::vector<std::string>& plain_lines() {
  static const std::vector<std::string> lines = {
      R"(level=info ts=2024-01-01T00:00:00.000Z caller=main.go:42 msg="request done" method=GET path=/v1/items/42 status=200 duration=12.5ms)",
      R"({"time":"2024-01-01T00:00:00Z","level":"warn","logger":"http","message":"slow answer","peer":"10.0.0.7:5432","ms":812})",
      R"x(10.0.0.7 - - [01/Jan/2024:00:00:00 +0000] "GET /static/app.js HTTP/1.1" 304 0 "-" "Mozilla/5.0 (X11; Linux)")x",
      R"(sshd[812]: Connection closed by 192.168.4.5 port 50122 [preauth])",
      R"(kernel: [12345.678] eth0: link becomes ready, 1000 Mbps full duplex, flow control rx/tx)"};
  return lines;
}

void search_plain_lines(benchmark::State& state) {
  const SecretFinder finder = SecretFinder::compile(built_in_secret_rules()).value();
  std::size_t bytes = 0;
  bool stopped = false;
  for (auto _ : state)
    for (const std::string& line : plain_lines()) {
      benchmark::DoNotOptimize(finder.find(line, {}, stopped));
      bytes += line.size();
    }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(plain_lines().size()));
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK(search_plain_lines);

void search_line_with_keyword(benchmark::State& state) {
  const SecretFinder finder = SecretFinder::compile(built_in_secret_rules()).value();
  const std::string line =
      R"(level=info msg="token refreshed" user=anna token_type=bearer expires_in=3600 path=/oauth/v2/refresh)";
  bool stopped = false;
  for (auto _ : state) benchmark::DoNotOptimize(finder.find(line, {}, stopped));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(search_line_with_keyword);

void redact_line_with_secret(benchmark::State& state) {
  const SecretFinder finder = SecretFinder::compile(built_in_secret_rules()).value();
  const std::string line =
      R"(level=debug msg="calling git" url=https://oauth2:glpat-aB3dE5gH7jK9mN1pQ2rS@git.example/x)";
  bool stopped = false;
  for (auto _ : state)
    benchmark::DoNotOptimize(
        redact(line, finder.find(line, {}, stopped), [](const auto&) { return "***"; }));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(redact_line_with_secret);

// Batches of 1000 lines, ten a block, through loki.process.
void through_process(benchmark::State& state, const lang::Body& stages) {
  ComponentBox box("loki.process.x");
  RunningComponent component(box, loki_process());
  const auto sink = std::make_shared<CountingSink>();
  lang::Body body = stages;
  body.attributes.push_back(forward_to(sink));
  if (!component.configure(body).empty()) state.SkipWithError("the arguments are wrong");
  component.start();
  const model::LabelSet labels = box.labels.intern({{"app", "x"}});
  const auto receiver = box.receiver();
  for (auto _ : state) {
    model::EntryBatch batch;
    for (int i = 0; i < 1000; ++i)
      batch.entries.push_back(
          {labels, i,
           i % 10 == 0 ? "2024-01-01 00:00:00 ERROR java.lang.IllegalStateException: nothing to do"
                       : "\tat com.example.service.Worker.run(Worker.java:123) ~[app.jar:1.2.3]"});
    benchmark::DoNotOptimize(receiver->consume(std::move(batch), {}));
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}

void no_stage(benchmark::State& state) { through_process(state, {}); }
BENCHMARK(no_stage);

void multiline(benchmark::State& state) {
  through_process(
      state, body_of({}, {{"stage.multiline", body_of({{"firstline", "^\\d{4}-\\d{2}-\\d{2}"}})}}));
}
BENCHMARK(multiline);

}  // namespace
}  // namespace agent::process

BENCHMARK_MAIN();
