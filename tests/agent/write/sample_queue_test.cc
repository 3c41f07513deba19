#include "agent/write/sample_queue.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "agent/wire/remote_write.h"
#include "agent/write/remote_requests.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace agent::write {
namespace {

namespace fs = std::filesystem;

SampleCounts samples(std::uint32_t count) {
  SampleCounts out;
  out.samples = count;
  return out;
}

// The bodies of everything that waits, which is then done with.
std::vector<std::string> drain(SampleQueue& queue) {
  std::vector<std::string> out;
  while (auto part = queue.next()) {
    out.push_back(part->body);
    queue.done({std::move(*part)});
    REQUIRE(out.size() < 1000);
  }
  return out;
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// A message of `count` series, each with one sample, and then the same at a later time.
SampleQueue::Part part_of(model::Interner& labels, int count, std::int64_t time_ms) {
  wire::RemoteWriteEncoder encoder;
  for (int i = 0; i < count; ++i)
    encoder.add(model::Sample{labels.intern({{"__name__", "s" + std::to_string(i)}}), time_ms, 1});
  SampleQueue::Part part;
  part.counts.samples = static_cast<std::uint32_t>(count);
  part.body = wire::compress_message(encoder.message());
  return part;
}

// "s1@5 s2@5 .."
std::string text(const SampleGroup& group) {
  model::Interner labels;
  model::SampleBatch batch;
  REQUIRE(wire::decode_write_request(group.body, {}, labels, batch));
  std::string out;
  for (const auto& one : batch.samples)
    out += (out.empty() ? "" : " ") + std::string(one.series.get("__name__")) + "@" +
           std::to_string(one.time_ms);
  CHECK(group.counts.samples == batch.samples.size());
  return out;
}

}  // namespace

TEST_CASE(
    "sample queue: what was taken and not delivered comes back, what was delivered does not") {
  TempDir dir;
  FakeClock clock;
  {
    SampleQueue queue(dir / "q", clock, {});
    for (const char* body : {"a", "b", "c", "d"}) CHECK(queue.append(samples(2), body) == 0);
    auto a = queue.next();
    auto b = queue.next();
    auto c = queue.next();
    CHECK(queue.items() == 8);
    queue.done({std::move(*b)});
    std::vector<SampleQueue::Part> parts;
    parts.push_back(std::move(*a));
    parts.push_back(std::move(*c));
    queue.give_back(std::move(parts));
    CHECK(queue.items() == 6);
    queue.sync();
  }
  SampleQueue queue(dir / "q", clock, {});
  CHECK(queue.items() == 6);
  CHECK(drain(queue) == std::vector<std::string>{"a", "c", "d"});
  CHECK(queue.items() == 0);
}

TEST_CASE("sample queue: the oldest go when there is no room, and are counted, also in hands") {
  TempDir dir;
  FakeClock clock;
  SampleQueue::Limits limits;
  limits.max_bytes = 64 << 10;
  SampleQueue queue(dir / "q", clock, limits);
  const std::string body(1000, 'x');
  CHECK(queue.append(samples(1), body + "0") == 0);
  auto first = queue.next();
  REQUIRE(first);
  std::uint64_t lost = 0;
  for (int i = 1; i < 500; ++i) {
    lost += queue.append(samples(1), body + std::to_string(i));
    CHECK(queue.bytes() <= limits.max_bytes);
  }
  lost += queue.sync().items;
  const std::uint64_t before = lost;
  std::vector<SampleQueue::Part> parts;
  parts.push_back(std::move(*first));
  queue.give_back(std::move(parts));
  lost += queue.sync().items;
  CHECK(lost == before + 1);  // its place was taken meanwhile
  const auto left = drain(queue);
  CHECK(left.size() + lost == 500);
  CHECK(left.size() > 30);
  CHECK(left.back() == body + "499");
}

TEST_CASE("sample queue: what has waited for too long goes, record by record") {
  TempDir dir;
  FakeClock clock;
  SampleQueue::Limits limits;
  limits.max_age = std::chrono::hours(8);
  SampleQueue queue(dir / "q", clock, limits);
  for (int hour = 0; hour < 12; ++hour) {
    CHECK(queue.append(samples(10), std::to_string(hour)) == 0);
    clock.advance(std::chrono::hours(1));
  }
  CHECK(drain(queue) == std::vector<std::string>{"4", "5", "6", "7", "8", "9", "10", "11"});
  CHECK(queue.sync().items == 40);
  CHECK(queue.items() == 0);
}

TEST_CASE("sample queue: a folder that cannot be used costs no more than memory holds") {
  TempDir dir;
  FakeClock clock;
  write(dir / "q", "a file");
  SampleQueue queue(dir / "q", clock, {});
  CHECK_FALSE(queue.disk_error().empty());
  const std::string body(1 << 20, 'x');
  std::uint64_t lost = 0;
  for (int i = 0; i < 20; ++i) {
    lost += queue.append(samples(3), body);
    CHECK(queue.bytes() <= SampleQueue::kMemory);
  }
  CHECK(lost == 39);
  CHECK(queue.items() == 21);
  // As soon as there is a folder, what waits and what comes is on disk, in order.
  fs::remove(dir / "q");
  queue.sync();
  CHECK(queue.append(samples(1), "last") == 0);
  CHECK(queue.disk_error().empty());
  SampleQueue again(dir / "q", clock, {});
  const auto all = drain(again);
  CHECK(all.size() == 8);
  CHECK(all.back() == "last");
}

TEST_CASE("sample queue: a full disk costs nothing while memory lasts, and order stays") {
  TempDir dir;
  FakeClock clock;
  // No file grows beyond 16 KiB: writing fails in the middle of a record, as on a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit tight{16 << 10, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &tight) == 0);
  SampleQueue queue(dir / "q", clock, {});
  std::vector<std::string> bodies;
  std::uint64_t lost = 0;
  const auto add = [&](int count) {
    for (int i = 0; i < count; ++i) {
      bodies.push_back(std::to_string(bodies.size()) + std::string(1000, '.'));
      lost += queue.append(samples(1), bodies.back());
    }
  };
  add(40);
  lost += queue.sync().items;
  const std::string error = queue.disk_error();
  std::vector<SampleQueue::Part> taken;
  for (int i = 0; i < 30; ++i) taken.push_back(*queue.next());  // 15 of the disk, 15 of memory
  queue.give_back(std::move(taken));
  add(5);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  CHECK(error.find("File too large") != std::string::npos);
  add(5);
  CHECK(queue.disk_error().empty());
  CHECK(queue.items() == 50);
  queue.sync();
  SampleQueue again(dir / "q", clock, {});  // it is all on disk
  CHECK(drain(again) == bodies);
  CHECK(drain(queue) == bodies);
  CHECK(lost == 0);
}

TEST_CASE("sample queue: damage costs what it hit, wherever it is") {
  TempDir dir;
  FakeClock clock;
  std::vector<std::string> bodies;
  {
    SampleQueue queue(dir / "q", clock, {});
    for (int i = 0; i < 6; ++i) {
      bodies.push_back("body " + std::to_string(i) + std::string(static_cast<std::size_t>(i), '.'));
      queue.append(samples(1), bodies.back());
    }
    // One in the middle is done with, so that a note of that is among what is damaged.
    auto a = queue.next();
    auto b = queue.next();
    queue.done({std::move(*b)});
    std::vector<SampleQueue::Part> parts;
    parts.push_back(std::move(*a));
    queue.give_back(std::move(parts));
    queue.sync();
  }
  const fs::path segment = fs::directory_iterator(dir / "q")->path();
  const std::string whole = read(segment);
  std::size_t counted = 0;
  const auto check = [&](const std::string& bytes, const std::string& what) {
    INFO(what);
    fs::remove_all(dir / "q");
    fs::create_directories(dir / "q");
    write(segment, bytes);
    SampleQueue queue(dir / "q", clock, {});
    REQUIRE(queue.disk_error().empty());
    std::vector<std::string> got = drain(queue);
    // In order, each once, nothing that was not there; the one that was done may come again.
    std::size_t at = 0;
    for (const std::string& body : got) {
      while (at < bodies.size() && bodies[at] != body) ++at;
      REQUIRE(at < bodies.size());
      ++at;
    }
    const auto losses = queue.sync();
    counted += losses.damaged > 0 ? 1 : 0;
    CHECK(queue.append(samples(1), "after") == 0);
    CHECK(drain(queue) == std::vector<std::string>{"after"});
    return got.size();
  };
  for (std::size_t cut = 0; cut < whole.size(); ++cut)
    CHECK(check(whole.substr(0, cut), "cut at " + std::to_string(cut)) <= bodies.size());
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    counted = 0;
    // Five waited; one bit costs one of them at most.
    CHECK(check(bytes, "bit " + std::to_string(bit)) >= bodies.size() - 2);
    CHECK(counted == 1);
  }
  CHECK(check(whole, "whole") == bodies.size() - 1);
  CHECK(check(whole + whole.substr(0, 20), "half a record behind it") == bodies.size() - 1);
}

