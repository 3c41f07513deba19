#include "fleetctl/inventory/layers.h"

#include <catch2/catch.hpp>

#include "fleetctl/inventory/sources.h"
#include "fleetctl/value/text.h"

using namespace fleetctl;

namespace {

agent::Result<std::string> no_password(std::string_view) {
  return agent::fail(agent::ErrorCode::kNotFound, "no password");
}

const std::string kTrees = SOURCE_DIR "/tests/fixtures/inventories/";

struct Tree {
  explicit Tree(const std::vector<std::string>& sources)
      : loader(no_password, inventory.warnings()) {
    read = inventory::read_sources(sources, loader, inventory);
    layers.inventory_folders = inventory::variable_folders(sources);
  }
  std::string get(const std::string& host, std::string_view name) {
    const auto merged = layers.merged(*inventory.host(host));
    if (!merged) return "error: " + merged.error().message;
    const value::Value* found = merged->find(name);
    return found == nullptr ? "undefined" : value::repr(*found);
  }
  inventory::Inventory inventory;
  inventory::Loader loader;
  inventory::Layers layers{inventory, loader};
  agent::Result<> read;
};
}  // namespace

TEST_CASE("layers: files beside the inventory lie above it, host above group, extra above all") {
  Tree tree({kTrees + "ini_basic/hosts"});
  REQUIRE(tree.read);
  CHECK(tree.get("d1", "origin") == "'group_vars/all'");
  CHECK(tree.get("d1", "level") == "'group_vars/site/a'");
  CHECK(tree.get("d1", "deep") == "{'z': 3}");
  CHECK(tree.get("d1", "engine") == "'sqlite'");
  CHECK(tree.get("d2", "engine") == "'mariadb'");
  CHECK(tree.get("lone", "level") == "'all'");
  tree.layers.extra_vars.set("engine", value::Value::string("extra"));
  CHECK(tree.get("d1", "engine") == "'extra'");
}

TEST_CASE("layers: a host knows its name, its short name and its groups") {
  Tree tree({kTrees + "ini_basic/hosts"});
  REQUIRE(tree.read);
  CHECK(tree.get("w01.example.com", "inventory_hostname") == "'w01.example.com'");
  CHECK(tree.get("w01.example.com", "inventory_hostname_short") == "'w01'");
  CHECK(tree.get("w01.example.com", "group_names") == "['site', 'web']");
  CHECK(tree.get("10.0.0.1", "inventory_hostname_short") == "'10.0.0.1'");
  CHECK(tree.get("lone", "group_names") == "['ungrouped']");
}

TEST_CASE("layers: a source that cannot be read is an error") {
  CHECK_THAT(Tree({"/nonexistent/hosts"}).read.error().message,
             Catch::StartsWith("inventory /nonexistent/hosts: "));
}
