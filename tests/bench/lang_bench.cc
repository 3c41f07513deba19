// A configuration of 10,000 lines: parsed, printed, evaluated.
#include <benchmark/benchmark.h>

#include <string>

#include "agent/lang/evaluator.h"
#include "agent/lang/parser.h"
#include "agent/lang/printer.h"
#include "tests/support/fake_world.h"

namespace agent::lang {
namespace {

std::string configuration() {
  std::string text;
  for (int i = 0; i < 715; ++i) {
    text += "// Component " + std::to_string(i) + "\nloki.process \"p" + std::to_string(i) +
            "\" {\n"
            "  forward_to = [loki.write.default.receiver]\n"
            "  stage.match {\n"
            "    selector = \"{job=\\\"a\\\"}\" + string.format(\"%d\", 1 + 2)\n"
            "    action   = coalesce(sys.env(\"ACTION\"), \"keep\")\n"
            "    stage.labels {\n"
            "      values = {\n"
            "        stream    = \"stream\",\n"
            "        container = \"container_name\",\n"
            "      }\n"
            "    }\n"
            "  }\n"
            "}\n";
  }
  return text;
}

struct Receivers final : Resolver {
  Value exports{Value::Object{{"receiver", Value(Placeholder{"LogsReceiver"})}}};
  std::optional<Found> resolve(std::span<const std::string_view> names) const override {
    if (names[0] != "loki" || names.size() < 3) return std::nullopt;
    return Found{exports, 3};
  }
};

void parse_only(benchmark::State& state) {
  const std::string text = configuration();
  for (auto _ : state) {
    Diagnostics diagnostics;
    benchmark::DoNotOptimize(parse(text, "x.alloy", diagnostics));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}
BENCHMARK(parse_only)->Unit(benchmark::kMillisecond);

void parse_and_evaluate(benchmark::State& state) {
  const std::string text = configuration();
  const FakeWorld world;
  const Stdlib stdlib(world);
  const Receivers receivers;
  for (auto _ : state) {
    Diagnostics diagnostics;
    const File file = parse(text, "x.alloy", diagnostics);
    const Scope scope{stdlib, &receivers, ""};
    benchmark::DoNotOptimize(evaluate(file.body, *file.source, scope, diagnostics));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}
BENCHMARK(parse_and_evaluate)->Unit(benchmark::kMillisecond);

void fmt(benchmark::State& state) {
  const std::string text = configuration();
  for (auto _ : state) {
    Diagnostics diagnostics;
    benchmark::DoNotOptimize(format(text, "x.alloy", diagnostics));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}
BENCHMARK(fmt)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace agent::lang

BENCHMARK_MAIN();
