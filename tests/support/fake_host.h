// A host for the installation: real files below a temporary folder, and a small model of the
// account tools, systemd and the agent's HTTP. What is run is recorded.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/base/file.h"
#include "agent/install/system.h"
#include "tests/support/temp_dir.h"

namespace agent::install {

class FakeHost final : public System {
 public:
  FakeHost() {
    std::filesystem::create_directories(root_ / "run/systemd/system");
    std::filesystem::create_directories(root_ / "etc/systemd/system");
  }

  // --- the model; tests set it up and look at it
  bool user = false;
  std::map<std::string, unsigned> groups{{"adm", 4}, {"systemd-journal", 101}, {"docker", 102}};
  std::set<std::string> member_of;
  bool active = false;
  bool looks_by_itself = true;  // systemd finds a unit that it did not have
  int pid = 100;
  int healthy = 200;                // what /-/healthy answers
  int ready = 200;                  // what /-/ready answers
  int ill_answers = 0;              // so often it answers 500 first
  bool dies_soon = false;           // it is another process each time systemd is asked
  std::string ill = "loki.x: ill";  // the body of an /-/healthy that is not 200
  std::string validate_says;        // not empty: validate fails with it
  std::string older_release;        // this one does not know validate --no-modules
  // Whether an agent started now, on what lies in the folder, comes up.
  std::function<bool(FakeHost&)> starts = [](FakeHost&) { return true; };
  // What POST /-/reload answers.
  std::function<int(FakeHost&)> reloads = [](FakeHost&) { return 200; };
  // What its /metrics page says; each look is another call.
  std::function<std::string(FakeHost&)> metrics;
  // Before each command and request; may throw, as if the run were killed there.
  std::function<void()> before_each = [] {};
  std::string in_effect;  // the configuration that the agent has read
  // What other paths answer, one after the other; the last one again and again.
  std::map<std::string, std::vector<std::string>> pages;
  std::vector<std::string> commands;  // as typed
  std::vector<std::string> requests;

  bool enabled() const {
    return std::filesystem::is_symlink(
        at("/etc/systemd/system/multi-user.target.wants/fleet-agent.service"));
  }
  std::string config() { return text("/etc/fleet-agent/config.alloy"); }
  std::string text(std::string_view path) { return read_file(at(path)).value_or(""); }
  std::string current() {
    std::error_code none;
    return std::filesystem::read_symlink(at("/opt/fleet-agent/current"), none).string();
  }
  void put(std::string_view path, std::string_view bytes) {
    std::filesystem::create_directories(at(path).parent_path());
    std::ofstream(at(path), std::ios::binary) << bytes;
  }
  void put_release(const std::string& name) {
    const std::string binary = "/opt/fleet-agent/" + name + "/bin/fleet-agent";
    put(binary, "binary");
    ::chmod(at(binary).c_str(), 0755);
  }
  bool ran(std::string_view beginning) const {
    for (const std::string& command : commands) {
      if (command.substr(0, beginning.size()) == beginning) return true;
    }
    return false;
  }

  std::filesystem::path at(std::string_view path) const override {
    return root_ / std::string(path.substr(1));
  }

