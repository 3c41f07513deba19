#include "agent/install/transaction.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <optional>

#include "tests/support/fake_host.h"
#include "tests/support/stepping_clock.h"

namespace agent::install {
namespace {

constexpr const char* kOld = "1111111111111111";
constexpr const char* kNew = "2222222222222222";
constexpr const char* kConfigPath = "/etc/fleet-agent/config.alloy";
constexpr const char* kUnitPath = "/etc/systemd/system/fleet-agent.service";

BundleFile file(const std::string& path, mode_t mode, const std::string& bytes) {
  return BundleFile{path, mode, bytes, sha256_hex(bytes)};
}

Bundle bundle(const std::string& config, const std::string& release = kOld) {
  Bundle bundle;
  bundle.run = "r1";
  bundle.who = "me@box";
  bundle.release = release;
  bundle.groups = {"systemd-journal", "adm"};
  bundle.files = {file(kConfigPath, 0640, config), file(kUnitPath, 0644, "[Service]\n")};
  return bundle;
}

struct Run {
  FakeHost host;
  SteppingClock clock;
  Report apply(
      const Bundle& what, const Transaction::Progress& progress = [](std::string_view) {}) {
    host.put_release(what.release);  // as the bootstrap does
    host.commands.clear();
    host.requests.clear();
    return Transaction(host, clock, what, progress).run();
  }
  bool has(const std::vector<std::string>& list, const std::string& text) {
    return std::find(list.begin(), list.end(), text) != list.end();
  }
};

// The moments at which a run can be killed: when it tells a step, and before each command and
// request. The one with number `last` is its end.
struct Killed {};
class Moments {
 public:
  Moments(Run& run, std::size_t last) : run_(run), last_(last) {}
  // nullopt: it was killed.
  std::optional<Report> apply(const Bundle& what) {
    run_.host.before_each = [this] { pass(); };
    std::optional<Report> report;
    try {
      report = run_.apply(what, [this](std::string_view step) {
        steps.emplace_back(step);
        pass();
      });
    } catch (const Killed&) {
    }
    run_.host.before_each = [] {};
    return report;
  }
  std::vector<std::string> steps;

