#include "fleetctl/remote/ssh.h"

#include <dirent.h>
#include <fcntl.h>

#include <catch2/catch.hpp>

#include "tests/support/far_service.h"
#include "tests/support/listening_dialogue.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_sshd.h"

namespace fleetctl::remote {
namespace {

struct Fixture {
  agent::TempDir folder;
  TestSshd sshd{folder.path()};
  agent::SystemClock clock;
  SshContext context;

  SshTarget target() {
    SshTarget target;
    target.address = "127.0.0.1";
    target.port = sshd.port();
    target.user = sshd.user();
    target.private_key = sshd.path("user_key");
    target.options.config_file = "none";
    target.options.known_hosts = sshd.path("known_hosts");
    target.options.identities_only = true;
    return target;
  }
  Mono deadline(Duration from_now = std::chrono::seconds(60)) { return clock.mono() + from_now; }
  std::string refusal(SshTarget what) {
    Ssh ssh(clock, context, std::move(what));
    const auto connected = ssh.connect(deadline());
    return connected ? "let in" : connected.error().message;
  }
};

// A tunnel to `to` on a thread of its own.
struct Forwarded {
  std::uint16_t port = 0;
  agent::FileDescriptor listener = listening_on_loopback(port, SOCK_NONBLOCK);
  std::atomic<bool> stop{false};
  agent::Mutex mutex;
  std::vector<std::string> complaints GUARDED_BY(mutex);
  Result<> ended;
  std::thread thread;

