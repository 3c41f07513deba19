#include "agent/io/dns.h"

#include <atomic>
#include <catch2/catch.hpp>

#include "tests/support/name_server.h"

namespace agent::io {
namespace {

struct Fixture {
  NameServer server;
  SystemClock clock;
  std::stop_source stop;
  DnsOptions options;

  Result<DnsRecords> ask(const std::string& name, DnsType type) {
    if (options.servers.empty()) options.servers = server.servers();
    return look_up({name}, type, options, clock, stop.get_token()).at(0);
  }
};

}  // namespace

TEST_CASE("dns: records of each type, sorted, each once") {
  Fixture f;
  using S = NameServer;
  f.server.set("a.test", DnsType::kA,
               {0, {S::address("10.0.0.2"), S::address("10.0.0.1"), S::address("10.0.0.2")}});
  f.server.set("a.test", DnsType::kAaaa, {0, {S::address("2001:db8::1")}});
  f.server.set("a.test", DnsType::kMx, {0, {S::mx("mail.a.test")}});
  f.server.set("a.test", DnsType::kNs, {0, {S::name("ns2.a.test"), S::name("ns1.a.test")}});
  f.server.set("_x._tcp.a.test", DnsType::kSrv,
               {0, {S::srv("n2.a.test", 9100), S::srv("n1.a.test", 9101)}});
  CHECK(f.ask("a.test.", DnsType::kA) == DnsRecords{{"10.0.0.1"}, {"10.0.0.2"}});
  CHECK(f.ask("a.test.", DnsType::kAaaa) == DnsRecords{{"2001:db8::1"}});
  CHECK(f.ask("a.test.", DnsType::kMx) == DnsRecords{{"mail.a.test"}});
  CHECK(f.ask("a.test.", DnsType::kNs) == DnsRecords{{"ns1.a.test"}, {"ns2.a.test"}});
  CHECK(f.ask("_x._tcp.a.test.", DnsType::kSrv) ==
        DnsRecords{{"n1.a.test", 9101}, {"n2.a.test", 9100}});
}

TEST_CASE("dns: an answer too large for UDP comes over TCP") {
  Fixture f;
  NameServer::Answer answer;
  for (int i = 1; i <= 100; ++i)
    answer.records.push_back(NameServer::address(("10.0.0." + std::to_string(i)).c_str()));
  answer.only_tcp = true;
  f.server.set("many.test", DnsType::kA, answer);
  const auto found = f.ask("many.test.", DnsType::kA);
  REQUIRE(found);
  CHECK(found->size() == 100);
}

TEST_CASE("dns: a name that is not there has no records; a server that fails is a failure") {
  Fixture f;
  CHECK(f.ask("none.test.", DnsType::kA) == DnsRecords{});
  f.server.set("empty.test", DnsType::kA, {});
  CHECK(f.ask("empty.test.", DnsType::kA) == DnsRecords{});
  f.server.set("ill.test", DnsType::kA, {2, {}});
  const auto ill = f.ask("ill.test.", DnsType::kA);
  REQUIRE_FALSE(ill);
  CHECK(ill.error().code == ErrorCode::kUnavailable);
  CHECK_FALSE(f.ask("a name that is none..", DnsType::kA));
}

TEST_CASE("dns: one name's trouble is its own") {
  Fixture f;
  f.server.set("good.test", DnsType::kA, {0, {NameServer::address("10.0.0.1")}});
  f.server.set("ill.test", DnsType::kA, {2, {}});
  f.options.servers = f.server.servers();
  const auto all =
      look_up({"ill.test.", "good.test."}, DnsType::kA, f.options, f.clock, f.stop.get_token());
  REQUIRE(all.size() == 2);
  CHECK_FALSE(all[0]);
  CHECK(all[1] == DnsRecords{{"10.0.0.1"}});
}

TEST_CASE("dns: hostile answers are errors or nothing") {
  Fixture f;
  const std::string head = std::string("\x81\x80\0\1\0\1\0\0\0\0", 10);
  const std::string question =
      NameServer::name("evil.test") + NameServer::number(33) + NameServer::number(1);
  const std::string self(std::string("\xC0") + static_cast<char>(12 + question.size()));
  for (const std::string& raw :
       {std::string("\x81"), head, head + question, head + question + "\xC0\x0C",
        // A name that points to itself, a record that ends before its length, a huge length.
        head + question + self + NameServer::number(33) + NameServer::number(1) +
            std::string(4, '\0') + NameServer::number(8) + std::string(6, '\0') + self,
        head + question + "\xC0\x0C" + NameServer::number(33) + NameServer::number(1) +
            std::string(4, '\0') + NameServer::number(65535) + "x",
        head + question + "\xC0\x0C" + NameServer::number(33) + NameServer::number(1) +
            std::string(4, '\0') + NameServer::number(2) + "xx"}) {
    f.server.set("evil.test", DnsType::kSrv, {0, {}, false, raw});
    f.options.patience = std::chrono::milliseconds(300);
    const auto found = f.ask("evil.test.", DnsType::kSrv);
    if (found) CHECK(found->empty());
  }
}

TEST_CASE("dns: a silent server costs no more than the patience, and a stop ends the wait") {
  Fixture f;
  f.server.set("deaf.test", DnsType::kA, {0, {}, false, {}, true});
  f.options.patience = std::chrono::milliseconds(100);
  const auto late = f.ask("deaf.test.", DnsType::kA);
  REQUIRE_FALSE(late);
  CHECK(late.error().code == ErrorCode::kUnavailable);

  f.options.patience = std::chrono::hours(1);
  const std::size_t before = f.server.asked();
  std::jthread stopper([&] {
    while (f.server.asked() == before) std::this_thread::yield();
    f.stop.request_stop();
  });
  const auto stopped = f.ask("deaf.test.", DnsType::kA);
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code == ErrorCode::kCancelled);
}

TEST_CASE("dns: what cannot be a list of servers is refused") {
  Fixture f;
  f.options.servers = "not an address";
  const auto found = f.ask("a.test.", DnsType::kA);
  REQUIRE_FALSE(found);
}

}  // namespace agent::io
