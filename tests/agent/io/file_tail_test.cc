#include "agent/io/file_tail.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace agent::io {
namespace {

using Lines = std::vector<std::string>;
using Outcome = FileTail::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;

void write(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary | std::ios::app) << text;
}

struct Fixture {
  TempDir dir;
  const std::string path = (dir / "a.log").string();
  FileTailOptions options;
  Mono now{seconds(100)};
  FilePlace after;
  FileTail tail{path, options};

  // All lines up to a pause.
  Lines read(FileTail& of) {
    Lines out;
    for (int i = 0; i < 10'000; ++i) {
      FileLines lines;
      const auto outcome = of.read(now, lines);
      if (!outcome) FAIL(outcome.error().message);
      for (const auto& line : lines.lines) out.emplace_back(line.text);
      if (lines.bytes > 0) after = lines.after;
      last = *outcome;
      if (*outcome != Outcome::kLines) return out;
    }
    FAIL("it never ends");
    return out;
  }
  Lines read() { return read(tail); }
  void rotate(int keep) {
    for (int i = keep; i > 1; --i) {
      std::error_code error;
      std::filesystem::rename(dir / ("a.log." + std::to_string(i - 1)),
                              dir / ("a.log." + std::to_string(i)), error);
    }
    std::filesystem::rename(dir / "a.log", dir / "a.log.1");
  }
  Outcome last = Outcome::kIdle;
};

}  // namespace

TEST_CASE("file tail: a line is complete with its newline, a carriage return goes") {
  Fixture f;
  CHECK(f.read().empty());
  CHECK(f.last == Outcome::kMissing);
  write(f.dir / "a.log", "one\r\n\ntw");
  CHECK(f.read() == Lines{"one", ""});
  CHECK(f.tail.behind() == 2);
  write(f.dir / "a.log", "o\nthree\n");
  CHECK(f.read() == Lines{"two", "three"});
  CHECK(f.read().empty());
  CHECK(f.last == Outcome::kIdle);
}

TEST_CASE("file tail: a renamed file is read to its end, then the new one") {
  Fixture f;
  write(f.dir / "a.log", "1\n");
  CHECK(f.read() == Lines{"1"});
  write(f.dir / "a.log", "2\n3");
  f.rotate(1);
  CHECK(f.read() == Lines{"2"});
  write(f.dir / "a.log", "4\n");
  CHECK(f.read().empty());
  CHECK(f.last == Outcome::kPending);
  f.now += milliseconds(900);
  write(f.dir / "a.log.1", "3\n");  // a writer that has not noticed yet
  CHECK(f.read() == Lines{"33"});
  f.now += milliseconds(900);
  CHECK(f.read().empty());
  f.now += milliseconds(100);
  CHECK(f.read() == Lines{"4"});
  CHECK(f.tail.events().rotations == 1);
}

TEST_CASE("file tail: the last line of a replaced file needs no newline") {
  Fixture f;
  f.options.rotation_grace = Duration::zero();
  write(f.dir / "a.log", "1\n2");
  CHECK(f.read() == Lines{"1"});
  f.rotate(1);
  write(f.dir / "a.log", "3\n");
  CHECK(f.read() == Lines{"2", "3"});
}

TEST_CASE("file tail: a reader several rotations behind loses nothing") {
  Fixture f;
  write(f.dir / "a.log", "0\n");
  CHECK(f.read() == Lines{"0"});
  Lines expected;
  SECTION("with numbers") {
    for (int i = 1; i < 12; ++i) {
      write(f.dir / "a.log", std::to_string(i) + "\n");
      expected.push_back(std::to_string(i));
      if (i < 11) f.rotate(20);
    }
  }
  SECTION("with dates between stem and extension") {
    for (int i = 10; i < 20; ++i) {
      write(f.dir / "a.log", std::to_string(i) + "\n");
      expected.push_back(std::to_string(i));
      if (i < 19)
        std::filesystem::rename(f.dir / "a.log", f.dir / ("a-202601" + std::to_string(i) + ".log"));
    }
  }
  Lines got = f.read();
  f.now += seconds(1);
  for (auto& line : f.read()) got.push_back(line);
  CHECK(got == expected);
}

