#include "fleetctl/inventory/address.h"

#include <catch2/catch.hpp>

using fleetctl::inventory::expand_host_pattern;
using fleetctl::inventory::is_ip_address;
using fleetctl::inventory::parse_address;

namespace {
std::string expanded(const std::string& text) {
  const auto hosts = expand_host_pattern(text);
  if (!hosts) return "error: " + hosts.error().message;
  std::string out;
  for (const std::string& name : hosts->names) out += (out.empty() ? "" : " ") + name;
  if (hosts->port) out += " @" + std::to_string(*hosts->port);
  return out;
}
}  // namespace

TEST_CASE("address: a port is taken off names and bracketed addresses") {
  CHECK(parse_address("puck.incus:2222", false)->host == "puck.incus");
  CHECK(parse_address("puck.incus:2222", false)->port == 2222);
  CHECK(parse_address("[2001:db8::1]:22", false)->host == "2001:db8::1");
  CHECK(parse_address("[2001:db8::1]:22", false)->port == 22);
  CHECK(parse_address("10.0.0.1", false)->host == "10.0.0.1");
  CHECK_FALSE(parse_address("10.0.0.1", false)->port);
}

TEST_CASE("address: an IPv6 address is not a name with a port") {
  CHECK(parse_address("2001:db8::17", false)->host == "2001:db8::17");
  CHECK_FALSE(parse_address("2001:db8::17", false)->port);
  CHECK(parse_address("::1", false)->host == "::1");
}

TEST_CASE("address: what is no host name is refused") {
  for (const char* text : {"", "a b", "-a", "a-", "a..b", "web*", "a:b:c", "a[1:2", "_"}) {
    INFO(text);
    CHECK_FALSE(parse_address(text, true));
  }
}

TEST_CASE("address: ranges need leave") {
  CHECK(parse_address("db[01:10]", true));
  CHECK_FALSE(parse_address("db[01:10]", false));
}

TEST_CASE("address: IP addresses have no short form") {
  for (const char* text : {"10.0.0.1", "255.255.255.255", "::1", "fe80::1", "1:2:3:4:5:6:7:8",
                           "0:0:0:0:0:ffff:1.2.3.4"}) {
    INFO(text);
    CHECK(is_ip_address(text));
  }
  for (const char* text : {"256.0.0.1", "10.0.0", "puck.incus", "face", "1:2", "10.0.0.1.2"}) {
    INFO(text);
    CHECK_FALSE(is_ip_address(text));
  }
}

TEST_CASE("address: ranges include both ends") {
  CHECK(expanded("web[1:3]") == "web1 web2 web3");
  CHECK(expanded("web[01:10:4].x") == "web01.x web05.x web09.x");
  CHECK(expanded("db-[a:c]") == "db-a db-b db-c");
  CHECK(expanded("r[1:2]n[a:b]") == "r1na r1nb r2na r2nb");
  CHECK(expanded("10.0.0.[1:2]:2222") == "10.0.0.1 10.0.0.2 @2222");
  CHECK(expanded("w[:1]") == "w0 w1");
}

TEST_CASE("address: wrong ranges say what is wrong") {
  CHECK_THAT(expanded("w[1:]"), Catch::Contains("has no end"));
  CHECK_THAT(expanded("w[01:100]"), Catch::Contains("equal length"));
  CHECK_THAT(expanded("w[c:a]"), Catch::Contains("begin <= end"));
  CHECK_THAT(expanded("w[1:3:0]"), Catch::Contains("step"));
  CHECK_THAT(expanded("w[1]"), Catch::Contains("must be"));
  CHECK_THAT(expanded("w[1:3"), Catch::Contains("no closing"));
  CHECK_THAT(expanded("w[0:99999999]"), Catch::Contains("more than 65536"));
}
