// The commands that look after hosts: unlock, history, uninstall and doctor, in transcripts.
#include <catch2/catch.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "fleetctl/command/doctor.h"
#include "fleetctl/command/history.h"
#include "fleetctl/command/uninstall.h"
#include "fleetctl/command/unlock.h"
#include "tests/support/transcript_fleet.h"

namespace fleetctl::command {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* kHeld =
    "n0 lock held\nn0 by you@there, run r9\nn0 since 1700000000\nn0 holder 17 sh\nn0 holder 1 "
    "init\nn0 holder x y\nn0 done\n";

struct Run : TranscriptFleet {
  std::atomic<bool> stop{false};
  // Nobody is there to be asked, from wherever the test is run.
  Run() { REQUIRE(std::freopen("/dev/null", "r", stdin) != nullptr); }
  // A host that is asked one thing.
  std::shared_ptr<PlainHost> told(const std::string& name, const std::string& answer) {
    return host(name, "", {{kEnd, served_facts("a\n")}, {"\n", answer}});
  }
};

}  // namespace

TEST_CASE("unlock: --list tells whose lock it is and ends nothing") {
  Run run;
  UnlockOptions options;
  Run::settle(options);
  options.list = true;
  run.told("ariel", "n0 lock free\nn0 done\n");
  run.told("puck", kHeld);
  run.host("umbriel", "", {});
  CHECK(unlock(run.fleet, options, run.world(), run.stop, run.out, run.err) == ExitCode::kLocked);
  CHECK(run.out.str() ==
        "HOST     LOCK         SINCE                 BY                              PROCESSES\n"
        "ariel    free         -\n"
        "puck     locked       2023-11-14 22:13:20Z  you@there, run r9               sh (17)\n"
        "umbriel  unreachable  -                     puck port 22: No route to host\n");
  CHECK(contains(run.transcripts["puck"], "> LOCK='no'\n"));
  CHECK(contains(run.transcripts["puck"], "> upkeep lock\n> (end)\n"));
}

TEST_CASE("unlock: with --yes exactly those that were shown are ended") {
  Run run;
  UnlockOptions options;
  Run::settle(options);
  options.yes = true;
  options.json = true;
  run.told("puck", kHeld);
  const ExitCode code = unlock(run.fleet, options, run.world(), run.stop, run.out, run.err);
  CHECK(code == ExitCode::kLocked);  // the transcript goes on saying so
  CHECK(contains(run.transcripts["puck"], "> upkeep unlock 17\n> (end)\n"));
  const auto line = run.out.str().substr(0, run.out.str().find('\n'));
  const auto document = nlohmann::json::parse(line, nullptr, false);
  REQUIRE(document.is_object());
  CHECK(document["state"] == "locked");
  CHECK(document["holders"] == nlohmann::json::array({{{"pid", 17}, {"name", "sh"}}}));
}

TEST_CASE("unlock: a host that is out of reach counts, whatever becomes of the locks") {
  Run run;
  UnlockOptions options;
  Run::settle(options);
  options.yes = true;
  run.told("puck", kHeld);
  run.host("umbriel", "", {});
  const World world = run.world();
  int visits = 0;
  const Reacher reacher = [&](const Host& host) {
    if (host.name() == "puck" && ++visits == 2)
      run.answers["puck"] = {{kEnd, served_facts("a\n")}, {"\n", "n0 lock free\nn0 done\n"}};
    return world.reacher(host);
  };
  CHECK(unlock(run.fleet, options, World{reacher, world.nonces, world.clock}, run.stop, run.out,
               run.err) == ExitCode::kUnreachable);
  CHECK(contains(run.out.str(), "\npuck  free"));
}

TEST_CASE("unlock, uninstall: where nobody can be asked, nothing is done without --yes") {
  Run run;
  UnlockOptions unlocking;
  UninstallOptions uninstalling;
  Run::settle(unlocking);
  Run::settle(uninstalling);
  run.told("puck", kHeld);
  CHECK(unlock(run.fleet, unlocking, run.world(), run.stop, run.out, run.err) == ExitCode::kLocked);
  CHECK_FALSE(contains(run.transcripts["puck"], "upkeep unlock"));
  CHECK(uninstall(run.fleet, uninstalling, run.world(), run.stop, run.out, run.err) ==
        ExitCode::kRefused);
  CHECK_FALSE(contains(run.transcripts["puck"], "upkeep uninstall"));
  CHECK(run.err.str() ==
        "Nobody can be asked here: give --yes. Nothing was done.\n"
        "Nobody can be asked here: give --yes. Nothing was done.\n");
}

