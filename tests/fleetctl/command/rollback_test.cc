// What `fleetctl rollback` sends a host, and what the operator reads of it.
#include "fleetctl/command/rollback.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "agent/base/strings.h"
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
    run.host(
        "puck", "",
        {{kEnd, served_facts("a\n")}, {"generations\n", kInstalled + std::string("n0 told\n")}});
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

TEST_CASE("rollback: a listener that running containers log to is not taken away unasked") {
  const std::string present =
      "loki.source.syslog \"apps\" {\n  listener {\n    address = \"127.0.0.1:51421\"\n  }\n}\n";
  const auto shown = [](const std::string& text) {
    std::string out;
    for (const std::string_view line : agent::split(agent::trim(text), '\n'))
      out += "n0 | " + std::string(line) + "\n";
    return out + "n0 shown\n";
  };
  struct Case {
    std::string kept = "a\n";
    bool check = false;
    bool drops = false;
    bool known = true;
  };
  const auto said = [&](const Case& one) {
    Run run;
    run.options.to = 12;
    run.options.check = one.check;
    run.options.drop_listeners = one.drops;
    std::string generations = kInstalled;
    const std::string sha256 = agent::sha256_hex(one.kept);
    const auto at = generations.find("0123456789abcdef");
    generations.replace(at, 16, sha256);
    Answers says{{kEnd, "n0 docker yes\n" + served_facts(present)}};
    if (!one.drops) says.push_back({"generations\n", (one.known ? generations : "") + "n0 told\n"});
    if (!one.drops && one.known) {
      says.push_back({"kept " + sha256 + "\n", shown(one.kept)});
      says.push_back({"show\n", shown(present)});
    }
    if (!one.drops && one.known && one.kept == "a\n") {
      says.push_back({"containers\n",
                      "n0 | [\"/kairos\",{\"Type\":\"syslog\",\"Config\":{\"syslog-address\":"
                      "\"tcp://127.0.0.1:51421\"}}]\nn0 listed\n"});
    }
    says.push_back({"}", report("changed")});
    run.host("puck", "", std::move(says));
    run.rollback();
    const bool applied = run.transcripts["puck"].find("> apply current\n") != std::string::npos;
    return run.out.str() + (applied ? "applied" : "");
  };
  const std::string refusal =
      "failed     running containers log to listeners that would go: 'kairos' to 51421/tcp "
      "(loki.source.syslog.apps); let them log elsewhere first, or give --drop-listeners";
  const auto has = [](const std::string& text, const std::string& part) {
    INFO(text);
    CHECK(text.find(part) != std::string::npos);
  };
  for (const bool check : {false, true}) {
    Case one;
    one.check = check;
    has(said(one), refusal);
    CHECK(said(one).find("applied") == std::string::npos);
  }
  // It stays; somebody insists; it is not known.
  Case stays;
  stays.kept = present + "// other\n";
  has(said(stays), "went back");
  stays.check = true;
  has(said(stays), "would go back");
  Case drops;
  drops.drops = true;
  has(said(drops), "applied");
  Case unknown;
  unknown.known = false;
  has(said(unknown), "applied");
  has(said(unknown),
      "note: whether containers log to a listener that goes is not known: the agent");
  unknown.check = true;
  has(said(unknown), "failed     the agent there cannot tell how it is");
}

}  // namespace fleetctl::command
