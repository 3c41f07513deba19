#include "fleetctl/inventory/ini.h"

#include <catch2/catch.hpp>

#include "fleetctl/value/text.h"

using namespace fleetctl;
using inventory::Inventory;

namespace {
std::string hosts_of(const Inventory& inventory, const std::string& group) {
  std::string out;
  for (const inventory::Host* host : inventory.hosts_of(*inventory.group(group)))
    out += (out.empty() ? "" : " ") + host->name;
  return out;
}
std::string error_of(const std::string& text) {
  Inventory inventory;
  const auto done = inventory::read_ini(text, "hosts", inventory);
  return done ? "" : done.error().message;
}
}  // namespace

TEST_CASE("ini: hosts before the first section are ungrouped") {
  Inventory inventory;
  REQUIRE(inventory::read_ini("lone\n[web]\nw[1:2]\n", "hosts", inventory));
  REQUIRE(inventory.reconcile());
  CHECK(hosts_of(inventory, "ungrouped") == "lone");
  CHECK(hosts_of(inventory, "web") == "w1 w2");
  CHECK(hosts_of(inventory, "all") == "lone w1 w2");
}

TEST_CASE("ini: values are Python literals where they can be read as one") {
  Inventory inventory;
  REQUIRE(
      inventory::read_ini("h a=5 b=True c='[1, \"x\"]' d=\"'03'\" e=0644 f=text g=a#b\n"
                          "[all:vars]\nport = 23\nlist = ['a', 'b']\nrest = a = b # c\n",
                          "hosts", inventory));
  const value::Dict& vars = inventory.host("h")->vars;
  const auto shown = [](const value::Dict& dict, const char* key) {
    return value::repr(*dict.find(std::string_view(key)));
  };
  CHECK(shown(vars, "a") == "5");
  CHECK(shown(vars, "b") == "True");
  CHECK(shown(vars, "c") == "[1, 'x']");
  CHECK(shown(vars, "d") == "'03'");
  CHECK(shown(vars, "e") == "'0644'");
  CHECK(shown(vars, "f") == "'text'");
  CHECK(shown(vars, "g") == "'a'");
  CHECK(shown(inventory.all().vars, "port") == "23");
  CHECK(shown(inventory.all().vars, "list") == "['a', 'b']");
  CHECK(shown(inventory.all().vars, "rest") == "'a = b # c'");
  CHECK(vars.find(std::string_view("a"))->mark()->line == 1);
}

TEST_CASE("ini: children may be declared later than their parents") {
  Inventory inventory;
  REQUIRE(inventory::read_ini("[top:children]\nweb # both\ndb\n[web]\nw\n[db]\nd\n", "hosts",
                              inventory));
  REQUIRE(inventory.reconcile());
  CHECK(hosts_of(inventory, "top") == "w d");
  CHECK(inventory.group("web")->depth == 2);
}

TEST_CASE("ini: a port goes into ansible_port") {
  Inventory inventory;
  REQUIRE(inventory::read_ini("a:2200 x=1\n", "hosts", inventory));
  CHECK(inventory.host("a")->vars.find(std::string_view("ansible_port"))->as_int() == 2200);
}

TEST_CASE("ini: errors carry file and line") {
  CHECK(error_of("[a]\nh k\n") == "hosts:2: expected key=value after the host, got: k");
  CHECK_THAT(error_of("[a:vars]\nx=1\n"), Catch::StartsWith("hosts:1: [a:vars] sets variables"));
  CHECK_THAT(error_of("[a:children]\nb\n"), Catch::StartsWith("hosts:2: [a:children] names"));
  CHECK_THAT(error_of("\n[a:foo]\n"), Catch::StartsWith("hosts:2: [a:foo] has an unknown type"));
  CHECK_THAT(error_of("[a b]\n"), Catch::Contains("is not a section"));
  CHECK_THAT(error_of("all:\n"), Catch::Contains("is this file YAML?"));
  CHECK_THAT(error_of("h k='x\n"), Catch::Contains("is not closed"));
  CHECK_THAT(error_of("[a]\n[b]\n[a:children]\nb\n[b:children]\na\n"),
             Catch::Contains("hosts:6: ") && Catch::Contains("closes a circle"));
}

TEST_CASE("ini: a comment may be in any encoding, what is read may not") {
  CHECK(error_of("# caf\xe9\nh a=1 # caf\xe9\n[g] # \xe9\nh\n[p:children]\ng # \xe9\n").empty());
  for (const char* text : {"h a=caf\xe9\n", "h\xe9\n", "[g\xe9]\nh\n", "[all:vars]\na=\xe9\n"})
    CHECK_THAT(error_of(text), Catch::Contains(": this line is not UTF-8"));
}

TEST_CASE("ini: a number has one sign") {
  Inventory inventory;
  REQUIRE(inventory::read_ini("h a=-1 b=--1 c='- 1' d='- - 1'\n", "hosts", inventory));
  CHECK(value::repr(value::Value::dict(inventory.host("h")->vars))
            .find("'a': -1, 'b': '--1', 'c': -1, 'd': '- - 1'") != std::string::npos);
}