  Result<ProcessResult> run(const std::vector<std::string>& argv, Duration,
                            const std::optional<Identity>& identity) override {
    before_each();
    std::string line;
    for (const std::string& word : argv) line += (line.empty() ? "" : " ") + word;
    for (auto where = line.find(root_.string()); where != std::string::npos;
         where = line.find(root_.string())) {
      line.erase(where, root_.string().size());
    }
    commands.push_back(identity ? line + "  (as the service user)" : line);
    const std::string& last = argv.back();
    if (argv[0] == "getent" && argv[1] == "passwd") {
      if (!user) return said(2, "");
      return said(0, "fleet-agent:x:" + std::to_string(::getuid()) + ":" +
                         std::to_string(::getgid()) + "::/var/lib/fleet-agent:/usr/sbin/nologin\n");
    }
    if (argv[0] == "getent") {
      std::string found;
      for (std::size_t i = 2; i < argv.size(); ++i) {
        const auto group = groups.find(argv[i]);
        if (group == groups.end()) continue;
        found += group->first + ":x:" + std::to_string(group->second) + ":" +
                 (member_of.contains(argv[i]) ? "fleet-agent" : "") + "\n";
      }
      return said(0, found);
    }
    if (argv[0] == "useradd") user = true;
    if (const auto option = std::find(argv.begin(), argv.end(), "--groups"); option != argv.end()) {
      std::string names = option[1] + ",";
      for (auto comma = names.find(','); comma != std::string::npos; comma = names.find(',')) {
        member_of.insert(names.substr(0, comma));
        names.erase(0, comma + 1);
      }
    }
    if (argv.size() > 2 && argv[2] == "--no-modules" && !older_release.empty() &&
        argv[0].find(older_release) != std::string::npos)
      return said(109, "The following argument was not expected: --no-modules\n");
    if (argv.size() > 1 && argv[1] == "validate") {
      return validate_says.empty() ? said(0, "") : said(1, last + ":" + validate_says + "\n");
    }
    if (argv[0] == "journalctl")
      return said(0, "starting\nts=1 level=error msg=\"cannot listen\"\n");
    if (argv[0] != "systemctl") return said(0, "");
    const std::filesystem::path link =
        at("/etc/systemd/system/multi-user.target.wants/fleet-agent.service");
    if (argv[1] == "enable") {
      std::filesystem::create_directories(link.parent_path());
      if (!enabled()) std::filesystem::create_symlink("../fleet-agent.service", link);
    }
    if (argv[1] == "disable") std::filesystem::remove(link);
    if (argv[1] == "stop") active = false;
    if (argv[1] == "show" && dies_soon) ++pid;
    if (argv[1] == "show" && argv[3].rfind("ActiveState,", 0) == 0) {
      return said(0, std::string("ActiveState=") + (active ? "active" : "inactive") +
                         "\nUnitFileState=" + (enabled() ? "enabled" : "disabled") +
                         "\nNRestarts=2\nActiveEnterTimestampMonotonic=5000000\nMainPID=" +
                         std::to_string(pid) + "\n");
    }
    if (argv[1] == "show") {
      return said(0, "MainPID=" + std::to_string(pid) + "\nSubState=running\nLoadState=" +
                         (looks_by_itself ? "loaded" : "not-found") + "\nNeedDaemonReload=no\n");
    }
    if (argv[1] == "restart") {
      ++pid;
      active = starts(*this);
      if (active) in_effect = config();
      if (!active) return said(1, "Job for fleet-agent.service failed.\nSee journalctl\n");
    }
    return said(0, "");
  }

  Result<HttpAnswer> http(std::string_view method, const std::string&, std::string_view path,
                          Duration, std::size_t) override {
    before_each();
    requests.push_back(std::string(method) + " " + std::string(path));
    if (!active) return fail(ErrorCode::kUnavailable, "connect: Connection refused");
    if (method == "POST") {
      const int status = reloads(*this);
      if (status == 200) in_effect = config();
      return HttpAnswer{status, status == 200 ? "ok" : "config.alloy:1:1: no"};
    }
    if (const auto page = pages.find(std::string(path)); page != pages.end()) {
      const std::string body = page->second.front();
      if (page->second.size() > 1) page->second.erase(page->second.begin());
      return HttpAnswer{200, body};
    }
    if (path == "/metrics") return HttpAnswer{200, metrics ? metrics(*this) : "up 1\n"};
    if (path == "/-/healthy" && ill_answers > 0) {
      --ill_answers;
      return HttpAnswer{500, "starting"};
    }
    if (path == "/-/healthy") return HttpAnswer{healthy, healthy == 200 ? "ok" : ill};
    return HttpAnswer{ready, ready == 200 ? "ready" : "loki.x: port in use"};
  }

 private:
  static Result<ProcessResult> said(int status, std::string text) {
    return ProcessResult{status, false, std::move(text)};
  }
  TempDir folder_;
  const std::filesystem::path& root_ = folder_.path();
};

}  // namespace agent::install
