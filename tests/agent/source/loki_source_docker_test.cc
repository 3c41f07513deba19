// loki.source.docker against a real Docker Engine: what containers write arrives, each line once,
// in order, whatever is stopped and started meanwhile.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <thread>

#include "agent/base/file.h"
#include "agent/component/relabel_args.h"
#include "tests/support/component_box.h"
#include "tests/support/log_collector.h"
#include "tests/support/private_docker.h"

namespace agent::process {
component::Declaration loki_process();
}

namespace agent::source {

component::Declaration loki_source_docker();

namespace {

using Mode = LogCollector::Mode;

lang::Value target(const PrivateDocker& docker, const std::string& name) {
  return lang::Value::Object{
      {"__meta_docker_container_id", docker.docker("inspect -f {{.Id}} " + name)},
      {"__meta_docker_container_name", "/" + name},
      {"container", name}};
}

// The source on a thread; gone like a process that was stopped, or (crash) like one that was
// killed.
class Running {
 public:
  Running(ComponentBox& box, const lang::Body& body) : component_(box, loki_source_docker()) {
    REQUIRE(component_.configure(body) == "");
    component_.start();
  }
  ~Running() {
    component_.stop();
    if (!crash_) component_.shut_down();
  }
  RunningComponent& component() { return component_; }
  void crash() { crash_ = true; }

 private:
  RunningComponent component_;
  bool crash_ = false;
};

struct Lines {
  const std::vector<LogCollector::Line>& seen;
  std::vector<std::string> of(const std::string& labels) const {
    std::vector<std::string> out;
    for (const LogCollector::Line& entry : seen)
      if (entry.labels == labels) out.push_back(entry.text);
    return out;
  }
};

std::vector<std::string> numbers(int from, int to) {
  std::vector<std::string> out;
  for (int i = from; i <= to; ++i) out.push_back(std::to_string(i));
  return out;
}

bool ends_with(const std::vector<LogCollector::Line>& seen, const std::string& line) {
  return std::any_of(seen.begin(), seen.end(),
                     [&](const LogCollector::Line& entry) { return entry.text == line; });
}

lang::Body arguments(const PrivateDocker& docker, const std::vector<std::string>& names,
                     const std::shared_ptr<LogCollector>& out,
                     std::vector<std::pair<std::string, lang::Value>> more = {}) {
  lang::Value::List targets;
  for (const std::string& name : names) targets.push_back(target(docker, name));
  std::vector<std::pair<std::string, lang::Value>> all = {
      {"host", docker.host()}, {"targets", targets}, {"forward_to", receivers(out)}};
  for (auto& one : more) all.push_back(std::move(one));
  return body_of(std::move(all));
}

// Lines are numbered without a pause, faster than anybody restarts anything.
constexpr const char* kCounting =
    "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; [ $((i % 50)) != 0 ] || sleep 0.02; done; "
    "echo end";

}  // namespace

TEST_CASE("loki.source.docker: what a real daemon holds arrives as it was written") {
  const PrivateDocker docker("dsa");
  docker.run("both", "echo out1; echo err1 >&2; echo; printf unfinished");
  docker.run("tty", "echo hello; echo world", "-t");
  docker.run("long",
             "head -c 40000 /dev/zero | tr \"\\0\" x; echo; head -c 300000 /dev/zero | tr \"\\0\" "
             "y; echo; echo end");
  docker.run("short", "sleep 0.2; echo last words");
  docker.run("unread", "echo lost", "--log-driver none");
  const std::vector<std::string> names = {"both", "tty", "long", "short", "unread"};
  docker.docker("wait both tty long short unread");

  ComponentBox box("loki.source.docker.x");
  const auto out = std::make_shared<LogCollector>();
  model::RelabelRule stream;
  stream.source_labels = {"__meta_docker_container_log_stream"};
  stream.target_label = "stream";
  const auto rules = std::make_shared<model::RelabelRules>(*model::RelabelRules::compile({stream}));
  {
    Running running(box, arguments(docker, names, out,
                                   {{"labels", lang::Value::Object{{"job", "docker"}}},
                                    {"relabel_rules", component::capsule(rules)}}));
    REQUIRE(out->wait_for(9));
    CHECK_FALSE(out->wait_for(10, std::chrono::milliseconds(700)));
    CHECK(box.metric("loki_source_docker_lines_cut_total") == 1);
    CHECK(box.metric("loki_source_docker_targets_active") == 5);
    CHECK(box.metric("loki_source_docker_target_entries_total") == 9);
    CHECK(box.metric("loki_source_docker_targets_unreadable") == 1);
  }
  const auto seen = out->seen();
  const Lines lines{seen};
  const auto labels = [](const std::string& name, const std::string& from) {
    return R"({container=")" + name + R"(", job="docker", stream=")" + from + "\"}";
  };
  CHECK(lines.of(labels("both", "stdout")) == std::vector<std::string>{"out1", "unfinished"});
  CHECK(lines.of(labels("both", "stderr")) == std::vector<std::string>{"err1"});
  CHECK(lines.of(labels("tty", "stdout")) == std::vector<std::string>{"hello", "world"});
  CHECK(lines.of(labels("short", "stdout")) == std::vector<std::string>{"last words"});
  const auto longs = lines.of(labels("long", "stdout"));
  REQUIRE(longs.size() == 3);
  CHECK(longs[0] == std::string(40000, 'x'));
  CHECK(longs[1].size() == 256U << 10);
  CHECK(longs[1].substr(longs[1].size() - 10) == "[line cut]");
  CHECK(longs[2] == "end");
  // Times are Docker's.
  const std::string logged = docker.docker("logs -t short");
  const std::int64_t seconds =
      std::stoll(shell("date -d " + logged.substr(0, logged.find(' ')) + " +%s%N"));
  CHECK(std::any_of(seen.begin(), seen.end(),
                    [&](const LogCollector::Line& e) { return e.time_ns == seconds; }));