TEST_CASE("file tail: other files that begin alike are not taken for rotated ones") {
  Fixture f;
  f.options.rotation_grace = Duration::zero();
  write(f.dir / "a.log", "1\n");
  CHECK(f.read() == Lines{"1"});
  f.rotate(1);
  for (const char* other :
       {"a.log.err", "a.log-old", "a.log2", "a-b.log", "a.log.2.gz", "ba.log.1"})
    write(f.dir / other, "no\n");
  write(f.dir / "a.log", "2\n");
  CHECK(f.read() == Lines{"2"});
}

TEST_CASE("file tail: a file truncated in place is read from its start") {
  Fixture f;
  const std::string first(100, 'x');
  write(f.dir / "a.log", first + "\n");
  CHECK(f.read() == Lines{first});
  SECTION("to less than was read") {
    std::filesystem::resize_file(f.dir / "a.log", 0);
    write(f.dir / "a.log", "new\n");
    CHECK(f.read() == Lines{"new"});
  }
  SECTION("and grown beyond it") {
    std::filesystem::resize_file(f.dir / "a.log", 0);
    write(f.dir / "a.log", "new\n" + std::string(200, 'y') + "\n");
    CHECK(f.read() == Lines{"new", std::string(200, 'y')});
  }
  SECTION("after a copy with lines not read yet") {
    write(f.dir / "a.log", "unread\n");
    std::filesystem::copy_file(f.dir / "a.log", f.dir / "a.log.1");
    std::filesystem::resize_file(f.dir / "a.log", 0);
    write(f.dir / "a.log", "new\n");
    CHECK(f.read() == Lines{"unread"});
    f.now += seconds(1);
    CHECK(f.read() == Lines{"new"});
  }
  CHECK(f.tail.events().truncations == 1);
}

TEST_CASE("file tail: a deleted file is read to its end and closed after a pause") {
  Fixture f;
  write(f.dir / "a.log", "1\n");
  CHECK(f.read() == Lines{"1"});
  write(f.dir / "a.log", "2\n3");
  std::filesystem::remove(f.dir / "a.log");
  CHECK(f.read() == Lines{"2"});
  CHECK(f.last == Outcome::kPending);
  CHECK(f.tail.is_open());
  f.now += seconds(5);
  CHECK(f.read() == Lines{"3"});
  CHECK(f.last == Outcome::kMissing);
  CHECK_FALSE(f.tail.is_open());
  write(f.dir / "a.log", "4\n");
  CHECK(f.read() == Lines{"4"});
}

TEST_CASE("file tail: a line that is too long is cut, and the next one is whole") {
  Fixture f;
  const std::string huge(1'000'000, 'x');
  write(f.dir / "a.log", "a\n" + huge);
  Lines got = f.read();
  REQUIRE(got.size() == 2);
  CHECK(got[1].size() == f.options.max_line);
  CHECK(got[1].substr(f.options.max_line - 12) == "x [line cut]");
  CHECK(f.after.skipping);
  FileTail later(f.path, f.options);
  later.resume(f.after);
  write(f.dir / "a.log", "end of it\nb\n");
  CHECK(f.read() == Lines{"b"});
  CHECK(f.read(later) == Lines{"b"});
}

TEST_CASE("file tail: a small limit cuts lines of any chunk") {
  Fixture f;
  f.options.max_line = 20;
  write(f.dir / "a.log", std::string(19, 'a') + "\n" + std::string(21, 'b') + "\nc\n");
  CHECK(f.read() == Lines{std::string(19, 'a'), "bbbbbbbbb [line cut]", "c"});
}

TEST_CASE("file tail: it resumes at a stored place") {
  Fixture f;
  write(f.dir / "a.log", "1\n2\n");
  CHECK(f.read() == Lines{"1", "2"});
  const auto place = FilePlace::parse(f.after.text());
  REQUIRE(place == f.after);
  FileTail later(f.path, f.options);
  later.resume(*place);
  SECTION("in the file as it was") {
    write(f.dir / "a.log", "3\n");
    CHECK(f.read(later) == Lines{"3"});
  }
  SECTION("in the file that was renamed meanwhile, several times") {
    write(f.dir / "a.log", "3\n");
    f.rotate(5);
    write(f.dir / "a.log", "4\n");
    f.rotate(5);
    write(f.dir / "a.log", "5\n");
    CHECK(f.read(later) == Lines{"3", "4"});
    f.now += seconds(1);
    CHECK(f.read(later) == Lines{"5"});
  }
  SECTION("at the start when the content is another") {
    std::filesystem::resize_file(f.dir / "a.log", 0);
    write(f.dir / "a.log", "other\ncontent\n");
    CHECK(f.read(later) == Lines{"other", "content"});
    CHECK(later.events().missing_files == 1);
  }
}

