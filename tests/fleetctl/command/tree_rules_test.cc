// `files` of fleet.yaml: what is taken, and what is refused with its line.
#include "fleetctl/command/tree_rules.h"

#include <catch2/catch.hpp>

#include "fleetctl/command/fleet_file.h"

namespace fleetctl::command {
namespace {

std::string refusal(const std::string& text) {
  const auto read = read_fleet_file(text, "fleet.yaml");
  return read ? "" : read.error().message;
}
std::string refusal_of_file(const std::string& members) {
  return refusal("files:\n  - {" + members + "}\n");
}

}  // namespace

TEST_CASE("files: each has its source, path, mode and condition") {
  const auto read = read_fleet_file(
      "forks: 3\nfiles:\n"
      "  - {template: endpoints.json.j2, path: /etc/fleet-agent/endpoints.json}\n"
      "  - copy: units/limits.conf\n"
      "    path: /etc/systemd/system/fleet-agent.service.d/limits.conf\n"
      "    when: \"'x' in group_names\"\n"
      "  - {copy: ca.pem, path: /etc/fleet-agent/ca.pem, mode: '444', when: false}\n",
      "fleet.yaml");
  INFO((read ? "" : read.error().message));
  REQUIRE(read);
  CHECK(read->entries.size() == 1);
  const auto& files = read->rules.files;
  REQUIRE(files.size() == 3);
  CHECK(files[0].source == "endpoints.json.j2");
  CHECK(files[0].is_template);
  CHECK(files[0].path == "/etc/fleet-agent/endpoints.json");
  CHECK(files[0].mode == "0640");
  CHECK_FALSE(files[0].when);
  CHECK(files[0].place == "fleet.yaml:3");
  CHECK(files[1].source == "units/limits.conf");
  CHECK_FALSE(files[1].is_template);
  CHECK(files[1].mode == "0644");
  REQUIRE(files[1].when);
  CHECK(files[1].when->expression == "'x' in group_names");
  CHECK(files[1].when->place == "fleet.yaml:6");
  CHECK(files[2].mode == "0444");
  CHECK(files[2].when->expression == "false");
  CHECK(read_fleet_file("files: []\n", "fleet.yaml")->rules.files.empty());
}

TEST_CASE("files: only the agent's two folders take them, and none of what is there anyway") {
  for (const char* path :
       {"/etc/passwd", "etc/fleet-agent/x", "/etc/fleet-agent/", "/etc/fleet-agent/config.alloy",
        "/etc/fleet-agent/.config.alloy.staged", "/etc/fleet-agent/-x", "/etc/fleet-agent/a/b",
        "/etc/fleet-agent/../passwd", "'/etc/fleet-agent/a b'", "\"/etc/fleet-agent/a'b\"",
        "/etc/fleet-agent/$x", "/etc/systemd/system/fleet-agent.service",
        "/etc/systemd/system/fleet-agent.service.d/x", "/etc/systemd/system/other.service.d/x.conf",
        "/etc/systemd/system/fleet-agent.service.d/.conf", "''"}) {
    INFO(path);
    CHECK(refusal_of_file("copy: a, path: " + std::string(path))
              .find("fleet.yaml:2: files: path is a name of letters") == 0);
  }
  CHECK_FALSE(refusal_of_file("copy: a, path: /etc/fleet-agent/" + std::string(300, 'x')).empty());
  CHECK(refusal_of_file("copy: a, path: /etc/fleet-agent/a@b-1_2.conf").empty());
}

TEST_CASE("files: a source lies below the templates") {
  for (const char* source :
       {"../a", "/etc/shadow", "a/../b", "a//b", "a/", ".hidden", "''", "'a b'"}) {
    INFO(source);
    CHECK(refusal_of_file("copy: " + std::string(source) + ", path: /etc/fleet-agent/a")
              .find("fleet.yaml:2: files: template or copy names a file") == 0);
  }
  CHECK(refusal_of_file("copy: a/b, path: /etc/fleet-agent/a").empty());
}

TEST_CASE("files: nobody writes them but root") {
  for (const char* mode :
       {"'0660'", "'0646'", "'777'", "'4640'", "640", "0640", "'x'", "''", "'0240'", "[]"}) {
    INFO(mode);
    CHECK(refusal_of_file("copy: a, path: /etc/fleet-agent/a, mode: " + std::string(mode))
              .find("fleet.yaml:2: files: mode is a text") == 0);
  }
  for (const char* mode : {"'0600'", "'640'", "'0555'", "\"0444\""}) {
    INFO(mode);
    CHECK(refusal_of_file("copy: a, path: /etc/fleet-agent/a, mode: " + std::string(mode)).empty());
  }
}

TEST_CASE("files: what else is wrong") {
  CHECK(refusal("files: {}\n").find("fleet.yaml:1: files: it is a list") == 0);
  CHECK(refusal("\nfiles:\n  - a\n").find("fleet.yaml:3: files: each is a map") == 0);
  CHECK(refusal_of_file("copy: a, template: b, path: /etc/fleet-agent/a")
            .find("fleet.yaml:2: files: it is a template or a copy") == 0);
  CHECK(refusal_of_file("copy: a, path: /etc/fleet-agent/a, owner: me")
            .find("fleet.yaml:2: files: there is no 'owner'") == 0);
  CHECK(refusal_of_file("copy: 1, path: /etc/fleet-agent/a")
            .find("fleet.yaml:2: files: copy is a text") == 0);
  CHECK(refusal_of_file("copy: a, path: /etc/fleet-agent/a, when: a in")
            .find("fleet.yaml:2: files, when: unexpected") == 0);
  CHECK_FALSE(refusal_of_file("path: /etc/fleet-agent/a").empty());
  CHECK_FALSE(refusal_of_file("copy: a").empty());
  const std::string same = "  - {copy: a, path: /etc/fleet-agent/a}\n";
  CHECK(refusal("files:\n" + same + same) ==
        "fleet.yaml:3: files: /etc/fleet-agent/a is there twice");
  std::string many = "files:\n";
  for (int i = 0; i < 32; ++i)
    many += "  - {copy: a, path: /etc/fleet-agent/a" + std::to_string(i) + "}\n";
  CHECK(refusal(many).empty());
  CHECK(refusal(many + same) == "fleet.yaml:34: files: more than 32");
}

}  // namespace fleetctl::command
