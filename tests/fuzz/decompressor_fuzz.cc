// Compressed files: the first byte chooses the format, the rest is the file.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/io/decompressor.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent::io;  // NOLINT: a program of one file
  if (size < 1) return 0;
  const auto decompressor = Decompressor::make(static_cast<Compression>(data[0] % 3));
  std::string_view in(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::array<char, 4096> buffer;
  std::size_t total = 0;
  while (total < (4U << 20)) {
    char* out = buffer.data();
    std::size_t room = buffer.size();
    const std::size_t before = in.size();
    const auto outcome = decompressor->run(in, out, room);
    if (in.size() > before || static_cast<std::size_t>(out - buffer.data()) + room != buffer.size())
      std::abort();
    total += buffer.size() - room;
    if (outcome == Decompressor::Outcome::kDamaged) break;
    if (in.size() == before && room == buffer.size()) break;  // it wants more
  }
  return 0;
}
