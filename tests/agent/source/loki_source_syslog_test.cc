#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

#include "agent/base/file.h"
#include "agent/component/relabel_args.h"
#include "agent/io/socket.h"
#include "tests/support/component_box.h"
#include "tests/support/log_collector.h"

namespace agent::source {
component::Declaration loki_source_syslog();
namespace {

using lang::Value;

FileDescriptor connect_to(const std::string& address, int type = SOCK_STREAM) {
  FileDescriptor fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port =
      htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  return fd;
}

using Options = std::vector<std::pair<std::string, Value>>;

// A loki.source.syslog with one listener on a port of its own.
struct Fixture {
  ComponentBox box{"loki.source.syslog.x"};
  std::shared_ptr<LogCollector> receiver = std::make_shared<LogCollector>();
  RunningComponent source{box, loki_source_syslog()};
  lang::Body body;

  explicit Fixture(Options listener = {}) {
    listener.insert(listener.begin(), {"address", "127.0.0.1:0"});
    listener.emplace_back("labels", Value::Object{{"job", "kairos"}});
    body = body_of({{"forward_to", receivers(receiver)}},
                   {{"listener", body_of(std::move(listener))}});
  }
  std::string start() {
    const std::string problem = source.configure(body);
    if (problem.empty()) source.start();
    return problem;
  }
  std::string address() const {
    const std::string text = source.debug("listener");
    return text.substr(text.find(' ') + 1);
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    for (const auto& entry : receiver->seen()) out.push_back(entry.labels + " " + entry.text);
    return out;
  }
};

}  // namespace

TEST_CASE("loki.source.syslog: Docker's lines over TCP arrive with the listener's labels") {
  Fixture f(Options{{"syslog_format", "rfc3164"}});
  REQUIRE(f.start().empty());
  const auto peer = connect_to(f.address());
  REQUIRE(write_all(
      peer.get(),
      "<30>Nov 21 09:55:12 puck kairos[1]: one\n<30>Nov 21 09:55:12 puck kairos[1]: two\n"));
  REQUIRE(f.receiver->wait_for(2));
  CHECK(f.lines() == std::vector<std::string>{R"({job="kairos"} one)", R"({job="kairos"} two)"});
}

TEST_CASE("loki.source.syslog: what is not syslog goes on as it came and nobody is disconnected") {
  Fixture f;
  REQUIRE(f.start().empty());
  const auto peer = connect_to(f.address());
  REQUIRE(write_all(peer.get(), "garbage \x01\xff!\n<30>1 - h app - - - fine\n"));
  REQUIRE(f.receiver->wait_for(2));
  CHECK(f.lines() ==
        std::vector<std::string>{"{job=\"kairos\"} garbage \x01\xff!", R"({job="kairos"} fine)"});
  CHECK(f.box.metric("loki_source_syslog_parsing_errors_total") == 1);
  REQUIRE(write_all(peer.get(), "<30>1 - h app - - - still here\n"));
  CHECK(f.receiver->wait_for(3));
}

TEST_CASE("loki.source.syslog: the last message of a closed connection needs no line end") {
  Fixture f;
  REQUIRE(f.start().empty());
  {
    const auto peer = connect_to(f.address());
    REQUIRE(write_all(peer.get(), "<30>1 - h app - - - last words"));
  }
  REQUIRE(f.receiver->wait_for(1));
  CHECK(f.lines().front() == R"({job="kairos"} last words)");
}

TEST_CASE("loki.source.syslog: a datagram is a message") {
  Fixture f(Options{{"protocol", "udp"}});
  REQUIRE(f.start().empty());
  const auto peer = connect_to(f.address(), SOCK_DGRAM);
  REQUIRE(write_all(peer.get(), "<30>Nov 21 09:55:12 h t: over\nudp\n"));
  REQUIRE(f.receiver->wait_for(1));
  CHECK(f.lines().front() == "{job=\"kairos\"} over\nudp");
}

TEST_CASE("loki.source.syslog: rules see the message's parts, and a drop is not followed") {
  Fixture f;
  model::RelabelRule rule;
  rule.source_labels = {"__syslog_message_app_name", "__syslog_message_severity"};
  rule.target_label = "app";
  model::RelabelRule drop;
  drop.action = model::RelabelRule::Action::kDrop;
  drop.source_labels = {"__syslog_message_severity"};
  drop.regex = "error";
  auto rules = model::RelabelRules::compile({rule, drop});
  REQUIRE(rules);
  f.body.attributes.push_back(
      {"relabel_rules", component::capsule(std::make_shared<model::RelabelRules>(*rules)), {}, {}});
  REQUIRE(f.start().empty());
  const auto peer = connect_to(f.address());
  REQUIRE(write_all(peer.get(), "<30>1 - h su - - - a\n<27>1 - h su - - - b\n"));
  REQUIRE(f.receiver->wait_for(2));
  CHECK(f.lines() == std::vector<std::string>{R"({app="su;informational", job="kairos"} a)",
                                              R"({job="kairos"} b)"});
}

TEST_CASE("loki.source.syslog: a taken port is found out before anything changes") {
  Fixture first;
  REQUIRE(first.start().empty());
  Fixture second;
  second.body.blocks.front().body.attributes.front().value = Value(first.address());
  const std::string problem = second.start();
  CHECK(problem.find("Address already in use") != std::string::npos);
}

TEST_CASE("loki.source.syslog: a change keeps listeners and connections that stay") {
  Fixture f;
  REQUIRE(f.start().empty());
  const auto peer = connect_to(f.address());
  REQUIRE(write_all(peer.get(), "<30>1 - h su - - - before\n"));
  REQUIRE(f.receiver->wait_for(1));
  const std::string address = f.address();
  f.body.blocks.front().body.attributes.back().value = Value(Value::Object{{"job", "other"}});
  REQUIRE(f.source.configure(f.body).empty());
  CHECK(f.address() == address);
  REQUIRE(write_all(peer.get(), "<30>1 - h su - - - after\n"));
  REQUIRE(f.receiver->wait_for(2));
  CHECK(f.lines().back() == R"({job="other"} after)");
}

TEST_CASE("loki.source.syslog: times of the messages are used when asked for") {
  Fixture f(Options{{"use_incoming_timestamp", true}});
  REQUIRE(f.start().empty());
  const auto peer = connect_to(f.address());
  REQUIRE(write_all(peer.get(), "<30>1 2003-10-11T22:14:15.003Z h su - - - x\n"));
  REQUIRE(f.receiver->wait_for(1));
  CHECK(f.receiver->seen().front().time_ns == 1065910455003000000);
}

TEST_CASE("loki.source.syslog: wrong arguments are explained") {
  Fixture f(Options{{"protocol", "sctp"}});
  CHECK(f.start() == R"(protocol must be "tcp" or "udp", got "sctp")");
}

}  // namespace agent::source
