// The bytes of a file, read in chunks: the first byte chooses the encoding, the second the longest
// line, the third how the rest is cut. However it is cut, the lines are the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "agent/io/line_splitter.h"

namespace {

using namespace agent::io;  // NOLINT: a program of one file

struct Line {
  std::uint64_t offset;
  std::string text;
  bool operator==(const Line&) const = default;
};

std::vector<Line> lines_of(std::string_view file, const TextEncoding& encoding,
                           const FileTailOptions& options, std::size_t step) {
  const ByteOrderMark mark = byte_order_mark(file.substr(0, 4), encoding);
  const std::size_t limit = longest_raw_line(*mark.encoding, options.max_line) + 200;
  std::vector<Line> out;
  FilePlace place;
  std::size_t end = 0;
  while (place.offset < file.size()) {
    const bool all = end == file.size();
    end = std::min(file.size(), end + step);
    LineChunk chunk;
    chunk.size = std::min<std::size_t>(limit, end - place.offset);
    chunk.full = chunk.size == limit;
    chunk.last = end == file.size() && !chunk.full;
    chunk.buffer = std::shared_ptr<char[]>(new char[chunk.size]);
    std::memcpy(chunk.buffer.get(), file.data() + place.offset, chunk.size);
    const std::uint64_t before = place.offset;
    FileLines got;
    if (!split_lines(std::move(chunk), mark, options, place, got)) std::abort();
    if (place.offset - before != got.bytes) std::abort();
    if (all && got.bytes == 0) std::abort();  // it would never end
    for (const FileLine& line : got.lines) {
      if (line.text.size() > options.max_line) std::abort();
      out.push_back({line.offset, std::string(line.text)});
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3 || size > 20'000) return 0;
  static const std::vector<const TextEncoding*> encodings = all_encodings();
  const TextEncoding& encoding = *encodings[data[0] % encodings.size()];
  FileTailOptions options;
  options.max_line = 16U + data[1];
  const std::string_view file(reinterpret_cast<const char*>(data) + 3, size - 3);
  const auto whole = lines_of(file, encoding, options, file.size() + 1);
  if (lines_of(file, encoding, options, 1U + data[2]) != whole) std::abort();
  return 0;
}
