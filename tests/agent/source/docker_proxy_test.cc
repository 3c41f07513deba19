// discovery.docker and loki.source.docker through a proxy that permits reading only, over TCP and
// TLS, to a real Docker Engine.
#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>
#include <thread>

#include "agent/base/file.h"
#include "agent/base/process.h"
#include "tests/support/component_box.h"
#include "tests/support/log_collector.h"
#include "tests/support/private_docker.h"

namespace agent::discovery {
component::Declaration discovery_docker();
}

namespace agent::source {

component::Declaration loki_source_docker();

namespace {

class Proxy {
 public:
  Proxy(const PrivateDocker& docker, const std::filesystem::path& dir, bool tls)
      : log_(dir / "requests"), child_(start(docker, dir, tls)) {
    char c = 0;
    while (::read(child_.out.get(), &c, 1) == 1 && c != '\n') port_ += c;
  }
  std::string port() const { return port_; }
  std::vector<std::string> requests(const std::string& with = "") const {
    std::vector<std::string> out;
    std::istringstream lines(read_file(log_).value_or(""));
    for (std::string line; std::getline(lines, line);)
      if (line.find(with) != std::string::npos) out.push_back(line);
    return out;
  }

 private:
  Child start(const PrivateDocker& docker, const std::filesystem::path& dir, bool tls) const {
    Spawn spawn;
    spawn.argv = {SOURCE_DIR "/tests/support/docker_proxy.py", docker.socket(), log_};
    if (tls) {
      shell(
          "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
          "-addext subjectAltName=IP:127.0.0.1 -keyout " +
          (dir / "key.pem").string() + " -out " + (dir / "cert.pem").string());
      spawn.argv.push_back(dir / "cert.pem");
      spawn.argv.push_back(dir / "key.pem");
    }
    auto child = Child::start(spawn);
    REQUIRE(child);
    return std::move(*child);
  }
  const std::filesystem::path log_;
  Child child_;
  std::string port_;
};

bool names_container(const ComponentBox::Published& exports, const std::string& name) {
  const auto it = exports.find("targets");
  if (it == exports.end()) return false;
  return std::any_of(it->second.list().begin(), it->second.list().end(),
                     [&](const lang::Value& target) {
                       return target.find("__meta_docker_container_name")->string() == name;
                     });
}

}  // namespace

TEST_CASE("docker components: a proxy that lets only reading through is enough, with TLS as well") {
  const PrivateDocker docker("dsp");
  for (const bool tls : {false, true}) {
    CAPTURE(tls);
    const std::string name = tls ? "second" : "first";
    docker.run(name, "echo hello; sleep 1000", "--label job=" + name);
    ComponentBox finder("discovery.docker.x");
    ComponentBox box("loki.source.docker.x");
    const Proxy proxy(docker, box.dir.path(), tls);
    const std::string host = (tls ? "https://127.0.0.1:" : "tcp://127.0.0.1:") + proxy.port();
    using Blocks = std::vector<std::pair<std::string, lang::Body>>;
    const Blocks trust = {{"tls_config", body_of({{"ca_file", (box.dir / "cert.pem").string()}})}};
    const Blocks flat = tls ? trust : Blocks();
    const Blocks block = {{"http_client_config", body_of({}, flat)}};

    RunningComponent discovery(finder, discovery::discovery_docker());
    REQUIRE(discovery.configure(body_of({{"host", host}}, flat)) == "");
    discovery.start();
    REQUIRE(finder.wait_exports([&](const auto& e) { return names_container(e, "/" + name); }));
    CHECK(finder.health.state().healthy);

    const auto out = std::make_shared<LogCollector>();
    RunningComponent source(box, loki_source_docker());
    lang::Value::List targets;
    for (const lang::Value& target : finder.exported("targets").list()) {
      auto object = target.object();
      object.emplace_back("job", name);
      targets.emplace_back(std::move(object));
    }
    REQUIRE(source.configure(body_of(
                {{"host", host}, {"targets", targets}, {"forward_to", receivers(out)}}, block)) ==
            "");
    source.start();
    REQUIRE(out->wait_for(1));
    CHECK(out->seen()[0].text == "hello");
    CHECK(box.health.state().healthy);

    // Only networks were asked for in vain. At rest there is a stream of events for each, and not
    // one request more.
    for (const std::string& denied : proxy.requests(" denied"))
      CHECK(denied.find("GET /networks ") == 0);
    out->wait_for(1000, std::chrono::milliseconds(700));
    const std::size_t before = proxy.requests().size();
    out->wait_for(1000, std::chrono::milliseconds(2000));
    CHECK(proxy.requests().size() == before);
    CHECK(proxy.requests("/events").size() == 2);
    source.stop();
    discovery.stop();
    docker.docker("rm -f " + name);
  }
}

TEST_CASE("docker components: tls_config is for https") {
  const auto tls = body_of({{"insecure_skip_verify", true}});
  const auto receiver = receivers(std::make_shared<LogCollector>());
  for (const bool https : {false, true}) {
    const std::string host = https ? "https://127.0.0.1:1" : "tcp://127.0.0.1:1";
    const std::string complaint = https ? "" : "tls_config has no effect with tcp://";
    ComponentBox box("x");
    RunningComponent discovery(box, discovery::discovery_docker());
    CHECK(discovery.configure(body_of({{"host", host}}, {{"tls_config", tls}})) == complaint);
    RunningComponent source(box, loki_source_docker());
    CHECK(source.configure(body_of({{"host", host}, {"forward_to", receiver}},
                                   {{"http_client_config", body_of({}, {{"tls_config", tls}})}})) ==
          complaint);
  }
}

}  // namespace agent::source
