// Stages of loki.process, one at a time, on batches of 100 lines of an access log. For instructions
// a line:
//   valgrind --tool=callgrind --toggle-collect='*::process(agent::process::Batch&)'
//   build/release/bench/process --benchmark_filter=NAME
// divided by the items that the program reports.
#include <benchmark/benchmark.h>

#include "agent/process/stage.h"
#include "tests/support/component_box.h"

namespace agent::process {
namespace {

constexpr std::string_view kLine =
    R"(11.11.11.11 - frank [25/Jan/2000:14:00:01 -0500] "GET /1986.js HTTP/1.1" 200 932 "-" "Mozilla/5.0")";
constexpr std::size_t kLines = 100;

using Arguments = std::vector<std::pair<std::string, std::string>>;

// The stage `name` with these arguments, on batches of the line above with a few extracted values.
void run(benchmark::State& state, const std::string& name, const Arguments& arguments) {
  lang::Block block;
  block.name = name;
  for (const auto& [key, value] : arguments)
    block.body.attributes.push_back({key, lang::Value(value), {}, {}});
  std::vector<StageSpec> specs;
  lang::Diagnostics diagnostics;
  for (const StageDeclaration& declaration : stage_declarations(false))
    if (declaration.name == name) declaration.decode(block, specs, diagnostics);
  if (specs.size() != 1 || diagnostics.has_errors()) {
    state.SkipWithError("the arguments are wrong");
    return;
  }
  ComponentBox box("loki.process.bench");
  SystemClock clock;
  const StageHost host("loki.process.bench", clock, Log::none(), box.metrics, box.labels);
  const auto stage = specs.front().make(host);
  model::Entry entry;
  entry.labels = box.labels.intern({{"job", "access"}, {"host", "puck"}, {"env", "prod"}});
  entry.line = kLine;
  for (auto _ : state) {
    state.PauseTiming();
    Batch batch;
    for (std::size_t i = 0; i < kLines; ++i) {
      batch.items.emplace_back(entry);
      batch.items.back().set("level", std::string_view("WARN"));
      batch.items.back().set("app", std::string_view("Some App"));
    }
    state.ResumeTiming();
    stage->process(batch);
    benchmark::DoNotOptimize(batch.items.front().line);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kLines));
}

void template_fields(benchmark::State& state) {
  run(state, "stage.template",
      {{"source", "message"}, {"template", "{{ .level }} for {{ .app }}: {{ .Entry }}"}});
}
BENCHMARK(template_fields);

void template_functions(benchmark::State& state) {
  run(state, "stage.template",
      {{"source", "app"}, {"template", "{{ Replace .Value \" \" \"_\" -1 | ToLower }}"}});
}
BENCHMARK(template_functions);

void template_condition(benchmark::State& state) {
  run(state, "stage.template",
      {{"source", "level"},
       {"template", "{{ if eq .Value \"WARN\" }}warning{{ else }}{{ .Value }}{{ end }}"}});
}
BENCHMARK(template_condition);

void template_regex(benchmark::State& state) {
  run(state, "stage.template",
      {{"source", "line"}, {"template", "{{ regexReplaceAll `\\d+\\.\\d+` .Entry `x` }}"}});
}
BENCHMARK(template_regex);

void template_hash(benchmark::State& state) {
  run(state, "stage.template", {{"source", "app"}, {"template", "{{ Sha2Hash \"salt\" .Value }}"}});
}
BENCHMARK(template_hash);

void replace_one_group(benchmark::State& state) {
  run(state, "stage.replace", {{"expression", "\"GET (\\S+)"}, {"replace", "*****"}});
}
BENCHMARK(replace_one_group);

void replace_named_groups(benchmark::State& state) {
  run(state, "stage.replace",
      {{"expression", "^(?P<ip>\\S+) (?P<identd>\\S+) (?P<user>\\S+)"},
       {"replace", "{{ .Value | ToUpper }}"}});
}
BENCHMARK(replace_named_groups);

void drop_template(benchmark::State& state) {
  run(state, "stage.drop", {{"expression", "{{ .app | contains(\"debug\") }}"}});
}
BENCHMARK(drop_template);

}  // namespace
}  // namespace agent::process

BENCHMARK_MAIN();
