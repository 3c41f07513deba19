// A container's log stream -> lines, in pieces of 16 KiB as they come from the socket.
#include <benchmark/benchmark.h>

#include "agent/wire/docker_stream.h"

namespace agent::wire {
namespace {

std::string log_stream(std::size_t lines, std::size_t length) {
  const std::string payload = "2026-11-21T09:48:14.882260796Z " + std::string(length, 'x') + "\n";
  std::string out;
  for (std::size_t i = 0; i < lines; ++i) {
    out += '\1';
    out.append(3, '\0');
    for (unsigned shift = 32; shift > 0; shift -= 8)
      out += static_cast<char>(payload.size() >> (shift - 8));
    out += payload;
  }
  return out;
}

void read_docker_stream(benchmark::State& state) {
  constexpr std::size_t kLines = 10'000;
  constexpr std::size_t kPiece = 16384;
  const std::string bytes = log_stream(kLines, static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    DockerStream stream(false);
    std::size_t lines = 0;
    const DockerStream::Sink sink = [&](const DockerStream::Line& line) {
      lines += line.text.empty() ? 0 : 1;
    };
    for (std::size_t at = 0; at < bytes.size(); at += kPiece)
      if (!stream.feed(std::string_view(bytes).substr(at, kPiece), sink)) std::abort();
    if (lines != kLines) std::abort();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(kLines) * state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes.size()) * state.iterations());
}
BENCHMARK(read_docker_stream)->Arg(40)->Arg(160)->Arg(1000);

}  // namespace
}  // namespace agent::wire

BENCHMARK_MAIN();
