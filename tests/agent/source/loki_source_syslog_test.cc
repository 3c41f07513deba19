#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "agent/base/file.h"
#include "agent/base/process.h"
#include "agent/component/relabel_args.h"
#include "agent/io/socket.h"
#include "agent/io/socket_store.h"
#include "agent/source/loki_source_syslog.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_systemd.h"
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

TEST_CASE("loki.source.syslog: a message that is too long is cut, says so and is counted") {
  Fixture f(Options{{"max_message_length", 40}});
  REQUIRE(f.start().empty());
  const auto peer = connect_to(f.address());
  REQUIRE(write_all(peer.get(), "<30>1 - h app - - - " + std::string(100, 'x') + "\n" +
                                    "<30>1 - h app - - - whole\n"));
  REQUIRE(f.receiver->wait_for(2));
  CHECK(f.lines() ==
        std::vector<std::string>{R"({job="kairos"} )" + std::string(20, 'x') + " [line cut]",
                                 R"({job="kairos"} whole)"});
  CHECK(f.box.metric("loki_source_syslog_truncated_messages_total") == 1);
}

TEST_CASE("loki.source.syslog: NULs and bytes that are no UTF-8 survive, also on disk") {
  ComponentBox box("loki.source.syslog.x");
  const std::string line("nul \0 and \xff\xfe", 12);
  const auto listener = block("listener", {{"address", Value("127.0.0.1:0"), {}, {}}});
  lang::Body body;
  {
    auto refusing = std::make_shared<LogCollector>();
    refusing->set_mode(LogCollector::Mode::kHold);
    RunningComponent source(box, loki_source_syslog());
    body.attributes = {forward_to(refusing)};
    body.blocks = {listener};
    REQUIRE(source.configure(body).empty());
    source.start();
    const std::string text = source.debug("listener");
    const auto peer = connect_to(text.substr(text.find(' ') + 1));
    REQUIRE(write_all(peer.get(), "32 <30>1 - h app - - - " + line));
    REQUIRE(refusing->wait_for(1));
    CHECK(refusing->seen().front().text == line);
    source.shut_down();
  }
  auto receiver = std::make_shared<LogCollector>();
  RunningComponent source(box, loki_source_syslog());
  body.attributes = {forward_to(receiver)};
  REQUIRE(source.configure(body).empty());
  source.start();
  REQUIRE(receiver->wait_for(1));
  CHECK(receiver->seen().front().text == line);
}

TEST_CASE("loki.source.syslog: a stop takes what the kernel has already, and half a message") {
  Fixture f;
  REQUIRE(f.start().empty());
  const auto peer = connect_to(f.address());
  REQUIRE(write_all(peer.get(), "<30>1 - h app - - - first\n"));
  REQUIRE(f.receiver->wait_for(1));
  f.receiver->set_mode(LogCollector::Mode::kHold);
  for (int i = 0; i < 100; ++i)
    REQUIRE(write_all(peer.get(), "<30>1 - h app - - - " + std::to_string(i) + "\n"));
  REQUIRE(write_all(peer.get(), "<30>1 - h app - - - half"));
  f.source.shut_down();
  // What was not passed on is on disk.
  const auto after = std::make_shared<LogCollector>();
  f.body.attributes.front() = forward_to(after);
  RunningComponent again(f.box, loki_source_syslog());
  REQUIRE(again.configure(f.body).empty());
  again.start();
  REQUIRE(after->wait_for(101));
  std::vector<std::string> expected;
  for (int i = 0; i < 100; ++i) expected.push_back(std::to_string(i));
  expected.push_back("half");
  CHECK(after->take_text(101) == expected);
}

namespace {

// An agent below a systemd that keeps its sockets; each life is another process of its unit.
struct Unit {
  FakeSystemd systemd;
  ComponentBox box{"loki.source.syslog.x"};
  std::shared_ptr<LogCollector> receiver = std::make_shared<LogCollector>();
  std::string address = "127.0.0.1:0";
  std::unique_ptr<io::SocketStore> store;
  std::unique_ptr<RunningComponent> source;

