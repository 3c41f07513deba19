// Reading a journal of 20 fields per entry, a cursor per 1000 entries.
#include <benchmark/benchmark.h>

#include <cstring>

#include "agent/component/relabel_args.h"
#include "agent/io/journal.h"
#include "agent/io/journal_child.h"
#include "tests/bench/counting_sink.h"
#include "tests/support/component_box.h"
#include "tests/support/journal_maker.h"
#include "tests/support/temp_dir.h"

namespace agent {

namespace source {
component::Declaration loki_source_journal();
}

namespace {

std::vector<JournalEntry> entries(int count) {
  std::vector<JournalEntry> out;
  for (int i = 0; i < count; ++i) {
    const std::string unit = "unit" + std::to_string(i % 40) + ".service";
    out.push_back({1'700'000'000'000'000U + static_cast<std::uint64_t>(i) * 1000,
                   {{"MESSAGE", "GET /api/v1/items/" + std::to_string(i) +
                                    " HTTP/1.1 200 1532 \"-\" \"curl/8.0\" took 13 ms"},
                    {"PRIORITY", std::to_string(i % 8)},
                    {"SYSLOG_FACILITY", "3"},
                    {"SYSLOG_IDENTIFIER", "app" + std::to_string(i % 40)},
                    {"_SYSTEMD_UNIT", unit},
                    {"_SYSTEMD_CGROUP", "/system.slice/" + unit},
                    {"_SYSTEMD_SLICE", "system.slice"},
                    {"_SYSTEMD_INVOCATION_ID", "d4f1b0a1c0a94f6fa5a3a3c5e61b8a7" + unit},
                    {"_PID", std::to_string(1000 + i % 40)},
                    {"_UID", "1000"},
                    {"_GID", "1000"},
                    {"_COMM", "app"},
                    {"_EXE", "/usr/bin/app"},
                    {"_CMDLINE", "/usr/bin/app --serve"},
                    {"_CAP_EFFECTIVE", "0"},
                    {"_TRANSPORT", "stdout"},
                    {"_STREAM_ID", "a7" + unit},
                    {"_HOSTNAME", "bench"},
                    {"_MACHINE_ID", "4d2be1bd2cd84c4f84e6a4b4b3e0d6c2"},
                    {"_SELINUX_CONTEXT", "unconfined"}}});
  }
  return out;
}

void read_journal(benchmark::State& state) {
  const TempDir dir;
  append_journal(dir / "a.journal", entries(100'000));
  io::Journal::Options options;
  options.directory = dir.path();
  std::int64_t count = 0;
  for (auto _ : state) {
    auto journal = io::Journal::open(options).value();
    if (!journal->seek_head()) std::abort();
    std::size_t bytes = 0;
    const io::Journal::Visitor visit = [&](std::string_view name, std::string_view value) {
      bytes += name.size() + value.size();
    };
    std::size_t in_batch = 0;
    while (journal->next(visit).value()) {
      ++count;
      if (++in_batch == 1000) {
        in_batch = 0;
        benchmark::DoNotOptimize(journal->cursor().value());
      }
    }
    benchmark::DoNotOptimize(bytes);
  }
  state.SetItemsProcessed(count);
}
BENCHMARK(read_journal)->Unit(benchmark::kMillisecond);

// The whole of loki.source.journal with four labels by rules, up to a receiver that settles.
void source_journal(benchmark::State& state) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "journal");
  append_journal(dir / "journal/a.journal", entries(100'000));
  std::vector<model::RelabelRule> list;
  for (const char* field : {"systemd_unit", "transport", "comm"}) {
    model::RelabelRule rule;
    rule.source_labels = {std::string("__journal__") + field};
    rule.target_label = field;
    list.push_back(rule);
  }
  list.push_back({});
  list.back().source_labels = {"__journal_priority_keyword"};
  list.back().target_label = "level";
  const auto rules =
      std::make_shared<model::RelabelRules>(model::RelabelRules::compile(std::move(list)).value());
  SystemClock clock;
  std::size_t run = 0;
  for (auto _ : state) {
    ComponentBox box("loki.source.journal.x", clock);
    const auto sink = std::make_shared<CountingSink>();
    RunningComponent component(box, source::loki_source_journal());
    ++run;
    lang::Body body;
    body.attributes = {forward_to(sink), attribute("path", (dir / "journal").string()),
                       attribute("max_age", "0s"),
                       attribute("relabel_rules", component::capsule(rules))};
    if (!component.configure(body).empty()) std::abort();
    component.start();
    sink->wait(100'000);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(run) * 100'000);
}
BENCHMARK(source_journal)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace
}  // namespace agent

// The reader is this program too.
int main(int argc, char** argv) {
  if (agent::io::is_journal_child(argc, argv)) return agent::io::journal_child();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