  Forwarded(Ssh& ssh, const Far& to)
      : thread([this, &ssh, to] {
          ended = ssh.forward(listener, to, stop, [this](const std::string& why) {
            const agent::MutexLock lock(mutex);
            complaints.push_back(why);
          });
        }) {}
  ~Forwarded() { end(); }
  void end() {
    stop = true;
    if (thread.joinable()) thread.join();
  }
};

// Many at once, beside one that stays and one whose answer nobody reads.
void use_many(std::uint16_t port) {
  const agent::FileDescriptor stays = asking(port, "stay");
  CHECK(heard(stays, 5) == "here\n");
  const agent::FileDescriptor slow = asking(port, "bytes 20000000");
  std::atomic<int> whole{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 12; ++i)
    clients.emplace_back([&] {
      if (heard(asking(port, "bytes 300000")) == std::string(300000, 'b')) ++whole;
    });
  for (std::thread& one : clients) one.join();
  CHECK(whole == 12);
  CHECK(heard(slow).size() == 20000000);
}

int open_descriptors() {
  int count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "ssh: a command's input, outputs and exit status come through") {
  Ssh ssh(clock, context, target());
  const auto connected = ssh.connect(deadline());
  INFO((connected ? "" : connected.error().message));
  REQUIRE(connected);
  ListeningDialogue dialogue("hello\n");
  const auto status =
      ssh.exec("read -r a; echo \"got $a\"; echo oops >&2; exit 3", dialogue, deadline());
  REQUIRE(status);
  CHECK(*status == 3);
  CHECK(dialogue.output == "got hello\n");
  CHECK(dialogue.errors == "oops\n");
  CHECK(ssh.warnings().empty());
}

TEST_CASE_METHOD(Fixture, "ssh: eight megabytes go there and back unchanged") {
  std::string bytes(8U << 20, 'x');
  for (std::size_t i = 0; i < bytes.size(); i += 3) bytes[i] = static_cast<char>(i % 251);
  Ssh ssh(clock, context, target());
  REQUIRE(ssh.connect(deadline()));
  ListeningDialogue dialogue(bytes);
  const auto status = ssh.exec("cat", dialogue, deadline());
  INFO((status ? "" : status.error().message));
  REQUIRE(status);
  CHECK((dialogue.output == bytes));
}

TEST_CASE_METHOD(
    Fixture,
    "ssh: an unknown host key is refused with its fingerprint and the command that adds it") {
  std::ofstream(sshd.path("known_hosts"), std::ios::trunc) << "";
  const std::string said = refusal(target());
  CHECK(said.find("unknown host key: [127.0.0.1]:" + std::to_string(sshd.port()) +
                  " shows ssh-ed25519 SHA256:") == 0);
  CHECK(said.find("ssh-keyscan -t ed25519 -p " + std::to_string(sshd.port()) + " 127.0.0.1 >> " +
                  sshd.path("known_hosts")) != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "ssh: a changed host key is always refused") {
  std::ofstream(sshd.path("known_hosts"), std::ios::trunc)
      << "[127.0.0.1]:" << sshd.port() << " "
      << agent::read_file(sshd.path("other_key.pub")).value_or("");
  SshTarget accepting = target();
  accepting.options.host_keys = HostKeys::kAcceptNew;
  CHECK(refusal(accepting).find("THE HOST KEY HAS CHANGED: [127.0.0.1]:") == 0);
}

TEST_CASE_METHOD(Fixture, "ssh: a revoked host key is refused, whatever else is said of it") {
  const std::string key = *agent::read_file(sshd.path("host_key.pub"));
  std::ofstream(sshd.path("known_hosts"), std::ios::app) << "@revoked * " << key;
  SshTarget accepting = target();
  accepting.options.host_keys = HostKeys::kAcceptNew;
  for (const SshTarget& one : {target(), accepting})
    CHECK(refusal(one).find("THE HOST KEY IS REVOKED: [127.0.0.1]:") == 0);
}

TEST_CASE_METHOD(Fixture, "ssh: a host whose key an authority has to certify is not just unknown") {
  std::ofstream(sshd.path("known_hosts"), std::ios::trunc)
      << "@cert-authority * " << *agent::read_file(sshd.path("other_key.pub"));
  CHECK(refusal(target()).find("wants a certificate of an authority") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "ssh: the passphrase of a key is asked for once, for all hosts") {
  REQUIRE(std::system(("ssh-keygen -q -p -N 'a secret' -f " + sshd.path("user_key")).c_str()) == 0);
  const std::string locked = refusal(target());
  CHECK(locked.find("user_key (it has a passphrase: add it to ssh-agent)") != std::string::npos);
  SshContext asking;
  std::vector<std::string> asked;
  asking.private_keys.ask = [&](const std::string& file, bool again) {
    asked.push_back(file + (again ? " again" : ""));
    return agent::Wiped(again ? "a secret" : "a guess");
  };
  std::vector<std::thread> hosts;
  std::atomic<int> in{0};
  for (int i = 0; i < 4; ++i)
    hosts.emplace_back([&] {
      Ssh ssh(clock, asking, target());
      if (ssh.connect(deadline())) ++in;
    });
  for (std::thread& one : hosts) one.join();
  CHECK(in == 4);
  CHECK(asked == std::vector<std::string>{sshd.path("user_key"), sshd.path("user_key") + " again"});
}

TEST_CASE_METHOD(Fixture, "ssh: the certificate beside a key lets in where the key does not") {
  const std::string authority = sshd.path("authority");
  const auto run = [](const std::string& command) { REQUIRE(std::system(command.c_str()) == 0); };
  run("ssh-keygen -q -t ed25519 -N '' -f " + authority);
  run("ssh-keygen -q -s " + authority + " -I test -n " + sshd.user() + " " +
      sshd.path("other_key.pub"));
  std::ofstream(sshd.path("sshd_config"), std::ios::app)
      << "TrustedUserCAKeys " << authority << ".pub\n";
  SshTarget certified = target();
  certified.private_key = sshd.path("other_key");
  CHECK(refusal(certified) == "let in");
  REQUIRE(::unlink(sshd.path("other_key-cert.pub").c_str()) == 0);
  SshContext fresh;
  Ssh without(clock, fresh, certified);
  CHECK_FALSE(without.connect(deadline()));
}

TEST_CASE_METHOD(Fixture, "ssh: a hashed known_hosts is read as a plain one") {
  REQUIRE(std::system(
              ("ssh-keygen -q -H -f " + sshd.path("known_hosts") + " >/dev/null 2>&1").c_str()) ==
          0);
  CHECK(agent::read_file(sshd.path("known_hosts"))->substr(0, 3) == "|1|");
  CHECK(refusal(target()) == "let in");
}

TEST_CASE_METHOD(Fixture, "ssh: accept-new writes an unknown key down, once") {
  std::ofstream(sshd.path("known_hosts"), std::ios::trunc) << "";
  SshTarget accepting = target();
  accepting.options.host_keys = HostKeys::kAcceptNew;
  CHECK(refusal(accepting) == "let in");
  CHECK(agent::read_file(sshd.path("known_hosts"))->substr(0, 3) == "|1|");
  CHECK(refusal(target()) == "let in");
}

TEST_CASE_METHOD(Fixture, "ssh: a check that was switched off is told") {
  std::ofstream(sshd.path("known_hosts"), std::ios::trunc) << "";
  SshTarget careless = target();
  careless.host_key_checking = false;
  Ssh ssh(clock, context, careless);
  REQUIRE(ssh.connect(deadline()));
  CHECK(ssh.warnings() == std::vector<std::string>{"the host key of 127.0.0.1 was not checked"});
}

TEST_CASE_METHOD(Fixture, "ssh: a key that the host does not take is named") {
  SshTarget wrong = target();
  wrong.private_key = sshd.path("other_key");
  CHECK(refusal(wrong) == "permission denied: " + sshd.user() +
                              "@127.0.0.1 does not let us in (tried: " + sshd.path("other_key") +
                              ")");
  wrong.private_key = sshd.path("no_such_key");
  CHECK(refusal(wrong).find("no_such_key (no such file, or not readable)") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "ssh: ssh_config gives address, port, user and key") {
  std::ofstream(sshd.path("config"))
      << "Host puck\n  HostName 127.0.0.1\n  Port " << sshd.port() << "\n  User " << sshd.user()
      << "\n  IdentityFile " << sshd.path("user_key")
      << "\n  IdentitiesOnly yes\n  UserKnownHostsFile " << sshd.path("known_hosts") << "\n";
  SshTarget configured;
  configured.address = "puck";
  configured.options.config_file = sshd.path("config");
  CHECK(refusal(configured) == "let in");
}

TEST_CASE_METHOD(Fixture, "ssh: nobody listening is an error within moments") {
  SshTarget nobody = target();
  agent::FileDescriptor bound(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(bound.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  ::getsockname(bound.get(), reinterpret_cast<sockaddr*>(&address), &size);
  nobody.port = ntohs(address.sin_port);
  CHECK(refusal(nobody) ==
        "127.0.0.1 port " + std::to_string(nobody.port) + ": Connection refused");
}

TEST_CASE_METHOD(
    Fixture,
    "ssh: a server that accepts and then says nothing costs the connect timeout, no more") {
  agent::FileDescriptor silent(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(silent.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(silent.get(), 4) == 0);
  ::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&address), &size);
  SshTarget mute = target();
  mute.port = ntohs(address.sin_port);
  mute.connect_timeout = std::chrono::seconds(1);
  CHECK(refusal(mute).find("127.0.0.1 port " + std::to_string(mute.port) + ": ") == 0);
}

TEST_CASE_METHOD(Fixture,
                 "ssh: a connection cut in the middle of a stream is an error, not an end") {
  Ssh ssh(clock, context, target());
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

TEST_CASE_METHOD(Fixture, "ssh: a command without end is left at the deadline") {
  Ssh ssh(clock, context, target());
  REQUIRE(ssh.connect(deadline()));
  ListeningDialogue dialogue;
  const auto status =
      ssh.exec("exec sleep 600", dialogue, deadline(std::chrono::milliseconds(300)));
  REQUIRE_FALSE(status);
  // On a busy machine it may be the opening that had no time.
  CHECK(status.error().message.find("in time") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "ssh: connections leave no descriptors behind") {
  CHECK(refusal(target()) == "let in");
  const int before = open_descriptors();
  for (int i = 0; i < 5; ++i) {
    Ssh ssh(clock, context, target());
    REQUIRE(ssh.connect(deadline()));
    ListeningDialogue dialogue;
    REQUIRE(ssh.exec("true", dialogue, deadline()));
  }
  sshd.cut();  // the test's own ends
  CHECK(open_descriptors() <= before);
}

TEST_CASE("ssh: the hosts of ProxyJump") {
  const auto jump = parse_jump(" ssh://me@bastion:2222");
  REQUIRE(jump);
  CHECK(jump->user == "me");
  CHECK(jump->address == "bastion");
  CHECK(jump->port == 2222);
  CHECK(parse_jump("[fd00::1]:22")->address == "fd00::1");
  CHECK(parse_jump("bastion")->port == 0);
  for (const char* bad : {"", "me@", "a:", "a:b", "a:0", "a:70000", "[fd00::1", "[a]22", "-oX=y"}) {
    INFO(bad);
    CHECK_FALSE(parse_jump(bad));
  }
}

TEST_CASE_METHOD(Fixture, "ssh: through two jump hosts, much goes there and back unchanged") {
  std::string bytes(4U << 20, 'x');
  for (std::size_t i = 0; i < bytes.size(); i += 3) bytes[i] = static_cast<char>(i % 251);
  SshTarget far = target();
  far.address = "localhost";  // as the jump host sees it
  std::ofstream(sshd.path("known_hosts"), std::ios::app)
      << "[localhost]:" << sshd.port() << " "
      << agent::read_file(sshd.path("host_key.pub")).value_or("");
  const std::string hop = sshd.user() + "@127.0.0.1:" + std::to_string(sshd.port());
  far.options.proxy_jump = hop + "," + hop;
  const int before = open_descriptors();
  {
    Ssh ssh(clock, context, far);
    const auto connected = ssh.connect(deadline());
    INFO((connected ? "" : connected.error().message));
    REQUIRE(connected);
    ListeningDialogue dialogue(bytes);
    const auto status = ssh.exec("cat; echo oops >&2; exit 7", dialogue, deadline());
    INFO((status ? "" : status.error().message));
    REQUIRE(status);
    CHECK(*status == 7);
    CHECK((dialogue.output == bytes));
    CHECK(dialogue.errors == "oops\n");
  }
  CHECK(open_descriptors() <= before + 3);  // what is left is the test's own sshd's
}

TEST_CASE_METHOD(Fixture, "ssh: a jump host's own key is checked, and its refusal names it") {
  SshTarget far = target();
  far.address = "localhost";
  far.options.proxy_jump = sshd.user() + "@127.0.0.1:" + std::to_string(sshd.port());
  // The host behind it is not known.
  CHECK(refusal(far).find("unknown host key: [localhost]:") == 0);
  // Nothing listens where it is sent to.
  SshTarget nowhere = far;
  nowhere.port = 1;
  CHECK(refusal(nowhere).find("jump host 127.0.0.1: to localhost port 1: ") == 0);
  std::ofstream(sshd.path("known_hosts"), std::ios::trunc) << "";
  CHECK(refusal(far).find("jump host 127.0.0.1: unknown host key: [127.0.0.1]:") == 0);
  far.options.proxy_jump = "a b@:";
  CHECK(refusal(far).find("ProxyJump: 'a b@:' is not") == 0);
}

TEST_CASE_METHOD(Fixture, "ssh: the connection to the jump host breaks in the midst of it") {
  SshTarget far = target();
  far.address = "localhost";
  far.options.host_keys = HostKeys::kAcceptNew;
  far.options.proxy_jump = sshd.user() + "@127.0.0.1:" + std::to_string(sshd.port());
  Ssh ssh(clock, context, far);
  REQUIRE(ssh.connect(deadline()));
  struct Cutting final : Dialogue {
    TestSshd* sshd = nullptr;
    void on_start(Input& input) override { input.send("x\n"); }
    Result<> on_output(std::string_view, Input&) override {
      sshd->cut();
      return {};
    }
    Result<> on_error_output(std::string_view, Input&) override { return {}; }
  } dialogue;
  dialogue.sshd = &sshd;
  const auto status = ssh.exec("cat", dialogue, deadline());
  CHECK_FALSE(status);
}

TEST_CASE_METHOD(Fixture, "ssh: a tunnel carries many connections, and no slow one stops others") {
  FarService service;
  Ssh ssh(clock, context, target());
  REQUIRE(ssh.connect(deadline()));
  ListeningDialogue dialogue("");
  REQUIRE(ssh.exec("true", dialogue, deadline()));
  Forwarded tunnel(ssh, {"127.0.0.1", service.port()});
  use_many(tunnel.port);
  tunnel.end();
  CHECK(tunnel.ended);
  CHECK(tunnel.complaints.empty());
}

TEST_CASE_METHOD(Fixture, "ssh: a tunnel through a jump host") {
  FarService service;
  SshTarget behind = target();
  behind.options.proxy_jump = sshd.user() + "@127.0.0.1:" + std::to_string(sshd.port());
  behind.address = "localhost";
  behind.host_key_checking = false;
  Ssh ssh(clock, context, behind);
  const auto connected = ssh.connect(deadline());
  INFO((connected ? "" : connected.error().message));
  REQUIRE(connected);
  Forwarded tunnel(ssh, {"127.0.0.1", service.port()});
  use_many(tunnel.port);
}

TEST_CASE_METHOD(Fixture, "ssh: what a tunnel cannot reach is told once, and it goes on") {
  const std::uint16_t nobody = 1;
  Ssh ssh(clock, context, target());
  REQUIRE(ssh.connect(deadline()));
  Forwarded tunnel(ssh, {"127.0.0.1", nobody});
  for (int i = 0; i < 3; ++i) CHECK(heard(asking(tunnel.port, "bytes 5")).empty());
  tunnel.end();
  CHECK(tunnel.ended);
  const agent::MutexLock lock(tunnel.mutex);
  REQUIRE(tunnel.complaints.size() == 1);
  CHECK(tunnel.complaints[0].find("onnect") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "ssh: a tunnel ends with its connection, also while nobody uses it") {
  Ssh ssh(clock, context, target());
  REQUIRE(ssh.connect(deadline()));
  Forwarded tunnel(ssh, {"127.0.0.1", 1});
  sshd.cut();
  tunnel.thread.join();
  REQUIRE(!tunnel.ended);
  CHECK(tunnel.ended.error().message.find("the connection broke") == 0);
}

}  // namespace fleetctl::remote
