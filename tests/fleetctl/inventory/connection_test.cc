#include "fleetctl/inventory/connection.h"

#include <catch2/catch.hpp>

#include "fleetctl/inventory/yaml_reader.h"

using namespace fleetctl;

namespace {
agent::Result<inventory::Connection> connection(const std::string& yaml) {
  std::vector<std::string> warnings;
  const auto vars = inventory::read_yaml(yaml, "vars", warnings);
  REQUIRE(vars);
  return inventory::read_connection(
      "puck.incus", [&](std::string_view name) -> agent::Result<std::optional<value::Value>> {
        const value::Value* found = vars->get(name);
        return found == nullptr ? std::nullopt : std::optional<value::Value>(*found);
      });
}
}  // namespace

TEST_CASE("connection: without variables it is ssh to the name, as whoever ssh says") {
  const auto c = connection("{}");
  REQUIRE(c);
  CHECK(c->transport == inventory::Transport::kSsh);
  CHECK(c->address == "puck.incus");
  CHECK(c->port == 0);
  CHECK(c->user.empty());
  CHECK_FALSE(c->become);
  CHECK(c->host_key_checking);
}

TEST_CASE("connection: Ansible's variables, old spellings too") {
  const auto c = connection(
      "ansible_host: 10.0.0.1\nansible_port: '2222'\nansible_ssh_user: ops\nansible_become: 'yes'\n"
      "ansible_become_pass: secret\nansible_ssh_common_args: -J bastion -o 'ProxyCommand=x y'\n"
      "ansible_ssh_timeout: 3\nansible_ssh_private_key_file: /keys/id\nansible_host_key_checking: "
      "no\n");
  REQUIRE(c);
  CHECK(c->address == "10.0.0.1");
  CHECK(c->port == 2222);
  CHECK(c->user == "ops");
  CHECK(c->connect_timeout == 3);
  CHECK(c->become);
  CHECK(c->become_user == "root");
  CHECK(c->become_password.reveal() == "secret");
  CHECK(c->private_key == "/keys/id");
  CHECK(c->ssh_arguments == std::vector<std::string>{"-J", "bastion", "-o", "ProxyCommand=x y"});
  CHECK_FALSE(c->host_key_checking);
  CHECK(connection("ansible_connection: local")->transport == inventory::Transport::kLocal);
}

TEST_CASE("connection: what cannot be done is refused by the variable's name") {
  CHECK(connection("ansible_connection: winrm").error().message ==
        "ansible_connection: 'winrm' is not offered; ssh and local are");
  CHECK(connection("ansible_port: 99999").error().message == "ansible_port: '99999' is not a port");
  CHECK(connection("{ansible_become: true, ansible_become_method: su}").error().message ==
        "ansible_become_method: 'su' is not offered; sudo is");
  CHECK(connection("ansible_become: maybe").error().message ==
        "ansible_become: yes or no is needed, not 'maybe'");
  CHECK(connection("ansible_user: [a]").error().message ==
        "ansible_user: a text is needed, this is a list");
}