  void start(const Options& listener = {}) {
    store = std::make_unique<io::SocketStore>(systemd.hand_over(), systemd.notify(), clock,
                                              Log::none());
    source = std::make_unique<RunningComponent>(box, loki_source_syslog(store.get()));
    REQUIRE(source->configure(body(listener)).empty());
    const std::string text = source->debug("listener");
    address = text.substr(text.find(' ') + 1);
    source->start();
    store->settle();
  }
  void stop() {
    store->leave();
    source->shut_down();
    source.reset();
    store.reset();
  }
  lang::Body body(Options listener) const {
    listener.insert(listener.begin(), {"address", Value(address)});
    return body_of({{"forward_to", receivers(receiver)}},
                   {{"listener", body_of(std::move(listener))}});
  }
  ~Unit() {
    if (source != nullptr) stop();
  }

 private:
  SystemClock clock;
};

}  // namespace

TEST_CASE("loki.source.syslog: connections go on in the next process, with what came meanwhile") {
  Unit unit;
  unit.start();
  const auto peer = connect_to(unit.address);
  REQUIRE(write_all(peer.get(), "<30>1 - h app - - - one\n<30>1 - h app - - - tw"));
  REQUIRE(unit.receiver->wait_for(1));
  for (int round = 0; round < 3; ++round) {
    unit.stop();
    REQUIRE(write_all(peer.get(), "o\n<30>1 - h app - - - three\n<30>1 - h app - - - tw"));
    unit.start();
    REQUIRE(unit.receiver->wait_for(3 + 2 * static_cast<std::size_t>(round)));
  }
  REQUIRE(write_all(peer.get(), "o"));
  REQUIRE(::shutdown(peer.get(), SHUT_WR) == 0);
  REQUIRE(unit.receiver->wait_for(8));
  CHECK(unit.receiver->take_text(8) ==
        std::vector<std::string>{"one", "two", "three", "two", "three", "two", "three", "two"});
  // The connection has ended here, too, and systemd has let it go; the listener stays.
  char none = 0;
  CHECK(::recv(peer.get(), &none, 1, 0) == 0);
  CHECK(unit.systemd.wait_for(1));
}

TEST_CASE("loki.source.syslog: somebody connects while there is no process") {
  Unit unit;
  unit.start(Options{{"protocol", "udp"}});
  unit.stop();
  const auto datagrams = connect_to(unit.address, SOCK_DGRAM);
  REQUIRE(write_all(datagrams.get(), "<30>1 - h app - - - by udp"));
  unit.start(Options{{"protocol", "udp"}});
  REQUIRE(unit.receiver->wait_for(1));
  unit.stop();
  unit.address = "127.0.0.1:0";
  unit.start();
  unit.stop();
  {
    const auto peer = connect_to(unit.address);
    REQUIRE(write_all(peer.get(), "<30>1 - h app - - - by tcp\n"));
  }
  unit.start();
  REQUIRE(unit.receiver->wait_for(2));
  CHECK(unit.receiver->take_text(2) == std::vector<std::string>{"by udp", "by tcp"});
}