TEST_CASE("file tail: it goes back to a place in the file before, until that is released") {
  Fixture f;
  f.options.rotation_grace = Duration::zero();
  write(f.dir / "a.log", "1\n");
  CHECK(f.read() == Lines{"1"});
  const FilePlace first = f.after;
  write(f.dir / "a.log", "2\n");
  CHECK(f.read() == Lines{"2"});
  f.rotate(1);
  write(f.dir / "a.log", "3\n");
  CHECK(f.read() == Lines{"3"});
  std::filesystem::remove(f.dir / "a.log.1");
  f.tail.resume(first);
  CHECK(f.read() == Lines{"2", "3"});
  f.tail.release(f.after);
  f.tail.resume(first);
  CHECK(f.read() == Lines{"3"});
  CHECK(f.tail.events().missing_files == 1);
}

TEST_CASE(
    "file tail: from the end only what comes, and the whole of a line that is being written") {
  Fixture f;
  write(f.dir / "a.log", "1\n2");
  f.tail.from_end();
  CHECK(f.read().empty());
  write(f.dir / "a.log", "2\n3\n");
  CHECK(f.read() == Lines{"22", "3"});
}

TEST_CASE("file tail: from the end of a line whose beginning is far away only what follows it") {
  Fixture f;
  f.options.max_line = 100;
  write(f.dir / "a.log", "1\n" + std::string(1000, 'x'));
  f.tail.from_end();
  CHECK(f.read().empty());
  write(f.dir / "a.log", "x\n3\n");
  CHECK(f.read() == Lines{"3"});
}

TEST_CASE("file tail: what is not a regular file is refused without blocking") {
  Fixture f;
  std::filesystem::create_directory(f.dir / "a.log");
  FileLines lines;
  CHECK_FALSE(f.tail.read(f.now, lines));
}

TEST_CASE("file tail: text that is no place is not taken for one") {
  for (const char* text : {"", "1", "1 2 3 4", "1 2 3 4 5", "1 2 3000 4 0", "-1 2 3 4 0",
                           "1 99999999999999999999 3 4 0", "1 2 3 4 0x"})
    CHECK_FALSE(FilePlace::parse(text));
  CHECK(FilePlace::parse("1 2 3 4 1 later"));
}

TEST_CASE("file tail: writing, rotating and restarting in any order loses and repeats nothing") {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    Fixture f;
    f.options.rotation_grace = Duration::zero();
    unsigned random = seed * 7919;
    const auto chance = [&](unsigned of) {
      random = random * 1664525U + 1013904223U;
      return (random >> 8U) % of;
    };
    Lines expected;
    Lines got;
    std::string open_line;
    auto tail = std::make_unique<FileTail>(f.path, f.options);
    for (int step = 0; step < 60; ++step) {
      switch (chance(6)) {
        case 0:
        case 1: {
          const std::string line = std::to_string(seed) + "." + std::to_string(step);
          write(f.dir / "a.log", line + "\n");
          expected.push_back(std::exchange(open_line, {}) + line);
          break;
        }
        case 2:
          write(f.dir / "a.log", "+");
          open_line += '+';
          break;
        case 3:
          if (open_line.empty() && std::filesystem::exists(f.dir / "a.log")) f.rotate(100);
          break;
        case 4:
          for (auto& line : f.read(*tail)) got.push_back(std::move(line));
          break;
        case 5: {
          const bool started = f.after.inode != 0;
          tail = std::make_unique<FileTail>(f.path, f.options);
          if (started) tail->resume(f.after);
          break;
        }
      }
    }
    write(f.dir / "a.log", "end\n");
    expected.push_back(open_line + "end");
    for (auto& line : f.read(*tail)) got.push_back(std::move(line));
    // Files rotated before the first read are not ours.
    REQUIRE(got.size() <= expected.size());
    REQUIRE_FALSE(got.empty());
    CHECK(Lines(expected.end() - static_cast<std::ptrdiff_t>(got.size()), expected.end()) == got);
    CHECK(expected.size() - got.size() < 25);
  }
}

}  // namespace agent::io
