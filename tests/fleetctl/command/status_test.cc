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
         {{kEnd, served_facts("a\n")}, {"measured\n", "n0 " + installed.dump() + "\n"}});
  }
};

json installed(const std::string& there = "a\n", const std::string& applied = "a\n") {
  return {
      {"version", "1.0"},
      {"present", {{"generation", 13}, {"run", "r0"}, {"who", "me@box"}, {"time", 1700000000}}},
      {"config",
       {{"sha256", agent::sha256_hex(there)},
        {"applied_sha256", agent::sha256_hex(applied)},
        {"modified", 1700000060},
        {"uid", 1000}}},
      {"unit",
       {{"active", "active"}, {"enabled", "enabled"}, {"restarts", 0}, {"up_seconds", 187200}}},
      {"ready", true},
      {"healthy", true},
      {"figures",
       {{"lines_per_second", 1234.6},
        {"samples_per_second", 0.25},
        {"backlog", {{"entries", 12}, {"samples", 3}, {"bytes", 45678}, {"oldest_seconds", 95}}},
        {"last_error", nullptr}}}};
}

}  // namespace

TEST_CASE("status: hosts that are as they should be, in a table") {
  Run run;
  run.options.exit_code = true;
  run.answering("puck", "a\n", installed());
  CHECK(run.status() == ExitCode::kDone);
  CHECK(run.out.str() ==
        "HOST  VERSION  GEN  CONFIG   UNIT    READY  UP    LINES/S  SAMPLES/S  BACKLOG       NOTE\n"
        "puck  1.0      13   in step  active  yes    2d4h  1235     0.25       15 45.7kB 1m\n"
        "1 host: 1 ok.  1235 lines/s, 0.25 samples/s, 15 waiting\n");
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
  const auto sha = [](const char* text) { return agent::sha256_hex(text).substr(0, 12); };
  const std::string out = run.out.str();
  const auto has = [&](const std::string& text) {
    INFO(text << "\n" << out);
    CHECK(out.find(text) != std::string::npos);
  };
  has("ariel    1.0      13   drifted  active  yes    2d4h  1235     0.25       15 45.7kB 1m  "
      "/etc/fleet-agent/config.alloy edited 2023-11-14 22:14:20Z, owned by uid 1000: " +
      sha("edited\n") + ", deployed was " + sha("a\n") + "\n");
  has("miranda  1.0      13   behind   active  yes    2d4h  1235     0.25       15 45.7kB 1m  "
      "has " +
      sha("a\n") + ", the tree gives " + sha("b\n") + "\n");
  has("oberon   1.0      13   in step  active  ill    2d4h  1235     0.25       15 45.7kB 1m  "
      "loki.write.x: ?[31mno route\n");
  has("\n" + std::string(87, ' ') + "loki.source.y: port in use\n");
  has("puck     -        -    -        -       -      -     -        -          -             no "
      "agent is installed\n");
  has("-             unreachable: puck port 22: No route to host\n");
  has("5 hosts: 4 attention, 1 unreachable.  3704 lines/s, 0.75 samples/s, 45 waiting\n");
}

TEST_CASE("status: a file beside the configuration that somebody touched, and the last error") {
  Run run;
  run.options.exit_code = true;
  json told = installed();
  told["drift"] = {{{"path", "/etc/systemd/system/fleet-agent.service"},
                    {"how", "changed"},
                    {"modified", 1700000060},
                    {"uid", 0}},
                   {{"path", "/etc/x"}, {"how", "missing"}}};
  told["figures"]["last_error"] = {{"component", "loki.write.x"},
                                   {"message", "503\n" + std::string(500, 'y')},
                                   {"time", 1700000000},
                                   {"now", false}};
  run.answering("puck", "a\n", told);
  CHECK(run.status() == ExitCode::kDiffers);
  const std::string out = run.out.str();
  INFO(out);
  CHECK(out.find("  drifted  ") != std::string::npos);
  CHECK(out.find("/etc/systemd/system/fleet-agent.service edited 2023-11-14 22:14:20Z, owned by "
                 "uid 0\n") != std::string::npos);
  CHECK(out.find("/etc/x is gone\n") != std::string::npos);
  CHECK(out.find("until it was well again, 2023-11-14 22:13:20Z: loki.write.x: 503 yyy") !=
        std::string::npos);
  CHECK(out.find(std::string(300, 'y')) == std::string::npos);
}

