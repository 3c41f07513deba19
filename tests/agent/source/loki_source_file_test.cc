#include <bzlib.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <zlib.h>
#include <catch2/catch.hpp>
#include <fstream>

#include "agent/base/file.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/log_collector.h"
#include "tests/support/temp_dir.h"

namespace agent::source {

component::Declaration loki_source_file();

namespace {

using Mode = LogCollector::Mode;
using Lines = std::vector<std::string>;

struct Fixture {
  FakeClock clock;
  ComponentBox box{"loki.source.file.x", clock};
  const TempDir& dir = box.dir;
  std::shared_ptr<LogCollector> collector = std::make_shared<LogCollector>();
  lang::Body body;

  Fixture() { body.attributes = {forward_to(collector)}; }
  void write(const std::string& name, const std::string& text) {
    std::ofstream file(dir / name, std::ios::binary | std::ios::app);
    file << text;
    file.close();
    INFO(name);
    REQUIRE(file);
  }
  void rename(const std::string& from, const std::string& to) {
    std::filesystem::rename(dir / from, dir / to);
  }
  lang::Value target(const std::string& name) {
    return lang::Value::Object{
        {"__path__", (dir / name).string()}, {"job", "j"}, {"__meta_x", "no"}};
  }
  void targets(const std::vector<std::string>& names) {
    lang::Value::List list;
    for (const auto& name : names) list.push_back(target(name));
    set("targets", list);
  }
  void set(const std::string& name, const lang::Value& value) {
    for (auto& attribute : body.attributes) {
      if (attribute.name != name) continue;
      attribute.value = value;
      return;
    }
    body.attributes.push_back(attribute(name, value));
  }
  void block(const std::string& name, std::vector<lang::Attribute> attributes) {
    lang::Body inner;
    inner.attributes = std::move(attributes);
    body.blocks.push_back({name, "", inner, {}});
  }
  std::unique_ptr<RunningComponent> make() {
    return std::make_unique<RunningComponent>(box, loki_source_file());
  }
  std::unique_ptr<RunningComponent> start() {
    auto component = make();
    REQUIRE(component->configure(body) == "");
    component->start();
    return component;
  }
  // Lets time pass until `count` lines came.
  Lines take_in_time(std::size_t count) {
    Lines out;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(90);
    while (out.size() < count && std::chrono::steady_clock::now() < end) {
      for (auto& line : collector->take_text(0)) out.push_back(std::move(line));
      clock.advance(std::chrono::milliseconds(100));
      std::this_thread::yield();
    }
    return out;
  }
};

}  // namespace

TEST_CASE("loki.source.file: lines get the target's labels, filename and times of their own") {
  Fixture f;
  f.write("a.log", "\xEF\xBB\xBFone\r\nsame\nsame\npart");
  f.targets({"a.log"});
  const auto component = f.start();
  const auto got = f.collector->take(3);
  REQUIRE(got.size() == 3);
  const std::string path = (f.dir / "a.log").string();
  CHECK(got[0].labels == "{filename=\"" + path + "\", job=\"j\"}");
  CHECK(got[0].text == "one");
  CHECK(got[0].time_ns < got[1].time_ns);
  CHECK(got[1].time_ns < got[2].time_ns);
  CHECK(got[0].time_ns == f.clock.wall_ns());
  f.write("a.log", "ial\n");
  CHECK(f.collector->take_text(1) == Lines{"partial"});
  CHECK(f.box.metric("loki_source_file_read_lines_total", {{"path", path}}) == 4);
  CHECK(f.box.metric("loki_source_file_read_bytes_total", {{"path", path}}) == 26);
}

TEST_CASE("loki.source.file: a file that appears later is read from its start") {
  Fixture f;
  f.targets({"a.log"});
  const auto component = f.start();
  f.write("a.log", "one\n");
  CHECK(f.take_in_time(1) == Lines{"one"});
}

TEST_CASE("loki.source.file: tail_from_end passes over what is there, once") {
  Fixture f;
  f.write("a.log", "old\n");
  f.targets({"a.log"});
  f.set("tail_from_end", true);
  {
    const auto component = f.start();
    while (f.box.metric("loki_source_file_files_active_total") != 1) std::this_thread::yield();
    component->shut_down();
  }
  f.write("a.log", "meanwhile\n");
  const auto component = f.start();
  CHECK(f.collector->take_text(1) == Lines{"meanwhile"});
}

TEST_CASE("loki.source.file: two targets of one file give each line with the labels of both") {
  Fixture f;
  f.write("a.log", "x\n");
  lang::Value other = lang::Value::Object{{"__path__", (f.dir / "a.log").string()}, {"job", "k"}};
  f.set("targets", lang::Value::List{f.target("a.log"), other, other});
  const auto component = f.start();
  const auto got = f.collector->take(2);
  REQUIRE(got.size() == 2);
  CHECK(got[0].labels != got[1].labels);
}

TEST_CASE("loki.source.file: what was delivered is not read again, what was not is") {
  Fixture f;
  f.write("a.log", "1\n2\n");
  f.targets({"a.log"});
  {
    const auto component = f.start();
    CHECK(f.collector->take_text(2) == Lines{"1", "2"});
    component->shut_down();
  }
  f.write("a.log", "3\n");
  f.collector->set_mode(Mode::kHold);
  {
    const auto component = f.start();
    CHECK(f.collector->take_text(1) == Lines{"3"});
    component->shut_down();
    f.collector->settle_held();
  }
  f.collector->set_mode(Mode::kSettle);
  const auto component = f.start();
  CHECK(f.collector->take_text(1) == Lines{"3"});
}

TEST_CASE("loki.source.file: lines that come back undelivered are read again, rotated or not") {
  Fixture f;
  f.write("a.log", "1\n");
  f.targets({"a.log"});
  f.collector->set_mode(Mode::kHold);
  const auto component = f.start();
  CHECK(f.collector->take_text(1) == Lines{"1"});
  f.rename("a.log", "a.log.1");
  f.write("a.log", "2\n");
  CHECK(f.take_in_time(1) == Lines{"2"});
  f.collector->set_mode(Mode::kSettle);
  f.collector->lose_held();
  CHECK(f.take_in_time(2) == Lines{"1", "2"});
  CHECK(f.box.metric("loki_source_file_rewinds_total") == 1);
}

TEST_CASE("loki.source.file: a line that is read again after a kill has the time it had") {
  Fixture f;
  std::filesystem::create_directory(f.dir / "other");
  f.targets({"a.log", "other/b.log"});
  std::map<std::string, std::int64_t> first;  // line -> time
  std::size_t repeats = 0;
  // Takes lines until all `count` written so far were seen.
  const auto take = [&](std::size_t count) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    std::set<std::string> seen;
    while (seen.size() < count && std::chrono::steady_clock::now() < end) {
      for (const auto& line : f.collector->take(0)) {
        seen.insert(line.text);
        const auto [it, fresh] = first.emplace(line.text, line.time_ns);
        INFO(line.text);
        CHECK(it->second == line.time_ns);
        repeats += fresh ? 0 : 1;
      }
      f.clock.advance(std::chrono::milliseconds(100));
      std::this_thread::yield();
    }
    CHECK(seen.size() == count);
  };
  const auto write_some = [&](const std::string& name, int from) {
    std::string text;
    for (int i = from; i < from + 2000; ++i)
      text += name + " " + std::to_string(i) + std::string(200, 'x') + "\n";
    f.write(name, text);
  };
  f.collector->set_mode(Mode::kHold);
  for (int life = 0; life < 4; ++life) {
    write_some("a.log", life * 4000);
    write_some("other/b.log", life * 4000);
    // Nothing of what was held is settled, and nothing is flushed.
    const auto component = f.start();
    take(static_cast<std::size_t>(life) * 8000 + 4000);
    write_some("a.log", life * 4000 + 2000);
    write_some("other/b.log", life * 4000 + 2000);
    take(4000);
    if (life == 1) f.rename("a.log", "a.log.1");
    if (life == 1) f.write("a.log", "");
  }
  CHECK(repeats == (8000 + 16000 + 24000));
  f.collector->set_mode(Mode::kSettle);
  f.collector->lose_held();
  const auto component = f.start();
  take(32'000);
  component->shut_down();
  CHECK(std::filesystem::file_size(f.dir / "data" / "times") == 0);
}

TEST_CASE("loki.source.file: a line that comes back undelivered has the time it had") {
  Fixture f;
  f.write("a.log", "1\n2\n");
  f.targets({"a.log"});
  f.collector->set_mode(Mode::kHold);
  const auto component = f.start();
  const auto held = f.collector->take(2);
  f.clock.advance(std::chrono::seconds(30));
  f.write("a.log", "3\n");
  f.collector->set_mode(Mode::kSettle);
  f.collector->lose_held();
  std::vector<LogCollector::Line> again;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (again.size() < 3 && std::chrono::steady_clock::now() < end) {
    for (auto& line : f.collector->take(0))
      if (again.empty() || line.text != again.back().text) again.push_back(std::move(line));
    f.clock.advance(std::chrono::milliseconds(100));
    std::this_thread::yield();
  }
  REQUIRE(again.size() >= 3);
  const auto of = [&](const std::string& text) {
    const auto it = std::find_if(again.begin(), again.end(),
                                 [&](const auto& line) { return line.text == text; });
    REQUIRE(it != again.end());
    return it->time_ns;
  };
  CHECK(of("1") == held[0].time_ns);
  CHECK(of("2") == held[1].time_ns);
  CHECK(of("3") > held[1].time_ns);
}

TEST_CASE("loki.source.file: a kill at any batch loses nothing, while the file is rotated") {
  Fixture f;
  f.targets({"a.log"});
  std::set<std::string> all;
  int number = 0;
  const auto write_some = [&] {
    std::string text;
    for (int i = 0; i < 3000; ++i) {
      const std::string line = "line " + std::to_string(number++) + std::string(200, 'x');
      all.insert(line);
      text += line + "\n";
    }
    f.write("a.log", text);
  };
  write_some();
  // Small batches, so that lives end in the middle of things.
  std::size_t lives = 0;
  while (f.collector->delivered().size() < all.size()) {
    const std::size_t before = f.collector->delivered().size();
    f.collector->settle_then_hold(++lives);
    const auto component = f.start();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (f.collector->delivered().size() == before && std::chrono::steady_clock::now() < end) {
      f.clock.advance(std::chrono::milliseconds(300));
      std::this_thread::yield();
    }
    REQUIRE(f.collector->delivered().size() > before);
    if (lives < 5) {
      for (std::size_t i = lives; i > 1; --i)
        f.rename("a.log." + std::to_string(i - 1), "a.log." + std::to_string(i));
      f.rename("a.log", "a.log.1");
      write_some();
    }
  }
  CHECK(lives >= 5);
  CHECK(f.collector->delivered() == all);
}

namespace {

// Files a.log* and how they are rotated, seen by a reader that looks for names every second.
struct RotatedByPattern : Fixture {
  std::unique_ptr<RunningComponent> component;
  Lines got;
  Lines expected;