TEST_CASE("uninstall: under the lock, and it tells what went") {
  Run run;
  UninstallOptions options;
  Run::settle(options);
  options.yes = options.purge = true;
  run.told("ariel", "n0 done\n");
  run.told("puck", "n0 removed the running agent\nn0 removed /opt/fleet-agent\nn0 done\n");
  run.told("titania", "n0 removed the running agent\nn0 error failed removing /opt: busy\n");
  CHECK(uninstall(run.fleet, options, run.world(), run.stop, run.out, run.err) ==
        ExitCode::kHostFailed);
  CHECK(run.out.str() ==
        "ariel    unchanged    there is no agent  [0.00 s]\n"
        "puck     uninstalled  the running agent, /opt/fleet-agent  [0.00 s]\n"
        "titania  failed       removing /opt: busy  [0.00 s]\n"
        "3 hosts: 1 unchanged, 1 uninstalled, 1 failed.  0.00 s  (run r1)\n");
  CHECK(contains(run.transcripts["puck"], "> LOCK='yes'\n"));
  CHECK(contains(run.transcripts["puck"], "> upkeep uninstall purge\n> (end)\n"));
}

TEST_CASE("uninstall: a listener that running containers log to is not taken away unasked") {
  const auto said = [](bool drops, const std::string& container) {
    Run run;
    UninstallOptions options;
    Run::settle(options);
    options.yes = true;
    options.drop_listeners = drops;
    Answers says{{kEnd, "n0 docker yes\n" + served_facts("x")}};
    if (!drops) {
      says.push_back({"show\n",
                      "n0 | loki.source.syslog \"apps\" {\nn0 |   listener {\nn0 |     address = "
                      "\"127.0.0.1:51421\"\nn0 |   }\nn0 | }\nn0 shown\n"});
      says.push_back({"containers\n", container + "n0 listed\n"});
    }
    says.push_back({"upkeep uninstall\n", "n0 removed /opt/fleet-agent\nn0 done\n"});
    run.host("puck", "", std::move(says));
    uninstall(run.fleet, options, run.world(), run.stop, run.out, run.err);
    CHECK(contains(run.out.str(), "failed ") !=
          contains(run.transcripts["puck"], "> upkeep uninstall\n> (end)\n"));
    return run.out.str();
  };
  const std::string used =
      "n0 | [\"/kairos\",{\"Type\":\"syslog\",\"Config\":{\"syslog-address\":"
      "\"tcp://127.0.0.1:51421\"}}]\n";
  CHECK(contains(said(false, used),
                 "failed       running containers log to listeners that would go: 'kairos' to "
                 "51421/tcp (loki.source.syslog.apps); let them log elsewhere first, or give "
                 "--drop-listeners"));
  CHECK(contains(said(false, ""), "uninstalled  /opt/fleet-agent"));
  CHECK(contains(said(true, used), "uninstalled  /opt/fleet-agent"));
}

TEST_CASE("history: the newest change first, with what it did and why it did not") {
  Run run;
  HistoryOptions options;
  Run::settle(options);
  options.lines = 3;
  run.told("ariel", "n0 done\n");
  run.told(
      "puck",
      "n0 run {\"run\":\"r1\",\"who\":\"me@box\",\"outcome\":\"changed\",\"effect\":\"restart\","
      "\"changes\":[\"config.alloy\",\"release a -> b\"],\"generation\":1,\"finished\":"
      "1700000000}\n"
      "n0 run half of a li\n"
      "n0 run {\"run\":\"r2\",\"who\":\"you\\u001b[2J\",\"outcome\":\"rolled-back\",\"effect\":"
      "\"reload\",\"changes\":[\"config.alloy\"],\"error\":\"not ready\\nmore\",\"generation\":2,"
      "\"back_to\":1,\"finished\":1700000060}\n"
      "n0 done\n");
  CHECK(history(run.fleet, options, run.world(), run.stop, run.out, run.err) == ExitCode::kDone);
  CHECK(
      run.out.str() ==
      "HOST   CHANGE  TIME                  OUTCOME      BY       RUN  WHAT\n"
      "ariel  -       -                     -            -        -    no change is known there\n"
      "puck   2       2023-11-14 22:14:20Z  rolled-back  you?[2J  r2   back to generation 1: "
      "config.alloy (reload): not ready\n"
      "       1       2023-11-14 22:13:20Z  changed      me@box   r1   config.alloy, release a -> "
      "b (restart)\n");
  CHECK(contains(run.transcripts["puck"], "> upkeep history 3\n"));

  run.out.str("");
  options.json = true;
  history(run.fleet, options, run.world(), run.stop, run.out, run.err);
  const auto first = run.out.str().substr(0, run.out.str().find('\n'));
  const auto document = nlohmann::json::parse(first, nullptr, false);
  REQUIRE(document.is_object());
  CHECK(document["type"] == "change");
  CHECK(document["host"] == "puck");
  CHECK(document["generation"] == 2);
}

