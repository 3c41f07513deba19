#include "fleetctl/plan/plan.h"

#include <catch2/catch.hpp>

#include "agent/base/file.h"

namespace fleetctl::plan {
namespace {

Release release() {
  Release release;
  release.id = "2222222222222222";
  release.architecture = "x86_64";
  release.glibc = "2.36";
  release.archive = std::make_shared<const std::string>("tar");
  release.unpacked = 10U << 20;
  return release;
}

Wanted wanted(const std::string& config = "a") {
  return Wanted{
      standard_files(config, "[Unit]\n"), {"systemd-journal", "docker"}, "2222222222222222"};
}

// A host on which wanted() is in place.
Facts served() {
  Facts facts;
  for (const std::string& line : std::vector<std::string>{
           "arch x86_64", "os debian 12", "libc glibc 2.36", "systemd yes", "docker yes",
           "free 1000000", "unit active enabled", "user yes", "group systemd-journal member",
           "group docker member", "release yes", "current 2222222222222222",
           "file /etc/fleet-agent/config.alloy " + agent::sha256_hex("a") + " 640 root fleet-agent",
           "file /etc/systemd/system/fleet-agent.service " + agent::sha256_hex("[Unit]\n") +
               " 644 root root",
           "applied {\"generation\":1,\"files\":{\"/etc/fleet-agent/config.alloy\":\"" +
               agent::sha256_hex("a") + "\"}}"}) {
    REQUIRE(read_fact(line, facts));
  }
  return facts;
}

std::string plan_of(const Facts& facts, const Wanted& what) {
  return summary(make_plan(facts, what, release()));
}

}  // namespace

TEST_CASE("plan: a host that has everything needs nothing") {
  const Plan plan = make_plan(served(), wanted(), release());
  CHECK(plan.empty());
  CHECK(plan.refusal.empty());
  CHECK_FALSE(plan.send_release);
  CHECK(summary(plan).empty());
}

TEST_CASE("plan: a bare host needs everything") {
  Facts facts;
  facts.systemd = true;
  facts.architecture = "x86_64";
  facts.groups = {{"systemd-journal", false}};
  const Plan plan = make_plan(facts, wanted(), release());
  CHECK(summary(plan) ==
        "user fleet-agent, group systemd-journal, config.alloy, fleet-agent.service, release "
        "2222222222222222, enabled at "
        "boot, started (restart)");
  CHECK(plan.send_release);
  CHECK(plan.config_differs);
}

TEST_CASE("plan: a new configuration is a reload, anything else a restart") {
  CHECK(plan_of(served(), wanted("b")) == "config.alloy (reload)");
  Wanted unit = wanted();
  unit.files[1].bytes = "[Unit]\nDescription=new\n";
  CHECK(plan_of(served(), unit) == "fleet-agent.service (restart)");
  Facts old = served();
  old.current = "1111111111111111";
  old.release_present = false;
  const Plan plan = make_plan(old, wanted(), release());
  CHECK(summary(plan) == "release 1111111111111111 -> 2222222222222222 (restart)");
  CHECK(plan.send_release);
}

TEST_CASE("plan: a group that the host lacks is no change") {
  Facts facts = served();
  facts.groups.erase("docker");
  CHECK(make_plan(facts, wanted(), release()).empty());
  facts.groups["docker"] = false;
  CHECK(plan_of(facts, wanted()) == "group docker (restart)");
}

TEST_CASE("plan: what lies there by hand but was never made effective is a change") {
  Facts facts = served();
  facts.applied["/etc/fleet-agent/config.alloy"] = std::string(64, '0');
  CHECK(plan_of(facts, wanted()) == "config.alloy (in place, but not in effect) (reload)");
}

TEST_CASE("plan: a wrong mode or group of the configuration is mended") {
  Facts facts = served();
  facts.files[kConfigPath].mode = "644";
  CHECK(plan_of(facts, wanted()) == "mode of config.alloy");
  facts = served();
  facts.files[kConfigPath].group = "root";
  CHECK(plan_of(facts, wanted()) == "mode of config.alloy");
}

TEST_CASE("plan: files of one base name are told apart") {
  Wanted what = wanted();
  what.files.push_back({"/etc/fleet-agent/x.conf", "0640", "fleet-agent", "1"});
  what.files.push_back({"/etc/systemd/system/fleet-agent.service.d/x.conf", "0644", "", "2"});
  what.files.push_back({"/etc/fleet-agent/fleet-agent.service", "0640", "fleet-agent", "3"});
  what.files[1].bytes = "[Unit]\n#\n";
  const Plan plan = make_plan(served(), what, release());
  CHECK(summary(plan) ==
        "fleet-agent.service, x.conf, fleet-agent.service.d/x.conf, "
        "/etc/fleet-agent/fleet-agent.service (restart)");
  CHECK(plan.changes[1].effect == Effect::kReload);
  CHECK(plan.changes[2].path == what.files[3].path);
  CHECK(plan.changes[2].effect == Effect::kRestart);
}

TEST_CASE("plan: what was done to files by hand since the last deploy is told") {
  constexpr const char* kBeside = "/etc/fleet-agent/x";
  Wanted what = wanted();
  what.files.push_back({kBeside, "0640", "fleet-agent", "new"});
  Facts facts = served();
  facts.applied[kBeside] = agent::sha256_hex("old");
  const auto change = [&](const Wanted& one) {
    return make_plan(facts, one, release()).changes.at(0);
  };
  CHECK(change(what).drift == "removed");
  facts.files[kBeside] = {agent::sha256_hex("by hand"), "640", "root", "fleet-agent"};
  CHECK(change(what).drift == "edited");
  CHECK(change(wanted()).sign == '-');
  CHECK(change(wanted()).drift == "edited");
  CHECK(change(wanted()).effect == Effect::kReload);
  facts.files[kBeside].sha256 = agent::sha256_hex("old");
  CHECK(change(what).drift.empty());
  CHECK(change(what).sign == '~');
  // What is to go and has gone already is only forgotten; so it is by fleet-agent apply.
  facts.files.erase(kBeside);
  CHECK(change(wanted()).effect == Effect::kNone);
  // Of an agent that was taken off nothing is missing.
  facts.current.clear();
  CHECK(change(what).drift.empty());
}

TEST_CASE("plan: a file that is somebody else's is given back to root") {
  Facts facts = served();
  facts.files[kConfigPath].owner = "ops";
  CHECK(plan_of(facts, wanted()) == "mode of config.alloy");
  CHECK(other_access(facts.files[kConfigPath], wanted().files[0]) == "640 ops:fleet-agent");
}

TEST_CASE("plan: a host where something else than a file lies in a file's place is refused") {
  Facts facts = served();
  REQUIRE(read_fact("nofile /etc/fleet-agent/x", facts));
  CHECK(make_plan(facts, wanted("b"), release()).refusal ==
        "/etc/fleet-agent/x is something else than a file on this host; take it away");
}

TEST_CASE("plan: an interrupted deploy is finished and told") {
  Facts facts = served();
  REQUIRE(read_fact(R"(underway {"run":"r7","who":"me@box","generation":3})", facts));
  const Plan plan = make_plan(facts, wanted(), release());
  CHECK(plan.effect() == Effect::kRestart);
  CHECK(plan.notes == std::vector<std::string>{"the deploy r7 of me@box was interrupted"});
}

TEST_CASE("plan: the build for the host's architecture, or what builds there are") {
  std::vector<Build> builds{{wanted(), release()}, {wanted(), release()}};
  builds[1].release.architecture = "aarch64";
  builds[1].release.version = "1.1";
  CHECK(build_for(builds, "x86_64").value() == &builds[0]);
  CHECK(build_for(builds, "aarch64").value() == &builds[1]);
  CHECK(build_for(builds, "riscv64").error().message ==
        "this host is riscv64, there are builds of the agent for x86_64, aarch64 (1.1)");
}

TEST_CASE("plan: hosts that cannot be served are refused with the reason") {
  const auto refusal = [](const Facts& facts) {
    return make_plan(facts, wanted(), release()).refusal;
  };
  Facts facts = served();
  facts.systemd = false;
  CHECK(refusal(facts) == "this host does not run systemd");
  facts = served();
  facts.libc = "glibc 2.31";
  CHECK(refusal(facts) == "this host has glibc 2.31, the agent bundle needs glibc 2.36 or newer");
  facts = served();
  facts.free_kib = 5 * 1024;
  CHECK(refusal(facts).empty());  // nothing has to be sent
  facts.release_present = false;
  CHECK(refusal(facts) == "disk full: 5 MiB free for /opt/fleet-agent, 42 MiB needed");
}

TEST_CASE("plan: a running Alloy is mentioned before it is a port conflict") {
  Facts facts = served();
  REQUIRE(read_fact("alloy active", facts));
  REQUIRE(make_plan(facts, wanted(), release()).notes.size() == 1);
}

TEST_CASE("facts: a line that cannot be read is an error, an unknown one is not") {
  Facts facts;
  CHECK(read_fact("free lots", facts).error().message == "unreadable fact: free lots");
  CHECK_FALSE(read_fact("file /x 12", facts));
  CHECK(read_fact("weather sunny", facts));
  CHECK(read_fact("applied not json", facts));
  CHECK(facts.applied.empty());
}

TEST_CASE("plan: restarts that are forced and forbidden, and an agent that is sent again") {
  Wanted what = wanted();
  what.restart = Restart::kAlways;
  CHECK(plan_of(served(), what) == "restarted, as asked for (restart)");
  what.restart = Restart::kNever;
  CHECK(make_plan(served(), what, release()).empty());
  what.files[0].bytes = "b";
  Plan plan = make_plan(served(), what, release());
  CHECK(plan.refusal.empty());
  CHECK(plan.effect() == Effect::kReload);
  what.files[1].bytes = "[Unit]\n#\n";
  CHECK(make_plan(served(), what, release()).refusal ==
        "it needs a restart (config.alloy, fleet-agent.service (restart)), and --restart never was "
        "given");
  what = wanted();
  what.again = true;
  plan = make_plan(served(), what, release());
  CHECK(plan.send_release);
  CHECK(summary(plan) == "release 2222222222222222 (again) (restart)");
}

}  // namespace fleetctl::plan