  RotatedByPattern() {
    set("targets", lang::Value::List{target("a.log*"), target("tick.log")});
    block("file_match", {attribute("enabled", true), attribute("sync_period", "1s")});
    write("a.log", "1\n");
    write("tick.log", "tick\n");
    component = start();
    CHECK(collector->take_text(2).size() == 2);
  }
  // Time moves when the thread has seen everything of the time before: the line of a file that
  // needs no time comes behind all that.
  void advance(Duration time) {
    write("tick.log", "tick\n");
    for (bool ticked = false; !ticked;) {
      const Lines some = collector->take_text(1);
      REQUIRE_FALSE(some.empty());
      for (const auto& line : some) {
        if (line == "tick") {
          ticked = true;
        } else {
          got.push_back(line);
        }
      }
    }
    clock.advance(time);
  }
  // a.log becomes a.log.1 and so on. Behind the step `seen` somebody looks which names there are.
  void rotate(int seen = 0) {
    const char* const names[] = {"a.log.3", "a.log.2", "a.log.1", "a.log"};
    for (int step = 1; step <= 3; ++step) {
      if (std::filesystem::exists(dir / names[step])) rename(names[step], names[step - 1]);
      if (step == seen)
        for (int i = 0; i < 3; ++i) advance(std::chrono::seconds(1));
    }
  }
  void write_some(int round) {
    for (int i = 0; i < 5; ++i) {
      expected.push_back(std::to_string(round) + "." + std::to_string(i));
      write("a.log", expected.back() + "\n");
      for (int step = 0; step < 300 && got.size() < expected.size(); ++step)
        advance(std::chrono::milliseconds(100));
      // Enough for new names to be found and to wait for those that they had before.
      if (i == 0)
        for (int step = 0; step < 6; ++step) advance(std::chrono::seconds(1));
      advance(std::chrono::seconds(30));
    }
  }
};

}  // namespace

TEST_CASE("loki.source.file: patterns that match rotated files too repeat nothing") {
  RotatedByPattern f;
  for (int round = 2; round < 6; ++round) {
    f.rotate();
    f.write_some(round);
  }
  f.component->shut_down();
  f.component.reset();
  f.rotate();
  f.component = f.start();
  f.write_some(6);
  CHECK(f.got == f.expected);
}

TEST_CASE("loki.source.file: names that are missing while files are rotated repeat nothing") {
  RotatedByPattern f;
  int round = 2;
  for (; round < 5; ++round) {
    f.rotate();
    f.write_some(round);
  }
  for (int seen = 1; seen <= 3; ++seen, ++round) {
    CAPTURE(seen);
    f.rotate(seen);
    f.write_some(round);
    CHECK(f.got == f.expected);
  }
  // The name does not come back for long.
  f.rotate();
  for (int i = 0; i < 20; ++i) f.advance(std::chrono::seconds(1));
  f.write_some(round);
  CHECK(f.got == f.expected);
}

TEST_CASE("loki.source.file: a file whose name is gone from a pattern is read to its end") {
  Fixture f;
  f.set("targets", lang::Value::List{f.target("*.log")});
  f.block("file_match", {attribute("enabled", true), attribute("sync_period", "1s")});
  f.write("a.log", "1\nhalf");
  const auto component = f.start();
  CHECK(f.collector->take_text(1) == Lines{"1"});
  std::filesystem::remove(f.dir / "a.log");
  CHECK(f.take_in_time(1) == Lines{"half"});
  f.write("a.log", "2\n");
  CHECK(f.take_in_time(1) == Lines{"2"});
}

TEST_CASE("loki.source.file: a deleted file is let go and a new one read from its start") {
  Fixture f;
  f.write("a.log", "1\n");
  f.targets({"a.log"});
  const auto component = f.start();
  CHECK(f.collector->take_text(1) == Lines{"1"});
  std::filesystem::remove(f.dir / "a.log");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (f.box.metric("loki_source_file_files_active_total") != 0 &&
         std::chrono::steady_clock::now() < end) {
    f.clock.advance(std::chrono::milliseconds(500));
    std::this_thread::yield();
  }
  CHECK(f.box.series("loki_source_file_files_active_total") == 1);
  CHECK(f.box.metric("loki_source_file_files_active_total") == 0);
  f.write("a.log", "2\n");
  CHECK(f.take_in_time(1) == Lines{"2"});
}

TEST_CASE("loki.source.file: targets come and go while it runs") {
  Fixture f;
  f.write("a.log", "a1\n");
  f.write("b.log", "b1\n");
  f.targets({"a.log"});
  const auto component = f.start();
  CHECK(f.collector->take_text(1) == Lines{"a1"});
  f.targets({"b.log"});
  REQUIRE(component->configure(f.body) == "");
  CHECK(f.take_in_time(1) == Lines{"b1"});
  f.write("a.log", "a2\n");
  f.targets({"a.log", "b.log"});
  REQUIRE(component->configure(f.body) == "");
  CHECK(f.take_in_time(1) == Lines{"a2"});
}

TEST_CASE("loki.source.file: positions of another agent are taken over") {
  Fixture f;
  f.write("a.log", "1\n2\n");
  f.targets({"a.log"});
  const std::string entry = "positions:\n  " + (f.dir / "a.log").string() + ": \"2\"\n";
  SECTION("named") {
    f.write("promtail.yml", entry);
    f.set("legacy_positions_file", (f.dir / "promtail.yml").string());
  }
  SECTION("Alloy's, in the component's own folder") {
    std::filesystem::create_directory(f.dir / "data");
    f.write("data/positions.yml", "positions:\n  ? path: " + (f.dir / "a.log").string() +
                                      "\n    labels: '{job=\"j\"}'\n  : \"2\"\n");
  }
  const auto component = f.start();
  CHECK(f.collector->take_text(1) == Lines{"2"});
}

TEST_CASE("loki.source.file: damaged positions restart as configured") {
  Fixture f;
  f.write("a.log", "1\n");
  f.targets({"a.log"});
  std::filesystem::create_directory(f.dir / "data");
  f.write("data/positions", "00000000 not a line\n");
  SECTION("from the beginning") {
    const auto component = f.start();
    CHECK(f.collector->take_text(1) == Lines{"1"});
  }
  SECTION("from the end") {
    f.set("on_positions_file_error", "restart_from_end");
    const auto component = f.start();
    while (f.box.metric("loki_source_file_files_active_total") != 1) std::this_thread::yield();
    f.write("a.log", "2\n");
    CHECK(f.take_in_time(1) == Lines{"2"});
  }
}

TEST_CASE("loki.source.file: compressed files are read once") {
  Fixture f;
  gzFile file = ::gzopen((f.dir / "a.gz").c_str(), "wb");
  REQUIRE(::gzputs(file, "one\ntwo") > 0);
  ::gzclose(file);
  f.targets({"a.gz"});
  f.block("decompression", {attribute("enabled", true), attribute("format", "gz")});
  {
    const auto component = f.start();
    CHECK(f.collector->take_text(2) == Lines{"one", "two"});
    component->shut_down();
  }
  file = ::gzopen((f.dir / "b.gz").c_str(), "wb");
  REQUIRE(::gzputs(file, "three") > 0);
  ::gzclose(file);
  f.targets({"a.gz", "b.gz"});
  const auto component = f.start();
  CHECK(f.collector->take_text(1) == Lines{"three"});
}

TEST_CASE(
    "loki.source.file: bzip2 and zlib; a compressed file that is replaced or grows is read on") {
  Fixture f;
  const auto compress = [&](const std::string& name, const std::string& text) {
    std::string out(1000, '\0');
    unsigned size = 1000;
    REQUIRE(::BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(text.data()),
                                       static_cast<unsigned>(text.size()), 9, 0, 0) == BZ_OK);
    f.write(name, out.substr(0, size));
  };
  compress("a.bz2", "one\ntwo\n");
  f.targets({"a.bz2"});
  f.block("decompression", {attribute("enabled", true), attribute("format", "bz2")});
  {
    const auto component = f.start();
    CHECK(f.collector->take_text(2) == Lines{"one", "two"});
    compress("a.bz2", "three\n");
    CHECK(f.take_in_time(1) == Lines{"three"});
    f.rename("a.bz2", "b.bz2");
    compress("a.bz2", "four\n");
    CHECK(f.take_in_time(1) == Lines{"four"});
    component->shut_down();
  }
  // The rotated one is known under its new name.
  f.targets({"a.bz2", "b.bz2"});
  const auto component = f.start();
  f.rename("a.bz2", "c.bz2");
  compress("a.bz2", "five\n");
  CHECK(f.take_in_time(1) == Lines{"five"});
}

