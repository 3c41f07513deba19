// What `fleetctl rollback` sends a host, and what the operator reads of it.
#include "fleetctl/command/rollback.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/transcript_fleet.h"

namespace fleetctl::command {
namespace {

struct Run : TranscriptFleet {
  RollbackOptions options;
  Run() { settle(options); }
  ExitCode rollback() { return command::rollback(fleet, options, world(), out, err); }
};

std::string report(const std::string& outcome, const std::string& error = "") {
  return "n0 {\"outcome\":\"" + outcome +
         "\",\"effect\":\"reload\",\"changes\":[\"config.alloy\"],\"notes\":[],\"error\":\"" +
         error + "\",\"log\":[\"port in use\"],\"back_to\":12}\n";
}

constexpr const char* kInstalled =
    R"(n0 {"version":"1.0","present":{"generation":13,"run":"r2","who":"me@box","time":1700000000},"config":{"applied_sha256":"fedcba9876543210"},)"
    R"("kept":[{"generation":12,"run":"r1","who":"you@box","time":1699999999,"release":"11",)"
    R"("config_sha256":"0123456789abcdef","release_present":true},)"
    R"({"generation":11,"run":"","who":"","time":0,"release":"10","config_sha256":"",)"
    R"("release_present":false}],"ready":true,"healthy":true})"
    "\n";

}  // namespace

TEST_CASE("rollback: the installed agent is told to go back, under the host's lock") {
  Run run;
  run.options.to = 12;
  run.host("puck", "", {{kEnd, served_facts("a\n")}, {"}", report("changed")}});
  CHECK(run.rollback() == ExitCode::kDone);
  CHECK(run.out.str() ==
        "puck  went back  to generation 12: config.alloy (reload)  [0.00 s]\n"
        "1 host: 1 went back.  0.00 s  (run r1)\n");
  const std::string sent = run.transcripts["puck"];
  INFO(sent);
  CHECK(sent.find("> LOCK='yes'\n") != std::string::npos);
  CHECK(sent.find("> apply current\n> fleet-apply 1 40\n> "
                  "{\"back_to\":12,\"run\":\"r1\",\"who\":\"me@box\"}\n> (end)\n") !=
        std::string::npos);
}

TEST_CASE("rollback: what did not come up stayed, with the agent's own words") {
  Run run;
  run.host("puck", "",
           {{kEnd, served_facts("a\n")}, {"}", report("rolled-back", "not ready after 30s")}});
  CHECK(run.rollback() == ExitCode::kRolledBack);
  CHECK(run.out.str() ==
        "puck  stayed     at the present generation: not ready after 30s  [0.00 s]\n"
        "    port in use\n"
        "1 host: 1 stayed.  0.00 s  (run r1)\n");
}

TEST_CASE("rollback: a host without an agent, one that keeps no such generation, one not reached") {
  Run run;
  run.host("ariel", "", {{kEnd, "n0 systemd yes\nn0 ready\n"}});
  run.host(
      "puck", "",
      {{kEnd, served_facts("a\n")}, {"}", report("refused", "generation 9 is not kept, 12 is")}});
  run.host("umbriel", "", {});
  CHECK(run.rollback() == ExitCode::kHostFailed);
  const std::string said = run.out.str();
  INFO(said);
  CHECK(said.find("ariel    failed     no agent is installed") != std::string::npos);
  CHECK(said.find("puck     failed     generation 9 is not kept, 12 is") != std::string::npos);
  CHECK(said.find("umbriel  unreachable  puck port 22") != std::string::npos);
}

TEST_CASE("rollback: --list tells the generations and takes no lock") {
  Run run;
  run.options.list = true;
  run.host("puck", "", {{kEnd, served_facts("a\n")}, {"installed\n", kInstalled}});
  CHECK(run.rollback() == ExitCode::kDone);
  CHECK(run.out.str() ==
        "HOST  GENERATION  TIME                  CONFIGURATION  BY       NOTE\n"
        "puck  13          2023-11-14 22:13:20Z  fedcba987654   me@box   present\n"
        "      12          2023-11-14 22:13:19Z  0123456789ab   you@box\n"
        "      11          -                     -              -        its release is not there "
        "any more\n");
  CHECK(run.transcripts["puck"].find("> LOCK='no'\n") != std::string::npos);
  run.options.json = true;
  run.out.str("");
  run.rollback();
  const auto told = nlohmann::json::parse(run.out.str());
  CHECK(told["present"]["generation"] == 13);
  CHECK(told["present"]["release"] == "0123456789abcdef");
  CHECK(told["kept"][0]["config_sha256"] == "0123456789abcdef");
  CHECK(told["kept"][1]["available"] == false);
}

TEST_CASE("rollback: --check tells where each host would go, and changes nothing") {
  const auto said = [](unsigned to) {
    Run run;
    run.options.check = true;
    run.options.to = to;
    run.host("puck", "", {{kEnd, served_facts("a\n")}, {"installed\n", kInstalled}});
    run.rollback();
    CHECK(run.transcripts["puck"].find("> LOCK='no'\n") != std::string::npos);
    return run.out.str();
  };
  for (const unsigned to : {0U, 12U})
    CHECK(said(to) ==
          "puck  would go back  to generation 12: release 0123456789ab -> 11  [0.00 s]\n"
          "1 host: 1 would go back.  0.00 s  (run r1)\n");
  CHECK(said(13).find("unchanged  generation 13 is what is there") != std::string::npos);
  CHECK(said(9).find("failed     it does not keep generation 9") != std::string::npos);
  CHECK(said(11).find("failed     there is no agent of generation 11") != std::string::npos);
}

}  // namespace fleetctl::command
