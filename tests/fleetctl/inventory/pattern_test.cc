#include "fleetctl/inventory/pattern.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "fleetctl/inventory/ini.h"
#include "tests/support/temp_dir.h"

using namespace fleetctl::inventory;

namespace {
class Fleet {
 public:
  Fleet() {
    REQUIRE(read_ini("lone\n[web]\nw[1:4].x\n[db]\nd1\nd2\nw1.x\n[top:children]\nweb\ndb\n",
                     "hosts", inventory));
    REQUIRE(inventory.reconcile());
  }
  std::string select(const std::vector<std::string>& limits) const {
    const auto selection = select_hosts(inventory, limits);
    if (!selection) return "error: " + selection.error().message;
    std::string out;
    for (const Host* host : selection->hosts) out += (out.empty() ? "" : " ") + host->name;
    return out;
  }
  Inventory inventory;
};
}  // namespace

TEST_CASE("pattern: names, groups, unions keep the inventory's order") {
  const Fleet fleet;
  CHECK(fleet.select({}) == "lone w1.x w2.x w3.x w4.x d1 d2");
  CHECK(fleet.select({"all"}) == "lone w1.x w2.x w3.x w4.x d1 d2");
  CHECK(fleet.select({"d1,lone"}) == "lone d1");
  CHECK(fleet.select({"db:lone"}) == "lone w1.x d1 d2");
  CHECK(fleet.select({"d1", "w2.x"}) == "w2.x d1");
}

TEST_CASE("pattern: & intersects and ! takes away after all unions") {
  const Fleet fleet;
  CHECK(fleet.select({"!w1.x,web"}) == "w2.x w3.x w4.x");
  CHECK(fleet.select({"web:&db"}) == "w1.x");
  CHECK(fleet.select({"!top"}) == "lone");
  CHECK(fleet.select({"&db"}) == "w1.x d1 d2");
}

TEST_CASE("pattern: globs and expressions") {
  const Fleet fleet;
  CHECK(fleet.select({"w*"}) == "w1.x w2.x w3.x w4.x");
  CHECK(fleet.select({"d?"}) == "w1.x d1 d2");
  CHECK(fleet.select({"w[!13].x"}) == "w2.x w4.x");
  CHECK(fleet.select({"~w[34]"}) == "w3.x w4.x");
  CHECK(fleet.select({"~(d2|lo)"}) == "lone d2");
  CHECK_THAT(fleet.select({"~("}), Catch::Contains("is not valid"));
}

TEST_CASE("pattern: subscripts count from 0 and include both ends") {
  const Fleet fleet;
  CHECK(fleet.select({"web[0]"}) == "w1.x");
  CHECK(fleet.select({"web[-1]"}) == "w4.x");
  CHECK(fleet.select({"web[1:2]"}) == "w2.x w3.x");
  CHECK(fleet.select({"web[2:]"}) == "w3.x w4.x");
  CHECK_THAT(fleet.select({"web[9]"}), Catch::Contains("counts beyond its 4 hosts"));
}

TEST_CASE("pattern: a name that is not there is an error, with the nearest one") {
  const Fleet fleet;
  CHECK(
      fleet.select({"lome"}) ==
      "error: limit: no host and no group of the inventory is named 'lome'; did you mean 'lone'?");
  CHECK_THAT(fleet.select({"!nosuch"}), Catch::StartsWith("error: "));
  CHECK_THAT(fleet.select({"z*"}), Catch::Contains("selects no host"));
  CHECK_THAT(fleet.select({"@/nonexistent/limit"}), Catch::StartsWith("error: limit: open"));
}

TEST_CASE("pattern: a file has one pattern in each line") {
  const Fleet fleet;
  const agent::TempDir folder;
  const std::string path = (folder / "hosts").string();
  const auto with = [&](const std::string& text) {
    std::ofstream(path) << text;
    return fleet.select({"@" + path});
  };
  CHECK(with("# of yesterday\nd1\n\n  web\r\n!w2.x\n") == "w1.x w3.x w4.x d1");
  CHECK(with("") == "error: limit: " + path + " names no host");
  CHECK(with("# none\n\n") == "error: limit: " + path + " names no host");
}

TEST_CASE("pattern: a host answers to its short name when nothing else has it") {
  const Fleet fleet;
  CHECK(fleet.select({"w2"}) == "w2.x");
  CHECK(fleet.select({"web,!w2"}) == "w1.x w3.x w4.x");
  Inventory twins;
  REQUIRE(read_ini("a.x\na.y\n", "hosts", twins));
  REQUIRE(twins.reconcile());
  const auto selection = select_hosts(twins, {"a"});
  REQUIRE_FALSE(selection);
  CHECK(selection.error().message == "limit: 'a' may be 'a.x' or 'a.y'");
}

TEST_CASE("pattern: how a limit is split") {
  using Parts = std::vector<std::string>;
  CHECK(split_limit("a, b ,c:d") == Parts{"a", "b", "c:d"});
  CHECK(split_limit("a:!b:&c[0:2]") == Parts{"a", "!b", "&c[0:2]"});
  CHECK(split_limit("2001:db8::1") == Parts{"2001:db8::1"});
  CHECK(split_limit("web[1:3]") == Parts{"web[1:3]"});
  CHECK(split_limit(" ") == Parts{});
}

TEST_CASE("pattern: globs as fnmatch reads them") {
  CHECK(glob_matches("*", ""));
  CHECK(glob_matches("a*b*c", "a--b--b-c"));
  CHECK_FALSE(glob_matches("a*b", "a-b-"));
  CHECK(glob_matches("[]x]", "]"));
  CHECK(glob_matches("a[", "a["));
  CHECK(glob_matches("[!a-c]", "d"));
  CHECK_FALSE(glob_matches("[!a-c]", "b"));
  CHECK(glob_matches("?", "\xC3\xA4"));
  CHECK_FALSE(glob_matches(std::string(40, '*') + "b", std::string(2000, 'a')));
}
