// `fleetctl ui` up to the tunnel; the tunnel itself is tested with a real sshd.
#include "fleetctl/command/ui.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/support/transcript_fleet.h"

namespace fleetctl::command {
namespace {

using nlohmann::json;

struct Run : TranscriptFleet {
  UiOptions options;
  std::vector<std::string> opened;
  Run() { settle(options); }
  ExitCode ui() {
    const std::atomic<bool> stop{true};
    return command::ui(
        fleet, options, world(), stop, [this](const std::string& url) { opened.push_back(url); },
        out, err);
  }
  std::shared_ptr<PlainHost> answering(const json& installed) {
    return host("puck", "a\n",
                {{kEnd, served_facts("a\n")}, {"installed\n", "n0 " + installed.dump() + "\n"}});
  }
};

json listening(const std::string& address, const std::string& prefix = "", bool tls = false) {
  return {{"ready", true}, {"listens", {{"address", address}, {"prefix", prefix}, {"tls", tls}}}};
}

}  // namespace

TEST_CASE("ui: where the agent listens, as its host reaches it") {
  const auto far = [](const std::string& address) {
    const auto found = far_of(address);
    return found ? found->host + " " + std::to_string(found->port) : "none";
  };
  CHECK(far("127.0.0.1:12345") == "127.0.0.1 12345");
  CHECK(far("0.0.0.0:80") == "127.0.0.1 80");
  CHECK(far("[::]:80") == "::1 80");
  CHECK(far("[fd00::1]:80") == "fd00::1 80");
  CHECK(far("10.0.0.5:80") == "10.0.0.5 80");
  for (const char* bad : {"", "x", "x:", "x:0", "x:70000", "x:12a"}) CHECK(far(bad) == "none");
}

TEST_CASE("ui: the address here has the agent's scheme and prefix, and is opened once") {
  Run run;
  run.answering(listening("127.0.0.1:4711", "/agent", true));
  CHECK(run.ui() == ExitCode::kUnreachable);  // a transcript has no tunnels
  INFO(run.err.str());
  CHECK(run.out.str().find("https://127.0.0.1:") == 0);
  CHECK(run.out.str().find("/agent/\n") != std::string::npos);
  CHECK(run.err.str().find("puck: the pages on 127.0.0.1:4711 there") == 0);
  CHECK(run.err.str().find(" leads nowhere any more\n") != std::string::npos);
  REQUIRE(run.opened.size() == 1);
  CHECK(run.opened[0] + "\n" == run.out.str());
}

TEST_CASE("ui: by the agent's own socket there is neither TLS nor a prefix") {
  Run run;
  run.options.socket = true;
  run.options.browser = false;
  run.answering(listening("127.0.0.1:4711", "/agent", true));
  run.ui();
  CHECK(run.out.str().find("http://127.0.0.1:") == 0);
  CHECK(run.out.str().find("/agent/") == std::string::npos);
  CHECK(run.opened.empty());
}

TEST_CASE("ui: this very machine needs no tunnel") {
  Run run;
  run.answering(listening("[::]:4711", "/agent"))->connection_.transport =
      inventory::Transport::kLocal;
  CHECK(run.ui() == ExitCode::kDone);
  CHECK(run.out.str() == "http://[::1]:4711/agent/\n");
}

TEST_CASE("ui: hosts without an agent that answers, and a host that is not there") {
  Run none, silent, gone;
  none.host("puck", "a\n", {{kEnd, "n0 systemd yes\nn0 ready\n"}});
  CHECK(none.ui() == ExitCode::kHostFailed);
  CHECK(none.err.str() == "puck: no agent is installed\n");
  silent.answering({{"ready", false}, {"answer", "connect: refused"}});
  CHECK(silent.ui() == ExitCode::kHostFailed);
  CHECK(silent.err.str() == "puck: its agent does not answer: connect: refused\n");
  gone.host("puck", "a\n", {});
  CHECK(gone.ui() == ExitCode::kUnreachable);
  CHECK(gone.err.str() == "puck: puck port 22: No route to host\n");
  CHECK((none.opened.empty() && silent.opened.empty() && gone.opened.empty()));
}

}  // namespace fleetctl::command
