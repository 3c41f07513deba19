#include "fleetctl/command/host_run.h"

#include <signal.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "fleetctl/remote/local.h"
#include "tests/support/temp_dir.h"

namespace fleetctl::command {
namespace {

// A host that says one text after the script and then ends, with a status or a broken connection.
class Saying final : public remote::Remote {
 public:
  Saying(std::string text, agent::Result<int> end) : text_(std::move(text)), end_(std::move(end)) {}
  agent::Result<> connect(remote::Mono) override { return {}; }
  agent::Result<int> exec(const std::string&, remote::Dialogue& dialogue, remote::Mono) override {
    remote::Input input;
    dialogue.on_start(input);
    // In pieces of seven bytes, as a network may cut it.
    for (std::size_t at = 0; at < text_.size(); at += 7) {
      if (auto told = dialogue.on_output(std::string_view(text_).substr(at, 7), input); !told) {
        return agent::fail(told.error());
      }
    }
    return end_;
  }

 private:
  std::string text_;
  agent::Result<int> end_;
};

struct Run {
  plan::Wanted wanted{plan::standard_files("a\n", "[Unit]\n"), {"adm"}, "0123456789abcdef"};
  plan::Release release{"0123456789abcdef",
                        std::string(64, 'a'),
                        "x86_64",
                        "2.36",
                        std::make_shared<const std::string>("x"),
                        1};
  HostOrder order{wanted,   release, {"n0", "me@box", plan::Become::kNone, "root", false}, {}, "r1",
                  "me@box", true};
  agent::SystemClock clock;

  HostResult with(remote::Remote& remote) {
    ::signal(SIGPIPE, SIG_IGN);
    return run_host(remote, order, clock.mono() + std::chrono::seconds(60));
  }
};

// A `sudo` of our own first in PATH, and an `id` that says we are nobody, for as long as it lives.
class FakeSudo {
 public:
  explicit FakeSudo(const std::string& body) : path_(std::getenv("PATH")) {
    tool("sudo", body);
    tool("id", "echo nobody");
    ::setenv("PATH", (folder_.path().string() + ":" + path_).c_str(), 1);
  }
  ~FakeSudo() { ::setenv("PATH", path_.c_str(), 1); }