TEST_CASE("sample groups: a series keeps its lane and its order, a group its size") {
  model::Interner labels;
  std::vector<SampleQueue::Part> parts;
  for (int time = 1; time <= 5; ++time) parts.push_back(part_of(labels, 40, time));
  for (const std::size_t lanes : {std::size_t{1}, std::size_t{3}, std::size_t{50}}) {
    const Grouping grouping = group_parts(parts, lanes, 30);
    CHECK(grouping.unreadable == 0);
    std::map<std::string, std::pair<std::size_t, int>> seen;  // series -> lane, last time
    std::size_t items = 0;
    for (const SampleGroup& group : grouping.groups) {
      CHECK(group.counts.all() <= 30);
      CHECK(group.lane < lanes);
      items += group.counts.all();
      std::istringstream in(text(group));
      for (std::string one; in >> one;) {
        const std::string name = one.substr(0, one.find('@'));
        const int time = std::stoi(one.substr(one.find('@') + 1));
        const auto [it, added] = seen.emplace(name, std::pair(group.lane, 0));
        CHECK(it->second.first == group.lane);
        CHECK(time == ++it->second.second);
      }
    }
    CHECK(items == 200);
  }
  // Whole parts are joined as they are.
  const Grouping joined = group_parts(parts, 1, 100);
  REQUIRE(joined.groups.size() == 3);
  CHECK(text(joined.groups[0]) ==
        text({parts[0].body, parts[0].counts}) + " " + text({parts[1].body, parts[1].counts}));
  CHECK(joined.groups[2].counts.all() == 40);
  parts[2].body = "no snappy";
  for (const std::size_t lanes : {std::size_t{1}, std::size_t{2}}) {
    const Grouping grouping = group_parts(parts, lanes, 1000);
    CHECK(grouping.unreadable == 40);
    std::size_t items = 0;
    for (const SampleGroup& group : grouping.groups) items += group.counts.all();
    CHECK(items == 160);
  }
}