TEST_CASE("doctor: what a deploy needs and a host has not") {
  Run run;
  PlainHost host("puck", "loki.write \"x\" {\n  endpoint { url = \"http://loki:3100/push\" }\n}\n",
                 {"alloy", "docker"});
  HostResult result;
  result.state = HostState::kUnchanged;
  result.facts.systemd = true;
  result.facts.architecture = "x86_64";
  result.facts.libc = "glibc 2.31";
  result.facts.os = "debian 11";
  result.facts.docker = true;
  result.facts.unit_active = "failed";
  result.facts.current = "0123456789abcdef";
  result.told = {"clock 1",   "missing tar",  "missing gzip",    "state-free 1024",
                 "lock held", "by you@there", "misses loki:3100"};
  const agent::Result<AgentBundles> bundles = run.bundles();
  std::string said;
  for (const Check& check : check_host(host, result, bundles, -90))
    if (check.health != Health::kGood)
      said += check.name + (check.health == Health::kBad ? " bad " : " odd ") + check.text + "\n";
  CHECK(said ==
        "tools bad missing: tar, gzip\n"
        "deploy bad this host has glibc 2.31, the agent bundle needs glibc 2.36 or newer\n"
        "disk odd 1 MiB free in /var/lib\n"
        "clock odd 90 s behind this machine's: receivers refuse entries that are far off\n"
        "docker odd there is no group docker: the agent, which is not root, cannot read the "
        "socket\n"
        "agent odd installed (0123456789abcdef), and failed: fleetctl logs tells why\n"
        "lock odd held by you@there: fleetctl unlock\n"
        "receivers odd cannot connect to loki:3100\n");
}

TEST_CASE("doctor: hosts that are well take a line; the exit status is that of the worst") {
  Run run;
  DoctorOptions options;
  Run::settle(options);
  auto puck = std::make_shared<PlainHost>(
      "puck", "loki.write \"x\" {\n  endpoint { url = \"https://user@loki/push\" }\n}\n");
  run.fleet.hosts.push_back(puck);
  const auto seconds = std::to_string(run.clock.wall_ns() / 1'000'000'000);
  run.answers["puck"] = {{kEnd, served_facts("a\n")},
                         {"\n", "n0 clock " + seconds +
                                    "\nn0 state-free 9999999\nn0 lock free\nn0 reaches "
                                    "loki:443\nn0 done\n"}};
  run.host("umbriel", "", {});
  const agent::Result<AgentBundles> bundles = run.bundles();
  CHECK(doctor(run.fleet, bundles, options, run.world(), run.stop, run.out, run.err) ==
        ExitCode::kUnreachable);
  INFO(run.out.str());
  CHECK(contains(run.out.str(), "\nlocalhost  all    ok      3 checks\n"));
  CHECK(contains(run.out.str(), "\npuck       all    ok      8 checks\n"));
  CHECK(contains(run.out.str(), "\numbriel    reach  bad     puck port 22: No route to host\n"));
  CHECK(contains(run.transcripts["puck"], "> upkeep doctor loki:443\n> (end)\n"));
  const agent::Result<AgentBundles> none =
      agent::fail(agent::ErrorCode::kNotFound, "bundle.json: not there");
  run.fleet.hosts.pop_back();
  CHECK(doctor(run.fleet, none, options, run.world(), run.stop, run.out, run.err) ==
        ExitCode::kRefused);
  CHECK(contains(run.out.str(), "localhost  bundle  bad     bundle.json: not there\n"));
}

}  // namespace fleetctl::command