TEST_CASE("status: what lies beside the configuration is not what the tree gives") {
  Run run;
  std::string facts = served_facts("a\n");
  facts.insert(facts.find("n0 ready"),
               "n0 applied {\"files\":{\"/etc/fleet-agent/config.alloy\":\"" +
                   agent::sha256_hex("a\n") +
                   "\",\"/etc/systemd/system/fleet-agent.service\":\"0\","
                   "\"/etc/fleet-agent/endpoints.json\":\"" +
                   agent::sha256_hex("[1]") + "\",\"/etc/fleet-agent/gone.txt\":\"00\"}}\n");
  const auto puck =
      run.host("puck", "a\n", {{kEnd, facts}, {"measured\n", "n0 " + installed().dump() + "\n"}});
  puck->files_ = {{"/etc/fleet-agent/endpoints.json", "0640", "fleet-agent", "[2]"}};
  run.status();
  const std::string out = run.out.str();
  INFO(out);
  CHECK(out.find("  behind  ") != std::string::npos);
  CHECK(out.find("the tree gives another /etc/fleet-agent/endpoints.json\n") != std::string::npos);
  CHECK(out.find("the tree has no /etc/fleet-agent/gone.txt any more\n") != std::string::npos);
  CHECK(out.find("1 host: 1 attention.") != std::string::npos);
}

TEST_CASE("status --drift: how files beside the configuration differ, secrets masked") {
  constexpr const char* kEdited = "/etc/fleet-agent/endpoints.json";
  constexpr const char* kMissing = "/etc/systemd/system/fleet-agent.service.d/limits.conf";
  constexpr const char* kSame = "/etc/fleet-agent/same";
  Run run;
  run.options.drift = true;
  std::string facts = served_facts("a\n");
  const auto lies_there = [&](const std::string& path, const std::string& bytes) {
    facts.insert(facts.find("n0 ready"),
                 "n0 file " + path + " " + agent::sha256_hex(bytes) + " 640 root fleet-agent\n");
  };
  lies_there(kEdited, "\"token\": \"t2\"\n\"pin\": 12\n");
  lies_there(kSame, "s");
  const std::string wanted = "\"token\": \"t1\"\n\"pin\": 11\n";
  const auto sha = [](const std::string& text) { return agent::sha256_hex(text); };
  facts.insert(facts.find("n0 ready"), "n0 applied " +
                                           json{{"files",
                                                 {{"/etc/fleet-agent/config.alloy", sha("a\n")},
                                                  {kEdited, sha(wanted)},
                                                  {kMissing, sha("[Service]\n")},
                                                  {kSame, sha("s")}}}}
                                               .dump() +
                                           "\n");
  json told = installed();
  told["drift"] = {{{"path", kEdited}, {"how", "changed"}, {"modified", 1700000060}, {"uid", 0}},
                   {{"path", kMissing}, {"how", "missing"}}};
  const auto pin = wanted.find("11");
  run.host("puck", "a\n",
           {{kEnd, facts},
            {"endpoints.json\n", "n0 | \"token\": \"t2\"\nn0 | \"pin\": 12\nn0 shown\n"},
            {"installed\n", "n0 " + told.dump() + "\n"}})
      ->files_ = {
      {kEdited, "0640", "fleet-agent", wanted, plan::secrets_of(wanted, {{pin, pin + 2}})},
      {kMissing, "0644", "", "[Service]\n"},
      {kSame, "0640", "fleet-agent", "s"}};
  run.status();
  const std::string out = run.out.str();
  INFO(out << run.transcripts["puck"]);
  CHECK(out.find("  drifted  ") != std::string::npos);
  CHECK(out.find("endpoints.json edited 2023-11-14") != std::string::npos);
  CHECK(out.find(std::string(kMissing) + " is gone\n") != std::string::npos);
  CHECK(out.find("\n\npuck\n--- /etc/fleet-agent/endpoints.json on the host\n+++ "
                 "/etc/fleet-agent/endpoints.json rendered\n@@ -1,2 +1,2 @@\n-\"token\": (secret "
                 "#") != std::string::npos);
  CHECK(out.find("\n+\"pin\": (secret #") != std::string::npos);
  CHECK(out.find("limits.conf rendered\n@@ -0,0 +1,1 @@\n+[Service]\n") != std::string::npos);
  for (const char* secret : {"t1", "t2", ": 11", ": 12"})
    CHECK(out.find(secret) == std::string::npos);
  CHECK(out.find("same") == std::string::npos);
  run.out.str("");
  run.options.json = true;
  run.status();
  const json one = json::parse(run.out.str());
  CHECK(one["diff"] == "");
  CHECK(one["file_diffs"].size() == 2);
  CHECK(one["file_diffs"][kMissing].get<std::string>().find("+[Service]") != std::string::npos);
}

