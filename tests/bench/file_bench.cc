// Lines of files: reading and splitting alone, and the whole of loki.source.file up to a receiver
// that settles at once. 162-byte lines.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <cstdlib>
#include <fstream>

#include "agent/io/file_tail.h"
#include "tests/bench/counting_sink.h"
#include "tests/support/component_box.h"
#include "tests/support/log_collector.h"
#include "tests/support/temp_dir.h"

namespace agent {

namespace source {
component::Declaration loki_source_file();
}

namespace {

constexpr std::size_t kLines = 1'000'000;

void write_log(const std::filesystem::path& path) {
  std::string line = "203.0.113.7 - - [21/Nov/2026:09:00:00 +0000] \"GET /api/v1/items/";
  line.resize(161, 'x');
  line += '\n';
  std::string chunk;
  for (int i = 0; i < 10'000; ++i) chunk += line;
  std::ofstream file(path, std::ios::binary);
  for (std::size_t i = 0; i < kLines / 10'000; ++i) file << chunk;
}

void read_and_split(benchmark::State& state) {
  const TempDir dir;
  write_log(dir / "a.log");
  const std::string path = (dir / "a.log").string();
  const io::FileTailOptions options;
  std::size_t count = 0;
  for (auto _ : state) {
    io::FileTail tail(path, options);
    io::FileLines lines;
    while (tail.read(Mono{}, lines).value() == io::FileTail::Outcome::kLines)
      count += lines.lines.size();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(count));
  state.SetBytesProcessed(static_cast<std::int64_t>(count * 162));
}
BENCHMARK(read_and_split)->Unit(benchmark::kMillisecond);

void source_file(benchmark::State& state) {
  const TempDir dir;
  write_log(dir / "a.log");
  SystemClock clock;
  std::size_t run = 0;
  for (auto _ : state) {
    ComponentBox box("loki.source.file.x", clock);
    const auto sink = std::make_shared<CountingSink>();
    RunningComponent component(box, source::loki_source_file());
    ++run;
    lang::Body body;
    body.attributes = {
        forward_to(sink),
        attribute("targets",
                  lang::Value::List{lang::Value::Object{{"__path__", (dir / "a.log").string()}}})};
    if (!component.configure(body).empty()) std::abort();
    component.start();
    sink->wait(kLines);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(run * kLines));
  state.SetBytesProcessed(static_cast<std::int64_t>(run * kLines * 162));
}
BENCHMARK(source_file)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  statm >> size >> resident;
  return resident * 4096;
}

// Ten thousand files that nobody writes, after they have come to rest: live heap and resident bytes
// of each, and the CPU time of a minute, in which all are looked at twice.
void idle_files(benchmark::State& state) {
  constexpr std::size_t kFiles = 10'000;
  const TempDir dir;
  lang::Value::List targets;
  for (std::size_t i = 0; i < kFiles; ++i) {
    const auto path = dir / ("some-application-" + std::to_string(i) + ".log");
    std::ofstream(path) << "x\n";
    targets.push_back(lang::Value::Object{{"__path__", path.string()}, {"job", "j"}});
  }
  SystemClock clock;
  for (auto _ : state) {
    ComponentBox box("loki.source.file.x", clock);
    const auto sink = std::make_shared<CountingSink>();
    RunningComponent component(box, source::loki_source_file());
    lang::Body body;
    body.attributes = {forward_to(sink), attribute("targets", targets),
                       attribute("tail_from_end", true)};
    ::malloc_trim(0);
    const std::size_t resident = resident_bytes();
    const std::size_t heap = ::mallinfo2().uordblks;
    if (!component.configure(body).empty()) std::abort();
    component.start();
    while (box.metric("loki_source_file_files_active_total") < static_cast<double>(kFiles))
      clock.sleep_for(std::chrono::milliseconds(100), {});
    clock.sleep_for(std::chrono::seconds(32), {});
    const auto each = [](std::size_t before, std::size_t after) {
      return static_cast<double>(after) / kFiles - static_cast<double>(before) / kFiles;
    };
    state.counters["heap_bytes_per_file"] = each(heap, ::mallinfo2().uordblks);
    const std::clock_t begin = std::clock();
    clock.sleep_for(std::chrono::seconds(60), {});
    state.counters["cpu_percent_idle"] =
        static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC / 60 * 100;
    ::malloc_trim(0);
    state.counters["resident_bytes_per_file"] = each(resident, resident_bytes());
  }
}
BENCHMARK(idle_files)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace agent

BENCHMARK_MAIN();
