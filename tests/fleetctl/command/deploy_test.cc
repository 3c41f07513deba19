// A deploy as a transcript: what each host is sent, what it answers, and what the operator reads.
#include "fleetctl/command/deploy.h"

#include <catch2/catch.hpp>

#include <functional>
#include <set>

#include "agent/base/file.h"
#include "fleetctl/command/unfinished.h"
#include "tests/support/temp_dir.h"
#include "tests/support/transcript_fleet.h"

namespace fleetctl::command {
namespace {

constexpr const char* kReport =
    R"({"outcome":"changed","effect":"restart","changes":["user fleet-agent","config.alloy"],"notes":[],"error":"","log":[]})";

std::string bare_facts() {
  return "Welcome to this host!\nn0 arch x86_64\nn0 os debian 12\nn0 libc glibc 2.36\nn0 free "
         "1000000\nn0 systemd yes\n"
         "n0 unit inactive none\nn0 group adm exists\nn0 ready\n";
}
struct Run : TranscriptFleet {
  DeployOptions options;
  Run() { settle(options); }
  ExitCode deploy() { return command::deploy(fleet, bundles(), options, world(), out, err); }
};

// The transcript from the end of the script on.
std::string after_script(const std::string& transcript) {
  const auto end = transcript.find("> n0-end\n");
  return end == std::string::npos ? transcript : transcript.substr(end + 9);
}

}  // namespace

TEST_CASE("deploy: a host that has everything is told to end, and nothing is sent") {
  Run run;
  run.host("puck", "a\n", {{kEnd, served_facts("a\n")}});
  CHECK(run.deploy() == ExitCode::kDone);
  CHECK(run.out.str() == "puck  unchanged     [0.00 s]\n1 host: 1 unchanged.  0.00 s  (run r1)\n");
  CHECK(after_script(run.transcripts["puck"]) == "> end\n> (end)\n");
}

TEST_CASE("deploy: a host that has all files, too, is told to end; else they are in the bundle") {
  constexpr const char* kPath = "/etc/fleet-agent/endpoints.json";
  Run run;
  std::string facts = served_facts("a\n");
  facts.insert(facts.find("n0 ready"), "n0 file " + std::string(kPath) + " " +
                                           agent::sha256_hex("[1]") + " 640 root fleet-agent\n");
  const auto puck = run.host("puck", "a\n", {{kEnd, facts}});
  puck->files_ = {{kPath, "0640", "fleet-agent", "[1]"}};
  CHECK(run.deploy() == ExitCode::kDone);
  CHECK(after_script(run.transcripts["puck"]) == "> end\n> (end)\n");
  puck->files_.front().bytes = "[22]\n";
  run.transcripts.clear();
  run.answers["puck"] = {{kEnd, facts}, {"[22]\n", "n0 " + std::string(kReport) + "\n"}};
  run.deploy();
  const std::string sent = after_script(run.transcripts["puck"]);
  INFO(sent);
  CHECK(sent.find("> apply\n") == 0);
  CHECK(sent.find("\"mode\":\"0640\",\"path\":\"/etc/fleet-agent/endpoints.json\"") !=
        std::string::npos);
}

TEST_CASE("deploy: a bare host gets the agent, then the bundle") {
  Run run;
  const std::string archive = *run.bundle.release.archive;
  run.host("puck", "a\n",
           {{kEnd, bare_facts()},
            {archive, "n0 received\n"},
            {"[Unit]\n", "n0 {\"step\":\"look\"}\nn0 " + std::string(kReport) + "\n"}});
  CHECK(run.deploy() == ExitCode::kDone);
  CHECK(run.out.str() ==
        "puck  changed       user fleet-agent, config.alloy (restart)  [0.00 s]\n1 host: 1 "
        "changed.  0.00 s  (run r1)\n");
  const std::string sent = after_script(run.transcripts["puck"]);
  INFO(sent);
  CHECK(sent.find("> release 11 " + std::string(64, 'a') +
                  "\n> (11 bytes)\n> apply\n> fleet-apply 1 ") == 0);
  CHECK(sent.find("\"groups\":[\"systemd-journal\",\"adm\"]") != std::string::npos);
}

TEST_CASE(
    "deploy: each host gets the build for its architecture, or is told what builds there are") {
  Run run;
  AgentBundle arm = run.bundle;
  arm.unit = "[Unit] # arm\n";
  arm.release.id = "fedcba9876543210";
  arm.release.architecture = "aarch64";
  arm.release.archive = std::make_shared<const std::string>("for arm");
  run.others.push_back(arm);
  const auto bare = [](const std::string& machine) {
    std::string facts = bare_facts();
    return facts.replace(facts.find("x86_64"), 6, machine);
  };
  const std::string report = "n0 " + std::string(kReport) + "\n";
  run.host("ariel", "a\n",
           {{kEnd, bare("aarch64")}, {"for arm", "n0 received\n"}, {"# arm\n", report}});
  run.host("oberon", "a\n", {{kEnd, bare("riscv64")}});
  run.host("puck", "a\n",
           {{kEnd, bare("x86_64")},
            {*run.bundle.release.archive, "n0 received\n"},
            {"[Unit]\n", report}});
  CHECK(run.deploy() == ExitCode::kHostFailed);
  const std::string said = run.out.str();
  INFO(said);
  CHECK(said.find("oberon  failed        this host is riscv64, there are builds of the agent for "
                  "x86_64, aarch64  ") != std::string::npos);
  CHECK(said.find("3 hosts: 2 changed, 1 failed.") != std::string::npos);
  const auto sent = [&](const std::string& host, const std::string& what) {
    return after_script(run.transcripts[host]).find(what) != std::string::npos;
  };
  CHECK(sent("ariel", "\"release\":\"fedcba9876543210\""));
  CHECK(sent("ariel", "[Unit] # arm"));
  CHECK(sent("puck", "\"release\":\"0123456789abcdef\""));
  CHECK(run.transcripts["puck"].find("> 'aarch64') RELEASE='fedcba9876543210'\n") !=
        std::string::npos);
}

TEST_CASE("deploy: docker among the services asks for the docker group") {
  Run run;
  run.fleet.hosts.push_back(
      std::make_shared<PlainHost>("puck", "a\n", std::vector<std::string>{"alloy", "docker"}));
  run.answers["puck"] = {{kEnd, bare_facts()}};
  run.deploy();
  CHECK(run.transcripts["puck"].find("> GROUPS_WANTED='systemd-journal adm docker'\n") !=
        std::string::npos);
}

TEST_CASE("deploy: --check tells and changes nothing, --diff shows, secrets masked") {
  Run run;
  run.options.check = run.options.diff = true;
  run.host("puck", "a\npassword = \"new\"\n",
           {{kEnd, served_facts("a\npassword = \"old\"\n")},
            {"show\n", "n0 | a\nn0 | password = \"old\"\nn0 shown\n"}});
  CHECK(run.deploy() == ExitCode::kDone);
  const std::string said = run.out.str();
  INFO(said);
  CHECK(said.find("@@ -1,2 +1,2 @@\n a\n-password = \"(secret #") != std::string::npos);
  CHECK(said.find("\"new\"") == std::string::npos);
  CHECK(said.find("\"old\"") == std::string::npos);
  CHECK(said.find("puck  would change  config.alloy (reload)  [0.00 s]\n") != std::string::npos);
  CHECK(after_script(run.transcripts["puck"]) == "> show\n> end\n> (end)\n");
  CHECK(run.transcripts["puck"].find("> LOCK='no'\n") != std::string::npos);
  run.options.exit_code = true;
  CHECK(run.deploy() == ExitCode::kDiffers);
}

TEST_CASE("deploy: one host's trouble is one line, and the others go on") {
  Run run;
  run.host("ariel", "a\n", {});
  run.host("oberon", "a\n", {{kEnd, "n0 error failed disk is gone\n"}});
  run.host("puck", "a\n", {{kEnd, served_facts("a\n")}});
  CHECK(run.deploy() == ExitCode::kHostFailed);
  CHECK(run.out.str() ==
        "ariel   unreachable   puck port 22: No route to host  [0.00 s]\n"
        "oberon  failed        disk is gone  [0.00 s]\n"
        "puck    unchanged     [0.00 s]\n"
        "3 hosts: 1 unchanged, 1 failed, 1 unreachable.  0.00 s  (run r1)\n");
}

TEST_CASE("deploy: only unreachable hosts have an exit status of their own") {
  Run run;
  run.host("ariel", "a\n", {});
  CHECK(run.deploy() == ExitCode::kUnreachable);
}

TEST_CASE("deploy: a rollback carries the agent's own words, without what would move the cursor") {
  Run run;
  run.host("puck", "b\n",
           {{kEnd, served_facts("a\n")},
            {"[Unit]\n",
             "n0 "
             "{\"outcome\":\"rolled-back\",\"effect\":\"restart\",\"changes\":[\"config.alloy\"],"
             "\"notes\":[],"
             "\"error\":\"not ready after 30s\",\"log\":[\"listen 51402: \\u001b[31maddress in "
             "use\"]}\n"}});
  CHECK(run.deploy() == ExitCode::kRolledBack);
  CHECK(run.out.str() ==
        "puck  rolled back   not ready after 30s  [0.00 s]\n    listen 51402: ?[31maddress in use\n"
        "1 host: 1 rolled back.  0.00 s  (run r1)\n");
}

TEST_CASE("deploy: a held lock names who holds it") {
  Run run;
  run.host("puck", "a\n", {{kEnd, "n0 error locked you@there, run r9 since 2026\n"}});
  CHECK(run.deploy() == ExitCode::kLocked);
  CHECK(run.out.str().find(
            "locked        another deploy is at work there: you@there, run r9 since 2026") !=
        std::string::npos);
}

TEST_CASE("deploy: an end without a report is a failure, with the status") {
  Run run;
  run.status_of_command = 3;
  run.host("puck", "b\n", {{kEnd, served_facts("a\n")}, {"[Unit]\n", "n0 {\"step\":\"look\"}\n"}});
  CHECK(run.deploy() == ExitCode::kHostFailed);
  CHECK(run.out.str().find("lost          fleet-agent apply did not tell how it ended (the host's "
                           "shell ended with status 3)") != std::string::npos);
}

TEST_CASE("deploy: a problem in the tree stops everything before a host is touched") {
  Run run;
  run.host("puck", "a\n", {{kEnd, served_facts("a\n")}});
  run.fleet.problems = {{"ariel", "config.alloy.j2:3:7: 'x' is undefined"}};
  CHECK(run.deploy() == ExitCode::kRefused);
  CHECK(run.transcripts.empty());
  CHECK(run.err.str() == "ariel: config.alloy.j2:3:7: 'x' is undefined\nNo host was touched.\n");
}

TEST_CASE("deploy: sudo's question is answered only where our word is in it, and only once") {
  Run run;
  run.options.reach.become = true;
  run.options.reach.become_password = agent::Secret("hunter2");
  run.host("puck", "a\n", {{"", "n0 hello\n"}, {kEnd, served_facts("a\n")}});
  CHECK(run.deploy() == ExitCode::kDone);
  CHECK(run.transcripts["puck"].find("sudo -S -p n0-password: -u root -- /bin/sh") !=
        std::string::npos);
  CHECK(run.transcripts["puck"].find("hunter2") == std::string::npos);
}

TEST_CASE("deploy: a way to become root that is not supported concerns that host only") {
  Run run;
  run.host("ariel", "a\n", {{kEnd, served_facts("a\n")}})->connection_.become = true;
  std::static_pointer_cast<PlainHost>(std::const_pointer_cast<Host>(run.fleet.hosts[0]))
      ->connection_.become_method = "doas";
  run.host("puck", "a\n", {{kEnd, served_facts("a\n")}});
  CHECK(run.deploy() == ExitCode::kUnreachable);
  CHECK(run.out.str().find("ansible_become_method: doas is not supported, sudo is") !=
        std::string::npos);
  CHECK(run.out.str().find("puck   unchanged") != std::string::npos);
}

namespace {

// Five hosts; those named do not answer.
struct FiveHosts : Run {
  explicit FiveHosts(const std::set<std::string>& dead) {
    for (const char* name : {"ariel", "oberon", "puck", "titania", "umbriel"})
      host(name, "a\n", dead.contains(name) ? Answers() : Answers{{kEnd, served_facts("a\n")}});
  }
  bool asked(const std::string& name) const { return transcripts.contains(name); }
};

}  // namespace

TEST_CASE("deploy: a batch that ends badly is the last one, and what was not touched is said") {
  FiveHosts run({"oberon"});
  run.options.rolling.serial = *parse_batches("2");
  CHECK(run.deploy() == ExitCode::kTooManyFailures);
  CHECK(run.asked("ariel"));
  CHECK_FALSE(run.asked("puck"));
  CHECK(run.err.str() == "Batch 1 of 3: 2 hosts\n");
  CHECK(run.out.str() ==
        "ariel    unchanged     [0.00 s]\n"
        "oberon   unreachable   puck port 22: No route to host  [0.00 s]\n"
        "Stopped: 1 host ended badly; not touched: puck, titania, umbriel\n"
        "5 hosts: 1 unchanged, 1 unreachable, 3 not touched.  0.00 s  (run r1)\n");
}

TEST_CASE("deploy: --max-fail counts over all batches, a share of all hosts") {
  FiveHosts run({"ariel", "puck"});
  run.options.rolling.serial = *parse_batches("1");
  run.options.rolling.max_fail = *parse_amount("39%");
  CHECK(run.deploy() == ExitCode::kTooManyFailures);
  CHECK(run.asked("oberon"));
  CHECK_FALSE(run.asked("titania"));
  CHECK(run.out.str().find("Stopped: 2 hosts ended badly (--max-fail 39%); not touched: titania, "
                           "umbriel\n") != std::string::npos);
}

TEST_CASE("deploy: within --max-fail the run goes on, and ends as its hosts did") {
  FiveHosts run({"ariel", "puck"});
  run.options.rolling.serial = *parse_batches("1");
  run.options.rolling.max_fail = *parse_amount("2");
  CHECK(run.deploy() == ExitCode::kUnreachable);
  CHECK(run.asked("umbriel"));
}

TEST_CASE("deploy: --max-fail without batches begins no further host") {
  FiveHosts run({"ariel"});
  run.options.rolling.max_fail = *parse_amount("0");
  CHECK(run.deploy() == ExitCode::kTooManyFailures);
  CHECK_FALSE(run.asked("oberon"));
  CHECK(run.err.str().empty());
}

TEST_CASE("deploy: nothing follows a canary that ends badly, whatever --max-fail allows") {
  FiveHosts run({"puck"});
  run.fleet.first = {"puck"};
  run.options.json = true;
  run.options.rolling.max_fail = *parse_amount("50%");
  CHECK(run.deploy() == ExitCode::kTooManyFailures);
  CHECK(run.transcripts.empty());
  CHECK(run.err.str() == "Batch 1 of 2, the canary: 1 host\n");
  CHECK(run.out.str().find(R"("untouched":["ariel","oberon","titania","umbriel"])") !=
        std::string::npos);
  CHECK(run.out.str().find(R"("exit_code":5)") != std::string::npos);
}

TEST_CASE("deploy: a good canary is followed by all the others, in their order") {
  FiveHosts run({});
  run.fleet.first = {"titania"};
  CHECK(run.deploy() == ExitCode::kDone);
  const std::string said = run.out.str();
  CHECK(said.find("titania") < said.find("ariel"));
  CHECK(said.find("puck") < said.find("umbriel"));
  CHECK(said.find("5 hosts: 5 unchanged.") != std::string::npos);
}

TEST_CASE("deploy: what did not end well is in the book, --check leaves it alone") {
  const agent::TempDir folder;
  FiveHosts run({"oberon"});
  run.options.unfinished = folder.path() / "book.json";
  run.options.check = true;
  CHECK(run.deploy() == ExitCode::kUnreachable);
  CHECK(read_unfinished(run.options.unfinished)->runs.empty());
  run.options.check = false;
  CHECK(run.deploy() == ExitCode::kUnreachable);
  CHECK(read_unfinished(run.options.unfinished)->hosts ==
        std::map<std::string, UnfinishedHost>{{"oberon", {"unreachable", {"r1"}}}});
  CHECK(run.err.str() == "Once more only for these: fleetctl deploy --resume r1\n");
}

TEST_CASE("deploy: as JSON, one object per line, the last of which sums up") {
  Run run;
  run.options.json = true;
  run.host("puck", "a\n", {{kEnd, served_facts("a\n")}});
  run.deploy();
  CHECK(
      run.out.str() ==
      R"({"changes":[],"details":[],"diff":"","effect":"none","file_diffs":{},"host":"puck","notes":[],)"
      R"("schema":1,"seconds":0.0,"state":"unchanged","text":"","type":"host"})"
      "\n"
      R"({"counts":{"unchanged":1},"exit_code":0,"hosts":1,"run":"r1","schema":1,"seconds":0.0,)"
      R"("stopped":false,"summary":"1 host: 1 unchanged","type":"summary","untouched":[]})"
      "\n");
}

TEST_CASE("deploy: of many hosts, those that ended badly come once more at the end") {
  Run run;
  for (char name = 'a'; name < 'm'; ++name)
    run.host(std::string(1, name), "a\n",
             name == 'c' ? Answers() : Answers{{kEnd, served_facts("a\n")}});
  CHECK(run.deploy() == ExitCode::kUnreachable);
  const std::string said = run.out.str();
  INFO(said);
  CHECK(said.find("\nHOST  STATE        WHY\nc     unreachable  puck port 22: No route to host\n12 "
                  "hosts: 11 unchanged, 1 unreachable.") != std::string::npos);
}

TEST_CASE("deploy: colours go around the words, and only where they are wanted") {
  Run run;
  run.options.color = true;
  run.host("puck", "a\n", {{kEnd, served_facts("a\n")}});
  run.deploy();
  CHECK(run.out.str().find("puck  \x1b[32munchanged   \x1b[0m") == 0);
}

TEST_CASE("deploy --plan: a host that is as it was is changed, another one is left alone") {
  Run run;
  run.options.plan = plan_of(run.bundles(), "r0");
  PlannedHost& planned = run.options.plan->hosts["puck"];
  planned.asked = planned.would_change = true;
  const std::map<std::string, std::string> unit{
      {"/etc/systemd/system/fleet-agent.service", agent::sha256_hex("[Unit]\n")}};
  planned.seen = {agent::sha256_hex("a\n"), {"~ config.alloy"}, unit};
  const std::string report = "n0 " + std::string(kReport) + "\n";
  run.host("puck", "b\n", {{kEnd, served_facts("a\n")}, {"[Unit]\n", report}});
  CHECK(run.deploy() == ExitCode::kDone);

  run.answers["puck"] = {{kEnd, served_facts("edited\n")}};
  CHECK(run.deploy() == ExitCode::kHostFailed);
  CHECK(run.out.str().find("failed        it is not as it was when the plan was made: ~ "
                           "config.alloy of " +
                           agent::sha256_hex("edited\n").substr(0, 12) +
                           " instead of ~ config.alloy of " +
                           agent::sha256_hex("a\n").substr(0, 12)) != std::string::npos);
  run.answers["puck"] = {{kEnd, served_facts("b\n")}};  // somebody was faster: nothing to do
  CHECK(run.deploy() == ExitCode::kDone);
}

TEST_CASE("deploy --plan: a file that was edited on the host since the plan is left alone") {
  constexpr const char* kBeside = "/etc/fleet-agent/x";
  constexpr const char* kGoes = "/etc/fleet-agent/goes";
  const std::string applied =
      std::string("n0 applied {\"files\":{\"") + kBeside + "\":\"00\",\"" + kGoes + "\":\"00\"}}\n";
  const auto facts = [&](const std::string& beside, const std::string& goes) {
    std::string text = served_facts("a\n");
    for (const auto& [path, bytes] :
         std::map<std::string, std::string>{{kBeside, beside}, {kGoes, goes}})
      text.insert(text.find("n0 ready"),
                  "n0 file " + path + " " + agent::sha256_hex(bytes) + " 640 root fleet-agent\n");
    return text.insert(text.find("n0 ready"), applied);
  };
  const agent::TempDir folder;
  Run planning;
  const auto puck = planning.host("puck", "a\n", {{kEnd, facts("1", "2")}});
  puck->files_ = {{kBeside, "0640", "fleet-agent", "new"}};
  planning.options.check = true;
  const HostResult seen = deploy_to(*puck, planning.bundles(), planning.options, planning.world());
  PlanFile plan = plan_of(planning.bundles(), "r0");
  plan.hosts["puck"] = planned_of(*puck, seen);
  REQUIRE(write_plan(folder / "p", plan));
  const auto deploy = [&](const std::string& beside, const std::string& goes) {
    Run run;
    run.options.plan = *read_plan(folder / "p");
    run.host("puck", "a\n",
             {{kEnd, facts(beside, goes)}, {"new", "n0 " + std::string(kReport) + "\n"}})
        ->files_ = puck->files_;
    run.deploy();
    CHECK((run.transcripts["puck"].find("> apply\n") == std::string::npos) ==
          (run.out.str().find("failed ") != std::string::npos));
    return run.out.str();
  };
  CHECK(deploy("1", "2").find("puck  changed ") == 0);
  CHECK(deploy("by hand", "2")
            .find("failed        it is not as it was when the plan was made: "
                  "/etc/fleet-agent/x is another one") != std::string::npos);
  CHECK(deploy("1", "by hand").find("made: /etc/fleet-agent/goes is another one") !=
        std::string::npos);
}

TEST_CASE("deploy --plan: a plan comes back from its file, and tells what is another now") {
  const agent::TempDir folder;
  Run run;
  run.host("ariel", "a\n", {});
  run.host("puck", "b\n", {});
  PlanFile plan = plan_of(run.bundles(), "r0");
  plan.hosts["ariel"] = {
      agent::sha256_hex("a\n"), true, true, {"", {"+ config.alloy"}, {{"/etc/x", "00"}}}};
  plan.hosts["puck"] = {agent::sha256_hex("b\n"), false, false, {}};
  plan.hosts["umbriel"] = {agent::sha256_hex("b\n"), true, false, {}};
  REQUIRE(write_plan(folder / "p", plan));
  const auto read = read_plan(folder / "p");
  REQUIRE(read);
  CHECK(read->run == "r0");
  CHECK(read->hosts.at("ariel").seen == plan.hosts["ariel"].seen);
  CHECK(hosts_to_change(*read) == std::vector<std::string>{"ariel", "puck"});
  CHECK(differences(*read, run.fleet, run.bundles(), true).empty());

  run.fleet.hosts.erase(run.fleet.hosts.begin());
  run.bundle.unit = "[Unit] # other\n";
  plan.hosts["puck"].config_sha256 = agent::sha256_hex("c\n");
  CHECK(differences(plan, run.fleet, run.bundles(), true) ==
        std::vector<std::string>{"the unit is another one", "puck would get another configuration",
                                 "ariel is not in the tree any more"});
  for (const char* bad : {"", "{}", "[]", R"({"kind":"fleetctl plan","schema":1,"hosts":{}})",
                          R"({"kind":"fleetctl plan","schema":2})",
                          R"({"kind":"fleetctl plan","schema":2,"hosts":{"a":1}})",
                          R"({"kind":"fleetctl plan","schema":2,"hosts":{"a":{"changes":[]}}})"}) {
    INFO(bad);
    REQUIRE(agent::write_file_atomic(folder / "p", bad));
    CHECK_FALSE(read_plan(folder / "p"));
  }
}

TEST_CASE("deploy: --quiet leaves out the lines of hosts that are unchanged, and tells the rest") {
  Run run;
  run.options.quiet = true;
  run.host("puck", "a\n", {{kEnd, served_facts("a\n")}});
  run.host("ariel", "a\n", {});
  CHECK(run.deploy() == ExitCode::kUnreachable);
  CHECK(run.out.str().find("puck  ") == std::string::npos);
  CHECK(run.out.str().find("ariel  unreachable") == 0);
  CHECK(run.out.str().find("2 hosts: 1 unchanged, 1 unreachable.") != std::string::npos);
}

TEST_CASE("deploy: once --total-timeout is over no further host is begun") {
  Run run;
  run.options.until = run.clock.mono();
  run.host("puck", "a\n", {{kEnd, served_facts("a\n")}});
  CHECK(run.deploy() == ExitCode::kTooManyFailures);
  CHECK(run.out.str() ==
        "Stopped: the time of --total-timeout is over; not touched: puck\n1 host: 1 not touched.  "
        "0.00 s  (run r1)\n");
  CHECK(run.transcripts["puck"].empty());
}

TEST_CASE("deploy: --restart, --no-rollback, --force and the gate are said to the host") {
  const auto sent = [](const std::function<void(DeployOptions&)>& set) {
    Run run;
    set(run.options);
    Answers says{{kEnd, served_facts("a\n")}};
    if (run.options.force) says.push_back({*run.bundle.release.archive, "n0 received\n"});
    says.push_back({"[Unit]\n", "n0 " + std::string(kReport) + "\n"});
    run.host("puck", "b\n", std::move(says));
    CHECK(run.deploy() == ExitCode::kDone);
    return after_script(run.transcripts["puck"]);
  };
  const auto has = [](const std::string& text, const char* what) {
    return text.find(what) != std::string::npos;
  };
  const std::string plain = sent([](DeployOptions&) {});
  CHECK_FALSE(has(plain, "\"restart\""));
  CHECK_FALSE(has(plain, "roll_back"));
  CHECK(has(sent([](DeployOptions& o) { o.restart = plan::Restart::kAlways; }),
            "\"restart\":\"always\""));
  CHECK(has(sent([](DeployOptions& o) { o.rolls_back = false; }), "\"roll_back\":false"));
  CHECK(has(sent([](DeployOptions& o) { o.gate.grace = std::chrono::milliseconds(1500); }),
            "\"grace_ms\":1500"));
  const std::string again = sent([](DeployOptions& o) { o.force = true; });
  CHECK(again.find("> release 11 ") == 0);
  CHECK(has(again, "\"restart\":\"always\""));
}

TEST_CASE("deploy: a diff without what came from encrypted variables, and what was there before") {
  Run run;
  run.options.check = run.options.diff = true;
  const std::string rendered = "x = [\"--key=new1\"]\n";
  run.host("puck", rendered,
           {{kEnd, served_facts("x")}, {"show\n", "n0 | x = [\"--key=old1\"]\nn0 shown\n"}})
      ->secrets_ = plan::secrets_of(rendered, {{12, 16}});
  CHECK(run.deploy() == ExitCode::kDone);
  CHECK(run.out.str().find("-x = [\"--key=(secret #") != std::string::npos);
  CHECK(run.out.str().find("+x = [\"--key=(secret #") != std::string::npos);
  CHECK(run.out.str().find("new1") == std::string::npos);
  CHECK(run.out.str().find("old1") == std::string::npos);
}

}  // namespace fleetctl::command