 private:
  void pass() {
    if (passed_++ == last_) throw Killed{};
  }
  Run& run_;
  const std::size_t last_;
  std::size_t passed_ = 0;
};

}  // namespace

TEST_CASE("apply: a bare host gets user, groups, files, unit and a running agent") {
  Run run;
  const Report report = run.apply(bundle("a"));
  INFO(report.error);
  CHECK(report.outcome == Outcome::kChanged);
  CHECK(run.host.user);
  CHECK(run.host.member_of == std::set<std::string>{"adm", "systemd-journal"});
  CHECK(run.host.config() == "a");
  CHECK(run.host.current() == kOld);
  CHECK(run.host.enabled());
  CHECK(run.host.active);
  // systemd finds by itself a unit that it did not have.
  CHECK_FALSE(run.host.ran("systemctl daemon-reload"));
  CHECK(
      run.host.ran("/opt/fleet-agent/1111111111111111/bin/fleet-agent validate "
                   "/etc/fleet-agent/.config.alloy.staged  (as the service user)"));
  struct stat status {};
  REQUIRE(::stat(run.host.at(kConfigPath).c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0640);
  REQUIRE(::stat(run.host.at("/etc/fleet-agent").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0750);
  CHECK_FALSE(std::filesystem::exists(run.host.at("/etc/fleet-agent/.config.alloy.staged")));
  CHECK_FALSE(std::filesystem::exists(run.host.at("/var/lib/fleetctl/underway.json")));
}

TEST_CASE("apply: systemd reads its units again where it does not know a new one by itself") {
  Run run;
  run.host.looks_by_itself = false;
  CHECK(run.apply(bundle("a")).outcome == Outcome::kChanged);
  CHECK(run.host.ran("systemctl enable --no-reload"));
  CHECK(run.host.ran("systemctl daemon-reload"));
}

TEST_CASE("apply: the same again changes nothing, writes nothing and starts nothing") {
  Run run;
  run.apply(bundle("a"));
  const auto before =
      std::filesystem::last_write_time(run.host.at("/var/lib/fleetctl/result.json"));
  const Report report = run.apply(bundle("a"));
  CHECK(report.outcome == Outcome::kUnchanged);
  CHECK(report.changes.empty());
  CHECK_FALSE(run.host.ran("systemctl restart"));
  CHECK_FALSE(run.host.ran("systemctl daemon-reload"));
  CHECK(std::filesystem::last_write_time(run.host.at("/var/lib/fleetctl/result.json")) == before);
}

TEST_CASE("apply: a new configuration alone is reloaded, not restarted") {
  Run run;
  run.apply(bundle("a"));
  const Report report = run.apply(bundle("b"));
  CHECK(report.outcome == Outcome::kChanged);
  CHECK(report.effect == Effect::kReload);
  CHECK(report.changes == std::vector<std::string>{"config.alloy"});
  CHECK(run.has(run.host.requests, "POST /-/reload"));
  CHECK_FALSE(run.host.ran("systemctl restart"));
}

TEST_CASE("apply: a new release, unit or group needs a restart") {
  Run run;
  run.apply(bundle("a"));
  CHECK(run.apply(bundle("a", kNew)).effect == Effect::kRestart);
  CHECK(run.host.current() == kNew);
  Bundle unit = bundle("a", kNew);
  unit.files[1] = file(kUnitPath, 0644, "[Service]\nType=notify\n");
  CHECK(run.apply(unit).effect == Effect::kRestart);
  CHECK(run.host.ran("systemctl daemon-reload"));
  unit.groups.push_back("docker");
  const Report report = run.apply(unit);
  CHECK(report.effect == Effect::kRestart);
  CHECK(report.changes == std::vector<std::string>{"group docker"});
}

TEST_CASE("apply: a group that the host lacks is left out") {
  Run run;
  Bundle wanted = bundle("a");
  wanted.groups.push_back("docker");
  run.host.groups.erase("docker");
  CHECK(run.apply(wanted).outcome == Outcome::kChanged);
  CHECK_FALSE(run.host.member_of.contains("docker"));
  CHECK(run.apply(wanted).outcome == Outcome::kUnchanged);
}

TEST_CASE("apply: a configuration that the staged binary refuses touches neither files nor agent") {
  Run run;
  run.apply(bundle("a"));
  run.host.validate_says = "1:1: unknown component";
  const Report report = run.apply(bundle("b"));
  CHECK(report.outcome == Outcome::kRefused);
  CHECK(report.error == "validate: /etc/fleet-agent/config.alloy:1:1: unknown component");
  CHECK(run.host.config() == "a");
  CHECK_FALSE(run.has(run.host.requests, "POST /-/reload"));
}

TEST_CASE(
    "apply: a reload that the running agent refuses puts the file back and leaves the agent "
    "alone") {
  Run run;
  run.apply(bundle("a"));
  const int pid = run.host.pid;
  run.host.reloads = [](FakeHost& host) { return host.config() == "b" ? 400 : 200; };
  const Report report = run.apply(bundle("b"));
  CHECK(report.outcome == Outcome::kRolledBack);
  CHECK(report.error == "the running agent refused the configuration: config.alloy:1:1: no");
  CHECK(run.host.config() == "a");
  CHECK(run.host.pid == pid);
  CHECK(run.apply(bundle("a")).outcome == Outcome::kUnchanged);
}

TEST_CASE("apply: what does not start is taken back, with the agent's own words") {
  Run run;
  run.apply(bundle("a"));
  run.host.starts = [](FakeHost& host) { return host.current() != kNew; };
  const Report report = run.apply(bundle("b", kNew));
  CHECK(report.outcome == Outcome::kRolledBack);
  CHECK(report.error == "systemctl restart: Job for fleet-agent.service failed.");
  CHECK(report.log == std::vector<std::string>{"ts=1 level=error msg=\"cannot listen\""});
  CHECK(run.host.config() == "a");
  CHECK(run.host.current() == kOld);
  CHECK(run.host.active);
  CHECK(run.apply(bundle("a")).outcome == Outcome::kUnchanged);
}

TEST_CASE("apply: what does not become healthy in time is taken back") {
  Run run;
  run.apply(bundle("a"));
  run.host.reloads = [](FakeHost& host) {
    host.healthy = host.config() == "b" ? 500 : 200;
    return 200;
  };
  run.host.starts = [](FakeHost& host) {
    host.healthy = 200;
    return true;
  };
  const Report report = run.apply(bundle("b"));
  CHECK(report.outcome == Outcome::kRolledBack);
  CHECK(report.error == "not ready and healthy after 15s: /-/healthy answers 500: loki.x: ill");
  CHECK(run.host.config() == "a");
}

TEST_CASE("apply: what is ill for a moment only is waited for") {
  Run run;
  run.apply(bundle("a"));
  run.host.reloads = [](FakeHost& host) {
    host.ill_answers = 20;
    return 200;
  };
  CHECK(run.apply(bundle("b")).outcome == Outcome::kChanged);
  CHECK(run.host.ill_answers == 0);
}

TEST_CASE("apply: an agent that dies right after it was ready is taken back") {
  Run run;
  run.apply(bundle("a"));
  run.host.starts = [](FakeHost& host) {
    host.dies_soon = host.config() == "b";
    return true;
  };
  const Report report = run.apply(bundle("b", kNew));
  CHECK(report.outcome == Outcome::kRolledBack);
  CHECK(report.error == "the agent was ready but did not stay up");
  CHECK(run.host.config() == "a");
}

TEST_CASE(
    "apply: an agent that was ill before the change need not be well after it, and is told about") {
  Run run;
  run.apply(bundle("a"));
  run.host.healthy = 500;
  CHECK(run.apply(bundle("a")).outcome == Outcome::kUnchanged);
  const Report report = run.apply(bundle("b"));
  CHECK(report.outcome == Outcome::kChanged);
  REQUIRE_FALSE(report.notes.empty());
  CHECK(report.notes.back() == "it is ready, but /-/healthy answers 500: loki.x: ill");
}

TEST_CASE("apply: a first agent that is ready but ill stays, one that is not ready goes") {
  Run run;
  run.host.healthy = 500;
  const Report ill = run.apply(bundle("a"));
  CHECK(ill.outcome == Outcome::kChanged);
  CHECK(ill.notes ==
        std::vector<std::string>{"it is ready, but /-/healthy answers 500: loki.x: ill"});
  Run other;
  other.host.ready = 503;
  const Report waiting = other.apply(bundle("a"));
  CHECK(waiting.outcome == Outcome::kRolledBack);
  CHECK(waiting.error ==
        "not ready and healthy after 30s: /-/ready answers 503: loki.x: port in use");
}

namespace {

// `failing`: receivers that fail; agents of before do not tell.
std::string metrics(int sent, int dropped, int queued, std::optional<int> failing = {}) {
  const std::string told =
      failing ? "loki_write_failing{host=\"a b\"} " + std::to_string(*failing) + "\n" : "";
  return told +
         "# HELP loki_write_sent_entries_total Entries sent.\n"
         "loki_write_sent_entries_total{host=\"a b\"} " +
         std::to_string(sent) + "\nloki_write_dropped_entries_total{reason=\"x\"} " +
         std::to_string(dropped) + "\nloki_write_queued_entries " + std::to_string(queued) + "\n";
}

}  // namespace

TEST_CASE("apply: what the agent's metrics tell of its deliveries") {
  const Deliveries some = read_deliveries(metrics(5, 0, 2) + metrics(1, 3, 0) +
                                          "loki_write_sent_entries_totally 9\n"
                                          "loki_write_queued_entries\nloki_write_queued_entries x");
  CHECK(some.known);
  CHECK(some.sent == 6);
  CHECK(some.dropped == 3);
  CHECK(some.queued == 2);
  CHECK_FALSE(some.failing);
  CHECK(read_deliveries(metrics(5, 0, 2, 1) + metrics(1, 0, 0, 0)).failing == 1.0);
  CHECK_FALSE(read_deliveries("up 1\n").known);
  CHECK_FALSE(read_deliveries("").known);
}

TEST_CASE("apply: an agent that delivers no more, after one that did, is taken back") {
  Run run;
  run.apply(bundle("a"));
  run.host.metrics = [](FakeHost& host) {
    return host.config() == "b" ? metrics(0, 2, 7) : metrics(40, 1, 0);
  };
  std::string told;
  SECTION("why is not told") {}
  SECTION("an error that is over tells nothing of it") {
    run.host.pages["/api/v0/ui/figures"] = {
        R"({"last_error":{"component":"loki.write.a","message":"gone by","now":false}})"};
  }
  SECTION("why is told") {
    run.host.pages["/api/v0/ui/figures"] = {
        R"({"last_error":{"component":"loki.write.a","message":"401\nno","now":true}})"};
    told = " (loki.write.a: 401 no)";
  }
  const Report report = run.apply(bundle("b"));
  CHECK(report.outcome == Outcome::kRolledBack);
  CHECK(report.error == "no receiver took a log entry within 15s: 7 wait, 2 were refused" + told +
                            "; the agent before it delivered");
  CHECK(run.host.config() == "a");
}

TEST_CASE("apply: an outage that begins while a change is judged: it is taken back and explained") {
  Run run;
  run.apply(bundle("a"));
  bool away = false;
  run.host.reloads = [&](FakeHost&) {
    away = true;
    return 200;
  };
  run.host.metrics = [&](FakeHost&) { return away ? metrics(0, 0, 7) : metrics(40, 0, 0); };
  const std::string cause = "; so the cause may lie outside of the change: a receiver or the host";

  SECTION("before the component notices") {
    const Report report = run.apply(bundle("b"));
    CHECK(report.outcome == Outcome::kRolledBack);
    CHECK(report.error ==
          "no receiver took a log entry within 15s: 7 wait, 0 were refused; the agent before it "
          "delivered");
    CHECK(report.notes ==
          std::vector<std::string>{"what was there before is back and ready, but no receiver took "
                                   "a log entry within 5s: 7 wait, 0 were refused" +
                                   cause});
  }
  SECTION("and the components are ill of it, before and after") {
    run.host.reloads = [&](FakeHost& host) {
      away = true;
      host.healthy = 500;
      return 200;
    };
    const Report report = run.apply(bundle("b"));
    CHECK(report.outcome == Outcome::kRolledBack);
    CHECK(report.error == "not ready and healthy after 15s: /-/healthy answers 500: loki.x: ill");
    REQUIRE(report.notes.size() == 2);
    CHECK(report.notes[0] ==
          "what was there before is back and ready, but /-/healthy answers 500: loki.x: ill" +
              cause);
    CHECK(report.notes[1].find("no receiver took a log entry") != std::string::npos);
  }
  CHECK(run.host.config() == "a");
  CHECK(run.host.active);
  // Over, the same change goes through.
  away = false;
  run.host.healthy = 200;
  run.host.reloads = [](FakeHost&) { return 200; };
  run.host.metrics = [n = 40](FakeHost&) mutable { return metrics(++n, 0, 0); };
  CHECK(run.apply(bundle("b")).outcome == Outcome::kChanged);
}

TEST_CASE("apply: what goes back and delivers again is not told about") {
  Run run;
  run.apply(bundle("a"));
  run.host.metrics = [](FakeHost& host) {
    return host.config() == "b" ? metrics(0, 0, 7) : metrics(40, 0, 0);
  };
  const Report report = run.apply(bundle("b"));
  CHECK(report.outcome == Outcome::kRolledBack);
  CHECK(report.notes.empty());
}

TEST_CASE(
    "apply: the first delivery is waited for, and nothing where there is nothing to deliver") {
  Run run;
  run.apply(bundle("a"));
  int looks = 0;
  run.host.metrics = [&](FakeHost& host) {
    if (host.config() == "a") return metrics(40, 0, 0);
    return ++looks < 20 ? metrics(40, 0, 3) : metrics(41, 0, 2);  // a reload that keeps counting
  };
  CHECK(run.apply(bundle("b")).outcome == Outcome::kChanged);
  CHECK(looks == 20);
  run.host.metrics = [](FakeHost&) { return metrics(41, 0, 0); };
  CHECK(run.apply(bundle("c")).outcome == Outcome::kChanged);
}

TEST_CASE("apply: no receiver before and none after is told, and the change stays") {
  Run run;
  run.host.metrics = [](FakeHost&) { return metrics(0, 0, 12); };
  const Report first = run.apply(bundle("a"));
  CHECK(first.outcome == Outcome::kChanged);
  CHECK(
      run.has(first.notes,
              "it is ready, but no receiver took a log entry within 5s: 12 wait, 0 were refused"));
  run.host.metrics = [](FakeHost&) { return metrics(40, 0, 12); };  // it went away some time ago
  const Report report = run.apply(bundle("b"));
  CHECK(report.outcome == Outcome::kChanged);
  CHECK(report.notes.size() == 1);
}

TEST_CASE("apply: an agent whose receivers answer delivers, whatever waits just now") {
  Run run;
  run.apply(bundle("a"));
  int failing = 0;
  run.host.metrics = [&](FakeHost& host) {
    return host.config() == "b" ? metrics(40, 0, 9) : metrics(40, 0, 5, failing);
  };
  const Mono start = run.clock.mono();
  CHECK(run.apply(bundle("b")).outcome == Outcome::kRolledBack);
  const Duration at_once = run.clock.mono() - start;
  // One whose receiver fails is looked at longer: it may deliver a backlog. It does not, so the
  // change is not to blame.
  failing = 1;
  const Report report = run.apply(bundle("b"));
  CHECK(report.outcome == Outcome::kChanged);
  CHECK(report.notes.size() == 1);
  CHECK(at_once >= std::chrono::seconds(15));
}

TEST_CASE("apply: it is looked whether the agent stays while its first delivery is waited for") {
  Run run;
  run.apply(bundle("a"));
  Mono reloaded{};
  run.host.reloads = [&](FakeHost&) {
    reloaded = run.clock.mono();
    return 200;
  };
  run.host.metrics = [&](FakeHost&) {
    const bool arrived =
        reloaded != Mono{} && run.clock.mono() - reloaded >= std::chrono::milliseconds(400);
    return metrics(arrived ? 41 : 40, 0, 3, 0);
  };
  CHECK(run.apply(bundle("b")).outcome == Outcome::kChanged);
  CHECK(run.clock.mono() - reloaded == std::chrono::milliseconds(500));
}

TEST_CASE("apply: how long an agent must stay well, and whether it must deliver, can be said") {
  Run run;
  run.apply(bundle("a"));
  Mono reloaded{};
  run.host.reloads = [&](FakeHost&) {
    reloaded = run.clock.mono();
    return 200;
  };
  run.host.metrics = [](FakeHost& host) {
    return host.config() == "b" ? metrics(0, 2, 7) : metrics(40, 1, 0);
  };
  Bundle b = bundle("b");
  b.delivery = false;
  SECTION("for longer") {
    b.grace = std::chrono::seconds(20);
    CHECK(run.apply(b).outcome == Outcome::kChanged);
    CHECK(run.clock.mono() - reloaded == std::chrono::seconds(20));
  }
  SECTION("not at all, but well it must be") {
    b.grace = Duration::zero();
    CHECK(run.apply(b).outcome == Outcome::kChanged);
    CHECK(run.clock.mono() == reloaded);
    Bundle c = bundle("c");
    c.grace = Duration::zero();
    c.ready = std::chrono::seconds(10);
    run.host.reloads = [&](FakeHost& host) {
      host.healthy = 500;
      return 200;
    };
    CHECK(run.apply(c).error ==
          "not ready and healthy after 5s: /-/healthy answers 500: loki.x: ill");
  }
  SECTION("and what it delivers counts all the same") {
    b.grace = Duration::zero();
    b.delivery = true;
    CHECK(run.apply(b).outcome == Outcome::kRolledBack);
  }
}

TEST_CASE(
    "apply: what is refused a moment after the reload is seen, whatever was sent just before") {
  Run run;
  run.apply(bundle("a"));
  Mono reloaded{};
  run.host.reloads = [&](FakeHost& host) {
    if (host.config() == "b") reloaded = run.clock.mono();
    return 200;
  };
  run.host.metrics = [&](FakeHost& host) {
    if (host.config() == "a") return metrics(40, 0, 3, 0);
    const bool refused = run.clock.mono() - reloaded >= std::chrono::milliseconds(300);
    return refused ? metrics(43, 2, 3, 1) : metrics(43, 0, 0, 0);  // the old one's last push
  };
  const Report report = run.apply(bundle("b"));
  CHECK(report.outcome == Outcome::kRolledBack);
  CHECK(report.error.find("2 were refused; the agent before it delivered") != std::string::npos);
}

TEST_CASE("apply: a first install that fails leaves a host without agent, unit and configuration") {
  Run run;
  run.host.starts = [](FakeHost&) { return false; };
  const Report report = run.apply(bundle("a"));
  CHECK(report.outcome == Outcome::kRolledBack);
  CHECK_FALSE(std::filesystem::exists(run.host.at(kConfigPath)));
  CHECK_FALSE(std::filesystem::exists(run.host.at(kUnitPath)));
  CHECK(run.host.current().empty());
  CHECK_FALSE(run.host.enabled());
  CHECK_FALSE(run.host.active);
}

TEST_CASE("apply: what does not start stays where that is asked for, and a rollback knows of it") {
  Run run;
  run.apply(bundle("a"));
  run.host.starts = [](FakeHost& host) { return host.config() != "b"; };
  Bundle wanted = bundle("b", kNew);
  wanted.rolls_back = false;
  const Report report = run.apply(wanted);
  CHECK(report.outcome == Outcome::kBroken);
  CHECK(run.has(report.notes, "left as it is (--no-rollback); fleetctl rollback takes it back"));
  CHECK(run.host.config() == "b");
  CHECK(run.host.current() == kNew);
  CHECK_FALSE(std::filesystem::exists(run.host.at("/var/lib/fleetctl/underway.json")));
  CHECK(Books(run.host).applied()->release == kNew);
  CHECK(Books(run.host).read_generation(report.generation)->release == kOld);
  // What the running agent refuses never ran: there is nothing to look at.
  run.host.starts = [](FakeHost&) { return true; };
  run.apply(bundle("c", kNew));
  run.host.reloads = [](FakeHost&) { return 500; };
  wanted = bundle("d", kNew);
  wanted.rolls_back = false;
  CHECK(run.apply(wanted).outcome == Outcome::kRolledBack);
  CHECK(run.host.config() == "c");
}

TEST_CASE("apply: a restart is forced or forbidden where that is asked for") {
  Run run;
  run.apply(bundle("a"));
  Bundle wanted = bundle("a");
  wanted.restart = Restart::kAlways;
  const Report always = run.apply(wanted);
  CHECK(always.outcome == Outcome::kChanged);
  CHECK(always.effect == Effect::kRestart);
  CHECK(always.changes == std::vector<std::string>{"restarted, as asked for"});
  wanted = bundle("a", kNew);
  wanted.restart = Restart::kNever;
  const Report never = run.apply(wanted);
  CHECK(never.outcome == Outcome::kRefused);
  CHECK(never.error == "it needs a restart, and --restart never was given");
  CHECK(run.host.current() == kOld);
  wanted = bundle("b");
  wanted.restart = Restart::kNever;
  CHECK(run.apply(wanted).effect == Effect::kReload);
  // A reload that nobody answers would end in a restart.
  run.host.reloads = [](FakeHost&) { return 0; };
  wanted = bundle("c");
  wanted.restart = Restart::kNever;
  const Report unanswered = run.apply(wanted);
  CHECK(unanswered.outcome == Outcome::kRolledBack);
  CHECK(unanswered.error == "the reload had no answer, and --restart never was given");
}

TEST_CASE(
    "apply: what a killed run left half-written goes with the next change, and nothing else") {
  Run run;
  run.apply(bundle("a"));
  const std::vector<std::string> half{"/etc/fleet-agent/config.alloy.new-aB3xYz",
                                      "/etc/fleet-agent/.config.alloy.staged.new-000000",
                                      "/etc/systemd/system/fleet-agent.service.new-QQQQQQ"};
  const std::vector<std::string> others{"/etc/fleet-agent/config.alloy.old",
                                        "/etc/fleet-agent/config.alloy.backup",
                                        "/etc/fleet-agent/mine.alloy.new-aB3xYz",
                                        "/etc/systemd/system/fleet-agent.service.d/my.conf"};
  for (const auto* list : {&half, &others})
    for (const std::string& path : *list) run.host.put(path, "x");
  CHECK(run.apply(bundle("b")).outcome == Outcome::kChanged);
  for (const std::string& path : half) {
    INFO(path);
    CHECK_FALSE(std::filesystem::exists(run.host.at(path)));
  }
  for (const std::string& path : others) {
    INFO(path);
    CHECK(std::filesystem::exists(run.host.at(path)));
  }
}

TEST_CASE("apply: when the way back fails too, it says so") {
  Run run;
  run.apply(bundle("a"));
  run.host.starts = [](FakeHost&) { return false; };
  const Report report = run.apply(bundle("a", kNew));
  CHECK(report.outcome == Outcome::kBroken);
  REQUIRE_FALSE(report.notes.empty());
  CHECK(report.notes.back().find("going back to what was there failed as well") == 0);
}

TEST_CASE("apply: an interrupted change is finished by the next run, which restarts") {
  Run run;
  run.apply(bundle("a"));
  // As a power cut between writing the file and telling the agent leaves it.
  Books books(run.host);
  Generation before = *books.read_generation(1);
  before.number = 2;
  before.release = kOld;
  before.active = before.enabled = before.ready = true;
  before.files = {*books.save_file(kConfigPath), *books.save_file(kUnitPath)};
  REQUIRE(books.write_generation(before));
  REQUIRE(books.begin(Underway{"r0", "you@there", 2}));
  run.host.put(kConfigPath, "b");

  SECTION("and comes up") {
    const Report report = run.apply(bundle("b"));
    CHECK(report.outcome == Outcome::kChanged);
    CHECK(report.effect == Effect::kRestart);
    CHECK(report.notes == std::vector<std::string>{"the deploy r0 of you@there was interrupted"});
    CHECK(run.apply(bundle("b")).outcome == Outcome::kUnchanged);
  }
  SECTION("or goes back to what was there before the interrupted one") {
    run.host.starts = [](FakeHost& host) { return host.config() == "a"; };
    CHECK(run.apply(bundle("b")).outcome == Outcome::kRolledBack);
    CHECK(run.host.config() == "a");
    CHECK(run.host.active);
  }
}

TEST_CASE("apply: killed at any moment, the host is whole and the next run finishes") {
  using Steps = std::vector<std::string>;
  struct Change {
    bool first;  // no agent is there yet
    Bundle what;
    Steps steps;
  };
  const Change changes[] = {
      {false,
       bundle("b"),
       {"look", "user", "validate", "save", "install", "reload", "wait", "deliver", "commit"}},
      {false,
       bundle("b", kNew),
       {"look", "user", "validate", "save", "install", "restart", "wait", "deliver", "commit"}},
      {true,
       bundle("b"),
       {"look", "user", "validate", "save", "install", "restart", "wait", "deliver", "commit"}},
      {false,
       bundle("bad"),
       {"look", "user", "validate", "save", "install", "reload", "roll back", "wait"}},
      {false,
       bundle("bad", kNew),
       {"look", "user", "validate", "save", "install", "restart", "roll back", "wait"}}};
  for (const Change& change : changes) {
    const bool bad = change.what.files[0].bytes == "bad";
    std::size_t interrupted = 0;
    for (std::size_t last = 0;; ++last) {
      Run run;
      run.host.metrics = [](FakeHost&) { return "loki_write_sent_entries_total 0\n"; };
      run.host.starts = [](FakeHost& host) { return host.config() != "bad"; };
      run.host.reloads = [](FakeHost& host) { return host.config() == "bad" ? 500 : 200; };
      if (!change.first) run.apply(bundle("a"));
      Moments moments(run, last);
      const auto report = moments.apply(change.what);
      if (report) {
        CHECK(moments.steps == change.steps);
        CHECK(report->outcome == (bad ? Outcome::kRolledBack : Outcome::kChanged));
        break;
      }
      INFO(change.what.files[0].bytes << ", killed at moment " << last << ", "
                                      << moments.steps.back());
      const std::string there = run.host.config();
      CHECK(
          (there == "a" || there == change.what.files[0].bytes || (change.first && there.empty())));
      const bool begun = std::filesystem::exists(run.host.at("/var/lib/fleetctl/underway.json"));
      interrupted += begun ? 1 : 0;

      const Report next = run.apply(change.what);
      INFO(next.error);
      CHECK(run.has(next.notes, "the deploy r1 of me@box was interrupted") == begun);
      CHECK_FALSE(std::filesystem::exists(run.host.at("/var/lib/fleetctl/underway.json")));
      CHECK(run.host.active);
      CHECK(run.host.enabled());
      if (bad) {
        CHECK(next.outcome == Outcome::kRolledBack);
        CHECK(run.host.config() == "a");
        CHECK(run.host.current() == kOld);
      } else {
        CHECK((next.outcome == Outcome::kChanged || next.outcome == Outcome::kUnchanged));
        CHECK(run.host.config() == "b");
        CHECK(run.host.current() == change.what.release);
      }
      CHECK(run.host.in_effect == run.host.config());
      CHECK_FALSE(std::filesystem::exists(run.host.at("/etc/fleet-agent/.config.alloy.staged")));
      CHECK(run.apply(bundle(bad ? "a" : "b", run.host.current())).outcome == Outcome::kUnchanged);
    }
    CHECK(interrupted >= change.steps.size() - 5);  // those between "save" and the end
  }
}

TEST_CASE("apply: a file that an earlier bundle brought and this one does not is removed") {
  Run run;
  Bundle more = bundle("a");
  more.files.push_back(file("/etc/fleet-agent/extra.txt", 0640, "x"));
  run.apply(more);
  REQUIRE(std::filesystem::exists(run.host.at("/etc/fleet-agent/extra.txt")));
  run.host.put("/etc/fleet-agent/by-hand.txt", "mine");
  CHECK(run.apply(bundle("a")).changes == std::vector<std::string>{"removed extra.txt"});
  CHECK_FALSE(std::filesystem::exists(run.host.at("/etc/fleet-agent/extra.txt")));
  CHECK(run.host.text("/etc/fleet-agent/by-hand.txt") == "mine");
}

TEST_CASE("apply: a file beside the configuration is reloaded, a drop-in of the unit restarts") {
  constexpr const char* kBeside = "/etc/fleet-agent/endpoints.json";
  constexpr const char* kDropIn = "/etc/systemd/system/fleet-agent.service.d/limits.conf";
  Run run;
  run.apply(bundle("a"));
  Bundle more = bundle("a");
  more.files.push_back(file(kBeside, 0640, "[1]"));
  Report report = run.apply(more);
  CHECK(report.changes == std::vector<std::string>{"endpoints.json"});
  CHECK(report.effect == Effect::kReload);
  // The configuration may import what is not there yet.
  CHECK(
      run.host.ran("/opt/fleet-agent/1111111111111111/bin/fleet-agent validate --no-modules /etc"));
  CHECK_FALSE(run.host.ran("systemctl daemon-reload"));
  more.files.push_back(file(kDropIn, 0644, "[Service]\nLimitNOFILE=9\n"));
  report = run.apply(more);
  CHECK(report.changes == std::vector<std::string>{"fleet-agent.service.d/limits.conf"});
  CHECK(run.host.ran("/opt/fleet-agent/1111111111111111/bin/fleet-agent validate /etc"));
  CHECK(report.effect == Effect::kRestart);
  CHECK(run.host.ran("systemctl daemon-reload"));
  CHECK(run.host.text(kDropIn) == "[Service]\nLimitNOFILE=9\n");
  CHECK(run.apply(more).outcome == Outcome::kUnchanged);

  // Neither a refusal nor what does not start leaves anything of them.
  Bundle other = bundle("b");
  other.files.push_back(file(kBeside, 0640, "[2]"));
  run.host.validate_says = "1:1: unknown component";
  CHECK(run.apply(other).outcome == Outcome::kRefused);
  CHECK(run.host.text(kBeside) == "[1]");
  CHECK(run.host.text(kDropIn) == "[Service]\nLimitNOFILE=9\n");
  run.host.validate_says.clear();
  run.host.starts = [](FakeHost& host) { return host.config() != "b"; };
  CHECK(run.apply(other).outcome == Outcome::kRolledBack);
  CHECK(run.host.text(kBeside) == "[1]");
  CHECK(run.host.text(kDropIn) == "[Service]\nLimitNOFILE=9\n");
  CHECK(run.host.ran("systemctl daemon-reload"));
  CHECK(run.host.config() == "a");

  report = run.apply(bundle("a"));
  CHECK(report.effect == Effect::kRestart);
  CHECK(report.changes == std::vector<std::string>{"removed endpoints.json",
                                                   "removed fleet-agent.service.d/limits.conf"});
  CHECK_FALSE(std::filesystem::exists(run.host.at(kBeside)));
  CHECK_FALSE(std::filesystem::exists(run.host.at(kDropIn)));
  CHECK(run.apply(bundle("a")).outcome == Outcome::kUnchanged);
}

TEST_CASE("apply: files of one base name are told apart, as fleetctl tells them") {
  Run run;
  Bundle more = bundle("a");
  more.files.push_back(file("/etc/fleet-agent/x.conf", 0640, "1"));
  more.files.push_back(file("/etc/systemd/system/fleet-agent.service.d/x.conf", 0644, "2"));
  more.files.push_back(file("/etc/fleet-agent/fleet-agent.service", 0640, "3"));
  run.apply(bundle("a"));
  CHECK(run.apply(more).changes ==
        std::vector<std::string>{"x.conf", "fleet-agent.service.d/x.conf",
                                 "/etc/fleet-agent/fleet-agent.service"});
  struct stat status {};
  const auto folder = run.host.at("/etc/systemd/system/fleet-agent.service.d");
  REQUIRE(::stat(folder.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0755);
}

TEST_CASE("apply: killed while files come, change and go, the next run leaves what it wants") {
  constexpr const char* kBeside = "/etc/fleet-agent/beside";
  constexpr const char* kDropIn = "/etc/systemd/system/fleet-agent.service.d/x.conf";
  constexpr const char* kMine = "/etc/fleet-agent/mine";
  constexpr const char* kGoes = "/etc/fleet-agent/goes";
  Bundle first = bundle("a");
  first.files.push_back(file(kBeside, 0640, "1"));
  first.files.push_back(file(kGoes, 0640, "g"));
  Bundle second = bundle("b");
  second.files.push_back(file(kBeside, 0640, "2"));
  second.files.push_back(file(kDropIn, 0644, "d"));
  second.files.push_back(file(kMine, 0640, "ours"));
  enum class Then { kOther, kKilledAgain };
  for (const Then then : {Then::kOther, Then::kKilledAgain}) {
    for (std::size_t last = 0;; last += then == Then::kOther ? 1 : 3) {
      Run run;
      run.apply(first);
      run.host.put(kMine, "mine");
      Moments moments(run, last);
      if (moments.apply(second)) break;
      INFO("then " << static_cast<int>(then) << ", killed at moment " << last << ", "
                   << moments.steps.back());
      const auto committed = [&] { return Books(run.host).applied()->files.contains(kDropIn); };
      if (then == Then::kOther) {
        // The tree does not know some of those files any more.
        const bool ended = committed();
        const Report report = run.apply(first);
        INFO(report.error);
        CHECK(run.host.text(kBeside) == "1");
        CHECK(run.host.text(kGoes) == "g");
        CHECK_FALSE(std::filesystem::exists(run.host.at(kDropIn)));
        CHECK((ended || run.host.text(kMine) == "mine"));
        CHECK(run.apply(first).outcome == Outcome::kUnchanged);
      } else {
        Moments again(run, last + 4);
        again.apply(second);
        if (committed()) {
          CHECK(run.host.text(kBeside) == "2");
          CHECK(run.host.text(kDropIn) == "d");
          CHECK(run.host.text(kMine) == "ours");
          CHECK_FALSE(std::filesystem::exists(run.host.at(kGoes)));
          continue;
        }
        run.host.starts = [](FakeHost& host) { return host.config() != "b"; };
        run.host.reloads = [](FakeHost& host) { return host.config() == "b" ? 400 : 200; };
        const Report report = run.apply(second);
        INFO(report.error);
        CHECK(report.outcome == Outcome::kRolledBack);
        CHECK(run.host.config() == "a");
        CHECK(run.host.text(kBeside) == "1");
        CHECK(run.host.text(kGoes) == "g");
        CHECK(run.host.text(kMine) == "mine");
        CHECK_FALSE(std::filesystem::exists(run.host.at(kDropIn)));
      }
    }
  }
}

TEST_CASE("apply: a full disk costs no generation that is kept") {
  Run run;
  for (const char* config : {"a", "b", "c"}) run.apply(bundle(config));
  const auto kept = Books(run.host).generations();
  REQUIRE(kept == std::vector<unsigned>{3, 2, 1});
  // What is saved first cannot be written: where its folder would be, there is none.
  const auto folder = run.host.at("/var/lib/fleetctl/generations/");
  for (int i = 0; i < 4; ++i) {
    Bundle more = bundle("d");
    more.files.push_back(file("/etc/fleet-agent/large", 0640, "l"));
    run.host.put("/etc/fleet-agent/large", std::string(2U << 20, 'x'));
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const auto ignored = ::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{1U << 20, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const Report report = run.apply(more);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    ::signal(SIGXFSZ, ignored);
    CHECK(report.outcome == Outcome::kRefused);
    CHECK(report.error.find("File too large") != std::string::npos);
    CHECK(Books(run.host).generations() == kept);
    CHECK(run.host.text("/etc/fleet-agent/large").size() == 2U << 20);
  }
  CHECK(run.apply(bundle("d")).outcome == Outcome::kChanged);
  // One that a killed run left half-saved goes, and is none of the three.
  std::filesystem::create_directories(folder / "9/files");
  CHECK(run.apply(bundle("e")).outcome == Outcome::kChanged);
  CHECK(Books(run.host).generations() == std::vector<unsigned>{10, 4, 3});
}

TEST_CASE("apply: a file that is somebody else's, or that somebody may write, is mended") {
  if (::geteuid() != 0) return;  // only root gives files away
  constexpr const char* kBeside = "/etc/fleet-agent/x";
  Run run;
  Bundle more = bundle("a");
  more.files.push_back(file(kBeside, 0640, "1"));
  run.apply(more);
  REQUIRE(::chown(run.host.at(kBeside).c_str(), 4711, static_cast<gid_t>(-1)) == 0);
  const Report report = run.apply(more);
  CHECK(report.changes == std::vector<std::string>{"mode of x"});
  CHECK(report.effect == Effect::kNone);
  struct stat status {};
  REQUIRE(::stat(run.host.at(kBeside).c_str(), &status) == 0);
  CHECK(status.st_uid == 0);
}

TEST_CASE("apply: what a killed run brought goes with the next one that does not name it") {
  constexpr const char* kBeside = "/etc/fleet-agent/endpoints.json";
  constexpr const char* kDropIn = "/etc/systemd/system/fleet-agent.service.d/limits.conf";
  Bundle more = bundle("b");
  more.files.push_back(file(kBeside, 0640, "[1]"));
  more.files.push_back(file(kDropIn, 0644, "[Service]\nLimitNOFILE=9\n"));
  std::size_t brought = 0;
  for (std::size_t last = 0;; ++last) {
    Run run;
    run.apply(bundle("a"));
    Moments moments(run, last);
    if (moments.apply(more)) break;
    INFO("killed at moment " << last << ", " << moments.steps.back());
    const bool there = std::filesystem::exists(run.host.at(kDropIn));
    const bool begun = std::filesystem::exists(run.host.at("/var/lib/fleetctl/underway.json"));
    brought += there && begun ? 1 : 0;
    const Report next = run.apply(bundle("c"));
    CHECK(next.outcome == Outcome::kChanged);
    CHECK(std::any_of(next.changes.begin(), next.changes.end(), [](const std::string& change) {
            return change.find("removed ") == 0 && change.find("limits.conf") != std::string::npos;
          }) == there);
    CHECK_FALSE(std::filesystem::exists(run.host.at(kBeside)));
    CHECK_FALSE(std::filesystem::exists(run.host.at(kDropIn)));
    CHECK(run.apply(bundle("c")).outcome == Outcome::kUnchanged);
  }
  CHECK(brought > 3);
}

TEST_CASE("apply: a generation that a killed run did not write to the end is not kept") {
  Run run;
  run.apply(bundle("a"));
  run.host.put("/var/lib/fleetctl/generations/2/files/0", "x");
  run.host.put("/var/lib/fleetctl/generations/2/generation.json.aB3xYz", "{");
  CHECK(run.apply(bundle("b")).outcome == Outcome::kChanged);
  CHECK(Books(run.host).generations() == std::vector<unsigned>{3, 1});
}

TEST_CASE("apply: a stopped agent is started although nothing differs") {
  Run run;
  run.apply(bundle("a"));
  run.host.active = false;
  const Report report = run.apply(bundle("a"));
  CHECK(report.outcome == Outcome::kChanged);
  CHECK(report.changes == std::vector<std::string>{"started"});
  CHECK(run.host.active);
}

TEST_CASE("apply: three generations and the releases that they name are kept") {
  Run run;
  for (char c = 'a'; c < 'h'; ++c) {
    const std::string release(16, c < 'g' ? c : '0');
    run.host.put_release(release);
    run.apply(bundle(std::string(1, c), release));
  }
  CHECK(Books(run.host).generations() == std::vector<unsigned>{7, 6, 5});
  std::vector<std::string> releases;
  for (const auto& entry : std::filesystem::directory_iterator(run.host.at("/opt/fleet-agent"))) {
    releases.push_back(entry.path().filename());
  }
  std::sort(releases.begin(), releases.end());
  CHECK(releases == std::vector<std::string>{std::string(16, '0'), "current", std::string(16, 'e'),
                                             std::string(16, 'f')});
}

TEST_CASE("apply: a host without systemd is refused") {
  Run run;
  std::filesystem::remove_all(run.host.at("/run/systemd"));
  const Report report = run.apply(bundle("a"));
  CHECK(report.outcome == Outcome::kRefused);
  CHECK(report.error == "this host does not run systemd");
}

TEST_CASE("apply: a symbolic link in place of the configuration is refused") {
  Run run;
  run.apply(bundle("a"));
  std::filesystem::remove(run.host.at(kConfigPath));
  std::filesystem::create_symlink("/etc/shadow", run.host.at(kConfigPath));
  const Report report = run.apply(bundle("a"));
  CHECK(report.outcome == Outcome::kRefused);
  CHECK(report.error.find("is not a regular file") != std::string::npos);
}

}  // namespace agent::install