TEST_CASE("status: a file beside the configuration that others may read or write") {
  constexpr const char* kPath = "/etc/fleet-agent/ca.pem";
  Run run;
  std::string facts = served_facts("a\n");
  const std::string sha = agent::sha256_hex("c");
  facts.insert(facts.find("n0 ready"), "n0 file " + std::string(kPath) + " " + sha +
                                           " 666 ops fleet-agent\nn0 applied {\"files\":{\"" +
                                           kPath + "\":\"" + sha + "\"}}\n");
  run.host("puck", "a\n", {{kEnd, facts}, {"measured\n", "n0 " + installed().dump() + "\n"}})
      ->files_ = {{kPath, "0640", "fleet-agent", "c"}};
  run.status();
  const std::string out = run.out.str();
  INFO(out);
  CHECK(out.find("  behind  ") != std::string::npos);
  CHECK(out.find("/etc/fleet-agent/ca.pem is 666 ops:fleet-agent, the tree gives it mode 0640 and "
                 "root:fleet-agent\n") != std::string::npos);
}

TEST_CASE("status: an agent from before it could measure has its state, and no figures") {
  Run run;
  json told = installed();
  told.erase("figures");
  run.answering("puck", "a\n", told);
  run.status();
  CHECK(run.out.str().find("2d4h  -        -          -\n") != std::string::npos);
}

TEST_CASE("status: a narrow terminal keeps the words that matter, notes are lines of their own") {
  Run run;
  run.answering("ariel", "a\n", installed("edited\n"));
  run.answering("puck", "a\n", installed());
  run.options.columns = 70;
  run.status();
  CHECK(run.out.str().find("HOST   CONFIG   UNIT    READY  UP    LINES/S  SAMPLES/S  BACKLOG\n"
                           "ariel  drifted  active  yes    2d4h  1235     0.25       15 45.7kB 1m\n"
                           "    /etc/fleet-agent/config.alloy edited 2023") == 0);
  run.out.str("");
  run.options.columns = 40;
  run.status();
  CHECK(run.out.str().find("HOST   CONFIG   READY  BACKLOG\n") == 0);
}

TEST_CASE("status: 200 hosts, in the order that is asked for; those to look at come once more") {
  Run run;
  for (int i = 0; i < 200; ++i) {
    json told = installed(i == 100 ? "edited\n" : "a\n");
    told["figures"]["backlog"]["oldest_seconds"] = i == 150 ? 5000 : 0;
    told["figures"]["lines_per_second"] = i;
    run.answering("host" + std::to_string(i), "a\n", told);
  }
  const auto first = [&](StatusOrder order) {
    run.out.str("");
    run.options.order = order;
    run.status();
    std::istringstream lines(run.out.str());
    std::string line;
    std::getline(lines, line);
    std::getline(lines, line);
    return line.substr(0, line.find(' '));
  };
  CHECK(first(StatusOrder::kListed) == "host0");
  const std::string out = run.out.str();
  CHECK(out.find("\n\nHOST     STATE      WHY\nhost100  attention  /etc/fleet-agent") !=
        std::string::npos);
  CHECK(out.find("\n200 hosts: 199 ok, 1 attention.  19.9k lines/s") != std::string::npos);
  CHECK(first(StatusOrder::kState) == "host100");
  CHECK(first(StatusOrder::kBacklog) == "host150");
  CHECK(first(StatusOrder::kLines) == "host199");
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
  CHECK(puck["lines_per_second"] == 1234.6);
  CHECK(puck["backlog"] ==
        json{{"entries", 12}, {"samples", 3}, {"bytes", 45678}, {"oldest_seconds", 95}});
  CHECK(umbriel["lines_per_second"].is_null());
  CHECK(umbriel["backlog"]["entries"].is_null());
  CHECK(names(puck["last_error"]) == names(umbriel["last_error"]));
  CHECK(umbriel["state"] == "unreachable");
  CHECK(umbriel["reachable"] == false);
  CHECK(umbriel["error"] == "puck port 22: No route to host");
}

