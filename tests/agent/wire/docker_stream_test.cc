#include "agent/wire/docker_stream.h"

#include <catch2/catch.hpp>
#include <tuple>
#include <vector>

namespace agent::wire {
namespace {

using Source = DockerStream::Source;
using Seen = std::tuple<int, std::int64_t, std::string>;

std::string frame(int kind, std::string_view payload) {
  std::string out;
  out += static_cast<char>(kind);
  out.append(3, '\0');
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>(payload.size() >> static_cast<unsigned>(shift));
  return out + std::string(payload);
}

constexpr std::string_view kTime = "2026-11-21T09:48:14.882260796Z ";
constexpr std::int64_t kNs = 1795254494882260796;
std::string at(std::string_view content) { return std::string(kTime) + std::string(content); }

struct Reader {
  explicit Reader(bool tty = false, std::size_t max_line = 256U << 10) : stream(tty, max_line) {}
  DockerStream stream;
  std::vector<Seen> seen;
  DockerStream::Sink sink = [this](const DockerStream::Line& line) {
    seen.emplace_back(static_cast<int>(line.source), line.time_ns, std::string(line.text));
  };
  // In pieces of `step` bytes.
  bool feed(std::string_view bytes, std::size_t step = 1U << 30) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size())))
      if (!stream.feed(bytes.substr(0, step), sink)) return false;
    return true;
  }
};

}  // namespace

TEST_CASE("docker stream: times") {
  CHECK(parse_docker_time("2026-11-21T09:48:14.882260796Z") == kNs);
  CHECK(parse_docker_time("1970-01-01T00:00:00Z") == 0);
  CHECK(parse_docker_time("1970-01-01T00:00:00.5Z") == 500'000'000);
  CHECK(parse_docker_time("2026-11-21T11:48:14.882260796+02:00") == kNs);
  CHECK(parse_docker_time("1969-12-31T23:59:59.999999999Z") == -1);
  CHECK(parse_docker_time("2024-02-29T00:00:00Z") == 1709164800'000'000'000);
  CHECK(parse_docker_time("0001-01-01T00:00:00Z") == 0);
  for (const char* bad :
       {"", "2026-11-21T09:48:14", "2026-11-21 09:48:14Z", "2026-13-21T09:48:14Z",
        "2026-11-21T09:48:14.Z", "2026-11-21T09:48:14Zx", "9999-11-21T09:48:14Z", "x"})
    CHECK_FALSE(parse_docker_time(bad));
}

TEST_CASE("docker stream: frames become lines, however the bytes are cut") {
  const std::string bytes =
      frame(1, at("a\n")) + frame(2, at("b\n")) + frame(1, at("\n")) + frame(1, at("last"));
  for (const std::size_t step :
       {std::size_t{1}, std::size_t{3}, std::size_t{9}, std::size_t{1} << 20U}) {
    Reader reader;
    REQUIRE(reader.feed(bytes, step));
    CHECK(reader.seen ==
          std::vector<Seen>{{1, kNs, "a"}, {2, kNs, "b"}, {1, kNs, ""}, {1, kNs, "last"}});
  }
}

TEST_CASE("docker stream: the parts of a long line are joined without their repeated times") {
  const std::string part(16384, 'x');
  const std::string bytes =
      frame(1, at(part)) + frame(2, at("between\n")) + frame(1, at(part)) + frame(1, at("end\n"));
  for (const std::size_t step : {std::size_t{1000}, std::size_t{1} << 20U}) {
    Reader reader;
    REQUIRE(reader.feed(bytes, step));
    CHECK(reader.seen == std::vector<Seen>{{2, kNs, "between"}, {1, kNs, part + part + "end"}});
  }
}

TEST_CASE("docker stream: a line of exactly one part ends with an empty message") {
  const std::string part(16384, 'y');
  Reader reader;
  REQUIRE(reader.feed(frame(1, at(part)) + frame(1, at("\n"))));
  CHECK(reader.seen == std::vector<Seen>{{1, kNs, part}});
}

TEST_CASE("docker stream: a part that its container never ended stays apart from the next life") {
  const std::string part(16384, 'z');
  Reader reader;
  REQUIRE(reader.feed(frame(1, at(part)) + frame(1, "2026-11-21T09:48:16.000000000Z next\n")));
  CHECK(reader.seen == std::vector<Seen>{{1, kNs, part}, {1, 1795254496'000'000'000, "next"}});
  REQUIRE(reader.feed(frame(1, at(part))));
  reader.stream.finish(reader.sink);
  CHECK(reader.seen.size() == 3);
}

TEST_CASE("docker stream: a line beyond the limit is cut, marked and counted, at little memory") {
  Reader reader(false, 20000);
  const std::string part(16384, 'x');
  for (int i = 0; i < 100; ++i) REQUIRE(reader.feed(frame(1, at(part))));
  REQUIRE(reader.feed(frame(1, at("end\n")) + frame(1, at("after\n"))));
  REQUIRE(reader.seen.size() == 2);
  CHECK(std::get<2>(reader.seen[0]) == std::string(20000 - DockerStream::kCutMarker.size(), 'x') +
                                           std::string(DockerStream::kCutMarker));
  CHECK(std::get<2>(reader.seen[1]) == "after");
  CHECK(reader.stream.cut_lines() == 1);
  // One message larger than anything Docker makes.
  REQUIRE(reader.feed(frame(1, at(std::string(1 << 20, 'y') + "\n")) + frame(1, at("z\n")), 5000));
  REQUIRE(reader.seen.size() == 4);
  CHECK(std::get<2>(reader.seen[2]).size() == 20000);
  CHECK(std::get<2>(reader.seen[3]) == "z");
}

TEST_CASE("docker stream: a cut does not split a character") {
  Reader reader(false, 64);
  const std::string most(64 - DockerStream::kCutMarker.size() - 1, 'a');
  REQUIRE(reader.feed(frame(1, at(most + "\xC3\xA9" + std::string(20, 'z') + "\n"))));
  CHECK(std::get<2>(reader.seen.at(0)) == most + std::string(DockerStream::kCutMarker));
}

TEST_CASE("docker stream: a TTY's bytes have no frames") {
  const std::string part(16384, 'x');
  const std::string bytes = at("hi\r\n") + at(part) + at(part) + at("tail\r\n") + at("end\r\n");
  for (const std::size_t step : {std::size_t{7}, std::size_t{1} << 20U}) {
    Reader reader(true);
    REQUIRE(reader.feed(bytes, step));
    CHECK(reader.seen ==
          std::vector<Seen>{{1, kNs, "hi"}, {1, kNs, part + part + "tail"}, {1, kNs, "end"}});
  }
  Reader reader(true);
  REQUIRE(reader.feed(at("prompt$ ")));
  CHECK(reader.seen.empty());
  reader.stream.finish(reader.sink);
  CHECK(reader.seen == std::vector<Seen>{{1, kNs, "prompt$ "}});
}

TEST_CASE("docker stream: what is no log stream is an error, what has no time is counted") {
  Reader reader;
  REQUIRE(
      reader.feed(frame(1, "no time here\n") + frame(3, "daemon says no") + frame(1, at("x\n"))));
  CHECK(reader.stream.bad_times() == 1);
  CHECK(reader.stream.take_daemon_error() == "daemon says no");
  CHECK(reader.seen.size() == 1);
  CHECK_FALSE(reader.feed("{\"message\":\"page not found\"}"));
}

}  // namespace agent::wire