 private:
  void tool(const std::string& name, const std::string& body) {
    std::ofstream(folder_ / name) << "#!/bin/sh\n" << body << "\n";
    ::chmod((folder_ / name).c_str(), 0755);
  }
  agent::TempDir folder_;
  std::string path_;
};

// sudo -S -p PROMPT -u root -- COMMAND...: asks until the password is right, three times at most.
constexpr const char* kAsking =
    "for i in 1 2 3; do printf '%s' \"$3\" >&2; read -r word || exit 1\n"
    "if [ \"$word\" = sesame ]; then shift 6; exec \"$@\"; fi; echo 'Sorry, try again.' >&2; done; "
    "exit 1";

constexpr const char* kFacts =
    "n0 arch x86_64\nn0 systemd yes\nn0 unit active enabled\nn0 release yes\nn0 ready\n";

}  // namespace

TEST_CASE("host run: sudo's question gets the password, and the script goes on after it") {
  const FakeSudo sudo(kAsking);
  Run run;
  run.order.exec.become = plan::Become::kPassword;
  run.order.become_password = agent::Secret("sesame");
  const agent::SystemClock clock;
  remote::Local local(clock);
  const HostResult result = run.with(local);
  // What this machine is does not matter here: the script ran and told something of its own.
  INFO(result.text);
  CHECK(result.text.find("sudo") == std::string::npos);
  CHECK(result.text.find("ended with status") == std::string::npos);
}

TEST_CASE("host run: a wrong password is not tried again") {
  const FakeSudo sudo(kAsking);
  Run run;
  run.order.exec.become = plan::Become::kPassword;
  run.order.become_password = agent::Secret("wrong");
  const agent::SystemClock clock;
  remote::Local local(clock);
  const HostResult result = run.with(local);
  CHECK(result.state == HostState::kFailed);
  CHECK(result.text == "sudo: wrong password");
}

TEST_CASE("host run: where sudo does not ask, the password is not sent") {
  const agent::TempDir folder;
  const std::string seen = (folder / "seen").string();
  const FakeSudo sudo("echo n0 hello; while read -r line; do echo \"$line\" >>" + seen +
                      "; [ \"$line\" != n0-end ] || exit 5; done");
  Run run;
  run.order.exec.become = plan::Become::kPassword;
  run.order.become_password = agent::Secret("sesame");
  const agent::SystemClock clock;
  remote::Local local(clock);
  const HostResult result = run.with(local);
  CHECK(result.text == "the host's shell ended with status 5");
  CHECK(agent::read_file(seen).value_or("").find("sesame") == std::string::npos);
  CHECK(agent::read_file(seen).value_or("").find("N='n0'") == 0);
}

TEST_CASE("host run: a sudo that wants a password nobody gave says how to give it") {
  const FakeSudo sudo("echo 'sudo: a password is required' >&2; exit 1");
  Run run;
  run.order.exec.become = plan::Become::kSudo;
  const agent::SystemClock clock;
  remote::Local local(clock);
  CHECK(run.with(local).text ==
        "sudo wants a password (or does not know us): give -K or ansible_become_password");
}

TEST_CASE(
    "host run: a connection that breaks during the change is told apart from one that breaks "
    "before it") {
  Run run;
  run.order.check = false;
  const auto broke = [] {
    return agent::fail(agent::ErrorCode::kUnavailable, "the connection broke");
  };
  Saying early("n0 arch x86_64\n", broke());
  CHECK(run.with(early).state == HostState::kFailed);
  Saying late(std::string(kFacts) + "n0 {\"step\":\"install\"}\n", broke());
  const HostResult result = run.with(late);
  CHECK(result.state == HostState::kLost);
  CHECK(result.text.find("the connection broke while the host was changing") == 0);
  Saying killed(std::string(kFacts) + "n0 {\"step\":\"install\"}\n", 137);
  CHECK(run.with(killed).state == HostState::kLost);
}

TEST_CASE("host run: what the host sends without our word is nobody's order") {
  Run run;
  Saying noise("n1 ready\nready\n n0 ready\n" + std::string(kFacts), 0);
  CHECK(run.with(noise).state == HostState::kWouldChange);
}

TEST_CASE("host run: a listener that running containers log to is not taken away unasked") {
  const auto listener = [](int port, const std::string& protocol = "tcp") {
    return "loki.source.syslog \"apps\" {\n  listener {\n    address = \"127.0.0.1:" +
           std::to_string(port) + "\"\n    protocol = \"" + protocol + "\"\n  }\n}\n";
  };
  const auto container = [](const std::string& name, const std::string& address) {
    return "n0 | [\"/" + name + R"(",{"Type":"syslog","Config":{"syslog-address":")" + address +
           "\"}}]\n";
  };
  // A host with Docker and `present`; its containers, and what ends their list.
  const auto host = [&](const std::string& present, const std::string& containers,
                        const std::string& end = "listed") {
    std::string text = "n0 docker yes\nn0 file /etc/fleet-agent/config.alloy " +
                       std::string(64, 'b') + " 640 root fleet-agent\n" + kFacts;
    for (const std::string_view line : agent::split(agent::trim(present), '\n'))
      text += "n0 | " + std::string(line) + "\n";
    return Saying(text + "n0 shown\n" + containers + "n0 " + end + "\n", 0);
  };
  const auto with = [](Saying remote, const std::string& wanted, bool keeps = true) {
    Run run;
    run.wanted.files.front().bytes = wanted;
    run.order.keeps_listeners = keeps;
    return run.with(remote);
  };
  const std::string used = container("kairos", "tcp://127.0.0.1:51421");

  const HostResult refused = with(host(listener(51421), used), "a\n");
  CHECK(refused.state == HostState::kFailed);
  CHECK(refused.text ==
        "running containers log to listeners that would go: 'kairos' to 51421/tcp "
        "(loki.source.syslog.apps); let them log elsewhere first, or give --drop-listeners");
  // By another protocol it is another listener.
  CHECK(with(host(listener(51421), used), listener(51421, "udp")).state == HostState::kFailed);
  CHECK(with(host(listener(51421, "udp"), container("u", "udp://localhost:51421")), "a\n").state ==
        HostState::kFailed);

  // Nobody uses it; it stays; it is another machine's; nobody asks; it is not seen what there will
  // be.
  CHECK(with(host(listener(51421), container("x", "tcp://127.0.0.1:51422")), "a\n").state ==
        HostState::kWouldChange);
  CHECK(with(host(listener(51421), used), listener(51421)).state == HostState::kWouldChange);
  CHECK(with(host(listener(51421), container("x", "tcp://192.0.2.1:51421")), "a\n").state ==
        HostState::kWouldChange);
  CHECK(with(host(listener(51421), used), "a\n", false).state == HostState::kWouldChange);
  for (const char* unseen : {"import.file \"m\" {\n  filename = \"m\"\n}\n",
                             "loki.source.syslog \"a\" {\n  listener {\n    address = "
                             "sys.env(\"A\")\n  }\n}\n"})
    CHECK(with(host(listener(51421), used), unseen).state == HostState::kWouldChange);

  // What cannot be told is a note; the change is made.
  const HostResult unknown =
      with(host(listener(51421), "", "unlisted Cannot connect\x1b[31m"), "a\n");
  CHECK(unknown.state == HostState::kWouldChange);
  CHECK(unknown.notes == std::vector<std::string>{"whether containers log to a listener that goes "
                                                  "is not known: Cannot connect?[31m"});
  const HostResult unread = with(host(listener(51421), "n0 | [\nn0 | {}\n" + used), "a\n");
  CHECK(unread.state == HostState::kFailed);
  CHECK(unread.notes.size() == 1);

  // Names are the host's to choose.
  std::string many;
  for (int i = 0; i < 9; ++i)
    many += container("c\\u001b\\n\\u0085" + std::string(500, 'x'), "tcp://[::1]:51421");
  const HostResult hostile = with(host(listener(51421), many), "a\n");
  CHECK(hostile.text.size() < 900);
  CHECK(hostile.text.find("'c? ?") != std::string::npos);
  CHECK(hostile.text.find(" and 6 more; let them") != std::string::npos);
}

TEST_CASE("host run: a host that sends without end or sense is cut off") {
  Run run;
  Saying endless("n0 " + std::string(3U << 20, 'x'), 0);
  CHECK(run.with(endless).text == "the host sent a line without end");
  Saying senseless("n0 free lots\n", 0);
  CHECK(run.with(senseless).text == "unreadable fact: free lots");
  run.order.check = false;
  Saying report(std::string(kFacts) + "n0 not json\n", 0);
  CHECK(run.with(report).text.find("the host's report cannot be read") == 0);
}

TEST_CASE("host run: what a host says cannot act on the terminal, nor make lines of its own") {
  const std::string facts =
      "n0 arch x86_64\nn0 systemd yes\nn0 unit act\x1b[2Jive enabled\nn0 release yes\n"
      "n0 current \x1b]0;owned\x07\r\xe2\x80\xaexcod\n"
      "n0 underway {\"run\":\"r0\\nother.host  "
      "unchanged\\u001b[31m\",\"who\":\"\\u202eme\\u009b1m\"}\n"
      "n0 applied {\"files\":{\"/etc/fleet-agent/a\\n\\u001bc\":\"0\"}}\n";
  Run run;
  std::string end = "n0 ready\n";
  run.order.check = true;
  SECTION("a plan") {}
  SECTION("a refusal") { run.wanted.restart = plan::Restart::kNever; }
  SECTION("an error") { end = "n0 error failed \x1b[2Jno\rway\x08\xff\n"; }
  SECTION("an unreadable fact") { end = "n0 unit \x1b[2J\n"; }
  SECTION("a report") {
    run.order.check = false;
    end =
        "n0 ready\nn0 received\nn0 "
        "{\"outcome\":\"rolled-back\",\"error\":\"a\\u001b[1m\\u2028b\\n\\u001bc\","
        "\"notes\":[\"c\\nd\\u009be\"],\"changes\":[\"\\u0007\\n\"],\"log\":[\"\\r\\nover\"]}\n";
  }
  Saying host(facts + end, 0);
  const HostResult result = run.with(host);
  std::vector<std::string> lines = result.notes;
  lines.push_back(result.text);
  for (const auto* list : {&result.details, &result.changes})
    lines.insert(lines.end(), list->begin(), list->end());
  for (const plan::Change& change : result.planned) lines.push_back(change.what);
  CHECK_FALSE(result.text.empty());
  for (const std::string& line : lines) {
    INFO(line);
    CHECK(line == one_line(line));
  }
}

TEST_CASE("host run: lines follow one another fast, and nothing is heard after the last one") {
  std::string text = kFacts;
  text.insert(0, std::string(1 << 20, '\n'));
  for (int i = 0; i < 1000; ++i) text += "n0 ready\nn0 error failed too late\n";
  Run run;
  Saying host(text, 0);
  const HostResult result = run.with(host);
  CHECK(result.state == HostState::kWouldChange);
  CHECK(result.changes.size() < 10);
}

TEST_CASE("host run: a host that goes on and on is cut off") {
  Run run;
  const auto repeated = [](const std::string& line, std::size_t bytes) {
    std::string out;
    while (out.size() < bytes) out += line;
    return out;
  };
  const auto text_of = [&](const std::string& said) {
    Saying host(said, 0);
    const HostResult result = run.with(host);
    CHECK(result.state == HostState::kFailed);
    return result.text;
  };
  CHECK(text_of(repeated("n0 group g x\n", 2 << 20)) == "the host's facts have no end");
  run.order.task = Task::kUpkeep;
  CHECK(text_of("n0 ready\n" + repeated("n0 \n", 2 << 20)) == "the host's answer has no end");
}

TEST_CASE("host run: an apply that ends without a word may have changed the host") {
  Run run;
  run.order.check = false;
  const auto state_at = [&](const std::string& said, int status) {
    Saying host(kFacts + said, status);
    return run.with(host).state;
  };
  CHECK(state_at("", 0) == HostState::kLost);
  CHECK(state_at("n0 {\"step\":\"install\"}\n", 1) == HostState::kLost);
  CHECK(state_at("n0 {\"outcome\":\"splendid\"}\n", 0) == HostState::kLost);
  CHECK(state_at("n0 " + std::string(10'000, '[') + "\n", 0) == HostState::kLost);
  CHECK(state_at("", 127) == HostState::kFailed);
}

TEST_CASE("host run: sudo's question is found behind whatever a login shell prints") {
  const FakeSudo sudo("head -c 300000 /dev/zero | tr '\\0' x >&2\n" + std::string(kAsking));
  Run run;
  run.order.exec.become = plan::Become::kPassword;
  run.order.become_password = agent::Secret("wrong");
  const agent::SystemClock clock;
  remote::Local local(clock);
  CHECK(run.with(local).text == "sudo: wrong password");
}

TEST_CASE("host run: what a login shell prints is told when it is all there is") {
  Run run;
  Saying host("\nThis account is not available.\n\n", 1);
  CHECK(run.with(host).text ==
        "the host's shell ended with status 1: This account is not available.");
  Saying talker(std::string(5 << 20, 'x') + "\n" + kFacts, 0);
  CHECK(run.with(talker).state == HostState::kWouldChange);
}

TEST_CASE("host run: of a host that does not come to the script, its last words are told") {
  struct Waiting final : remote::Remote {
    agent::Result<> connect(remote::Mono) override { return {}; }
    agent::Result<int> exec(const std::string&, remote::Dialogue& dialogue, remote::Mono) override {
      remote::Input input;
      dialogue.on_start(input);
      CHECK(dialogue.on_error_output("Hello\nPlace your finger on the reader\n", input));
      return agent::fail(agent::ErrorCode::kUnavailable, "no end in time");
    }
  } host;
  Run run;
  const HostResult result = run.with(host);
  CHECK(result.state == HostState::kFailed);
  CHECK(result.text == "no end in time; its last words: Place your finger on the reader");
}

}  // namespace fleetctl::command