  // Nothing comes twice after a restart of the agent.
  out->clear();
  Running again(box, arguments(docker, names, out));
  docker.docker("start short");
  REQUIRE(out->wait_for(1));
  CHECK_FALSE(out->wait_for(2, std::chrono::milliseconds(700)));
  CHECK(out->seen()[0].text == "last words");
}

TEST_CASE(
    "loki.source.docker: restarts of agent, container and daemon cost no line and repeat none") {
  const PrivateDocker docker("dsb");
  docker.run("count", kCounting);
  docker.run("mixed",
             "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo o$i; echo e$i >&2; done; sleep 1000");
  ComponentBox box("loki.source.docker.x");
  const auto out = std::make_shared<LogCollector>();
  const lang::Body body = arguments(docker, {"count", "mixed"}, out);

  // The agent restarts while the containers write; on a machine so slow that they end first, also
  // afterwards.
  for (int restarts = 0; restarts < 4 || !ends_with(out->seen(), "end"); ++restarts) {
    const std::size_t before = out->seen().size();
    Running running(box, body);
    out->wait(
        [&](const auto& seen) { return seen.size() > before + 100 || ends_with(seen, "end"); });
  }
  {
    Running running(box, body);
    CHECK(out->wait_for(3001 + 4000));
    CHECK_FALSE(out->wait_for(3001 + 4001, std::chrono::milliseconds(500)));
  }
  auto seen = out->seen();
  auto expected = numbers(1, 3000);
  expected.emplace_back("end");
  CHECK(Lines{seen}.of(R"({container="count"})") == expected);
  std::multiset<std::string> mixed;
  std::vector<std::string> errors;
  for (const std::string& line : Lines{seen}.of(R"({container="mixed"})")) {
    mixed.insert(line);
    if (line[0] == 'e') errors.push_back(line);
  }
  CHECK(mixed.size() == 4000);
  CHECK(std::set<std::string>(mixed.begin(), mixed.end()).size() == 4000);
  std::vector<std::string> expected_errors;
  for (int i = 1; i <= 2000; ++i) expected_errors.push_back("e" + std::to_string(i));
  CHECK(errors == expected_errors);

  // The container restarts, 100 times.
  docker.run("cycle", "echo run; sleep 1000", "--stop-timeout 0 --init=false");
  out->clear();
  Running running(box, arguments(docker, {"cycle"}, out));
  for (int i = 0; i < 100; ++i) docker.docker("restart -t 0 cycle");
  CHECK(out->wait_for(101));
  CHECK_FALSE(out->wait_for(102, std::chrono::milliseconds(500)));

  // The daemon restarts.
  docker.stop_daemon();
  docker.start_daemon();
  docker.docker("start cycle");
  CHECK(out->wait_for(102, std::chrono::seconds(5)));
  CHECK_FALSE(out->wait_for(103, std::chrono::milliseconds(500)));

  // The container is removed: its cursor goes.
  const std::string id = docker.docker("inspect -f {{.Id}} cycle");
  const auto stored = [&] {
    return read_file(box.dir / "data" / "positions").value_or("").find(id) != std::string::npos;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!stored() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  CHECK(stored());
  docker.docker("rm -f cycle");
  while (stored() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  CHECK_FALSE(stored());
}

TEST_CASE("loki.source.docker: undelivered and unconfirmed lines come again, the same ones") {
  const PrivateDocker docker("dse");
  docker.run("count", kCounting);
  ComponentBox box("loki.source.docker.x");
  const auto out = std::make_shared<LogCollector>();
  const lang::Body body = arguments(docker, {"count"}, out);
  // Killed again and again, with what is on its way lost or refused.
  for (int round = 0; round < 8 && !ends_with(out->seen(), "end"); ++round) {
    Running running(box, body);
    const std::size_t before = out->seen().size();
    out->set_mode(Mode::kHold);
    out->wait([&](const auto& seen) { return seen.size() > before + 150; });
    if (round % 2 == 0) out->settle_held();
    out->lose_held();
    out->set_mode(Mode::kRefuse);
    std::this_thread::yield();
    out->set_mode(Mode::kSettle);
    out->wait([&](const auto& seen) { return seen.size() > before + 300; });
    running.crash();
  }
  {
    Running running(box, body);
    REQUIRE(out->wait([](const auto& seen) { return ends_with(seen, "end"); }));
  }
  std::map<std::string, std::set<std::int64_t>> times;
  for (const LogCollector::Line& entry : out->seen()) times[entry.text].insert(entry.time_ns);
  CHECK(times.size() == 3001);
  for (const auto& [line, at] : times) CHECK(at.size() == 1);
}

TEST_CASE("loki.source.docker: what a container left is read though nobody names it any more") {
  const PrivateDocker docker("dsf");
  docker.run("job", "echo first; sleep 1000", "--stop-timeout 0");
  ComponentBox box("loki.source.docker.x");
  const auto out = std::make_shared<LogCollector>();
  const lang::Body nobody = arguments(docker, {}, out);
  {
    Running running(box, arguments(docker, {"job"}, out));
    REQUIRE(out->wait_for(1));
    // The receiver is down while the container writes more, ends, and leaves the targets; then the
    // agent is killed.
    out->set_mode(Mode::kRefuse);
    docker.docker("exec job /bin/sh -c \"echo second >/proc/1/fd/1; echo third >/proc/1/fd/1\"");
    docker.docker("kill job");
    REQUIRE(running.component().configure(nobody) == "");
    running.crash();
  }
  out->set_mode(Mode::kSettle);
  Running running(box, nobody);
  CHECK(out->wait([](const auto& seen) { return ends_with(seen, "third"); }));
  CHECK(ends_with(out->seen(), "second"));
  // A running container that is no target is left alone.
  out->clear();
  docker.docker("start job");
  CHECK_FALSE(out->wait_for(1, std::chrono::milliseconds(700)));
}

TEST_CASE("loki.source.docker: without targets it finds the containers itself") {
  const PrivateDocker docker("dsd");
  docker.run("before", "echo old", "--label com.docker.compose.service=web");
  docker.docker("wait before");
  docker.run("there", "echo here; sleep 1000", "--label com.docker.compose.service=web");
  ComponentBox box("loki.source.docker.x");
  const auto out = std::make_shared<LogCollector>();
  Running running(box, body_of({{"host", docker.host()},
                                {"positions_path", "/var/lib/alloy/positions.yaml"},
                                {"labels", lang::Value::Object{{"job", "docker"}}},
                                {"forward_to", receivers(out)}}));
  CHECK(out->wait_for(1));
  docker.run("short", "echo quick");
  CHECK(out->wait_for(2));
  const auto seen = out->seen();
  CHECK(seen.at(0).text == "here");
  CHECK(seen.at(0).labels == R"({job="docker"})");
  CHECK(seen.at(1).text == "quick");
}

TEST_CASE("loki.source.docker: what it finds of a container itself can become labels in stages") {
  const PrivateDocker docker("dsg");
  docker.run("web", "echo out; echo err >&2; sleep 1000",
             "--label com.docker.compose.service=api --label com.docker.compose.project=shop");
  ComponentBox processor("loki.process.containers");
  const auto out = std::make_shared<LogCollector>();
  RunningComponent process(processor, process::loki_process());
  REQUIRE(process.configure(body_of(
              {{"forward_to", receivers(out)}},
              {{"stage.docker", body_of({})},
               {"stage.labels",
                body_of({{"values",
                          lang::Value::Object{
                              {"stream", "stream"},
                              {"container", "container_name"},
                              {"container_id", "container_id"},
                              {"compose_service", "container_label_com_docker_compose_service"},
                              {"compose_project", "container_label_com_docker_compose_project"},
                              {"missing", "container_label_missing"}}}})}})) == "");
  ComponentBox box("loki.source.docker.x");
  Running running(
      box, body_of({{"host", docker.host()}, {"forward_to", receivers(processor.receiver())}}));
  REQUIRE(out->wait_for(2));
  const std::string id = docker.docker("inspect -f {{.Id}} web");
  const auto labels = [&](const std::string& stream) {
    return R"({compose_project="shop", compose_service="api", container="web", container_id=")" +
           id + R"(", stream=")" + stream + "\"}";
  };
  const auto seen = out->seen();
  CHECK(Lines{seen}.of(labels("stdout")) == std::vector<std::string>{"out"});
  CHECK(Lines{seen}.of(labels("stderr")) == std::vector<std::string>{"err"});
  CHECK(box.metric("loki_source_docker_targets_active") == 1);
  CHECK(box.metric("loki_source_docker_entries_dropped_total") == 0);
}

}  // namespace agent::source
