// discovery.file and local.file: what follows files.
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace agent::discovery {

component::Declaration discovery_file();
component::Declaration local_file();

namespace {

// As careful programs do: beside it, then renamed.
void put(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path.string() + ".new") << text;
  std::filesystem::rename(path.string() + ".new", path);
}

struct Fixture {
  ComponentBox box{"discovery.file.x"};
  const TempDir& dir = box.dir;
  RunningComponent component{box, discovery_file()};

  std::string start(const std::vector<std::string>& patterns) {
    std::vector<std::string> files;
    for (const std::string& one : patterns) files.push_back(dir / one);
    const std::string said = component.configure(body_of({{"files", string_list(files)}}));
    if (said.empty()) component.start();
    return said;
  }
  bool wait_addresses(const std::vector<std::string>& wanted) {
    return box.wait_exports([&](const ComponentBox::Published& exports) {
      std::vector<std::string> now;
      for (const lang::Value& one : exports.at("targets").list())
        now.push_back(one.find("__address__")->string());
      return now == wanted;
    });
  }
  bool wait_health(bool healthy) {
    while (box.health.state().healthy != healthy) std::this_thread::yield();
    return true;
  }
};

}  // namespace

TEST_CASE("discovery.file: files of both formats, with the file's name") {
  Fixture f;
  put(f.dir / "b.json", R"([{"targets":["b:1"]}])");
  put(f.dir / "a.yml", "- targets: [a:1, a:2]\n  labels: {job: j}\n");
  put(f.dir / "c.yaml", "[]");
  put(f.dir / "ignored.txt", "x");
  REQUIRE(f.start({"*.json", "*.yml", "*.yaml"}).empty());
  REQUIRE(f.wait_addresses({"a:1", "a:2", "b:1"}));
  const lang::Value first = f.box.exported("targets").list().at(0);
  CHECK(first.find("__meta_filepath")->string() == (f.dir / "a.yml").string());
  CHECK(first.find("job")->string() == "j");
  CHECK(f.box.series("prometheus_sd_file_mtime_seconds") == 3);
  CHECK(f.component.debug("targets") == "3");
}

TEST_CASE("discovery.file: new, changed and removed files are seen at once") {
  Fixture f;
  REQUIRE(f.start({"*.json"}).empty());
  put(f.dir / "a.json", R"([{"targets":["a:1"]}])");
  REQUIRE(f.wait_addresses({"a:1"}));
  put(f.dir / "b.json", R"([{"targets":["b:1"]}])");
  REQUIRE(f.wait_addresses({"a:1", "b:1"}));
  std::ofstream(f.dir / "a.json") << R"([{"targets":["a:2"]}])";
  REQUIRE(f.wait_addresses({"a:2", "b:1"}));
  std::filesystem::remove(f.dir / "b.json");
  REQUIRE(f.wait_addresses({"a:2"}));
  CHECK(f.box.series("prometheus_sd_file_mtime_seconds") == 1);
}

TEST_CASE("discovery.file: the last targets of a broken file stay, and it is told") {
  Fixture f;
  put(f.dir / "a.json", R"([{"targets":["a:1"]}])");
  put(f.dir / "b.json", R"([{"targets":["b:1"]}])");
  REQUIRE(f.start({"*.json"}).empty());
  REQUIRE(f.wait_addresses({"a:1", "b:1"}));
  put(f.dir / "a.json", R"([{"targets":)");
  REQUIRE(f.wait_health(false));
  CHECK(f.box.health.state().message.find((f.dir / "a.json").string()) == 0);
  CHECK(f.box.metric("prometheus_sd_file_read_errors_total") >= 1);
  put(f.dir / "b.json", R"([{"targets":["b:2"]}])");
  REQUIRE(f.wait_addresses({"a:1", "b:2"}));
  put(f.dir / "a.json", R"([{"targets":["a:3"]}])");
  REQUIRE(f.wait_addresses({"a:3", "b:2"}));
  REQUIRE(f.wait_health(true));
}

TEST_CASE("discovery.file: new arguments replace the files") {
  Fixture f;
  put(f.dir / "a.json", R"([{"targets":["a:1"]}])");
  put(f.dir / "b.json", R"([{"targets":["b:1"]}])");
  REQUIRE(f.start({"a.json"}).empty());
  REQUIRE(f.wait_addresses({"a:1"}));
  REQUIRE(f.component.configure(body_of({{"files", string_list({f.dir / "b.json"})}})).empty());
  REQUIRE(f.wait_addresses({"b:1"}));
}

