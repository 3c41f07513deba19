#include "agent/io/line_splitter.h"

#include <catch2/catch.hpp>
#include <cstring>

namespace agent::io {
namespace {

using namespace std::string_view_literals;
using namespace std::string_literals;
using Lines = std::vector<std::string>;

struct Got {
  Lines lines;
  std::vector<std::uint64_t> offsets;
  std::size_t holes = 0;
  std::size_t cut = 0;
  FilePlace place;
};

// Reads `file` as a reader does: what is not taken comes again with up to `step` bytes more, and no
// chunk is larger than the longest line needs.
Got split(std::string_view file, std::string_view encoding, const FileTailOptions& options,
          const std::vector<std::size_t>& steps = {1U << 20}) {
  const ByteOrderMark mark = byte_order_mark(file.substr(0, 4), *find_encoding(encoding));
  const std::size_t limit = std::max<std::size_t>(
      options.max_line * 2, longest_raw_line(*mark.encoding, options.max_line));
  Got got;
  std::size_t end = 0;
  for (std::size_t i = 0; got.place.offset < file.size(); ++i) {
    REQUIRE(i < 1'000'000);
    end = std::min(file.size(), end + steps[i % steps.size()]);
    LineChunk chunk;
    chunk.size = std::min<std::size_t>(limit, end - got.place.offset);
    chunk.full = chunk.size == limit;
    chunk.last = end == file.size() && !chunk.full;
    chunk.buffer = std::shared_ptr<char[]>(new char[chunk.size]);
    std::memcpy(chunk.buffer.get(), file.data() + got.place.offset, chunk.size);
    FileLines out;
    const std::uint64_t before = got.place.offset;
    REQUIRE(split_lines(std::move(chunk), mark, options, got.place, out));
    CHECK(got.place.offset - before == out.bytes);
    for (const FileLine& line : out.lines) {
      got.lines.emplace_back(line.text);
      got.offsets.push_back(line.offset);
    }
    got.holes += out.hole_bytes;
    got.cut += out.cut;
  }
  return got;
}

std::string utf16le(std::string_view text) {
  std::string out;
  for (const char c : text) out.append(1, c).append(1, '\0');
  return out;
}

}  // namespace

TEST_CASE("line splitter: NULs and broken UTF-8 pass unchanged") {
  const Got got = split("a\0b\xFF\r\n\r\n\xE2\x82\nend"sv, "", {});
  CHECK(got.lines == Lines{std::string("a\0b\xFF", 4), "", "\xE2\x82", "end"});
  CHECK(got.offsets == std::vector<std::uint64_t>{0, 6, 8, 11});
}

TEST_CASE("line splitter: lines of units of two bytes end at a whole unit only") {
  // U+0A0A and U+0A00 hold the byte of a newline.
  const std::string file = "\xFF\xFE"s + utf16le("one\r\n") + "\x0A\x0A\x00\x0A"s +
                           std::string("\n\0", 2) + utf16le("x");
  const Got got = split(file, "", {});
  CHECK(got.lines == Lines{"one", "\u0A0A\u0A00", "x"});
  CHECK(got.offsets == std::vector<std::uint64_t>{2, 12, 18});
  std::string big;
  for (std::size_t i = 0; i < file.size(); i += 2) big.append(1, file[i + 1]).append(1, file[i]);
  CHECK(split(big, "", {}).lines == got.lines);
}

TEST_CASE("line splitter: a hole ends a line, and the record behind it is whole") {
  const std::string hole(5000, '\0');
  const Got got = split(
      "one\n" + hole + "{\"a\":1}\ncut o" + hole + "two\n" + std::string(10, '\0') + "x\n", "", {});
  CHECK(got.lines == Lines{"one", "{\"a\":1}", "cut o", "two", std::string(10, '\0') + "x"});
  CHECK(got.holes == 10'000);
}

TEST_CASE("line splitter: a hole larger than any line is passed over, even in a line being cut") {
  FileTailOptions options;
  options.max_line = 1000;
  const std::string hole(100'010, '\0');
  const Got got = split(std::string(3000, 'x') + hole + "two\n", "", options);
  REQUIRE(got.lines.size() == 2);
  CHECK(got.lines[0].size() == 1000);
  CHECK(got.lines[1] == "two");
  CHECK(got.holes >= 98'000);
}

TEST_CASE("line splitter: what may become a hole waits for what follows it") {
  FileLines out;
  FilePlace place;
  LineChunk chunk;
  chunk.size = 100;
  chunk.buffer = std::shared_ptr<char[]>(new char[100]());
  chunk.buffer[0] = 'a';
  REQUIRE(split_lines(chunk, {&utf8(), 0}, {}, place, out));
  CHECK(out.lines.empty());
  CHECK(place.offset == 0);
}

TEST_CASE("line splitter: a cut line ends with a whole character") {
  FileTailOptions options;
  options.max_line = 20;
  std::string line;
  for (int i = 0; i < 100; ++i) line += "€";
  const Got got = split(line + "\nnext\n", "", options);
  CHECK(got.lines == Lines{"€€€ [line cut]", "next"});
  CHECK(got.cut == 1);
  CHECK(split(utf16le("0123456789012345678901234567890\nnext\n"), "utf-16le", options).lines ==
        Lines{"01234567 [line cut]"s.insert(8, "8"), "next"});
}

TEST_CASE("line splitter: however the bytes are cut, the lines are the same") {
  unsigned random = 1;
  const auto next = [&](unsigned of) {
    random = random * 1664525U + 1013904223U;
    return (random >> 8U) % of;
  };
  FileTailOptions options;
  options.max_line = 300;
  for (int round = 0; round < 400; ++round) {
    std::string file;
    for (unsigned pieces = 1 + next(12); pieces > 0; --pieces) {
      switch (next(6)) {
        case 0:
          file.append(next(700), '\0');
          break;
        case 1:
          file.append(next(900), 'x');
          break;
        case 2:
          file += "\n";
          break;
        default:
          for (unsigned n = next(60); n > 0; --n)
            file += static_cast<char>("ab\n\r\xE2\x82\xAC\0"[next(8)]);
      }
    }
    for (const char* encoding : {"", "latin1", "utf-16le", "utf-32be", "shift_jis"}) {
      INFO(encoding << " round " << round);
      const Got whole = split(file, encoding, options);
      std::vector<std::size_t> steps;
      for (int i = 0; i < 7; ++i) steps.push_back(1 + next(200));
      const Got cut = split(file, encoding, options, steps);
      CHECK(cut.lines == whole.lines);
      CHECK(cut.offsets == whole.offsets);
    }
  }
}

}  // namespace agent::io