TEST_CASE("loki.source.syslog: long messages come whole through connections that are kept") {
  Unit unit;
  unit.start(Options{{"max_message_length", 300'000}});
  const auto peer = connect_to(unit.address);
  std::vector<std::string> expected;
  for (const std::size_t size : {10U, 15'000U, 17'000U, 70'000U, 250'000U, 5U, 16'300U, 100'000U}) {
    expected.emplace_back(size, static_cast<char>('a' + expected.size()));
    const std::string message = "<30>1 - h app - - - " + expected.back() + "\n";
    for (std::size_t at = 0; at < message.size(); at += 9'000)
      REQUIRE(write_all(peer.get(), message.substr(at, 9'000)));
  }
  REQUIRE(unit.receiver->wait_for(expected.size()));
  CHECK(unit.receiver->take_text(expected.size()) == expected);
}

TEST_CASE(
    "loki.source.syslog: a listener that goes takes its connections along, for systemd, too") {
  Unit unit;
  unit.start();
  const auto peer = connect_to(unit.address);
  REQUIRE(write_all(peer.get(), "<30>1 - h app - - - one\n"));
  REQUIRE(unit.receiver->wait_for(1));
  CHECK(unit.systemd.wait_for(2));
  unit.address = "127.0.0.2:0";
  REQUIRE(unit.source->configure(unit.body({})).empty());
  char none = 0;
  CHECK(::recv(peer.get(), &none, 1, 0) <= 0);
  CHECK(unit.systemd.wait_for(1));
}

TEST_CASE("loki.source.syslog: equal messages of one moment stay two") {
  Fixture f;
  REQUIRE(f.start().empty());
  const auto peer = connect_to(f.address());
  std::string same;
  for (int i = 0; i < 1000; ++i) same += "<30>1 - h app - - - same\n";
  REQUIRE(write_all(peer.get(), same));
  REQUIRE(f.receiver->wait_for(1000));
  std::set<std::int64_t> times;
  for (const auto& line : f.receiver->seen()) times.insert(line.time_ns);
  CHECK(times.size() == 1000);
}

TEST_CASE("loki.source.syslog: raw lines are taken as they come") {
  Fixture f(Options{{"syslog_format", "raw"}});
  REQUIRE(f.start().empty());
  const auto peer = connect_to(f.address());
  REQUIRE(write_all(peer.get(), "CEF:0|a|b <30>1\n12 <30>x\n"));
  REQUIRE(f.receiver->wait_for(2));
  CHECK(f.lines() == std::vector<std::string>{R"({job="kairos"} CEF:0|a|b <30>1)",
                                              R"({job="kairos"} 12 <30>x)"});
  CHECK(f.box.metric("loki_source_syslog_parsing_errors_total") == 0);
}

TEST_CASE("loki.source.syslog: the whole RFC 5424 message when asked for, the text of others") {
  Fixture f(Options{{"use_rfc5424_message", true}});
  REQUIRE(f.start().empty());
  const auto peer = connect_to(f.address());
  REQUIRE(write_all(peer.get(),
                    "<30>1 - h app - - [a b=\"c\"] text\n<30>Nov 21 09:55:12 h t: other\n"));
  REQUIRE(f.receiver->wait_for(2));
  CHECK(f.lines() == std::vector<std::string>{"{job=\"kairos\"} <30>1 - h app - - [a b=\"c\"] text",
                                              R"({job="kairos"} other)"});
}

TEST_CASE("loki.source.syslog: messages without text are counted and dropped, or kept") {
  Fixture dropping;
  REQUIRE(dropping.start().empty());
  Fixture keeping(Options{{"rfc5424_allow_empty_msg", true}});
  REQUIRE(keeping.start().empty());
  for (Fixture* f : {&dropping, &keeping}) {
    const auto peer = connect_to(f->address());
    REQUIRE(write_all(peer.get(), "<30>1 - h app - - -\n<30>1 - h app - - - text\n"));
  }
  REQUIRE(keeping.receiver->wait_for(2));
  REQUIRE(dropping.receiver->wait_for(1));
  CHECK(dropping.lines() == std::vector<std::string>{R"({job="kairos"} text)"});
  CHECK(dropping.box.metric("loki_source_syslog_empty_messages_total") == 1);
  CHECK(dropping.box.metric("loki_source_syslog_received_messages_total") == 2);
}

TEST_CASE("loki.source.syslog: a time without a zone is in the zone that was named") {
  Fixture f(Options{{"use_incoming_timestamp", true}, {"rfc3164_time_zone", "Europe/Berlin"}});
  REQUIRE(f.start().empty());
  const auto peer = connect_to(f.address());
  REQUIRE(write_all(peer.get(), "<30>Oct 11 2003 22:14:15 h t: x\n"));
  REQUIRE(f.receiver->wait_for(1));
  CHECK(f.receiver->seen().front().time_ns == 1065903255000000000);
}

TEST_CASE("loki.source.syslog: structured data, Cisco's numbers and the peer's name reach rules") {
  Fixture f(Options{{"label_structured_data", true}});
  f.body.blocks.front().body.blocks.push_back(
      block("rfc3164_cisco_components", {{"enable_all", Value(true), {}, {}}}));
  std::vector<model::RelabelRule> rules;
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"__syslog_message_sd_ex_1_iut", "iut"},
                                                        {"__syslog_message_msg_counter", "counter"},
                                                        {"__syslog_message_sequence", "sequence"},
                                                        {"__syslog_connection_hostname", "peer"},
                                                        {"__syslog_connection_ip_address", "ip"}}) {
    model::RelabelRule rule;
    rule.source_labels = {from};
    rule.target_label = to;
    rules.push_back(rule);
  }
  f.body.attributes.push_back({"relabel_rules",
                               component::capsule(std::make_shared<model::RelabelRules>(
                                   *model::RelabelRules::compile(rules))),
                               {},
                               {}});
  REQUIRE(f.start().empty());
  const auto peer = connect_to(f.address());
  REQUIRE(write_all(peer.get(),
                    "<30>1 - h app - - [ex@1 iut=\"3\"] a\n"
                    "<189>77: 000073: *Jan  1 23:12:00.975: %SYS-5-X: b\n"));
  REQUIRE(f.receiver->wait_for(2));
  const auto seen = f.receiver->seen();
  CHECK(seen[0].labels.find(R"(ip="127.0.0.1", iut="3", job="kairos")") != std::string::npos);
  // Whatever names this host has for itself; every line of the connection has the same.
  const bool named = seen[0].labels.find("localhost") != std::string::npos;
  CHECK((seen[1].labels.find("localhost") != std::string::npos) == named);
  CHECK(seen[1].labels.find(R"(counter="77")") != std::string::npos);
  CHECK(seen[1].labels.find(R"(sequence="000073")") != std::string::npos);
}

namespace {

void run(const std::string& command) {
  INFO(command);
  SystemClock clock;
  Spawn spawn;
  spawn.argv = {"/bin/sh", "-c", command};
  spawn.merge_output = true;
  const auto done = run_process(spawn, "", clock, std::chrono::minutes(1));
  REQUIRE(done);
  INFO(done->output);
  REQUIRE(done->status == 0);
}

// An authority, and certificates of it for the listener and for a client; another one's client.
struct Certificates {
  TempDir dir;
  Certificates() {
    const std::string in = "cd " + dir.path().string() + " && ";
    const std::string key = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes ";
    for (const std::string ca : {"ca", "other"})
      run(in + key + "-x509 -days 2 -subj /CN=" + ca + " -keyout " + ca + ".key -out " + ca +
          ".pem");
    for (const auto& [name, ca] : std::vector<std::pair<std::string, std::string>>{
             {"server", "ca"}, {"client", "ca"}, {"stranger", "other"}}) {
      run(in + key + "-subj /CN=" + name + " -keyout " + name + ".key -out " + name + ".csr && " +
          "openssl x509 -req -days 2 -in " + name + ".csr -CA " + ca + ".pem -CAkey " + ca +
          ".key -CAcreateserial -out " + name + ".pem");
    }
  }
  std::string file(const std::string& name) const { return (dir.path() / name).string(); }
  lang::Block tls(bool clients) const {
    std::vector<lang::Attribute> out{attribute("cert_file", file("server.pem")),
                                     attribute("key_file", file("server.key"))};
    if (clients) out.push_back(attribute("ca_file", file("ca.pem")));
    return block("tls_config", std::move(out));
  }
  // Sends with openssl's own client; -> its output.
  std::string send(const std::string& address, const std::string& bytes,
                   const std::string& more) const {
    SystemClock clock;
    Spawn spawn;
    spawn.argv = {"/bin/sh", "-c",
                  "openssl s_client -quiet -no_ign_eof -verify_return_error -CAfile " +
                      file("ca.pem") + " -connect " + address + " " + more};
    spawn.merge_output = true;
    const auto done = run_process(spawn, bytes, clock, std::chrono::minutes(1));
    REQUIRE(done);
    return done->output;
  }
};

}  // namespace

TEST_CASE("loki.source.syslog: TLS, with and without clients' certificates") {
  const Certificates certificates;
  Fixture open;
  open.body.blocks.front().body.blocks.push_back(certificates.tls(false));
  REQUIRE(open.start().empty());
  certificates.send(open.address(), "<30>1 - h app - - - secret\n", "");
  REQUIRE(open.receiver->wait_for(1));
  CHECK(open.lines().front() == R"({job="kairos"} secret)");

  Fixture strict;
  strict.body.blocks.front().body.blocks.push_back(certificates.tls(true));
  REQUIRE(strict.start().empty());
  certificates.send(strict.address(), "<30>1 - h app - - - nobody\n", "");
  certificates.send(
      strict.address(), "<30>1 - h app - - - stranger\n",
      "-cert " + certificates.file("stranger.pem") + " -key " + certificates.file("stranger.key"));
  // More than one record, and more than one read.
  std::string long_one;
  for (int i = 0; i < 5000; ++i)
    long_one += "<30>1 - h app - - - " + std::to_string(i) + " " + std::string(50, 'x') + "\n";
  certificates.send(
      strict.address(), long_one,
      "-cert " + certificates.file("client.pem") + " -key " + certificates.file("client.key"));
  REQUIRE(strict.receiver->wait_for(5000));
  CHECK(strict.receiver->seen().size() == 5000);
  CHECK(strict.lines().front().find(" 0 x") != std::string::npos);
  CHECK(strict.box.metric("loki_source_syslog_failed_handshakes_total") == 2);
  CHECK(strict.box.logged().find("a TLS handshake failed") != std::string::npos);
}

TEST_CASE("loki.source.syslog: a handshake that never comes holds up nobody") {
  const Certificates certificates;
  Fixture f;
  f.body.blocks.front().body.blocks.push_back(certificates.tls(false));
  REQUIRE(f.start().empty());
  std::vector<FileDescriptor> silent;
  for (int i = 0; i < 150; ++i) {  // more than may be under way
    silent.push_back(connect_to(f.address()));
    REQUIRE(write_all(silent.back().get(), "\x16"));
  }
  const auto plain = connect_to(f.address());
  REQUIRE(write_all(plain.get(), "<30>1 - h app - - - no TLS at all\n"));
  CHECK(f.box.metric("loki_source_syslog_connections") <= 130);
  // The ones that have said nothing for a second make room.
  SystemClock clock;
  clock.sleep_for(std::chrono::milliseconds(1100), {});
  certificates.send(f.address(), "<30>1 - h app - - - through\n", "");
  REQUIRE(f.receiver->wait_for(1));
  CHECK(f.lines().front() == R"({job="kairos"} through)");
}

TEST_CASE("loki.source.syslog: wrong certificates are found out before anything changes") {
  const Certificates certificates;
  Fixture f;
  auto tls = certificates.tls(false);
  tls.body.attributes[1].value = Value(certificates.file("client.key"));
  f.body.blocks.front().body.blocks.push_back(tls);
  CHECK(f.start().find("TLS: the key") != std::string::npos);
  Fixture missing;
  tls.body.attributes[1].value = Value(certificates.file("nowhere.key"));
  missing.body.blocks.front().body.blocks.push_back(tls);
  CHECK(missing.start().find("nowhere.key") != std::string::npos);
}

TEST_CASE("loki.source.syslog: logger(1) is understood in all its ways") {
  Fixture tcp;
  REQUIRE(tcp.start().empty());
  Fixture udp(Options{{"protocol", "udp"}});
  REQUIRE(udp.start().empty());
  const auto logger = [](const Fixture& f, const std::string& options, const std::string& text) {
    const std::string address = f.address();
    run("logger -n 127.0.0.1 -P " + address.substr(address.rfind(':') + 1) + " " + options +
        " -p local3.warning -t myapp '" + text + "'");
  };
  logger(tcp, "-T --rfc3164", "old");
  logger(tcp, "-T --rfc5424", "new");
  logger(tcp, "-T --rfc5424 --octet-count", "counted");
  logger(tcp, "-T --rfc5424 --sd-id zoo@123 --sd-param tiger=\\\"hungry\\\"", "structured");
  logger(udp, "-d --rfc3164", "datagram");
  logger(udp, "-d --rfc5424", "modern datagram");
  REQUIRE(tcp.receiver->wait_for(4));
  REQUIRE(udp.receiver->wait_for(2));
  const auto job = [](const std::string& text) { return R"({job="kairos"} )" + text; };
  CHECK(tcp.lines() ==
        std::vector<std::string>{job("old"), job("new"), job("counted"), job("structured")});
  CHECK(udp.lines() == std::vector<std::string>{job("datagram"), job("modern datagram")});
  CHECK(tcp.box.metric("loki_source_syslog_parsing_errors_total") == 0);
  CHECK(udp.box.metric("loki_source_syslog_parsing_errors_total") == 0);
}

}  // namespace agent::source