TEST_CASE("loki.source.file: a compressed file is left alone for initial_delay") {
  Fixture f;
  std::string bytes(100, '\0');
  uLongf size = bytes.size();
  REQUIRE(::compress(reinterpret_cast<Bytef*>(bytes.data()), &size,
                     reinterpret_cast<const Bytef*>("text\n"), 5) == Z_OK);
  f.write("a.z", bytes.substr(0, size));
  f.targets({"a.z"});
  f.block("decompression",
          {attribute("enabled", true), attribute("format", "z"), attribute("initial_delay", "1s")});
  const auto component = f.start();
  f.clock.advance(std::chrono::milliseconds(900));
  CHECK(f.collector->take_text(0).empty());
  f.clock.advance(std::chrono::seconds(2));
  CHECK(f.take_in_time(1) == Lines{"text"});
}

TEST_CASE("loki.source.file: files in other encodings become UTF-8, over restarts") {
  Fixture f;
  std::string text = "\xFF\xFE";
  const auto utf16 = [](std::string_view ascii) {
    std::string out;
    for (const char c : ascii) out.append(1, c).append(1, '\0');
    return out;
  };
  f.write("bom.log", text + utf16("one\r\ntwo\n"));
  f.write("latin.log", "gr\xFC\xDF\n");
  f.targets({"bom.log", "latin.log"});
  f.set("encoding", "iso-8859-1");
  const auto sorted = [&](std::size_t count) {
    Lines got = f.take_in_time(count);
    std::sort(got.begin(), got.end());
    return got;
  };
  {
    const auto component = f.start();
    CHECK(sorted(3) == Lines{"grüß", "one", "two"});
    component->shut_down();
  }
  f.write("bom.log", utf16("three\nfour"));
  f.write("latin.log", "\xE9\n");
  const auto component = f.start();
  CHECK(sorted(2) == Lines{"three", "é"});
  f.write("bom.log", utf16("!\n"));
  CHECK(sorted(1) == Lines{"four!"});
}

