#include "agent/runtime/screen.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <vector>

#include "agent/base/file.h"

namespace agent::runtime {
namespace {

// A screen at one end, and who reads it at the other.
struct Ends {
  FileDescriptor in, out;
  explicit Ends(bool socket) {
    std::array<int, 2> fds{};
    REQUIRE((socket ? ::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()) : ::pipe(fds.data())) == 0);
    in = FileDescriptor(fds[1]);
    out = FileDescriptor(fds[0]);
    ::signal(SIGPIPE, SIG_IGN);
  }
  // Reads until `end` came.
  std::string read_to(std::string_view end) const {
    std::string text;
    std::array<char, 65536> room{};
    while (!text.ends_with(end)) {
      const ssize_t n = ::read(out.get(), room.data(), room.size());
      if (n <= 0) return text + "(closed)";
      text.append(room.data(), static_cast<std::size_t>(n));
    }
    return text;
  }
};

struct Told {
  Mutex mutex;
  std::vector<std::uint64_t> dropped GUARDED_BY(mutex);
};

double counted(const component::Metrics& metrics) {
  for (const auto& family : metrics.collect())
    if (family.name == "logging_stderr_dropped_lines_total") return family.points.at(0).value;
  return -1;
}

}  // namespace

TEST_CASE("screen: a line is written when write() returns, however long it is") {
  const Ends ends(GENERATE(false, true));
  SystemClock clock;
  component::Metrics metrics;
  Screen screen(ends.in.get(), clock, metrics, [](std::uint64_t) {});
  const std::string line = std::string(20000, 'x') + "\n";
  screen.write("one\n");
  screen.write(line);
  std::string text(4 + line.size(), ' ');
  std::size_t got = 0;
  while (got < text.size()) {
    const ssize_t n = ::read(ends.out.get(), text.data() + got, text.size() - got);
    REQUIRE(n > 0);
    got += static_cast<std::size_t>(n);
  }
  CHECK(text == "one\n" + line);
  CHECK(counted(metrics) == 0);
}

TEST_CASE("screen: nobody waits for a reader that stands still, and what is lost is told") {
  const Ends ends(GENERATE(false, true));
  SystemClock clock;
  component::Metrics metrics;
  Told told;
  Screen screen(ends.in.get(), clock, metrics, [&](std::uint64_t dropped) {
    {
      MutexLock lock(told.mutex);
      told.dropped.push_back(dropped);
    }
    screen.write("end\n");
  });
  // Each with its number, far more than any pipe or socket and the buffer hold.
  constexpr std::size_t kLines = 6000;
  const std::string rest(1000, '.');
  for (std::size_t i = 0; i < kLines; ++i) screen.write(std::to_string(i) + rest + "\n");
  const double dropped = counted(metrics);
  CHECK(dropped > 1000);
  CHECK(dropped < kLines - 1000);

  const std::string text = ends.read_to("end\n");
  std::string expected;
  for (std::size_t i = 0; i < kLines - static_cast<std::size_t>(dropped); ++i)
    expected += std::to_string(i) + rest + "\n";
  CHECK((text == expected + "end\n"));
  screen.close();
  MutexLock lock(told.mutex);
  CHECK(told.dropped == std::vector<std::uint64_t>{static_cast<std::uint64_t>(dropped)});
  CHECK(counted(metrics) == dropped);
}

TEST_CASE("screen: what waits is written at the end, if it can be within a second") {
  const bool read = GENERATE(true, false);
  const Ends ends(false);
  SystemClock clock;
  component::Metrics metrics;
  const std::string line = std::string(999, 'x') + "\n";
  std::string text;
  {
    Screen screen(ends.in.get(), clock, metrics, [](std::uint64_t) {});
    for (int i = 0; i < 500; ++i) screen.write(line);
    std::jthread reader;
    if (read) {
      screen.write("last words\n");
      reader = std::jthread([&] { text = ends.read_to("last words\n"); });
    }
    screen.close();
  }
  CHECK(text.size() == (read ? 500 * line.size() + 11 : 0));
}

TEST_CASE("screen: a reader that has gone holds up nothing") {
  Ends ends(GENERATE(false, true));
  SystemClock clock;
  component::Metrics metrics;
  Screen screen(ends.in.get(), clock, metrics, [](std::uint64_t) {});
  for (int i = 0; i < 500; ++i) screen.write(std::string(999, 'x') + "\n");
  ends.out = FileDescriptor();
  for (int i = 0; i < 5000; ++i) screen.write(std::string(999, 'x') + "\n");
  screen.close();
  CHECK(counted(metrics) >= 0);
}

}  // namespace agent::runtime
