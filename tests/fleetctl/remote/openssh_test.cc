#include "fleetctl/remote/openssh.h"

#include <catch2/catch.hpp>
#include <iostream>
#include <sstream>

#include "tests/support/listening_dialogue.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_sshd.h"

namespace fleetctl::remote {
namespace {

struct Fixture {
  agent::TempDir folder;
  TestSshd sshd{folder.path()};
  agent::SystemClock clock;

  Fixture() { ::signal(SIGPIPE, SIG_IGN); }
  SshTarget target(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{"-F", "none",
                                   "-o", "UserKnownHostsFile=" + sshd.path("known_hosts"),
                                   "-o", "IdentitiesOnly=yes"};
    words.insert(words.end(), more.begin(), more.end());
    SshTarget target;
    target.options = parse_ssh_arguments(words).value();
    target.address = "127.0.0.1";
    target.port = sshd.port();
    target.user = sshd.user();
    target.private_key = sshd.path("user_key");
    return target;
  }
  Mono deadline() { return clock.mono() + std::chrono::seconds(60); }
  std::string refusal(SshTarget what) {
    const auto connected = OpenSsh(clock, std::move(what)).connect(deadline());
    return connected ? "let in" : connected.error().message;
  }
};

bool has(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

TEST_CASE_METHOD(Fixture, "openssh: a command's input, outputs and exit status come through") {
  OpenSsh ssh(clock, target());
  const auto connected = ssh.connect(deadline());
  INFO((connected ? "" : connected.error().message));
  REQUIRE(connected);
  for (int i = 0; i < 2; ++i) {  // the second one in a connection of its own
    ListeningDialogue dialogue("hello\n");
    const auto status = ssh.exec("read -r a\necho \"got $a\" 'it''s' \\\\; echo oops >&2; exit 3",
                                 dialogue, deadline());
    REQUIRE(status);
    CHECK(*status == 3);
    CHECK(dialogue.output == "got hello its \\\n");
    CHECK(dialogue.errors == "oops\n");
  }
  CHECK(ssh.warnings().empty());
}

TEST_CASE_METHOD(Fixture, "openssh: megabytes go there and back unchanged") {
  std::string bytes(2U << 20, 'x');
  for (std::size_t i = 0; i < bytes.size(); i += 3) bytes[i] = static_cast<char>(i % 251);
  OpenSsh ssh(clock, target());
  REQUIRE(ssh.connect(deadline()));
  ListeningDialogue dialogue(bytes);
  REQUIRE(ssh.exec("cat", dialogue, deadline()));
  CHECK((dialogue.output == bytes));
}

TEST_CASE_METHOD(Fixture, "openssh: who is not reached or not let in is told, and why") {
  SshTarget stranger = target();
  stranger.private_key = sshd.path("other_key");
  CHECK(refusal(stranger).find("Permission denied (publickey") != std::string::npos);
  std::ofstream(sshd.path("known_hosts"), std::ios::trunc) << "";
  CHECK(refusal(target()).find("Host key verification failed. (an unknown one: ") !=
        std::string::npos);
  SshTarget careless = target();
  careless.host_key_checking = false;
  OpenSsh ssh(clock, careless);
  REQUIRE(ssh.connect(deadline()));
  CHECK(ssh.warnings() == std::vector<std::string>{"the host key of 127.0.0.1 was not checked"});

  std::ofstream(sshd.path("known_hosts"), std::ios::trunc)
      << "[127.0.0.1]:" << sshd.port() << " "
      << agent::read_file(sshd.path("other_key.pub")).value_or("");
  const std::string changed = refusal(target({"-o", "StrictHostKeyChecking=accept-new"}));
  CHECK(changed.find("127.0.0.1: THE HOST KEY HAS CHANGED: Offending ED25519 key in " +
                     sshd.path("known_hosts")) == 0);
  CHECK(changed.find("an unknown one") == std::string::npos);
}

TEST_CASE_METHOD(Fixture,
                 "openssh: a key that is written down is told once, and what ssh -v says") {
  std::ofstream(sshd.path("known_hosts"), std::ios::trunc) << "";
  SshTarget newcomer = target({"-o", "StrictHostKeyChecking=accept-new"});
  newcomer.verbose = 2;
  std::ostringstream said;
  std::streambuf* const before = std::cerr.rdbuf(said.rdbuf());
  OpenSsh ssh(clock, newcomer);
  const auto connected = ssh.connect(deadline());
  ListeningDialogue dialogue;
  const auto status = ssh.exec(
      "printf 'debug1: \\033[2Jcleared\\n' >&2; echo oops >&2; echo end >&2", dialogue, deadline());
  std::cerr.rdbuf(before);
  REQUIRE(connected);
  REQUIRE(status);
  CHECK(dialogue.errors == "oops\nend\n");
  REQUIRE(ssh.warnings().size() == 1);
  CHECK(ssh.warnings()[0].find("ssh permanently added '[127.0.0.1]:" + std::to_string(sshd.port()) +
                               "' (ED25519)") == 0);
  CHECK(said.str().find("[127.0.0.1] debug1: ") != std::string::npos);
  CHECK(said.str().find("oops") == std::string::npos);
  CHECK(said.str().find("[127.0.0.1] debug1: ?[2Jcleared\n") != std::string::npos);

  newcomer.verbose = 0;
  said.str("");
  std::cerr.rdbuf(said.rdbuf());
  OpenSsh again(clock, newcomer);
  const auto known = again.connect(deadline());
  std::cerr.rdbuf(before);
  REQUIRE(known);
  CHECK(again.warnings().empty());
  CHECK(said.str().empty());
}

TEST_CASE_METHOD(Fixture, "openssh: a connection cut in the middle of a stream is an error") {
  OpenSsh ssh(clock, target());
  REQUIRE(ssh.connect(deadline()));
  ListeningDialogue dialogue;
  bool cut = false;
  dialogue.heard = [&] {
    if (!cut) sshd.cut();
    cut = true;
  };
  const auto status = ssh.exec("while :; do echo 0123456789; done", dialogue, deadline());
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kUnavailable);
  CHECK(status.error().message.find("the connection broke") == 0);
}

TEST_CASE_METHOD(Fixture, "openssh: a host that says nothing is left at the deadline") {
  SshTarget mute = target();
  mute.options.words.insert(mute.options.words.end(), {"-o", "ProxyCommand=sleep 600"});
  OpenSsh ssh(clock, mute);
  const auto connected = ssh.connect(clock.mono() + std::chrono::milliseconds(50));
  REQUIRE_FALSE(connected);
  CHECK(connected.error().message == "127.0.0.1: not connected in time");
}

TEST_CASE("openssh: the inventory's options are handed on, those that change our part are not") {
  SshTarget target;
  target.address = "puck";
  target.options =
      parse_ssh_arguments({"-o", "ControlMaster=auto", "-o", "PKCS11Provider=/lib/token.so", "-J",
                           "bastion", "-tt", "-N", "-oBatchMode=no", "-v", "extra"})
          .value();
  const auto words = openssh_words(target).value();
  CHECK(words[0] == "env");
  CHECK(words[1] == "-i");
  CHECK(has(words, "PKCS11Provider=/lib/token.so"));
  CHECK(has(words, "bastion"));
  for (const char* left_out : {"-tt", "-N", "-v", "extra"}) CHECK_FALSE(has(words, left_out));
  const auto place = [&](const char* word) {
    return std::find(words.begin(), words.end(), word) - words.begin();
  };
  CHECK(place("ControlMaster=no") < place("ControlMaster=auto"));  // the first one counts
  CHECK(place("BatchMode=yes") < place("BatchMode=no"));
  REQUIRE(words.size() > 3);
  CHECK(words[words.size() - 3] == "--");
  CHECK(words[words.size() - 2] == "puck");
}

TEST_CASE("openssh: what ssh might take for something else is refused, and so is a password") {
  const auto refused = [](const std::function<void(SshTarget&)>& change) {
    SshTarget target;
    target.address = "puck";
    REQUIRE(openssh_words(target));
    change(target);
    return !openssh_words(target);
  };
  for (const char* bad : {"", "-oProxyCommand=id", "a b", "a;id", "$(id)", "`id`", "a\nb"}) {
    INFO(bad);
    CHECK(refused([&](SshTarget& target) { target.address = bad; }));
    if (*bad != '\0') CHECK(refused([&](SshTarget& target) { target.user = bad; }));
  }
  CHECK(refused([](SshTarget& target) { target.private_key = "-i"; }));
  CHECK(refused([](SshTarget& target) { target.password = agent::Secret("hush"); }));
  CHECK(refused([](SshTarget& target) {
    target.options = parse_ssh_arguments({"-J", "-oProxyCommand=id"}).value();
  }));
  CHECK_FALSE(refused([](SshTarget& target) { target.address = "fe80::1%eth0"; }));
}

}  // namespace fleetctl::remote
