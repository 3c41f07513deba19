#include "agent/io/compressed_tail.h"

#include <zlib.h>
#include <catch2/catch.hpp>
#include <fstream>

#include "agent/base/file.h"
#include "tests/support/temp_dir.h"

namespace agent::io {
namespace {

using Lines = std::vector<std::string>;

void write_gzip(const std::filesystem::path& path, std::string_view text, const char* mode = "wb") {
  gzFile file = ::gzopen(path.c_str(), mode);
  REQUIRE(file != nullptr);
  REQUIRE(::gzwrite(file, text.data(), static_cast<unsigned>(text.size())) ==
          static_cast<int>(text.size()));
  ::gzclose(file);
}

struct Got {
  Lines lines;
  FilePlace after;
  std::string error;
};

Got read(CompressedTail& tail, std::size_t calls = 10'000) {
  Got got;
  for (std::size_t i = 0; i < calls; ++i) {
    FileLines lines;
    const auto outcome = tail.read(Mono{}, lines);
    if (!outcome) {
      got.error = outcome.error().message;
      break;
    }
    for (const auto& line : lines.lines) got.lines.emplace_back(line.text);
    if (lines.bytes > 0) got.after = lines.after;
    if (*outcome != LineReader::Outcome::kLines) break;
  }
  return got;
}

}  // namespace

TEST_CASE("compressed tail: gives the lines of all members, the last one without a newline too") {
  TempDir dir;
  const FileTailOptions options;
  write_gzip(dir / "a.gz", "one\r\ntwo\nth");
  write_gzip(dir / "a.gz", "ree\nfour", "ab");
  CompressedTail tail(dir / "a.gz", Compression::kGzip, options);
  const Got got = read(tail);
  CHECK(got.lines == Lines{"one", "two", "three", "four"});
  CHECK(got.error.empty());
  CHECK_FALSE(tail.is_open());
  FileLines lines;
  CHECK(tail.read(Mono{}, lines).value() == LineReader::Outcome::kDone);
  CompressedTail later(dir / "a.gz", Compression::kGzip, options);
  later.resume(got.after);
  CHECK(read(later).lines.empty());
}

TEST_CASE("compressed tail: resumes anywhere in a content larger than its buffers") {
  TempDir dir;
  const FileTailOptions options;
  std::string text;
  Lines expected;
  for (int i = 0; i < 100'000; ++i) {
    expected.push_back("line " + std::to_string(i * 7919));
    text += expected.back() + "\n";
  }
  write_gzip(dir / "a.gz", text);
  for (const std::size_t calls : {1U, 2U, 3U}) {
    CompressedTail tail(dir / "a.gz", Compression::kGzip, options);
    Got first = read(tail, calls);
    REQUIRE(first.lines.size() < expected.size());
    CompressedTail later(dir / "a.gz", Compression::kGzip, options);
    later.resume(first.after);
    for (auto& line : read(later).lines) first.lines.push_back(std::move(line));
    CHECK(first.lines == expected);
  }
}

TEST_CASE("compressed tail: damage and a missing end are told once, after what came before") {
  TempDir dir;
  const FileTailOptions options;
  write_gzip(dir / "a.gz", "one\ntwo\n");
  std::string bytes = read_file(dir / "a.gz").value();
  std::string expected;
  SECTION("cut short") {
    bytes.resize(bytes.size() - 6);
    expected = "the compressed data has no end";
  }
  SECTION("checksum wrong") {
    bytes[bytes.size() - 6] = static_cast<char>(bytes[bytes.size() - 6] ^ 1);
    expected = "the compressed data is damaged";
  }
  std::ofstream(dir / "a.gz", std::ios::binary | std::ios::trunc) << bytes;
  CompressedTail tail(dir / "a.gz", Compression::kGzip, options);
  const Got got = read(tail);
  CHECK(got.lines == Lines{"one", "two"});
  CHECK(got.error.find(expected) != std::string::npos);
  CHECK(read(tail).error.empty());
}

TEST_CASE("compressed tail: a line that is too long is cut") {
  TempDir dir;
  FileTailOptions options;
  options.max_line = 1000;
  write_gzip(dir / "a.gz", std::string(3'000'000, 'x') + "\nb\n");
  CompressedTail tail(dir / "a.gz", Compression::kGzip, options);
  const Got got = read(tail);
  REQUIRE(got.lines.size() == 2);
  CHECK(got.lines[0].size() == 1000);
  CHECK(got.lines[0].substr(988) == "x [line cut]");
  CHECK(got.lines[1] == "b");
}

}  // namespace agent::io
