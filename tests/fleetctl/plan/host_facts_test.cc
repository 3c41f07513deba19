// What a host tells about itself becomes Ansible's facts; what it sends is not believed blindly.
#include "fleetctl/plan/host_facts.h"

#include <catch2/catch.hpp>

#include "fleetctl/value/text.h"

namespace fleetctl::plan {
namespace {

std::string fact(const value::Dict& facts, std::string_view name) {
  const value::Value* found = facts.find(name);
  return found == nullptr ? "-" : value::str(*found);
}

}  // namespace

TEST_CASE("host facts: distributions get Ansible's names and families") {
  const auto debian = read_host_facts(
      "motd\nab s os_id debian\nab s os_version 12\nab s debian_version 12.11\n"
      "ab s os_codename bookworm\nab s machine i686\nab end\n",
      "ab");
  REQUIRE(debian);
  CHECK(fact(*debian, "distribution") == "Debian");
  CHECK(fact(*debian, "distribution_version") == "12.11");
  CHECK(fact(*debian, "distribution_major_version") == "12");
  CHECK(fact(*debian, "architecture") == "i386");
  CHECK(fact(*debian, "userspace_bits") == "32");
  const auto rocky = read_host_facts(
      "ab s os_id rocky\nab s os_version 9.4\nab s os_long_version 9.4 (Blue Onyx)\nab end\n",
      "ab");
  REQUIRE(rocky);
  CHECK(fact(*rocky, "os_family") == "RedHat");
  CHECK(fact(*rocky, "distribution_release") == "Blue Onyx");
  const auto other =
      read_host_facts("ab s os_id ours\nab s os_name Our OS\nab s os_like debian\nab end\n", "ab");
  REQUIRE(other);
  CHECK(fact(*other, "distribution") == "Our OS");
  CHECK(fact(*other, "os_family") == "Debian");
}

TEST_CASE("host facts: the default address brings its network") {
  const auto facts = read_host_facts(
      "ab s default_ipv4.address 192.0.2.77\nab s default_ipv4.prefix 26\nab i default_ipv4.mtu "
      "1500\nab end\n",
      "ab");
  REQUIRE(facts);
  CHECK(fact(*facts, "default_ipv4") ==
        "{'address': '192.0.2.77', 'prefix': '26', 'mtu': 1500, 'netmask': '255.255.255.192', "
        "'network': '192.0.2.64', 'broadcast': '192.0.2.127'}");
}

TEST_CASE("host facts: what cannot be read goes by, an answer without end does not") {
  const auto facts = read_host_facts(
      "ab i memtotal_mb many\nab s not_a_fact x\nab s\nab s default_ipv4 x\nab s "
      "default_ipv4.address y\nab s kernel {{ 1 }}\nxx s machine m\nab end\n",
      "ab");
  REQUIRE(facts);
  CHECK(fact(*facts, "memtotal_mb") == "-");
  CHECK(fact(*facts, "not_a_fact") == "-");
  CHECK(fact(*facts, "architecture") == "-");
  CHECK(facts->find("kernel")->has(value::kUnsafe));
  CHECK_FALSE(read_host_facts("ab s kernel 6\n", "ab"));
  CHECK(is_fact_variable("ansible_facts"));
  CHECK(is_fact_variable("ansible_os_family"));
  CHECK_FALSE(is_fact_variable("ansible_host"));
}

}  // namespace fleetctl::plan
