#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace agent::discovery {

component::Declaration local_file_match();

namespace {

struct Fixture {
  FakeClock clock{std::chrono::system_clock::now().time_since_epoch().count()};
  ComponentBox box{"local.file_match.x", clock};
  const TempDir& dir = box.dir;
  RunningComponent component{box, local_file_match()};
  lang::Body body;

  void touch(std::string_view name) { std::ofstream(dir / name) << "x"; }
  lang::Value target(const std::string& path, const std::string& exclude = "") {
    lang::Value::Object object = {{"__path__", (dir / path).string()}, {"job", "j"}};
    if (!exclude.empty()) object.emplace_back("__path_exclude__", (dir / exclude).string());
    return object;
  }
  std::vector<std::string> paths() const {
    std::vector<std::string> out;
    for (const auto& [name, value] : box.exports())
      for (const lang::Value& one : value.list())
        out.push_back(std::filesystem::path(one.find("__path__")->string()).filename().string());
    return out;
  }
};

using Paths = std::vector<std::string>;

}  // namespace

TEST_CASE("local.file_match: files that are there are exported at once, with the target's labels") {
  Fixture f;
  f.touch("a.log");
  f.touch("b.log");
  f.touch("c.txt");
  f.body.attributes = {
      attribute("path_targets", lang::Value::List{f.target("*.log", "b*"), f.target("c.txt")})};
  REQUIRE(f.component.configure(f.body) == "");
  CHECK(f.paths() == Paths{"a.log", "c.txt"});
  const auto exports = f.box.exports();
  REQUIRE(exports.size() == 1);
  CHECK(exports.begin()->first == "targets");
  CHECK(exports.begin()->second.list().at(0).find("job")->string() == "j");
}

TEST_CASE("local.file_match: new and removed files are seen after sync_period, others not told") {
  Fixture f;
  f.touch("a.log");
  f.body.attributes = {attribute("path_targets", lang::Value::List{f.target("*.log")}),
                       attribute("sync_period", "3s")};
  REQUIRE(f.component.configure(f.body) == "");
  f.component.start();
  const auto pass = [&] {
    while (f.clock.sleepers() == 0) std::this_thread::yield();
    f.clock.advance(std::chrono::seconds(3));
  };
  pass();
  f.touch("b.log");
  pass();
  // Published before: nothing by the constructor, a.log by prepare().
  REQUIRE(f.box.wait_publications(3));
  CHECK(f.paths() == Paths{"a.log", "b.log"});
  std::filesystem::remove(f.dir / "a.log");
  pass();
  REQUIRE(f.box.wait_publications(4));
  CHECK(f.paths() == Paths{"b.log"});
  CHECK(f.box.metric("local_file_match_targets") == 1);
}

TEST_CASE("local.file_match: files that were not modified for long are left out") {
  Fixture f;
  f.touch("a.log");
  f.touch("b.log");
  std::filesystem::last_write_time(
      f.dir / "a.log", std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
  f.body.attributes = {attribute("path_targets", lang::Value::List{f.target("*.log")}),
                       attribute("ignore_older_than", "1h")};
  REQUIRE(f.component.configure(f.body) == "");
  CHECK(f.paths() == Paths{"b.log"});
}

TEST_CASE("local.file_match: arguments that cannot work are refused") {
  Fixture f;
  SECTION("no __path__") {
    f.body.attributes = {
        attribute("path_targets", lang::Value::List{lang::Value::Object{{"a", "b"}}})};
    CHECK(f.component.configure(f.body) == "a target has no __path__");
    CHECK(f.component.refused());
  }
  SECTION("a pattern that is none") {
    f.body.attributes = {attribute("path_targets", lang::Value::List{f.target("{a")})};
    CHECK_FALSE(f.component.configure(f.body).empty());
    CHECK(f.component.refused());
  }
  SECTION("no period") {
    f.body.attributes = {attribute("path_targets", lang::Value::List{}),
                         attribute("sync_period", "0s")};
    CHECK(f.component.configure(f.body) == "sync_period must be greater than 0s");
    CHECK(f.component.refused());
  }
}

}  // namespace agent::discovery
