#include "fleetctl/remote/ssh_options.h"

#include <catch2/catch.hpp>

namespace fleetctl::remote {

TEST_CASE("ssh arguments: options as Ansible inventories write them") {
  const auto options = parse_ssh_arguments(
      {"-o", "StrictHostKeyChecking=accept-new", "-oUserKnownHostsFile=/k", "-J",
       "jump@bastion:2222", "-i", "~/.ssh/fleet", "-o", "IdentitiesOnly=yes", "-p", "2022", "-o",
       "ConnectTimeout 5", "-C", "-o", "ControlMaster=auto"});
  REQUIRE(options);
  CHECK(options->host_keys == HostKeys::kAcceptNew);
  CHECK(options->known_hosts == "/k");
  CHECK(options->proxy_jump == "jump@bastion:2222");
  CHECK(options->identity_files == std::vector<std::string>{"~/.ssh/fleet"});
  CHECK(options->identities_only == true);
  CHECK(options->port == 2022);
  CHECK(options->connect_timeout == 5);
  CHECK(options->unknown.empty());
}

TEST_CASE("ssh arguments: what is not understood is named, not dropped") {
  const auto options = parse_ssh_arguments({"-o", "LocalCommand=x", "-X"});
  REQUIRE(options);
  CHECK(options->unknown == std::vector<std::string>{"-o LocalCommand", "-X"});
  CHECK(options->words == std::vector<std::string>{"-o", "LocalCommand=x"});
  CHECK(parse_ssh_arguments({"-p", "ten"}).error().message ==
        "ssh arguments: Port: not a number: ten");
  CHECK(parse_ssh_arguments({"-o"}).error().message == "ssh arguments: -o needs a value");
}

TEST_CASE("ssh config: the first value of a matching block wins") {
  constexpr const char* kText =
      "# fleet\nHost *.incus !puck.incus\n  IdentitiesOnly yes\nHost "
      "puck.incus\n\tidentitiesonly=\"no\"\n"
      "Match user root\n  IdentitiesOnly yes\nHost *\n  StrictHostKeyChecking accept-new\n";
  CHECK(ssh_config_value(kText, "ariel.incus", "IdentitiesOnly") == "yes");
  CHECK(ssh_config_value(kText, "puck.incus", "IdentitiesOnly") == "no");
  CHECK_FALSE(ssh_config_value(kText, "other", "IdentitiesOnly"));
  CHECK(ssh_config_value(kText, "other", "stricthostkeychecking") == "accept-new");
}

}  // namespace fleetctl::remote
