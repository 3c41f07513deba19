// A fleet whose hosts are transcripts: each answers from a list, and what it is sent is written
// down.
#pragma once

#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "agent/base/file.h"
#include "fleetctl/command/agent_bundle.h"
#include "fleetctl/command/hosts_run.h"
#include "fleetctl/remote/printing.h"
#include "fleetctl/value/value.h"
#include "tests/support/stepping_clock.h"

namespace fleetctl::command {

class PlainHost final : public Host {
 public:
  PlainHost(std::string name, std::string configuration,
            std::vector<std::string> services = {"alloy"})
      : name_(std::move(name)),
        configuration_(std::move(configuration)),
        services_(std::move(services)) {
    connection_.address = name_;
  }
  const std::string& name() const override { return name_; }
  const std::string& short_name() const override { return name_; }
  const inventory::Connection& connection() const override { return connection_; }
  const std::vector<std::string>& services() const override { return services_; }
  DockerGroup docker_group() const override {
    return has_service("docker") ? DockerGroup::kAsSaid : docker_group_;
  }
  const std::string& configuration() const override { return configuration_; }
  const plan::Secrets& secrets() const override { return secrets_; }
  const std::vector<plan::WantedFile>& files() const override { return files_; }
  const std::filesystem::path& template_path() const override { return path_; }
  agent::Result<std::optional<value::Value>> variable(std::string_view) const override {
    return std::optional<value::Value>();
  }
  agent::Result<std::string> text(std::string_view, std::string otherwise) const override {
    return otherwise;
  }
  inventory::Connection connection_;
  plan::Secrets secrets_;
  std::vector<plan::WantedFile> files_;
  DockerGroup docker_group_ = DockerGroup::kNo;

 private:
  std::string name_, configuration_;
  std::vector<std::string> services_;
  std::filesystem::path path_ = "templates/config.alloy.j2";
};

class Unreachable final : public remote::Remote {
 public:
  agent::Result<> connect(remote::Mono) override {
    return agent::fail(agent::ErrorCode::kUnavailable, "puck port 22: No route to host");
  }
  agent::Result<int> exec(const std::string&, remote::Dialogue&, remote::Mono) override {
    return 0;
  }
};

using Answers = std::vector<remote::Printing::Answer>;

// The end of the script that a host is sent; the random word is n0.
inline constexpr const char* kEnd = "n0-end\n";

// The facts of a host that has everything, its configuration being `config`.
inline std::string served_facts(const std::string& config, const std::string& unit = "[Unit]\n") {
  return "n0 arch x86_64\nn0 libc glibc 2.36\nn0 systemd yes\nn0 unit active enabled\nn0 user "
         "yes\nn0 release yes\n"
         "n0 current 0123456789abcdef\nn0 file /etc/fleet-agent/config.alloy " +
         agent::sha256_hex(config) +
         " 640 root fleet-agent\nn0 file /etc/systemd/system/fleet-agent.service " +
         agent::sha256_hex(unit) + " 644 root root\nn0 ready\n";
}

// Hosts, and the world that a command reaches them in. A host without answers is unreachable.
struct TranscriptFleet {
  Fleet fleet;
  AgentBundle bundle;
  AgentBundles others;  // for other architectures
  agent::SteppingClock clock;
  std::map<std::string, Answers> answers;
  std::map<std::string, std::string> transcripts;
  std::ostringstream out, err;
  int status_of_command = 0;

  TranscriptFleet() {
    bundle.unit = "[Unit]\n";
    bundle.release = plan::Release{"0123456789abcdef",
                                   std::string(64, 'a'),
                                   "x86_64",
                                   "2.36",
                                   std::make_shared<const std::string>("\x1f\x8b\xff archive"),
                                   1000};
  }
  TranscriptFleet(const TranscriptFleet&) = delete;
  TranscriptFleet& operator=(const TranscriptFleet&) = delete;

  AgentBundles bundles() const {
    AgentBundles all{bundle};
    all.insert(all.end(), others.begin(), others.end());
    return all;
  }
  static void settle(RunOptions& options) {
    options.forks = 1;
    options.run = "r1";
    options.who = "me@box";
  }
  std::shared_ptr<PlainHost> host(const std::string& name, const std::string& config,
                                  Answers says) {
    auto made = std::make_shared<PlainHost>(name, config);
    fleet.hosts.push_back(made);
    answers[name] = std::move(says);
    return made;
  }
  World world() { return World{reacher_, nonces_, clock}; }

 private:
  Reacher reacher_ = [this](const Host& one) -> agent::Result<Reached> {
    Reached reached;
    if (answers[one.name()].empty()) {
      reached.remote = std::make_unique<Unreachable>();
    } else {
      reached.remote = std::make_unique<remote::Printing>(transcripts[one.name()],
                                                          answers[one.name()], status_of_command);
    }
    return reached;
  };
  NonceSource nonces_ = [] { return std::string("n0"); };
};

}  // namespace fleetctl::command
