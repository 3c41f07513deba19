// What the stages that extract values, and those that write templates, cost: batches of 500
// web-server lines of 175 bytes, of JSON and of logfmt with the same content. For instructions a
// line: callgrind with --toggle-collect='*::process(agent::process::Batch&)'.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "agent/process/stage.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"

namespace agent::process {

StageDeclaration stage_drop();
StageDeclaration stage_json();
StageDeclaration stage_logfmt();
StageDeclaration stage_pattern();
StageDeclaration stage_regex();
StageDeclaration stage_replace();
StageDeclaration stage_template();

namespace {

constexpr char kWeb[] =
    "10.0.0.17 - alice [09/Oct/2025:08:53:20 +0000] \"GET /api/v1/items?page=3 HTTP/1.1\" 200 5316 "
    "\"https://shop.example/cart\" \"Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko\" 0.012";
constexpr char kJson[] =
    R"re({"ip":"10.0.0.17","user":"alice","time":"2025-10-09T08:53:20Z","request":{"method":"GET","path":"/api/v1/items?page=3"},"status":200,"size":5316,"agent":"Mozilla/5.0 (X11; Linux x86_64)"})re";
constexpr char kLogfmt[] =
    "ip=10.0.0.17 user=alice time=2025-10-09T08:53:20Z method=GET path=\"/api/v1/items?page=3\" "
    "status=200 size=5316 agent=\"Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko\"";

lang::Value text(const std::string& value) { return lang::Value(value); }
lang::Value map(const std::vector<std::pair<std::string, std::string>>& members) {
  lang::Value::Object object;
  for (const auto& [name, value] : members) object.push_back({name, text(value)});
  return lang::Value(std::move(object));
}

void run(benchmark::State& state, const StageDeclaration& declaration,
         std::vector<lang::Attribute> attributes, const std::string& line) {
  constexpr std::size_t kLines = 500;
  FakeClock clock;
  component::Metrics metrics;
  model::Interner labels;
  const StageHost host("loki.process.bench", clock, Log::none(), metrics, labels);
  std::vector<StageSpec> specs;
  lang::Diagnostics diagnostics;
  declaration.decode(block(declaration.name, std::move(attributes)), specs, diagnostics);
  if (diagnostics.has_errors()) return state.SkipWithError("wrong arguments");
  const auto stage = specs.front().make(host);
  const model::LabelSet set = labels.intern({{"job", "web"}, {"host", "h"}});
  for (auto _ : state) {
    model::EntryBatch entries;
    entries.entries.reserve(kLines);
    for (std::size_t i = 0; i < kLines; ++i) entries.entries.push_back({set, 0, line, {}});
    Batch batch(std::move(entries));
    stage->process(batch);
    benchmark::DoNotOptimize(batch.items.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kLines));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kLines * line.size()));
}

void regex(benchmark::State& state, const char* expression) {
  run(state, stage_regex(), {attribute("expression", text(expression))}, kWeb);
}
BENCHMARK_CAPTURE(
    regex, four_groups_each_saying_where_it_ends,
    R"re(^(?P<ip>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<method>\S+) [^"]*" (?P<status>\d+))re");
BENCHMARK_CAPTURE(
    regex, ten_groups,
    R"re(^(?P<ip>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<method>\S+) (?P<path>\S+) (?P<proto>\S+)" (?P<status>\d+) (?P<size>\d+) "(?P<ref>[^"]*)" "(?P<agent>[^"]*)")re");
BENCHMARK_CAPTURE(
    regex, four_groups_lazy,
    R"re((?P<ip>\S+) \S+ \S+ \[(?P<time>.*?)\] "(?P<method>\S+) .*?" (?P<status>\d+))re");
BENCHMARK_CAPTURE(
    regex, four_groups_greedy,
    R"re(^(?P<ip>\S+) .* \[(?P<time>.*?)\] "(?P<method>\S+) .*" (?P<status>\d+) .*$)re");
BENCHMARK_CAPTURE(regex, no_match, R"re(level=(?P<level>\w+) msg="(?P<msg>[^"]*)")re");

void pattern(benchmark::State& state) {
  run(state, stage_pattern(),
      {attribute("pattern", text("<ip> <_> <_> [<time>] \"<method> <path> <_>\" <status> "))},
      kWeb);
}
BENCHMARK(pattern);

void logfmt(benchmark::State& state) {
  run(state, stage_logfmt(),
      {attribute("mapping", map({{"ip", ""}, {"method", ""}, {"path", ""}, {"status", ""}}))},
      kLogfmt);
}
BENCHMARK(logfmt);

void json_paths(benchmark::State& state) {
  run(state, stage_json(),
      {attribute("expressions", map({{"ip", ""},
                                     {"method", "request.method"},
                                     {"path", "request.path"},
                                     {"status", ""}}))},
      kJson);
}
BENCHMARK(json_paths);

void json_expressions(benchmark::State& state) {
  run(state, stage_json(),
      {attribute("expressions", map({{"ip", ""},
                                     {"method", "request.method || 'GET'"},
                                     {"path", "split(request.path, '?')[0]"},
                                     {"status", "to_string(status)"}}))},
      kJson);
}
BENCHMARK(json_expressions);

void new_value(benchmark::State& state, const char* program) {
  run(state, stage_template(),
      {attribute("source", text("host")), attribute("template", text(program))}, kWeb);
}
BENCHMARK_CAPTURE(new_value, three_fields, "{{ .job }} on {{ .host }}: {{ .Entry }}");
BENCHMARK_CAPTURE(new_value, condition,
                  "{{ if eq .Value `WARN` }}warning{{ else }}{{ .Value }}{{ end }}");
BENCHMARK_CAPTURE(new_value, two_functions, "{{ Replace .Value `h` `H_` -1 | ToLower }}");
BENCHMARK_CAPTURE(new_value, regex, "{{ regexReplaceAll `\\d+\\.\\d+` .Entry `x` }}");
BENCHMARK_CAPTURE(new_value, hash, "{{ Sha2Hash `salt` .Value }}");

void replace(benchmark::State& state, const char* expression, const char* program) {
  run(state, stage_replace(),
      {attribute("expression", text(expression)), attribute("replace", text(program))}, kWeb);
}
BENCHMARK_CAPTURE(replace, one_group_by_a_constant, "\"GET (\\S+)", "*****");
BENCHMARK_CAPTURE(replace, three_named_groups, R"re(^(?P<ip>\S+) (?P<id>\S+) (?P<user>\S+))re",
                  "{{ .Value | ToUpper }}");

void drop_by_template(benchmark::State& state) {
  run(state, stage_drop(), {attribute("expression", text("{{ .job | contains(\"debug\") }}"))},
      kWeb);
}
BENCHMARK(drop_by_template);

}  // namespace
}  // namespace agent::process

BENCHMARK_MAIN();
