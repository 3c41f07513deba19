#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "agent/base/file.h"
#include "fleetctl/command/ansible_configuration.h"
#include "fleetctl/command/tree.h"
#include "fleetctl/inventory/connection.h"
#include "fleetctl/value/text.h"

using namespace fleetctl;
using command::AnsibleConfiguration;
namespace fs = std::filesystem;

namespace {

// A tree of one host with this ansible.cfg, and what the environment says while it lives.
struct Desk {
  explicit Desk(const std::string& settings) {
    std::string name = (fs::temp_directory_path() / "settings.XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    root = name;
    ::unsetenv("ANSIBLE_CONFIG");
    REQUIRE(agent::write_file_atomic(root / "inventory", "h\n"));
    REQUIRE(agent::write_file_atomic(root / "ansible.cfg", settings));
  }
  ~Desk() {
    std::error_code ignored;
    fs::remove_all(root, ignored);
  }
  agent::Result<inventory::Connection> connection() const {
    command::FleetOptions options;
    options.root = root;
    auto tree = command::Tree::load(options, command::Part::kVariables);
    REQUIRE(tree);
    const inventory::Host& host = *(*tree)->inventory().hosts().front();
    return inventory::read_connection(
        "h", [&](std::string_view name) -> agent::Result<std::optional<value::Value>> {
          if (name == "ansible_become") return std::optional(value::Value::boolean(true));
          const value::Value* found = (*tree)->connection_default(host, name);
          if (found == nullptr) return std::optional<value::Value>();
          return std::optional<value::Value>(*found);
        });
  }
  fs::path root;
};

std::string shown(const inventory::Connection& c) {
  std::string out = c.transport == inventory::Transport::kLocal ? "local" : "ssh";
  out += " " + std::to_string(c.port) + " " + std::to_string(c.connect_timeout);
  out += c.host_key_checking ? " checked" : " unchecked";
  out += " " + c.become_method + " " + c.become_user;
  for (const std::string& word : c.ssh_arguments) out += " " + word;
  return out;
}

}  // namespace

TEST_CASE("ansible.cfg: what it says about reaching hosts") {
  struct Row {
    const char* settings;
    const char* wanted;  // transport, port, timeout, host keys, become method and user, arguments
  };
  const Row rows[] = {
      {"", "ssh 0 0 checked sudo root"},
      {"[defaults]\ntransport = local\n", "local 0 0 checked sudo root"},
      {"[defaults]\ntransport = smart\n", "ssh 0 0 checked sudo root"},
      {"[defaults]\nremote_port = 2222\n", "ssh 2222 0 checked sudo root"},
      {"[defaults]\ntimeout = 25\n", "ssh 0 25 checked sudo root"},
      {"[ssh_connection]\ntimeout = 7\n[defaults]\ntimeout = 25\n", "ssh 0 7 checked sudo root"},
      {"[defaults]\nhost_key_checking = False\n", "ssh 0 0 unchecked sudo root"},
      {"[defaults]\nhost_key_checking: no\n", "ssh 0 0 unchecked sudo root"},
      {"[defaults]\nhost_key_checking = yes ; really\n", "ssh 0 0 checked sudo root"},
      {"[ssh_connection]\nhost_key_checking = 0\n", "ssh 0 0 unchecked sudo root"},
      {"[privilege_escalation]\nbecome_user = deploy\n", "ssh 0 0 checked sudo deploy"},
      {"[privilege_escalation]\nbecome_method = sudo\n", "ssh 0 0 checked sudo root"},
      {"[defaults]\nbecome_user = deploy\n", "ssh 0 0 checked sudo root"},  // the wrong section
      {"[ssh_connection]\nssh_args = -C -o 'User=a b'\nssh_extra_args = -v\n"
       "ssh_common_args = -J jump\n",
       "ssh 0 0 checked sudo root -C -o User=a b -J jump -v"},
  };
  for (const Row& row : rows) {
    INFO(row.settings);
    const Desk desk(row.settings);
    const auto connection = desk.connection();
    REQUIRE(connection);
    CHECK(shown(*connection) == row.wanted);
  }
}

TEST_CASE("ansible.cfg: a setting that cannot be honoured is refused when a host is reached") {
  for (const char* settings :
       {"[privilege_escalation]\nbecome_method = su\n", "[defaults]\ntransport = winrm\n",
        "[defaults]\nremote_port = 99999\n", "[defaults]\ntimeout = soon\n"}) {
    INFO(settings);
    CHECK_FALSE(Desk(settings).connection());
  }
}

TEST_CASE("ansible.cfg: the environment says more than the file") {
  const Desk desk("[defaults]\nhost_key_checking = True\nremote_port = 22\n");
  ::setenv("ANSIBLE_HOST_KEY_CHECKING", "False", 1);
  ::setenv("ANSIBLE_REMOTE_PORT", "2200", 1);
  const auto connection = desk.connection();
  ::unsetenv("ANSIBLE_HOST_KEY_CHECKING");
  ::unsetenv("ANSIBLE_REMOTE_PORT");
  REQUIRE(connection);
  CHECK(shown(*connection) == "ssh 2200 0 unchecked sudo root");
}

TEST_CASE("ansible.cfg: become is a flag of its own section") {
  for (const char* yes : {"True", "yes", "on", "1", "y", "TRUE", "'true'"}) {
    const Desk desk(std::string("[privilege_escalation]\nbecome = ") + yes + "\n");
    INFO(yes);
    CHECK(AnsibleConfiguration::find(desk.root).flag(nullptr, "become", "privilege_escalation"));
  }
  for (const char* no : {"False", "no", "0", "", "maybe"}) {
    const Desk desk(std::string("[privilege_escalation]\nbecome = ") + no + "\n");
    INFO(no);
    CHECK_FALSE(
        AnsibleConfiguration::find(desk.root).flag(nullptr, "become", "privilege_escalation"));
  }
}

TEST_CASE("ansible.cfg: in a folder that everybody may write to it does not count") {
  const Desk desk("[defaults]\nremote_port = 2222\n");
  REQUIRE(::chmod(desk.root.c_str(), 0777) == 0);
  const auto connection = desk.connection();
  REQUIRE(connection);
  CHECK(connection->port == 0);
}
