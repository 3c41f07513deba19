#include "fleetctl/remote/local.h"

#include <signal.h>

#include <catch2/catch.hpp>

#include "fleetctl/remote/printing.h"
#include "tests/support/listening_dialogue.h"

namespace fleetctl::remote {
namespace {

Result<int> run(const std::string& command, ListeningDialogue& dialogue,
                Duration limit = std::chrono::seconds(60)) {
  ::signal(SIGPIPE, SIG_IGN);
  const agent::SystemClock clock;
  return Local(clock).exec(command, dialogue, clock.mono() + limit);
}

}  // namespace

TEST_CASE("local: input, both outputs and the exit status come through") {
  ListeningDialogue dialogue("hello\n");
  const auto status = run("read -r a; echo \"got $a\"; echo oops >&2; exit 3", dialogue);
  REQUIRE(status);
  CHECK(*status == 3);
  CHECK(dialogue.output == "got hello\n");
  CHECK(dialogue.errors == "oops\n");
}

TEST_CASE("local: a megabyte each way neither deadlocks nor changes") {
  std::string bytes(1U << 20, 'x');
  for (std::size_t i = 0; i < bytes.size(); i += 7) bytes[i] = static_cast<char>('a' + i % 26);
  ListeningDialogue dialogue(bytes);
  REQUIRE(run("cat", dialogue));
  CHECK((dialogue.output == bytes));
}

TEST_CASE("local: a command that does not read its input still ends well") {
  ListeningDialogue dialogue(std::string(1U << 20, 'x'));
  const auto status = run("exit 4", dialogue);
  REQUIRE(status);
  CHECK(*status == 4);
}

TEST_CASE("local: a command that outlives its deadline is ended") {
  ListeningDialogue dialogue;
  const auto status = run("exec sleep 600", dialogue, std::chrono::milliseconds(50));
  REQUIRE_FALSE(status);
  CHECK(status.error().message == "no end in time");
}

TEST_CASE("local: a command that closes its outputs and stays is ended, too") {
  ListeningDialogue dialogue;
  const auto status = run("exec >&- 2>&-; exec sleep 600", dialogue, std::chrono::milliseconds(50));
  REQUIRE_FALSE(status);
  CHECK(status.error().message == "no end in time");
}

TEST_CASE("local: death by a signal is told apart") {
  ListeningDialogue dialogue;
  const auto status = run("kill -TERM $$", dialogue);
  REQUIRE(status);
  CHECK(*status == 128 + SIGTERM);
}

TEST_CASE("printing: the transcript holds what would have been sent") {
  std::string transcript;
  Printing printing(transcript, {{"one\ntwo\n", "answer\n"}}, 5);
  ListeningDialogue dialogue("one\ntwo\n");
  const auto status = printing.exec("sh", dialogue, agent::kNever);
  REQUIRE(status);
  CHECK(*status == 5);
  CHECK(dialogue.output == "answer\n");
  CHECK(transcript == "exec sh\n> one\n> two\n> (end)\n");
}

}  // namespace fleetctl::remote
