// A log stream of arbitrary bytes, in pieces and at once: the same lines, none longer than the
// limit allows. Input: byte 0 odd: TTY; byte 1: size of the pieces; the stream.
#include <cstdlib>
#include <vector>

#include "agent/wire/docker_stream.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using agent::wire::DockerStream;
  if (size < 2) return 0;
  constexpr std::size_t kMaxLine = 512;
  const bool tty = data[0] % 2 == 1;
  const std::size_t step = data[1] + 1U;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto read = [&](std::size_t pieces) {
    std::vector<std::string> lines;
    DockerStream stream(tty, kMaxLine);
    const DockerStream::Sink sink = [&](const DockerStream::Line& line) {
      if (line.text.size() > kMaxLine) std::abort();
      lines.emplace_back(line.text);
    };
    for (std::size_t at = 0; at < bytes.size(); at += pieces)
      if (!stream.feed(bytes.substr(at, pieces), sink)) return lines;
    stream.finish(sink);
    return lines;
  };
  if (read(step) != read(size)) std::abort();
  return 0;
}