TEST_CASE("loki.source.file: a hole of NULs is passed over and counted") {
  Fixture f;
  f.write("a.log", "one\n" + std::string(700'000, '\0') + "two\n");
  f.targets({"a.log"});
  const auto component = f.start();
  CHECK(f.take_in_time(2) == Lines{"one", "two"});
  CHECK(f.box.metric("loki_source_file_hole_bytes_total") == 700'000);
}

// What was in flight at a kill has the times it had, wherever rotation has taken it meanwhile.
TEST_CASE(
    "loki.source.file: repeats after a kill have their times, through copies and old folders") {
  Fixture f;
  f.targets({"a.log"});
  std::filesystem::create_directory(f.dir / "old");
  std::map<std::string, std::int64_t> first;
  std::size_t repeats = 0;
  std::set<std::string> all;
  std::set<std::string> missing;  // in this life
  const auto take = [&] {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!missing.empty() && std::chrono::steady_clock::now() < end) {
      for (const auto& line : f.collector->take(0)) {
        INFO(line.text);
        const auto [it, fresh] = first.emplace(line.text, line.time_ns);
        CHECK(it->second == line.time_ns);
        repeats += fresh ? 0 : 1;
        missing.erase(line.text);
      }
      f.clock.advance(std::chrono::milliseconds(100));
      std::this_thread::yield();
    }
    CHECK(missing.empty());
  };
  const auto write_some = [&](const std::string& what) {
    std::string text;
    for (int i = 0; i < 20; ++i) {
      // The same beginning in every content: the file's first line does not tell them apart.
      const std::string line =
          (i == 0 ? "# header of every file, long enough to be telling, and " : "") + what + " " +
          std::to_string(i);
      all.insert(line);
      missing.insert(line);
      text += line + "\n";
    }
    f.write("a.log", text);
  };
  const auto copytruncate = [&](int keep) {
    for (int i = keep; i > 1; --i) {
      std::error_code none;
      std::filesystem::rename(f.dir / ("a.log." + std::to_string(i - 1)),
                              f.dir / ("a.log." + std::to_string(i)), none);
    }
    std::filesystem::copy_file(f.dir / "a.log", f.dir / "a.log.1");
    std::filesystem::resize_file(f.dir / "a.log", 0);
  };
  const auto olddir = [&] {
    for (int i = 5; i > 1; --i) {
      std::error_code none;
      std::filesystem::rename(f.dir / ("old/a.log." + std::to_string(i - 1)),
                              f.dir / ("old/a.log." + std::to_string(i)), none);
    }
    f.rename("a.log", "old/a.log.1");
  };
  bool copies = false;
  SECTION("copytruncate") { copies = true; }
  SECTION("olddir") {}
  f.collector->set_mode(Mode::kHold);
  write_some("first");
  for (int life = 0; life < 4; ++life) {
    missing = all;
    const auto component = f.start();
    take();
    if (life < 2) {  // rotated while it runs
      copies ? copytruncate(5) : olddir();
      write_some("running " + std::to_string(life));
      take();
    }
    component->stop();
    if (life == 2) {  // and while it does not
      copies ? copytruncate(5) : olddir();
      write_some("stopped");
    }
  }
  CHECK(repeats == 160);
  f.collector->set_mode(Mode::kSettle);
  f.collector->lose_held();
  missing = all;
  const auto component = f.start();
  take();
  component->shut_down();
  CHECK(f.collector->delivered() == all);
  CHECK(std::filesystem::file_size(f.dir / "data" / "times") == 0);
  CHECK(f.box.metric("loki_source_file_truncated_bytes_total") == 0);
}

TEST_CASE("loki.source.file: what is truncated away unread is counted") {
  Fixture f;
  f.collector->set_mode(Mode::kHold);
  f.write("a.log", "one\npart of a line");
  f.targets({"a.log"});
  const auto component = f.start();
  CHECK(f.take_in_time(1) == Lines{"one"});
  std::filesystem::resize_file(f.dir / "a.log", 0);
  f.write("a.log", "2\n");
  CHECK(f.take_in_time(1) == Lines{"2"});
  CHECK(f.box.metric("loki_source_file_truncations_total") == 1);
  CHECK(f.box.metric("loki_source_file_truncated_bytes_total") == 14);
}

TEST_CASE("loki.source.file: deleted files are pinned within bounds while nothing is delivered") {
  Fixture f;
  f.collector->set_mode(Mode::kHold);
  f.targets({"a.log"});
  const std::string line = std::string(1000, 'x') + "\n";
  std::string large;
  while (large.size() < (20U << 20)) large += line;
  f.write("a.log", large);
  const auto component = f.start();
  const std::size_t lines = large.size() / line.size();
  CHECK(f.take_in_time(lines).size() == lines);
  // Each is deleted when the next one is there, as a rotation without old files does.
  double pinned = 0;
  for (int i = 0; i < 5; ++i) {
    std::filesystem::remove(f.dir / "a.log");
    f.write("a.log", large);
    CHECK(f.take_in_time(lines).size() == lines);
    f.box.metrics.collect();
    pinned = std::max(pinned, f.box.metric("loki_source_file_pinned_bytes"));
  }
  CHECK(pinned > 0);
  CHECK(pinned <= (64 << 20) + 2 * static_cast<double>(large.size()));
  CHECK(f.box.metric("loki_source_file_backlog_bytes") >= static_cast<double>(large.size()));
  f.clock.advance(std::chrono::seconds(100));
  f.box.metrics.collect();
  CHECK(f.box.metric("loki_source_file_oldest_unsent_seconds") >= 100);
  CHECK(component->debug("files." + (f.dir / "a.log").string()).find("behind") !=
        std::string::npos);
  f.collector->set_mode(Mode::kSettle);
  f.collector->settle_held();
  f.write("a.log", "end\n");
  CHECK(f.take_in_time(1) == Lines{"end"});
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (f.box.metric("loki_source_file_pinned_bytes") +
                 f.box.metric("loki_source_file_backlog_bytes") >
             0 &&
         std::chrono::steady_clock::now() < end) {
    f.clock.advance(std::chrono::milliseconds(100));
    f.box.metrics.collect();
  }
  CHECK(f.box.metric("loki_source_file_pinned_bytes") == 0);
  CHECK(f.box.metric("loki_source_file_backlog_bytes") == 0);
}

TEST_CASE("loki.source.file: more files than descriptors are read in turn") {
  Fixture f;
  constexpr int kFiles = 120;
  constexpr int kFew = 60;
  // This test writes through descriptors above the limit that the component gets: it may have all
  // below at any moment.
  const auto open_above = [&](const std::string& name) {
    const FileDescriptor low(
        ::open((f.dir / name).c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
    FileDescriptor high(::fcntl(low.get(), F_DUPFD_CLOEXEC, 2 * kFew));
    REQUIRE(high);
    return high;
  };
  const auto put = [](const FileDescriptor& file, const std::string& line) {
    REQUIRE(write_all(file.get(), line + "\n"));
  };
  std::vector<std::string> names;
  std::vector<FileDescriptor> files;
  for (int i = 0; i < kFiles; ++i) {
    names.push_back("f" + std::to_string(i) + ".log");
    files.push_back(open_above(names.back()));
    put(files.back(), "first " + std::to_string(i));
  }
  FileDescriptor next = open_above("next");
  f.targets(names);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit few = before;
  few.rlim_cur = kFew;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  const auto component = f.start();
  const auto unique = [&](std::size_t count) {
    const Lines got = f.take_in_time(count);
    return std::set<std::string>(got.begin(), got.end()).size();
  };
  CHECK(unique(kFiles) == kFiles);
  // Rename and deletion are noticed without the descriptor too.
  f.rename("f3.log", "f3.log.1");
  f.rename("next", "f3.log");
  files[3] = std::move(next);
  put(files[3], "second 3");
  CHECK(f.take_in_time(1) == Lines{"second 3"});
  for (const FileDescriptor& file : files) put(file, "third");
  CHECK(f.take_in_time(kFiles).size() == kFiles);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(f.box.metric("loki_source_file_files_active_total") < kFew);
  CHECK(f.box.metric("loki_source_file_missing_files_total") == 0);
}

TEST_CASE("loki.source.file: quiet files come to rest and are read on, renamed or deleted") {
  Fixture f;
  f.write("a.log", "1\n");
  f.write("b.log", "1\n");
  f.targets({"a.log", "b.log"});
  const auto component = f.start();
  CHECK(f.take_in_time(2).size() == 2);
  // Looks at everything come every 30 s; a change makes the thread see that time has passed.
  const auto rest = [&] {
    for (int i = 0; i < 3; ++i) {
      f.clock.advance(std::chrono::seconds(31));
      f.write("b.log", "x\n");
      CHECK(f.take_in_time(1) == Lines{"x"});
    }
  };
  rest();
  f.write("a.log", "2\n");
  CHECK(f.take_in_time(1) == Lines{"2"});
  rest();
  // The last words of a file are read from the descriptor that was kept.
  f.write("a.log", "3\n");
  f.rename("a.log", "elsewhere");
  std::filesystem::remove(f.dir / "elsewhere");
  CHECK(f.take_in_time(1) == Lines{"3"});
  f.write("a.log", "4\n");
  CHECK(f.take_in_time(1) == Lines{"4"});
  CHECK(f.box.metric("loki_source_file_missing_files_total") == 0);
}

TEST_CASE("loki.source.file: a symbolic link is followed, to another file too") {
  Fixture f;
  f.write("one", "1\n");
  f.write("two", "2\n");
  std::filesystem::create_symlink("one", f.dir / "link.log");
  f.targets({"link.log"});
  const auto component = f.start();
  CHECK(f.take_in_time(1) == Lines{"1"});
  CHECK(f.box.metric("loki_source_file_files_polled") == 0);
  f.write("one", "1b\n");
  CHECK(f.take_in_time(1) == Lines{"1b"});
  std::filesystem::remove(f.dir / "link.log");
  std::filesystem::create_symlink("two", f.dir / "link.log");
  CHECK(f.take_in_time(1) == Lines{"2"});
  f.write("two", "2b\n");
  CHECK(f.take_in_time(1) == Lines{"2b"});
}

// A sparse file would be a hole: each byte of the line is there.
TEST_CASE("loki.source.file: a line of 256 MiB costs what a line may have") {
  Fixture f;
  const std::string piece(4U << 20, 'x');
  {
    std::ofstream out(f.dir / "a.log", std::ios::binary);
    for (int i = 0; i < 64; ++i) out << piece;
    out << "\nnext\n";
  }
  f.targets({"a.log"});
  ::malloc_trim(0);
  const std::size_t before = ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
  std::atomic<std::size_t> most = 0;
  const auto component = f.start();
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  Lines got;
  while (got.size() < 2 && std::chrono::steady_clock::now() < end) {
    for (auto& line : f.collector->take_text(0)) got.push_back(std::move(line));
    most = std::max<std::size_t>(most, ::mallinfo2().uordblks + ::mallinfo2().hblkhd);
    f.clock.advance(std::chrono::milliseconds(100));
  }
  REQUIRE(got.size() == 2);
  CHECK(got[0].size() == (256U << 10));
  CHECK(got[0].substr(got[0].size() - 11) == " [line cut]");
  CHECK(got[1] == "next");
  CHECK(f.box.metric("loki_source_file_cut_lines_total") == 1);
  CHECK(most - before < (4U << 20));
}

TEST_CASE("loki.source.file: arguments that cannot work are refused") {
  Fixture f;
  f.targets({});
  f.set("encoding", "UTF-17");
  f.set("on_positions_file_error", "panic");
  f.block("decompression", {attribute("enabled", true), attribute("format", "xz")});
  const auto component = f.make();
  CHECK(component->configure(f.body).find("unknown compression format \"xz\"") !=
        std::string::npos);
  CHECK(component->refused());
  f.body.blocks.clear();
  CHECK(component->configure(f.body) == "unknown encoding \"UTF-17\"\nunknown value \"panic\"");
  CHECK(component->refused());
  f.set("encoding", "utf-8");
  f.set("on_positions_file_error", "skip");
  CHECK(component->configure(f.body) == "");
}

}  // namespace agent::source