TEST_CASE("sample groups: dividing loses nothing, keeps order and comes to an end") {
  model::Interner labels;
  std::vector<SampleQueue::Part> parts;
  for (int time = 1; time <= 3; ++time) parts.push_back(part_of(labels, 5, time));
  std::vector<SampleGroup> todo = group_parts(parts, 1, 1000).groups;
  REQUIRE(todo.size() == 1);
  std::map<std::string, int> last;
  std::size_t singles = 0;
  int divided = 0;
  while (!todo.empty()) {
    SampleGroup group = std::move(todo.front());
    todo.erase(todo.begin());
    auto halves = divide(group);
    if (halves.empty()) {
      ++singles;
      const std::string one = text(group);
      CHECK(one.find(' ') == std::string::npos);
      CHECK(std::stoi(one.substr(one.find('@') + 1)) == ++last[one.substr(0, one.find('@'))]);
      continue;
    }
    REQUIRE(halves.size() == 2);
    CHECK(halves[0].counts.all() + halves[1].counts.all() == group.counts.all());
    CHECK(halves[0].counts.all() > 0);
    CHECK(halves[1].counts.all() > 0);
    todo.insert(todo.begin(), std::make_move_iterator(halves.begin()),
                std::make_move_iterator(halves.end()));
    REQUIRE(++divided < 100);
  }
  CHECK(singles == 15);
  SampleGroup broken;
  broken.body = "no snappy";
  CHECK(divide(broken).empty());
}

}  // namespace agent::write