TEST_CASE("status: an agent that cannot tell, and one that tells nonsense, fail alone") {
  Run run;
  run.status_of_command = 109;
  run.host("ariel", "a\n", {{kEnd, served_facts("a\n")}});
  run.host("puck", "a\n", {{kEnd, served_facts("a\n")}, {"measured\n", "n0 [1]\n"}});
  CHECK(run.status() == ExitCode::kHostFailed);
  INFO(run.out.str());
  CHECK(run.out.str().find("failed: the agent there cannot tell how it is") != std::string::npos);
  CHECK(run.out.str().find("failed: the host's report cannot be read") != std::string::npos);
}

TEST_CASE("status --drift: only hosts that are not as the tree gives them, and how they differ") {
  Run run;
  run.options.drift = true;
  run.options.exit_code = true;
  const auto answering = [&](const std::string& name, const std::string& config,
                             const std::string& there, json told) {
    Answers says{{kEnd, served_facts(there)}};
    if (config != there && !config.empty())
      says.push_back({"show\n", "n0 | " + there + "n0 shown\n"});
    told["config"]["sha256"] = agent::sha256_hex(there);
    says.push_back({"installed\n", "n0 " + told.dump() + "\n"});
    run.host(name, config, std::move(says));
  };
  json ill = installed();
  ill["healthy"] = false;
  json missing = installed();
  missing["drift"] = {{{"path", "/etc/systemd/system/fleet-agent.service"}, {"how", "missing"}}};
  answering("ariel", "password = \"new\"\n", "password = \"old\"\n",
            installed("x", "password = \"old\"\n"));
  answering("miranda", "a\n", "a\n", ill);
  answering("oberon", "a\n", "a\n", missing);
  answering("puck", "a\n", "a\n", installed());
  answering("setebos", "", "a\n", installed());  // its template does not render
  CHECK(run.status() == ExitCode::kDiffers);
  const std::string out = run.out.str();
  INFO(out);
  CHECK(out.find("\nariel    1.0      13   behind ") != std::string::npos);
  CHECK(out.find("\noberon   1.0      13   drifted ") != std::string::npos);
  CHECK(out.find("\nsetebos  1.0      13   unknown ") != std::string::npos);
  CHECK(out.find("puck") == std::string::npos);
  CHECK(out.find("miranda") == std::string::npos);
  CHECK(out.find(
            "\n\nariel\n--- on the host\n+++ rendered\n@@ -1,1 +1,1 @@\n-password = \"(secret #") !=
        std::string::npos);
  CHECK(out.find("\"old\"") == std::string::npos);
  CHECK(out.find("\"new\"") == std::string::npos);
  CHECK(out.find("\n5 hosts: 2 as the tree gives them, 3 not\n") != std::string::npos);

  run.out.str("");
  run.options.json = true;
  CHECK(run.status() == ExitCode::kDiffers);
  std::istringstream lines(run.out.str());
  std::vector<json> told;
  for (std::string line; std::getline(lines, line);) told.push_back(json::parse(line));
  REQUIRE(told.size() == 3);
  CHECK(told[0]["diff"].get<std::string>().rfind("--- on the host", 0) == 0);
  CHECK(told[1]["drift"][0]["how"] == "missing");
  CHECK(told[1]["diff"] == "");

  run.fleet.hosts.erase(run.fleet.hosts.begin() + 2);
  run.fleet.hosts.erase(run.fleet.hosts.begin());
  run.fleet.hosts.pop_back();
  run.out.str("");
  run.options.json = false;
  CHECK(run.status() == ExitCode::kDone);
  CHECK(run.out.str() == "2 hosts: 2 as the tree gives them\n");

  run.fleet.hosts.clear();
  run.host("umbriel", "a\n", {});
  run.out.str("");
  CHECK(run.status() == ExitCode::kUnreachable);
  CHECK(run.out.str().find("1 host: 1 not known\n") != std::string::npos);
}

}  // namespace fleetctl::command