TEST_CASE("discovery.file: a folder that is not there yet") {
  Fixture f;
  std::filesystem::create_directories(f.dir / "now");
  REQUIRE(f.start({"now/*.json", "later/*.json"}).empty());
  std::filesystem::create_directories(f.dir / "later");
  put(f.dir / "later/a.json", R"([{"targets":["a:1"]}])");
  // A change elsewhere makes it look, and watch, again.
  put(f.dir / "now/b.json", R"([{"targets":["b:1"]}])");
  REQUIRE(f.wait_addresses({"a:1", "b:1"}));
  put(f.dir / "later/a.json", R"([{"targets":["a:2"]}])");
  REQUIRE(f.wait_addresses({"a:2", "b:1"}));
}

TEST_CASE("discovery.file: arguments that cannot work are refused") {
  Fixture f;
  CHECK(f.start({"a.txt"}).find("does not end in .json, .yml or .yaml") != std::string::npos);
  CHECK_FALSE(f.start({"{a.json"}).empty());
  CHECK(f.component.configure(body_of({{"files", string_list({})}, {"refresh_interval", "0s"}})) ==
        "refresh_interval must be greater than 0s");
}

namespace {

struct LocalFile {
  explicit LocalFile(
      std::unique_ptr<ComponentBox> in = std::make_unique<ComponentBox>("local.file.x"))
      : box(std::move(in)) {}
  std::unique_ptr<ComponentBox> box;
  const TempDir& dir = box->dir;
  RunningComponent component{*box, local_file()};
  lang::Body body(std::vector<std::pair<std::string, lang::Value>> more = {}) {
    more.emplace_back("filename", (dir / "f").string());
    return body_of(std::move(more));
  }
  bool wait_content(const std::string& wanted) {
    return box->wait_exports([&](const ComponentBox::Published& exports) {
      return exports.at("content") == lang::Value(wanted);
    });
  }
};

}  // namespace

TEST_CASE("local.file: the content is there before anything else, and follows the file") {
  LocalFile f;
  put(f.dir / "f", "one\n");
  REQUIRE(f.component.configure(f.body()).empty());
  CHECK(f.box->exported("content") == lang::Value("one\n"));
  CHECK(f.box->metric("local_file_timestamp_last_accessed_unix_seconds") > 1'700'000'000);
  f.component.start();
  put(f.dir / "f", "two\n");
  REQUIRE(f.wait_content("two\n"));
  std::ofstream(f.dir / "f") << "three";
  REQUIRE(f.wait_content("three"));
}

TEST_CASE("local.file: the last content stays while the file is away") {
  LocalFile f;
  put(f.dir / "f", "one");
  REQUIRE(f.component.configure(f.body()).empty());
  f.component.start();
  std::filesystem::remove(f.dir / "f");
  while (f.box->health.state().healthy) std::this_thread::yield();
  CHECK(f.box->exported("content") == lang::Value("one"));
  put(f.dir / "f", "two");
  REQUIRE(f.wait_content("two"));
  CHECK(f.box->health.state().healthy);
}

TEST_CASE("local.file: poll looks when poll_frequency has passed") {
  FakeClock clock;
  LocalFile f(std::make_unique<ComponentBox>("local.file.x", clock));
  put(f.dir / "f", "one");
  REQUIRE(f.component.configure(f.body({{"detector", "poll"}, {"poll_frequency", "5s"}})).empty());
  f.component.start();
  put(f.dir / "f", "two");
  while (clock.sleepers() == 0) std::this_thread::yield();
  CHECK(f.box->exported("content") == lang::Value("one"));
  clock.advance(std::chrono::seconds(5));
  REQUIRE(f.wait_content("two"));
}

TEST_CASE("local.file: a secret stays one") {
  LocalFile f;
  put(f.dir / "f", "one");
  REQUIRE(f.component.configure(f.body({{"is_secret", true}})).empty());
  f.component.start();
  CHECK(f.box->exported("content").kind() == lang::Value::Kind::kSecret);
  put(f.dir / "f", "two");
  REQUIRE(f.box->wait_exports([](const ComponentBox::Published& exports) {
    return exports.at("content") == lang::Value(Secret("two"));
  }));
}

TEST_CASE("local.file: what cannot be read is refused") {
  LocalFile f;
  CHECK_FALSE(f.component.configure(f.body()).empty());
  std::ofstream(f.dir / "f") << std::string((16U << 20) + 1, 'x');
  CHECK_FALSE(f.component.configure(f.body()).empty());
  std::filesystem::remove(f.dir / "f");
  std::filesystem::create_directory(f.dir / "f");
  CHECK_FALSE(f.component.configure(f.body()).empty());
  CHECK(f.component.configure(f.body({{"detector", "guess"}})) == "unknown detector");
  CHECK(f.component.configure(f.body({{"poll_frequency", "0s"}})) ==
        "poll_frequency must be greater than 0s");
}

}  // namespace agent::discovery
