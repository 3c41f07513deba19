// What `fleetctl plan` says of each host, and that it only looks.
#include "fleetctl/command/plan.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "fleetctl/command/plan_file.h"
#include "tests/support/temp_dir.h"
#include "tests/support/transcript_fleet.h"

namespace fleetctl::command {
namespace {

struct Run : TranscriptFleet {
  PlanOptions options;
  Run() { settle(options); }
  ExitCode plan() { return plan_fleet(fleet, bundles(), options, world(), out, err); }
};

// One line of the configuration differs, its password too, and a group is missing.
void add_changed(Run& run, const std::string& name) {
  std::string facts = served_facts("a\npassword = \"old\"\n");
  facts.insert(facts.find("n0 ready"), "n0 group adm exists\n");
  run.host(name, "b\npassword = \"new\"\n",
           {{kEnd, facts}, {"show\n", "n0 | a\nn0 | password = \"old\"\nn0 shown\n"}});
}

}  // namespace

TEST_CASE("plan: each change has its effect, and the hosts come in their order") {
  Run run;
  add_changed(run, "puck");
  run.host("miranda", "a\n", {{kEnd, served_facts("a\n")}});
  run.host("umbriel", "a\n", {});
  CHECK(run.plan() == ExitCode::kUnreachable);
  CHECK(run.out.str() ==
        "puck     + group adm                 restart  groups are read at start\n"
        "         ~ config.alloy              reload   +2 -2  from templates/config.alloy.j2\n"
        "miranda  no change\n"
        "umbriel  unreachable  puck port 22: No route to host\n"
        "Plan: 1 host to change (1 restart), 1 unchanged, 1 unreachable.  0.00 s\n");
  for (const auto& [name, transcript] : run.transcripts) {
    INFO(name << transcript);
    CHECK(transcript.find("> LOCK='no'\n") != std::string::npos);
    CHECK(transcript.find("> apply\n") == std::string::npos);
  }
}

TEST_CASE("plan: who joins the group docker for what its configuration says is told why") {
  Run run;
  std::string facts = served_facts("a\n");
  facts.insert(facts.find("n0 ready"), "n0 group docker exists\n");
  run.host("miranda", "a\n", {{kEnd, facts}});
  run.host("puck", "a\n", {{kEnd, facts}})->docker_group_ = DockerGroup::kByConfiguration;
  CHECK(run.plan() == ExitCode::kDone);
  CHECK(run.out.str().find(
            "miranda  no change\n"
            "puck     + group docker              restart  groups are read at start, its "
            "configuration names Docker's socket\n") == 0);
}

TEST_CASE("plan: --diff shows the lines, secrets masked") {
  Run run;
  run.options.diff = true;
  add_changed(run, "puck");
  CHECK(run.plan() == ExitCode::kDone);
  const std::string said = run.out.str();
  INFO(said);
  CHECK(said.find("\n-a\n") != std::string::npos);
  CHECK(said.find("\n+b\n") != std::string::npos);
  CHECK(said.find("(secret #") != std::string::npos);
  CHECK(said.find("\"new\"") == std::string::npos);
  CHECK(said.find("\"old\"") == std::string::npos);
}

TEST_CASE("plan: each file beside the configuration has a line, and its lines, secrets masked") {
  constexpr const char* kData = "/etc/fleet-agent/data.bin";
  constexpr const char* kEndpoints = "/etc/fleet-agent/endpoints.json";
  constexpr const char* kDropIn = "/etc/systemd/system/fleet-agent.service.d/limits.conf";
  Run run;
  run.options.diff = true;
  std::string facts = served_facts("a\n");
  const auto lies_there = [&](const std::string& path, const std::string& bytes) {
    facts.insert(facts.find("n0 ready"),
                 "n0 file " + path + " " + agent::sha256_hex(bytes) + " 640 root fleet-agent\n");
  };
  lies_there(kEndpoints, "\"token\": \"t1\"\n\"pin\": 12\n");
  lies_there(kData, "x");
  lies_there("/etc/fleet-agent/same.txt", "s");
  lies_there("/etc/fleet-agent/gone.txt", "edited");
  facts.insert(facts.find("n0 ready"),
               "n0 applied {\"files\":{\"/etc/fleet-agent/gone.txt\":\"00\"}}\n");
  const auto puck = run.host("puck", "a\n",
                             {{kEnd, facts},
                              {"show /etc/fleet-agent/endpoints.json\n",
                               "n0 | \"token\": \"t1\"\nn0 | \"pin\": 12\n\nn0 shown\n"},
                              {"show /etc/fleet-agent/data.bin\n", "n0 | x\nn0 shown\n"}});
  const std::string endpoints = "\"token\": \"t2\"\n\"pin\": 4711\n";
  const auto pin = endpoints.find("4711");
  puck->files_ = {{kEndpoints, "0640", "fleet-agent", endpoints,
                   plan::secrets_of(endpoints, {{pin, pin + 4}}), "templates/endpoints.json.j2"},
                  {kData, "0640", "fleet-agent", std::string("\0y", 2), {}, "templates/data.bin"},
                  {"/etc/fleet-agent/same.txt", "0640", "fleet-agent", "s"},
                  {kDropIn, "0644", "", "[Service]\n", {}, "templates/limits.conf"}};
  CHECK(run.plan() == ExitCode::kDone);
  const std::string said = run.out.str();
  INFO(said << run.transcripts["puck"]);
  CHECK(said.find(
            "puck  ~ endpoints.json            reload   +2 -2  from templates/endpoints.json.j2\n"
            "      ~ data.bin                  reload   from templates/data.bin\n"
            "      + fleet-agent.service.d/limits.conf  restart  +1 -0  from "
            "templates/limits.conf\n"
            "      - gone.txt                  reload   edited on the host\n"
            "/etc/fleet-agent/data.bin: binary\n"
            "--- /etc/fleet-agent/endpoints.json on the host\n") == 0);
  CHECK(said.find("\n+\"pin\": (secret #") != std::string::npos);
  CHECK(said.find("+++ /etc/systemd/system/fleet-agent.service.d/limits.conf rendered\n"
                  "@@ -0,0 +1,1 @@\n+[Service]\n") != std::string::npos);
  for (const char* secret : {"t1", "t2", ": 12", "4711"})
    CHECK(said.find(secret) == std::string::npos);
  const std::string& sent = run.transcripts["puck"];
  CHECK(sent.find("> FILES='/etc/fleet-agent/config.alloy "
                  "/etc/systemd/system/fleet-agent.service /etc/fleet-agent/endpoints.json "
                  "/etc/fleet-agent/data.bin /etc/fleet-agent/same.txt " +
                  std::string(kDropIn) + "'\n") != std::string::npos);
  CHECK(sent.find("> apply\n") == std::string::npos);

  // For machines; and in two columns, which a line that tells why there is no diff is not.
  run.out.str("");
  run.options.json = true;
  run.plan();
  const auto told = nlohmann::json::parse(run.out.str().substr(0, run.out.str().find('\n')));
  CHECK(told["diff"] == "");
  CHECK(told["added"] == 0);
  CHECK(told["file_diffs"].size() == 3);
  CHECK(told["file_diffs"][kData] == "/etc/fleet-agent/data.bin: binary\n");
  run.out.str("");
  run.options.json = false;
  run.options.side_by_side = true;
  run.plan();
  CHECK(run.out.str().find("/etc/fleet-agent/data.bin: binary\n@@ -") != std::string::npos);
}

TEST_CASE("plan: files of one name have each its own lines, and edits by hand are told") {
  constexpr const char* kBeside = "/etc/fleet-agent/x.conf";
  constexpr const char* kDropIn = "/etc/systemd/system/fleet-agent.service.d/x.conf";
  Run run;
  std::string facts = served_facts("a\n");
  facts.insert(facts.find("n0 ready"), "n0 file " + std::string(kBeside) + " " +
                                           agent::sha256_hex("by hand\n") +
                                           " 640 root fleet-agent\nn0 applied {\"files\":{\"" +
                                           kBeside + "\":\"00\",\"" + kDropIn + "\":\"00\"}}\n");
  run.host("puck", "a\n", {{kEnd, facts}, {"x.conf\n", "n0 | by hand\nn0 shown\n"}})->files_ = {
      {kBeside, "0640", "fleet-agent", "1\n2\n", {}, "templates/beside"},
      {kDropIn, "0644", "", "3\n", {}, "templates/drop-in"}};
  CHECK(run.plan() == ExitCode::kDone);
  const std::string said = run.out.str();
  INFO(said);
  CHECK(said.find("puck  ~ x.conf                    reload   +2 -1  from templates/beside, edited "
                  "on the host\n"
                  "      + fleet-agent.service.d/x.conf  restart  +1 -0  from templates/drop-in, "
                  "removed on the host\n") == 0);
  run.out.str("");
  run.options.json = true;
  run.plan();
  const auto told = nlohmann::json::parse(run.out.str().substr(0, run.out.str().find('\n')));
  CHECK(told["changes"][0]["path"] == kBeside);
  CHECK(told["changes"][0]["drift"] == "edited");
  CHECK(told["changes"][1]["path"] == kDropIn);
}

TEST_CASE("plan: --out knows of files beside the configuration") {
  Run run;
  const auto puck = run.host("puck", "a\n", {{kEnd, served_facts("a\n")}});
  PlanFile plan = plan_of(run.bundles(), "r1");
  plan.hosts["puck"].config_sha256 = rendered_sha256(*puck);
  CHECK(rendered_sha256(*puck) == agent::sha256_hex("a\n"));
  CHECK(differences(plan, run.fleet, run.bundles(), true).empty());
  puck->files_ = {{"/etc/fleet-agent/x", "0640", "fleet-agent", "1"}};
  CHECK(differences(plan, run.fleet, run.bundles(), true).size() == 1);
  plan.hosts["puck"].config_sha256 = rendered_sha256(*puck);
  CHECK(differences(plan, run.fleet, run.bundles(), true).empty());
  puck->files_.front().mode = "0600";
  CHECK(differences(plan, run.fleet, run.bundles(), true).size() == 1);
}

TEST_CASE("plan: --exit-code tells changes from none, and a failure from both") {
  Run run;
  run.options.exit_code = true;
  run.host("miranda", "a\n", {{kEnd, served_facts("a\n")}});
  CHECK(run.plan() == ExitCode::kDone);
  add_changed(run, "puck");
  CHECK(run.plan() == ExitCode::kDiffers);
  run.host("oberon", "a\n", {{kEnd, "n0 error failed disk is gone\n"}});
  CHECK(run.plan() == ExitCode::kHostFailed);
  CHECK(run.out.str().find("oberon   failed  disk is gone\n") != std::string::npos);
  CHECK(run.out.str().find("0 unreachable, 1 failed.  ") != std::string::npos);
}

TEST_CASE("plan: as JSON, one object per host and line, then the summary") {
  Run run;
  run.options.json = true;
  add_changed(run, "puck");
  run.host("umbriel", "a\n", {});
  run.plan();
  std::istringstream lines(run.out.str());
  std::string line;
  REQUIRE(std::getline(lines, line));
  const auto puck = nlohmann::json::parse(line);
  CHECK(puck["host"] == "puck");
  CHECK(puck["state"] == "would change");
  CHECK(puck["effect"] == "restart");
  CHECK(puck["added"] == 2);
  CHECK(puck["diff"] == "");  // not asked for
  CHECK(puck["changes"][0] == nlohmann::json{{"sign", "+"},
                                             {"what", "group adm"},
                                             {"path", ""},
                                             {"drift", ""},
                                             {"effect", "restart"}});
  REQUIRE(std::getline(lines, line));
  const auto umbriel = nlohmann::json::parse(line);
  CHECK(umbriel["state"] == "unreachable");
  CHECK(umbriel["reason"] == "puck port 22: No route to host");
  REQUIRE(std::getline(lines, line));
  CHECK(nlohmann::json::parse(line)["summary"] ==
        "Plan: 1 host to change (1 restart), 0 unchanged, 1 unreachable");
}

TEST_CASE("plan: a problem in the tree stops everything before a host is asked") {
  Run run;
  run.host("puck", "a\n", {{kEnd, served_facts("a\n")}});
  run.fleet.problems = {{"ariel", "config.alloy.j2:3:7: 'x' is undefined"}};
  CHECK(run.plan() == ExitCode::kRefused);
  CHECK(run.transcripts.empty());
}

TEST_CASE("plan: --out saves what a deploy by it needs, of hosts that answered") {
  const agent::TempDir folder;
  Run run;
  run.options.out = folder / "p";
  add_changed(run, "puck");
  run.host("miranda", "a\n", {{kEnd, served_facts("a\n")}});
  run.host("umbriel", "a\n", {});
  run.plan();
  const auto plan = read_plan(run.options.out);
  REQUIRE(plan);
  CHECK(plan->release == "0123456789abcdef");
  REQUIRE(plan->hosts.size() == 2);
  CHECK(plan->hosts.at("puck").would_change);
  CHECK(plan->hosts.at("puck").seen.changes.front() == "+ group adm");
  CHECK_FALSE(plan->hosts.at("miranda").would_change);
  CHECK(run.err.str() ==
        "Saved; do just this with: fleetctl deploy --plan " + run.options.out.string() + "\n");
  run.options.out = folder / "no/such/folder/p";
  CHECK(run.plan() == ExitCode::kRefused);
}

TEST_CASE("plan: --offline asks nobody, and tells what each host would get") {
  const agent::TempDir folder;
  Run run;
  run.options.offline = true;
  run.options.out = folder / "p";
  run.host("puck", "a\n", {{kEnd, served_facts("a\n")}});
  CHECK(run.plan() == ExitCode::kDone);
  CHECK(run.transcripts.empty());
  CHECK(run.out.str() == "puck  " + agent::sha256_hex("a\n").substr(0, 12) +
                             "        2 bytes  from templates/config.alloy.j2\n"
                             "Plan: 1 host rendered and checked, none asked (agent "
                             "0123456789abcdef)\n");
  CHECK(hosts_to_change(*read_plan(run.options.out)) == std::vector<std::string>{"puck"});
}

}  // namespace fleetctl::command
