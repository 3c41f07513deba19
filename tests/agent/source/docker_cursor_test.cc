#include "agent/source/docker_cursor.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <tuple>
#include <vector>

namespace agent::source {

TEST_CASE("docker cursor: equal times become distinct, and the same ones at every reading") {
  DockerCursor cursor;
  CHECK(cursor.advance(0, 100) == 100);
  CHECK(cursor.advance(0, 100) == 101);
  CHECK(cursor.advance(1, 100) == 100);
  const DockerCursor stored = *DockerCursor::parse(cursor.text());
  CHECK(stored == cursor);
  CHECK(stored.text() == "100.2,100.1");
  DockerCursor again = stored;
  CHECK(again.advance(0, 100) == 102);
  CHECK(again.advance(0, 200) == 200);
}

TEST_CASE("docker cursor: asks from before the newest mark, since the other stream may be late") {
  DockerCursor cursor;
  CHECK(cursor.since_ns() == 0);
  cursor.advance(0, 1'795'254'494'882'260'796);
  CHECK(cursor.since_ns() == 1'795'254'494'882'260'796 - DockerCursor::kReorder);
  cursor.advance(1, 1'795'254'494'882'260'000);
  CHECK(cursor.since_ns() == 1'795'254'494'882'260'000);
  CHECK(docker_since(1'795'254'494'002'260'000) == "1795254494.002260000");
}

TEST_CASE("docker cursor: what is no cursor is refused") {
  for (const char* bad : {"", "1.1", "1.1,2", "1.1,2.2x", "a.1,1.1", "1.-1,1.1", "1.1,2.2,"}) {
    CAPTURE(bad);
    CHECK_FALSE(DockerCursor::parse(bad));
  }
}

TEST_CASE("docker cursor: a log read in any number of pieces gives each message once") {
  // A log as a daemon keeps it: two streams, each in order, equal times, the streams shifted
  // against each other.
  std::mt19937 random(7);
  using Message = std::tuple<std::size_t, std::int64_t, int>;
  std::vector<Message> log;
  std::array<std::int64_t, 2> clock{1'000'000'000'000, 1'000'000'000'000};
  for (int i = 0; i < 2000; ++i) {
    const std::size_t stream = random() % 2;
    clock[stream] += static_cast<std::int64_t>(random() % 3) * 700'000'000;
    // Nobody is more than kReorder behind the other.
    clock[stream] = std::max(clock[stream], clock[1 - stream] - DockerCursor::kReorder + 1);
    log.emplace_back(stream, clock[stream], i);
  }
  for (int round = 0; round < 50; ++round) {
    std::vector<int> seen;
    std::vector<std::pair<std::size_t, std::int64_t>> times;
    DockerCursor cursor;
    while (seen.size() < log.size()) {
      const std::int64_t since = cursor.since_ns();
      DockerResume resume(cursor);
      std::size_t budget = random() % 200;
      for (const auto& [stream, time, number] : log) {
        if (time < since || resume.already_read(stream, time)) continue;
        if (budget-- == 0) break;
        seen.push_back(number);
        times.emplace_back(stream, cursor.advance(stream, time));
      }
      cursor = *DockerCursor::parse(cursor.text());
    }
    REQUIRE(seen.size() == log.size());
    for (std::size_t i = 0; i < seen.size(); ++i) REQUIRE(seen[i] == static_cast<int>(i));
    std::sort(times.begin(), times.end());
    REQUIRE(std::adjacent_find(times.begin(), times.end()) == times.end());
  }
}

}  // namespace agent::source
