// Going back: which generation, and that it is a transaction like any other.
#include "agent/install/generations.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "agent/install/installed.h"
#include "agent/install/transaction.h"
#include "tests/support/fake_host.h"
#include "tests/support/stepping_clock.h"

namespace agent::install {
namespace {

constexpr const char* kOld = "1111111111111111";
constexpr const char* kNew = "2222222222222222";
constexpr const char* kConfigPath = "/etc/fleet-agent/config.alloy";
constexpr const char* kUnitPath = "/etc/systemd/system/fleet-agent.service";

BundleFile file(const std::string& path, mode_t mode, const std::string& bytes) {
  return BundleFile{path, mode, bytes, sha256_hex(bytes)};
}

struct Run {
  FakeHost host;
  SteppingClock clock;
  std::string error;             // why a generation was not found
  std::vector<BundleFile> more;  // beside configuration and unit

  Report apply(const Bundle& bundle) {
    host.commands.clear();
    host.requests.clear();
    return Transaction(host, clock, bundle, [](std::string_view) {}).run();
  }
  Report deploy(const std::string& config, const std::string& release = kOld) {
    Bundle bundle;
    bundle.run = "run-" + config;
    bundle.who = "me@box";
    bundle.release = release;
    bundle.groups = {"adm"};
    bundle.files = {file(kConfigPath, 0640, config), file(kUnitPath, 0644, "[Service]\n")};
    bundle.files.insert(bundle.files.end(), more.begin(), more.end());
    host.put_release(release);
    clock.advance(std::chrono::seconds(100));
    return apply(bundle);
  }
  // As `fleet-agent apply` does.
  Report back(unsigned to = 0) {
    Bundle bundle;
    bundle.run = "run-back";
    bundle.who = "you@box";
    bundle.back_to = to;
    const auto found = find_generation(host, bundle);
    error = found ? "" : found.error().message;
    return found ? apply(bundle) : Report{};
  }
  std::vector<unsigned> kept() {
    std::vector<unsigned> numbers;
    for (const Kept& one : kept_generations(host, Books(host)))
      numbers.push_back(one.origin.generation);
    return numbers;
  }
};

}  // namespace

TEST_CASE("rollback: the generation before comes back, and the way there is a change of its own") {
  Run run;
  run.deploy("a");
  run.deploy("b");
  const Report report = run.back();
  INFO(run.error << report.error);
  CHECK(report.outcome == Outcome::kChanged);
  CHECK(report.effect == Effect::kReload);
  CHECK(report.generation == 3);
  CHECK(run.host.config() == "a");
  const auto applied = Books(run.host).applied();
  REQUIRE(applied);
  CHECK(applied->origin.generation == 3);
  CHECK(applied->origin.who == "you@box");
  CHECK(run.kept() == std::vector<unsigned>{2, 1});
  run.back();  // so the next one takes the rollback back
  CHECK(run.host.config() == "b");
}

TEST_CASE("rollback: what lies beside the configuration comes and goes with it") {
  constexpr const char* kBeside = "/etc/fleet-agent/endpoints.json";
  Run run;
  run.deploy("a");
  run.more = {file(kBeside, 0640, "[1]")};
  run.deploy("a");
  run.more = {file(kBeside, 0640, "[2]")};
  run.deploy("b");
  CHECK(run.back().outcome == Outcome::kChanged);
  CHECK(run.host.config() == "a");
  CHECK(run.host.text(kBeside) == "[1]");
  CHECK(run.back(1).outcome == Outcome::kChanged);
  CHECK_FALSE(std::filesystem::exists(run.host.at(kBeside)));
  CHECK(run.back(3).outcome == Outcome::kChanged);
  CHECK(run.host.config() == "b");
  CHECK(run.host.text(kBeside) == "[2]");
  const auto told = nlohmann::json::parse(installed_json(run.host, run.clock, "1", false));
  CHECK(told["drift"].empty());
  run.host.put(kBeside, "by hand");
  const auto then = nlohmann::json::parse(installed_json(run.host, run.clock, "1", false));
  REQUIRE(then["drift"].size() == 1);
  CHECK(then["drift"][0]["path"] == kBeside);
}

TEST_CASE("rollback: to a release from before modules could be left out of its check") {
  constexpr const char* kBeside = "/etc/fleet-agent/more.alloy";
  Run run;
  run.host.older_release = kOld;
  run.deploy("a", kOld);
  run.more = {file(kBeside, 0640, "1")};
  run.deploy("b", kNew);
  run.more = {file(kBeside, 0640, "2")};
  run.deploy("c", kOld);  // whose own apply would not ask so
  CHECK(run.host.config() == "b");
  run.host.older_release.clear();
  run.deploy("c", kOld);
  run.more = {file(kBeside, 0640, "3")};
  run.deploy("d", kNew);
  run.host.older_release = kOld;
  Report report = run.back();
  INFO(run.error << report.error);
  CHECK(report.outcome == Outcome::kChanged);
  REQUIRE(report.notes.size() == 1);
  CHECK(report.notes[0].find("the release 1111111111111111 cannot check a configuration apart") ==
        0);
  CHECK(run.host.config() == "c");
  CHECK(run.host.text(kBeside) == "2");
  CHECK(run.host.current() == kOld);
  // What does not come up is taken back; a release that can check is believed.
  run.back();
  REQUIRE(run.host.config() == "d");
  run.host.starts = [](FakeHost& host) { return host.config() != "c"; };
  CHECK(run.back().outcome == Outcome::kRolledBack);
  CHECK(run.host.config() == "d");
  run.host.older_release.clear();
  run.host.validate_says = "1:1: no";
  CHECK(run.back().outcome == Outcome::kRefused);
}

TEST_CASE("rollback: deploys that were taken back push nothing out that can be gone back to") {
  Run run;
  run.deploy("a");
  run.deploy("b");
  run.deploy("c");
  run.host.reloads = [](FakeHost& host) { return host.config() == "bad" ? 400 : 200; };
  for (int i = 0; i < 5; ++i) CHECK(run.deploy("bad").outcome == Outcome::kRolledBack);
  run.deploy("d");
  CHECK(run.kept() == std::vector<unsigned>{3, 2, 1});
  CHECK(run.back(1).outcome == Outcome::kChanged);
  CHECK(run.host.config() == "a");
}

TEST_CASE("rollback: to a generation by its number, with its release, and groups stay") {
  Run run;
  run.deploy("a", kOld);
  run.deploy("b", kNew);
  run.deploy("c", kNew);
  const Report report = run.back(1);
  INFO(run.error << report.error);
  CHECK(report.outcome == Outcome::kChanged);
  CHECK(report.effect == Effect::kRestart);
  CHECK(run.host.config() == "a");
  CHECK(run.host.current() == kOld);
  CHECK(run.host.member_of == std::set<std::string>{"adm"});
}

TEST_CASE("rollback: what is not kept is refused with what is") {
  Run run;
  run.back();
  CHECK(run.error == "no deploy has ended well on this host: there is nothing to go back to");
  run.deploy("a");
  run.back();
  CHECK(run.error == "there is no agent before generation 1 to go back to");
  run.deploy("b");
  run.deploy("c");
  run.back(3);
  CHECK(run.error == "generation 3 is the present one");
  run.back(9);
  CHECK(run.error == "generation 9 is not kept, 2, 1 are");
  CHECK(run.host.config() == "c");
}

TEST_CASE("rollback: to a release that is not there any more is refused") {
  Run run;
  run.deploy("a", kOld);
  run.deploy("b", kNew);
  std::filesystem::remove_all(run.host.at(std::string("/opt/fleet-agent/") + kOld));
  run.back();
  CHECK(run.error == "the release 1111111111111111 of generation 1 is not on this host any more");
}

TEST_CASE("rollback: an interrupted deploy comes first") {
  Run run;
  run.deploy("a");
  run.deploy("b");
  CHECK(Books(run.host).begin({"r9", "you", 3}));
  run.back();
  CHECK(run.error.find("the deploy r9 of you was interrupted") == 0);
}

TEST_CASE("rollback: to what does not become healthy ends where it began") {
  Run run;
  run.deploy("a", kOld);
  run.deploy("b", kNew);
  run.host.starts = [](FakeHost& host) { return host.config() == "b"; };
  const Report report = run.back();
  CHECK(report.outcome == Outcome::kRolledBack);
  CHECK(run.host.config() == "b");
  CHECK(run.host.current() == kNew);
  CHECK(run.host.active);
  CHECK(Books(run.host).applied()->origin.generation == 2);
  CHECK(run.kept() == std::vector<unsigned>{1});  // the attempt left nothing to go back to
}

TEST_CASE(
    "rollback: after a deploy that was taken back, the one before is still that of the present") {
  Run run;
  run.deploy("a");
  run.deploy("b");
  run.host.reloads = [](FakeHost& host) { return host.config() == "c" ? 400 : 200; };
  CHECK(run.deploy("c").outcome == Outcome::kRolledBack);
  CHECK(run.kept() == std::vector<unsigned>{1});
  CHECK(run.back().outcome == Outcome::kChanged);
  CHECK(run.host.config() == "a");
}

TEST_CASE("rollback: books that do not tell where a state is from count it as the change before") {
  Run run;
  run.deploy("a");
  run.deploy("b");
  const std::string book = "/var/lib/fleetctl/generations/2/generation.json";
  auto document = nlohmann::json::parse(run.host.text(book));
  document.erase("origin");
  run.host.put(book, document.dump());
  CHECK(run.kept() == std::vector<unsigned>{1});
  CHECK(run.back(1).outcome == Outcome::kChanged);
}

TEST_CASE("installed: tells what is there, what is kept and how the agent is") {
  Run run;
  const auto tell = [&] {
    return nlohmann::json::parse(installed_json(run.host, run.clock, "1.2.3", false));
  };
  auto told = tell();
  CHECK(told["present"]["generation"] == 0);
  CHECK(told["config"]["sha256"] == "");
  CHECK(told["ready"] == false);
  CHECK(told["answer"] == "connect: Connection refused");
  run.deploy("a");
  run.deploy("b");
  run.host.put(kConfigPath, "by hand");
  run.host.healthy = 500;
  run.host.ill = "unhealthy components:\nloki.source.x: port: in use\nloki.write.y: cut o";
  told = tell();
  CHECK(told["version"] == "1.2.3");
  CHECK(told["present"]["generation"] == 2);
  CHECK(told["present"]["run"] == "run-b");
  CHECK(told["present"]["time"].get<std::int64_t>() > 1'700'000'000);
  REQUIRE(told["kept"].size() == 1);
  CHECK(told["kept"][0]["generation"] == 1);
  CHECK(told["kept"][0]["config_sha256"] == sha256_hex("a"));
  CHECK(told["kept"][0]["release_present"] == true);
  CHECK(told["config"]["sha256"] == sha256_hex("by hand"));
  CHECK(told["config"]["applied_sha256"] == sha256_hex("b"));
  CHECK(told["config"]["uid"] == ::getuid());
  CHECK(told["config"]["modified"].get<std::int64_t>() > 0);
  CHECK(told["unit"]["active"] == "active");
  CHECK(told["unit"]["enabled"] == "enabled");
  CHECK(told["unit"]["restarts"] == 2);
  CHECK(told["unit"]["up_seconds"].get<std::int64_t>() >= 195);
  CHECK(told["ready"] == true);
  CHECK(told["healthy"] == false);
  REQUIRE(told["unhealthy"].size() == 1);  // the one that was cut off is left out
  CHECK(told["unhealthy"][0]["component"] == "loki.source.x");
  CHECK(told["unhealthy"][0]["message"] == "port: in use");
}

TEST_CASE("installed: every file of the last deploy that somebody touched is named") {
  Run run;
  run.deploy("a");
  const auto drift = [&] {
    return nlohmann::json::parse(installed_json(run.host, run.clock, "1", false))["drift"];
  };
  CHECK(drift().empty());
  run.host.put(kConfigPath, "by hand");
  std::filesystem::remove(run.host.at(kUnitPath));
  const auto found = drift();
  REQUIRE(found.size() == 2);
  CHECK(found[0]["path"] == kConfigPath);
  CHECK(found[0]["how"] == "changed");
  CHECK(found[0]["uid"] == ::getuid());
  CHECK(found[0]["modified"].get<std::int64_t>() > 0);
  CHECK(found[1] ==
        nlohmann::json{{"path", kUnitPath}, {"how", "missing"}, {"modified", 0}, {"uid", 0}});
}

TEST_CASE("installed: what is no file any more is told of, and a pipe holds up nothing") {
  Run run;
  run.more = {file("/etc/fleet-agent/folder", 0640, "x"), file("/etc/fleet-agent/link", 0640, "x"),
              file("/etc/fleet-agent/pipe", 0640, "x")};
  run.deploy("a");
  for (const BundleFile& one : run.more) std::filesystem::remove(run.host.at(one.path));
  std::filesystem::create_directory(run.host.at("/etc/fleet-agent/folder"));
  run.host.put("/etc/fleet-agent/other", "x");
  std::filesystem::create_symlink("other", run.host.at("/etc/fleet-agent/link"));
  REQUIRE(::mkfifo(run.host.at("/etc/fleet-agent/pipe").c_str(), 0600) == 0);
  std::filesystem::remove(run.host.at(kConfigPath));
  REQUIRE(::mkfifo(run.host.at(kConfigPath).c_str(), 0600) == 0);
  const auto told = nlohmann::json::parse(installed_json(run.host, run.clock, "1", false));
  CHECK(told["config"]["sha256"] == "");
  REQUIRE(told["drift"].size() == 4);
  for (const auto& one : told["drift"]) CHECK(one["how"] == "changed");
}

TEST_CASE("installed: rates are what two looks a second apart differ in, on the host") {
  Run run;
  const auto tell = [&](bool measure) {
    return nlohmann::json::parse(installed_json(run.host, run.clock, "1", measure));
  };
  CHECK(tell(true)["figures"].is_null());
  run.deploy("a");
  run.host.pages["/-/where"] = {R"({"address":"127.0.0.1:4711","prefix":"/agent","tls":true})"};
  const std::string rest =
      R"(,"samples_per_second":2.5,"backlog":{"entries":7,"samples":0,"bytes":9,"oldest_seconds":3},"last_error":null})";
  auto& figures = run.host.pages["/api/v0/ui/figures"];
  figures = {R"({"start":5,"lines":1000,"received_samples":10)" + rest,
             R"({"start":5,"lines":1040,"received_samples":11)" + rest};
  const Mono before = run.clock.mono();
  auto told = tell(true);
  CHECK(run.clock.mono() - before == std::chrono::seconds(1));
  CHECK(told["figures"]["lines_per_second"] == 40);
  CHECK(told["figures"]["samples_per_second"] == 3.5);
  CHECK(told["figures"]["backlog"]["entries"] == 7);
  CHECK(told["listens"]["address"] == "127.0.0.1:4711");
  // An agent that was started again in between counts from 0.
  figures = {R"({"start":5,"lines":1000,"received_samples":10)" + rest,
             R"({"start":6,"lines":30,"received_samples":0)" + rest};
  CHECK(tell(true)["figures"]["lines_per_second"] == 30);
  figures = {R"({"start":"x","lines":[],"received_samples":{}})"};
  told = tell(true);
  CHECK(told["figures"]["lines_per_second"] == 0);
  CHECK(told["figures"]["backlog"].is_null());
  figures = {"not json"};
  CHECK(tell(true)["figures"].is_null());
  CHECK(tell(false)["figures"].is_null());
}

}  // namespace agent::install
