// What `fleetctl status` makes of a host's answer.
#include "fleetctl/command/status.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/transcript_fleet.h"

namespace fleetctl::command {
namespace {

using nlohmann::json;

struct Run : TranscriptFleet {
  StatusOptions options;
  Run() { settle(options); }
  ExitCode status() { return command::status(fleet, options, world(), out, err); }
  void answering(const std::string& name, const std::string& config, const json& installed) {
    host(name, config,
         {{kEnd, served_facts("a\n")}, {"installed\n", "n0 " + installed.dump() + "\n"}});
  }
};

json installed(const std::string& there = "a\n", const std::string& applied = "a\n") {
  return {{"version", "1.0"},
          {"present", {{"generation", 13}, {"run", "r0"}, {"who", "me@box"}, {"time", 1700000000}}},
          {"config",
           {{"sha256", agent::sha256_hex(there)},
            {"applied_sha256", agent::sha256_hex(applied)},
            {"modified", 1700000060},
            {"uid", 1000}}},
          {"unit",
           {{"active", "active"}, {"enabled", "enabled"}, {"restarts", 0}, {"up_seconds", 187200}}},
          {"ready", true},
          {"healthy", true}};
}

}  // namespace

TEST_CASE("status: hosts that are as they should be, in a table") {
  Run run;
  run.options.exit_code = true;
  run.answering("puck", "a\n", installed());
  CHECK(run.status() == ExitCode::kDone);
  CHECK(run.out.str() ==
        "HOST  VERSION  GEN  CONFIG   UNIT    READY  UP    NOTE\n"
        "puck  1.0      13   in step  active  yes    2d4h\n");
  CHECK(run.transcripts["puck"].find("> LOCK='no'\n") != std::string::npos);
}

TEST_CASE("status: drift, a tree that moved on, an ill agent, none, and a host not reached") {
  Run run;
  run.answering("ariel", "a\n", installed("edited\n"));
  run.answering("miranda", "b\n", installed());
  json ill = installed();
  ill["healthy"] = false;
  ill["unhealthy"] = {{{"component", "loki.write.x"}, {"message", "\u001b[31mno route"}},
                      {{"component", "loki.source.y"}, {"message", "port in use"}}};
  run.answering("oberon", "a\n", ill);
  run.host("puck", "a\n", {{kEnd, "n0 systemd yes\nn0 ready\n"}});
  run.host("umbriel", "a\n", {});
  CHECK(run.status() == ExitCode::kUnreachable);
  CHECK(run.out.str() ==
        "HOST     VERSION  GEN  CONFIG   UNIT    READY  UP    NOTE\n"
        "ariel    1.0      13   drifted  active  yes    2d4h  /etc/fleet-agent/config.alloy edited "
        "2023-11-14 22:14:20Z, owned by uid 1000: " +
            agent::sha256_hex("edited\n").substr(0, 12) + ", deployed was " +
            agent::sha256_hex("a\n").substr(0, 12) +
            "\n"
            "miranda  1.0      13   behind   active  yes    2d4h  has " +
            agent::sha256_hex("a\n").substr(0, 12) + ", the tree gives " +
            agent::sha256_hex("b\n").substr(0, 12) +
            "\n"
            "oberon   1.0      13   in step  active  ill    2d4h  loki.write.x: ?[31mno route\n"
            "                                                     loki.source.y: port in use\n"
            "puck     -        -    -        -       -      -     no agent is installed\n"
            "umbriel  -        -    -        -       -      -     unreachable: puck port 22: No "
            "route to host\n");
}

TEST_CASE("status: --exit-code tells that a host is not as it should be") {
  Run run;
  json stopped = installed();
  stopped["unit"]["active"] = "failed";
  stopped["ready"] = false;
  stopped["answer"] = "connect: Connection refused";
  run.answering("puck", "a\n", stopped);
  CHECK(run.status() == ExitCode::kDone);
  run.options.exit_code = true;
  CHECK(run.status() == ExitCode::kDiffers);
  CHECK(run.out.str().find("connect: Connection refused") != std::string::npos);
}

TEST_CASE("status: a host whose configuration did not render is asked all the same") {
  Run run;
  run.answering("puck", "", installed());
  run.answering("ariel", "", installed("edited\n"));
  CHECK(run.status() == ExitCode::kDone);
  CHECK(run.out.str().find("puck   1.0      13   unknown") != std::string::npos);
  CHECK(run.out.str().find("ariel  1.0      13   drifted") != std::string::npos);
}

TEST_CASE("status: JSON has the same members for every host") {
  Run run;
  run.options.json = true;
  run.answering("puck", "a\n", installed());
  run.host("umbriel", "a\n", {});
  run.status();
  std::istringstream lines(run.out.str());
  std::string first, second;
  REQUIRE(std::getline(lines, first));
  REQUIRE(std::getline(lines, second));
  const json puck = json::parse(first), umbriel = json::parse(second);
  const auto names = [](const json& object) {
    std::vector<std::string> all;
    for (const auto& [name, value] : object.items()) all.push_back(name);
    return all;
  };
  CHECK(names(puck) == names(umbriel));
  CHECK(names(puck["config"]) == names(umbriel["config"]));
  CHECK(puck["schema"] == 1);
  CHECK(puck["state"] == "ok");
  CHECK(puck["release"] == "0123456789abcdef");
  CHECK(puck["config"]["state"] == "in step");
  CHECK(puck["unit"]["up_seconds"] == 187200);
  CHECK(umbriel["state"] == "unreachable");
  CHECK(umbriel["reachable"] == false);
  CHECK(umbriel["error"] == "puck port 22: No route to host");
}

TEST_CASE("status: an agent that cannot tell, and one that tells nonsense, fail alone") {
  Run run;
  run.status_of_command = 109;
  run.host("ariel", "a\n", {{kEnd, served_facts("a\n")}});
  run.host("puck", "a\n", {{kEnd, served_facts("a\n")}, {"installed\n", "n0 [1]\n"}});
  CHECK(run.status() == ExitCode::kHostFailed);
  INFO(run.out.str());
  CHECK(run.out.str().find("failed: the agent there cannot tell how it is") != std::string::npos);
  CHECK(run.out.str().find("failed: the host's report cannot be read") != std::string::npos);
}

}  // namespace fleetctl::command
