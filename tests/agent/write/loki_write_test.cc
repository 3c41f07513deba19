#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <random>
#include <thread>

#include "agent/component/component.h"
#include "agent/component/delivers.h"
#include "agent/wire/loki_push.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/scripted_server.h"

namespace agent::write {
component::Declaration loki_write();
component::Declaration loki_echo();
}  // namespace agent::write

using agent::attribute;
using agent::block;
using agent::ComponentBox;
using agent::Duration;
using agent::FakeClock;
using agent::RunningComponent;
using agent::ScriptedServer;
using agent::lang::Block;
using agent::lang::Body;
using agent::model::EntryBatch;
using agent::model::Receipt;

namespace {

using Answer = ScriptedServer::Answer;

Answer status(int code, std::string body = {}) {
  Answer answer;
  answer.status = code;
  answer.body = std::move(body);
  return answer;
}

EntryBatch decode(const ScriptedServer::Request& request, agent::model::Interner& interner) {
  EntryBatch batch;
  if (!agent::wire::decode_push(request.body, {}, interner, batch)) std::abort();
  return batch;
}

std::vector<std::string> lines_of(const ScriptedServer::Request& request) {
  agent::model::Interner interner;
  const EntryBatch batch = decode(request, interner);
  std::vector<std::string> lines;
  for (const auto& entry : batch.entries) lines.emplace_back(entry.line);
  return lines;
}

struct WithClock {
  FakeClock clock;
};

// A loki.write that runs.
struct Bench : WithClock, ComponentBox {
  Bench() : ComponentBox("loki.write.test", clock) {}
  ~Bench() { stop(); }

  bool configure(std::vector<Block> blocks, std::vector<agent::lang::Attribute> attributes = {}) {
    Body body;
    body.blocks = std::move(blocks);
    body.attributes = std::move(attributes);
    make();
    problems = component->configure(body);
    return !component->refused();
  }
  void make() {
    if (component == nullptr)
      component = std::make_unique<RunningComponent>(*this, agent::write::loki_write());
  }
  void start() { component->start(); }
  // Without `patience` the clock goes on meanwhile.
  void stop(bool patience = false) {
    if (component == nullptr || !component->running()) return;
    component->request_stop();
    if (!patience) advance_until([&] { return component->ended(); });
    component->stop();
  }
  bool advance_until(const std::function<bool()>& done,
                     Duration step = std::chrono::milliseconds(20)) {
    return clock.advance_until(done, step);
  }
  // Sends entries of one stream; the receipt's outcome lands in `delivered`.
  agent::Result<> send(const std::vector<std::string>& lines, std::int64_t time = 1,
                       agent::model::Labels labels_ = {{"job", "test"}}) {
    const std::size_t number = outcomes++;
    EntryBatch batch(Receipt([this, number](bool good) {
      agent::MutexLock lock(mutex);
      delivered.emplace_back(number, good);
    }));
    for (const auto& line : lines) {
      agent::model::Entry entry;
      entry.labels = labels.intern(labels_);
      entry.time_ns = time++;
      entry.line = batch.arena.store(line);
      batch.entries.push_back(entry);
    }
    return receiver()->consume(std::move(batch), sending.get_token());
  }
  // Batches with this outcome so far.
  std::size_t count(bool outcome) {
    agent::MutexLock lock(mutex);
    return static_cast<std::size_t>(std::count_if(delivered.begin(), delivered.end(),
                                                  [&](auto& d) { return d.second == outcome; }));
  }
  double dropped(const std::string& reason) {
    return metric("loki_write_dropped_entries_total", {{"reason", reason}});
  }

  agent::Mutex mutex;
  std::vector<std::pair<std::size_t, bool>> delivered;
  std::size_t outcomes = 0;
  std::stop_source sending;
  std::string problems;
  std::unique_ptr<RunningComponent> component;
};

Block endpoint(const ScriptedServer& server, std::vector<agent::lang::Attribute> more = {},
               std::vector<Block> blocks = {}) {
  more.push_back(attribute("url", server.url("/loki/api/v1/push")));
  return block("endpoint", std::move(more), std::move(blocks));
}

ScriptedServer::Script always(Answer answer) {
  return [answer](const ScriptedServer::Request&, std::size_t) { return answer; };
}

}  // namespace

TEST_CASE("loki.write: entries wait batch_wait and leave in one push, which settles them") {
  ScriptedServer server(always(status(204)));
  Bench bench;
  REQUIRE(bench.configure({endpoint(server)}));
  bench.start();
  REQUIRE(bench.send({"one", "two"}));
  REQUIRE(bench.send({"three"}, 10));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 2; }));
  const auto requests = server.requests();
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].method == "POST");
  CHECK(requests[0].target == "/loki/api/v1/push");
  CHECK(requests[0].headers.at("content-type") == "application/x-protobuf");
  CHECK(requests[0].headers.count("x-scope-orgid") == 0);
  CHECK(lines_of(requests[0]) == std::vector<std::string>{"one", "two", "three"});
  CHECK(bench.metric("loki_write_sent_entries_total") == 3);
  CHECK(bench.metric("loki_write_queued_entries") == 0);
  CHECK(bench.metric("loki_write_queued_bytes") == 0);
}

TEST_CASE(
    "loki.write: the first push, and the first one after a reload, does not wait batch_wait") {
  ScriptedServer server(always(status(204)));
  Bench bench;
  REQUIRE(bench.configure({endpoint(server, {attribute("batch_wait", "1h")})}));
  bench.start();
  REQUIRE(bench.send({"one"}));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 1; }));
  // One that comes after it waits.
  REQUIRE(bench.send({"two"}));
  while (bench.clock.sleepers() == 0) std::this_thread::yield();
  bench.clock.advance(std::chrono::minutes(1));
  // The runtime says so after each change, also one of other components.
  dynamic_cast<agent::component::Delivers&>(bench.component->get()).deliver_soon();
  REQUIRE(bench.send({"three"}));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 3; }));
  REQUIRE(server.requests().size() == 2);
  CHECK(lines_of(server.requests()[0]) == std::vector<std::string>{"one"});
  CHECK(lines_of(server.requests()[1]) == std::vector<std::string>{"two", "three"});
}

TEST_CASE("loki.write: a full push leaves at once") {
  ScriptedServer server(always(status(204)));
  Bench bench;
  REQUIRE(bench.configure(
      {endpoint(server, {attribute("batch_size", "10B"), attribute("batch_wait", "1h")})}));
  bench.start();
  REQUIRE(bench.send({"123456", "123456", "1"}));
  REQUIRE(server.wait_for(1));
  CHECK(lines_of(server.requests()[0]) == std::vector<std::string>{"123456"});
  CHECK(bench.count(true) == 0);
  bench.stop(true);
  CHECK(bench.count(true) == 1);
  CHECK(lines_of(server.requests().at(1)) == std::vector<std::string>{"123456", "1"});
}

TEST_CASE("loki.write: labels and tenants of what leaves") {
  ScriptedServer server(always(status(204)));
  Bench bench;
  REQUIRE(bench.configure(
      {endpoint(server,
                {attribute("tenant_id", "home"),
                 attribute("headers", agent::lang::Value::Object{{"X-Extra", "1"},
                                                                 {"X-Scope-OrgID", "evil"}})})},
      {attribute("external_labels", agent::lang::Value::Object{{"env", "prod"}})}));
  bench.start();
  REQUIRE(bench.send({"a"}, 1, {{"job", "j"}, {"__meta", "x"}}));
  REQUIRE(bench.send({"b"}, 1, {{"job", "j"}, {"env", "own"}, {"__tenant_id__", "guest"}}));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 2; }));
  std::map<std::string, std::string> seen;  // tenant -> labels
  for (const auto& request : server.requests()) {
    CHECK(request.headers.at("x-extra") == "1");
    seen[request.headers.at("x-scope-orgid")] =
        decode(request, bench.labels).entries.at(0).labels.text();
  }
  CHECK(seen["home"] == R"({env="prod", job="j"})");
  CHECK(seen["guest"] == R"({env="own", job="j"})");
}

TEST_CASE("loki.write: an entry without labels is dropped and counted") {
  ScriptedServer server(always(status(204)));
  Bench bench;
  REQUIRE(bench.configure({endpoint(server)}));
  bench.start();
  REQUIRE(bench.send({"a"}, 1, {{"__only", "internal"}}));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 1; }));
  CHECK(server.requests().empty());
  CHECK(bench.dropped("no_labels") == 1);
}

TEST_CASE("loki.write: 429, 500, a reset and silence are tried again until the push is through") {
  std::vector<agent::Mono> times;
  Bench bench;
  ScriptedServer server([&](const ScriptedServer::Request&, std::size_t number) {
    times.push_back(bench.clock.mono());
    Answer slow = status(429, "slow down");
    slow.headers = {{"Retry-After", "40"}};
    switch (number) {
      case 0:
        return slow;
      case 1:
        return status(500);
      case 2:
        return ScriptedServer::reset();
      case 3:
        return ScriptedServer::silence();
      default:
        return status(204);
    }
  });
  REQUIRE(bench.configure({endpoint(server, {attribute("remote_timeout", "50ms")})}));
  bench.start();
  REQUIRE(bench.send({"one"}));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 1; }));
  CHECK(server.requests().size() == 5);
  CHECK(times[1] - times[0] >= std::chrono::seconds(40));
  for (const auto& request : server.requests())
    CHECK(lines_of(request) == std::vector<std::string>{"one"});
  // libcurl itself tries again when a kept connection breaks.
  CHECK(bench.metric("loki_write_batch_retries_total") >= 3);
  CHECK(bench.metric("loki_write_sent_entries_total") == 1);
  CHECK(bench.metric("loki_write_dropped_entries_total") == 0);
}

TEST_CASE("loki.write: an outage of an hour loses nothing") {
  std::atomic<bool> up{false};
  ScriptedServer server(
      [&](const ScriptedServer::Request&, std::size_t) { return up ? status(204) : status(503); });
  Bench bench;
  REQUIRE(bench.configure({endpoint(server)}));
  bench.start();
  REQUIRE(bench.send({"one"}));
  const auto start = bench.clock.mono();
  REQUIRE(bench.advance_until(
      [&] {
        return server.requests().size() > 12 && bench.clock.mono() - start > std::chrono::hours(1);
      },
      std::chrono::seconds(1)));
  CHECK_FALSE(bench.health.state().healthy);
  CHECK_THAT(bench.health.state().message, Catch::Contains("status 503"));
  CHECK(bench.count(true) == 0);
  up = true;
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 1; }));
  REQUIRE(bench.advance_until([&] { return bench.health.state().healthy; }));
  CHECK_THAT(bench.logged(), Catch::Contains("endpoint answers again"));
}

TEST_CASE("loki.write: a wrong credential makes it unhealthy at once and drops nothing") {
  std::atomic<int> code{401};
  ScriptedServer server(
      [&](const ScriptedServer::Request&, std::size_t) { return status(code, "who are you"); });
  Bench bench;
  REQUIRE(bench.configure({endpoint(server)}));
  bench.start();
  REQUIRE(bench.send({"one"}));
  REQUIRE(bench.advance_until([&] { return !bench.health.state().healthy; }));
  CHECK_THAT(bench.health.state().message, Catch::Contains("status 401: who are you"));
  code = 204;
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 1; }));
  CHECK(bench.metric("loki_write_dropped_entries_total") == 0);
}

TEST_CASE("loki.write: who answers nothing is ill before a long remote_timeout has passed") {
  ScriptedServer server(always(ScriptedServer::silence()));
  Bench bench;
  REQUIRE(bench.configure({endpoint(server, {attribute("remote_timeout", "1h")})}));
  bench.start();
  REQUIRE(bench.send({"one"}));
  REQUIRE(bench.advance_until([&] { return !bench.health.state().healthy; }));
  CHECK_THAT(bench.health.state().message, Catch::Contains(": no answer for 20 s"));
}

TEST_CASE("loki.write: a bad line does not take its neighbours with it") {
  std::atomic<int> refusals{0};
  ScriptedServer server([&](const ScriptedServer::Request& request, std::size_t) {
    for (const auto& line : lines_of(request)) {
      if (line.find("poison") == std::string::npos) continue;
      ++refusals;
      return status(400, "this one is bad");
    }
    return status(204);
  });
  Bench bench;
  REQUIRE(bench.configure({endpoint(server)}));
  bench.start();
  std::vector<std::string> lines;
  for (int i = 0; i < 64; ++i)
    lines.push_back((i == 17 || i == 40 ? "poison " : "line ") + std::to_string(i));
  REQUIRE(bench.send(lines));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 1; }));
  std::vector<std::string> stored;
  for (const auto& request : server.requests()) {
    const auto sent = lines_of(request);
    const bool bad = std::any_of(sent.begin(), sent.end(), [](const std::string& line) {
      return line.find("poison") != std::string::npos;
    });
    if (!bad) stored.insert(stored.end(), sent.begin(), sent.end());
  }
  std::sort(stored.begin(), stored.end());
  CHECK(std::unique(stored.begin(), stored.end()) == stored.end());
  CHECK(stored.size() == 62);
  CHECK(refusals <= 13);  // 1 + 2 * log2(64)
  CHECK(bench.dropped("ingester_error") == 2);
  CHECK(bench.metric("loki_write_sent_entries_total") == 62);
  CHECK(bench.metric("loki_write_queued_entries") == 0);
  CHECK(bench.health.state().healthy);
  CHECK_THAT(bench.logged(), Catch::Contains("this one is bad"));
}

TEST_CASE("loki.write: what Loki says about old lines saves the search for them") {
  ScriptedServer server([&](const ScriptedServer::Request&, std::size_t number) {
    return number == 0 ? status(400,
                                "entry for stream '{job=\"test\"}' has timestamp too old: "
                                "2023-11-14T22:13:01Z, oldest acceptable timestamp is: "
                                "2023-11-14T22:13:20Z")
                       : status(204);
  });
  Bench bench;
  REQUIRE(bench.configure({endpoint(server)}));
  bench.start();
  std::vector<std::string> lines;
  for (int i = 0; i < 50; ++i) lines.push_back("line " + std::to_string(i));
  REQUIRE(bench.send(lines, 1'700'000'000'000'000'000 - 25));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 1; }));
  REQUIRE(server.requests().size() == 2);
  CHECK(lines_of(server.requests()[1]).size() == 25);
  CHECK(bench.dropped("greater_than_max_sample_age") == 25);
}

TEST_CASE("loki.write: a push that is too large is cut until it fits") {
  ScriptedServer server([&](const ScriptedServer::Request& request, std::size_t) {
    const auto lines = lines_of(request);
    std::size_t bytes = 0;
    for (const auto& line : lines) bytes += line.size();
    return status(bytes > 100 ? 413 : 204);
  });
  Bench bench;
  REQUIRE(bench.configure({endpoint(server)}));
  bench.start();
  std::vector<std::string> lines(30, std::string(10, 'x'));
  lines.push_back(std::string(101, 'y'));
  REQUIRE(bench.send(lines));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 1; }));
  CHECK(bench.metric("loki_write_sent_entries_total") == 30);
  CHECK(bench.dropped("line_too_long") == 1);
}

TEST_CASE("loki.write: with max_backoff_retries a push is dropped after that many tries") {
  ScriptedServer server(always(status(500)));
  Bench bench;
  REQUIRE(bench.configure({endpoint(server, {attribute("max_backoff_retries", 3)})}));
  bench.start();
  REQUIRE(bench.send({"one", "two"}));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 1; }));
  CHECK(server.requests().size() == 3);
  CHECK(bench.dropped("ingester_error") == 2);
}

TEST_CASE(
    "loki.write: what Loki said about the age of entries keeps old ones out of later pushes") {
  const std::int64_t limit = 1'700'000'000'000'000'000;
  const std::string said =
      "entry for stream '{job=\"test\"}' has timestamp too old: 2023-11-14T22:13:01Z, oldest "
      "acceptable timestamp is: 2023-11-14T22:13:20Z";
  ScriptedServer server([&](const ScriptedServer::Request&, std::size_t number) {
    return number == 0 ? status(400, said) : status(204);
  });
  Bench bench;
  REQUIRE(bench.configure({endpoint(server)}));
  bench.start();
  REQUIRE(bench.send({"old", "new"}, limit - 1));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 1; }));
  REQUIRE(server.requests().size() == 2);
  // Loki's limit moves on with time, and so does ours.
  bench.clock.advance(std::chrono::minutes(1));
  REQUIRE(bench.send({"too old by now", "old", "new"}, limit + 59'000'000'000));
  REQUIRE(bench.send({"new"}, limit + 300'000'000'000));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 3; }));
  REQUIRE(server.requests().size() == 3);
  CHECK(lines_of(server.requests()[2]) == std::vector<std::string>{"new"});
  CHECK(bench.dropped("greater_than_max_sample_age") == 4);
  // It may have been raised, so that in a while it is asked for again.
  bench.clock.advance(std::chrono::minutes(10));
  REQUIRE(bench.send({"old"}, limit));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 4; }));
  CHECK(lines_of(server.requests().at(3)) == std::vector<std::string>{"old"});
}

TEST_CASE(
    "loki.write: max_entry_age drops and counts what is older, and says so before Loki does") {
  ScriptedServer server(always(status(204)));
  Bench bench;
  REQUIRE(bench.configure({endpoint(server, {attribute("max_entry_age", "1h")})}));
  bench.start();
  const std::int64_t now = bench.clock.wall_ns();
  REQUIRE(bench.send({"old"}, now - 3'601'000'000'000));
  REQUIRE(bench.send({"new"}, now));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 2; }));
  CHECK(lines_of(server.requests().at(0)) == std::vector<std::string>{"new"});
  CHECK(bench.dropped("greater_than_max_sample_age") == 1);
  CHECK(bench.metric("loki_write_dropped_bytes_total",
                     {{"reason", "greater_than_max_sample_age"}}) == 3);
}

TEST_CASE("loki.write: an endpoint that says 429 is asked at most once a second") {
  std::vector<agent::Mono> times;
  Bench bench;
  ScriptedServer server([&](const ScriptedServer::Request&, std::size_t) {
    times.push_back(bench.clock.mono());
    return status(429);
  });
  const bool retry = GENERATE(true, false);
  REQUIRE(bench.configure({endpoint(
      server, {attribute("min_backoff_period", "1ms"), attribute("max_backoff_period", "2ms"),
               attribute("batch_size", "3B"), attribute("retry_on_http_429", retry)})}));
  bench.start();
  REQUIRE(bench.send({"one", "two", "six", "ten", "one", "two", "six", "ten"}));
  REQUIRE(bench.advance_until([&] { return server.requests().size() >= 6; }));
  bench.stop();
  for (std::size_t i = 1; i < times.size(); ++i)
    CHECK(times[i] - times[i - 1] >= std::chrono::seconds(1));
}

TEST_CASE("loki.write: at a stop an endpoint that is slow but answers gets what is there") {
  Bench bench;
  ScriptedServer server([&](const ScriptedServer::Request&, std::size_t) {
    bench.clock.advance(std::chrono::milliseconds(1500));
    return status(204);
  });
  REQUIRE(bench.configure({endpoint(server, {attribute("batch_size", "3B")})}));
  bench.start();
  REQUIRE(bench.send({"one"}));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 1; }));
  REQUIRE(bench.send({"two", "six", "ten", "six"}));
  bench.stop(true);
  CHECK(bench.count(true) == 2);
  CHECK(bench.metric("loki_write_returned_entries_total") == 0);
}

TEST_CASE("loki.write: drain_timeout ends the sending at a stop") {
  Bench bench;
  ScriptedServer server([&](const ScriptedServer::Request&, std::size_t) {
    bench.clock.advance(std::chrono::milliseconds(900));
    return status(204);
  });
  REQUIRE(bench.configure({endpoint(server, {attribute("batch_size", "3B")},
                                    {block("queue_config", {attribute("drain_timeout", "2s")})})}));
  bench.start();
  REQUIRE(bench.send(std::vector<std::string>(5000, "one")));
  REQUIRE(server.wait_for(1));
  bench.stop(true);
  CHECK(bench.count(false) == 1);
  CHECK(server.requests().size() < 5000);
}

TEST_CASE("loki.write: at a stop what is there is sent") {
  ScriptedServer server(always(status(204)));
  Bench bench;
  REQUIRE(bench.configure({endpoint(server, {attribute("batch_wait", "1h")})}));
  bench.start();
  REQUIRE(bench.send({"one"}));
  bench.stop(true);
  CHECK(bench.count(true) == 1);
  CHECK(server.requests().size() == 1);
}

TEST_CASE("loki.write: at a stop with a dead endpoint everything goes back to its source") {
  ScriptedServer server(always(ScriptedServer::silence()));
  Bench bench;
  REQUIRE(bench.configure({endpoint(server, {attribute("remote_timeout", "1h")})}));
  bench.start();
  REQUIRE(bench.send({"one"}));
  REQUIRE(bench.advance_until([&] { return server.requests().size() == 1; }));
  REQUIRE(bench.send({"two"}));
  bench.stop();
  CHECK(bench.count(true) == 0);
  CHECK(bench.count(false) == 2);
  CHECK(bench.metric("loki_write_returned_entries_total") == 2);
  CHECK(bench.metric("loki_write_queued_entries") == 0);
}

TEST_CASE("loki.write: a full queue makes the source wait, and a stop ends the waiting") {
  std::atomic<bool> up{false};
  ScriptedServer server(
      [&](const ScriptedServer::Request&, std::size_t) { return up ? status(204) : status(503); });
  Bench bench;
  REQUIRE(bench.configure(
      {endpoint(server, {}, {block("queue_config", {attribute("capacity", "200B")})})}));
  bench.start();
  REQUIRE(bench.send({std::string(100, 'a')}));
  std::atomic<bool> second{false};
  {
    std::jthread source([&] {
      (void)bench.send({std::string(100, 'b')});
      second = true;
    });
    REQUIRE(bench.advance_until([&] { return server.requests().size() > 3; }));
    CHECK_FALSE(second);
    up = true;
    REQUIRE(bench.advance_until([&] { return bench.count(true) == 2; }));
  }
  CHECK(second);

  up = false;
  REQUIRE(bench.send({std::string(100, 'c')}));
  agent::Result<> refused;
  {
    std::jthread source([&] { refused = bench.send({std::string(100, 'd')}); });
    bench.sending.request_stop();
  }
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == agent::ErrorCode::kCancelled);
  CHECK(bench.count(false) == 1);
}

TEST_CASE("loki.write: block_on_overflow = false drops and counts instead") {
  ScriptedServer server(always(status(503)));
  Bench bench;
  REQUIRE(bench.configure(
      {endpoint(server, {},
                {block("queue_config",
                       {attribute("capacity", "200B"), attribute("block_on_overflow", false)})})}));
  bench.start();
  REQUIRE(bench.send({std::string(100, 'a')}));
  REQUIRE(bench.send({std::string(100, 'b')}));
  CHECK(bench.dropped("queue_is_full") == 1);
  CHECK(bench.count(true) == 1);
}

TEST_CASE("loki.write: a corrected endpoint keeps what it could not send") {
  ScriptedServer wrong(always(status(404)));
  ScriptedServer right(always(status(204)));
  Bench bench;
  REQUIRE(bench.configure({endpoint(wrong)}));
  bench.start();
  REQUIRE(bench.send({"one"}));
  REQUIRE(bench.advance_until([&] { return !wrong.requests().empty(); }));
  REQUIRE(bench.configure({endpoint(right)}));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 1; }));
  CHECK(lines_of(right.requests().at(0)) == std::vector<std::string>{"one"});
}

TEST_CASE("loki.write: every endpoint gets every entry") {
  ScriptedServer one(always(status(204)));
  ScriptedServer two(always(status(204)));
  Bench bench;
  REQUIRE(bench.configure({endpoint(one), endpoint(two)}));
  bench.start();
  REQUIRE(bench.send({"x"}));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 1; }));
  CHECK(lines_of(one.requests().at(0)) == lines_of(two.requests().at(0)));
}

TEST_CASE("loki.write: a dead endpoint does not slow a healthy one, and gets everything later") {
  std::atomic<bool> up{false};
  ScriptedServer dead(
      [&](const ScriptedServer::Request&, std::size_t) { return up ? status(204) : status(503); });
  ScriptedServer healthy(always(status(204)));
  Bench bench;
  const auto small = [](const ScriptedServer& server) {
    return endpoint(server, {attribute("max_backoff_period", "1s")},
                    {block("queue_config", {attribute("capacity", "2KiB")})});
  };
  REQUIRE(bench.configure({small(dead), small(healthy)}));
  bench.start();
  // Far more than memory takes; nobody waits, and positions advance although one is dead.
  for (int i = 0; i < 200; ++i) {
    REQUIRE(bench.send({"line " + std::to_string(i)}, i + 1));
    bench.clock.advance(std::chrono::milliseconds(20));
  }
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 200; }));
  const auto all = [](const ScriptedServer& server, std::size_t from) {
    std::vector<std::string> lines;
    const auto requests = server.requests();
    for (std::size_t i = from; i < requests.size(); ++i) {
      const auto some = lines_of(requests[i]);
      lines.insert(lines.end(), some.begin(), some.end());
    }
    return lines;
  };
  REQUIRE(bench.advance_until([&] { return all(healthy, 0).size() == 200; }));
  const std::size_t before = dead.requests().size();
  up = true;
  REQUIRE(
      bench.advance_until([&] { return bench.metric("loki_write_sent_entries_total") == 400; }));
  auto late = all(dead, before);
  std::sort(late.begin(), late.end());
  late.erase(std::unique(late.begin(), late.end()), late.end());
  CHECK(late.size() == 200);
  CHECK(bench.metric("loki_write_dropped_entries_total") == 0);
  REQUIRE(bench.advance_until([&] { return bench.metric("loki_write_queued_entries") == 0; }));
}

TEST_CASE(
    "loki.write: once an endpoint has failed for long, positions do not wait for its next try") {
  ScriptedServer dead(always(status(503)));
  ScriptedServer healthy(always(status(204)));
  Bench bench;
  REQUIRE(bench.configure({endpoint(dead, {attribute("min_backoff_period", "1h"),
                                           attribute("max_backoff_period", "10h")}),
                           endpoint(healthy)}));
  bench.start();
  REQUIRE(bench.send({"first"}));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 1; }, std::chrono::seconds(1)));
  const auto before = bench.clock.mono();
  REQUIRE(bench.send({"second"}, 2));
  REQUIRE(
      bench.advance_until([&] { return bench.count(true) == 2; }, std::chrono::milliseconds(1)));
  CHECK(bench.clock.mono() - before < std::chrono::minutes(5));  // its next try: in 2 h or less
}

TEST_CASE("loki.write: what went to disk survives a restart and is sent then") {
  std::atomic<bool> up{false};
  ScriptedServer server(
      [&](const ScriptedServer::Request&, std::size_t) { return up ? status(204) : status(503); });
  const auto blocks = [&] {
    return std::vector<Block>{
        endpoint(server, {}, {block("queue_config", {attribute("capacity", "500B")})}),
        block("wal", {attribute("enabled", true)})};
  };
  std::filesystem::path data;
  Bench first;
  REQUIRE(first.configure(blocks()));
  first.start();
  for (int i = 0; i < 50; ++i)
    REQUIRE(
        first.send({"line " + std::to_string(i)}, i + 1, {{"job", "j"}, {"__tenant_id__", "t"}}));
  REQUIRE(first.advance_until([&] { return first.count(true) == 50; }));
  first.stop();
  CHECK(first.metric("loki_write_returned_entries_total") == 0);
  up = true;
  const std::size_t before = server.requests().size();
  Bench second;
  std::filesystem::remove_all(second.data_dir);
  std::filesystem::rename(first.data_dir, second.data_dir);
  REQUIRE(second.configure(blocks()));
  second.start();
  REQUIRE(
      second.advance_until([&] { return second.metric("loki_write_sent_entries_total") == 50; }));
  std::vector<std::string> lines;
  const auto requests = server.requests();
  for (std::size_t i = before; i < requests.size(); ++i) {
    CHECK(requests[i].headers.at("x-scope-orgid") == "t");
    const auto some = lines_of(requests[i]);
    lines.insert(lines.end(), some.begin(), some.end());
  }
  // What was on its way at the stop may arrive twice.
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  CHECK(lines.size() == 50);
}

TEST_CASE(
    "loki.write: with wal every entry goes by way of the disk and counts as delivered there") {
  std::atomic<bool> up{false};
  ScriptedServer server(
      [&](const ScriptedServer::Request&, std::size_t) { return up ? status(204) : status(503); });
  Bench bench;
  REQUIRE(bench.configure({endpoint(server), block("wal", {attribute("enabled", true)})}));
  bench.start();
  REQUIRE(bench.send({"one", "two"}));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 1; }));
  CHECK(bench.metric("loki_write_sent_entries_total") == 0);
  CHECK(bench.metric("loki_write_queued_entries") == 2);
  up = true;
  REQUIRE(bench.advance_until([&] { return bench.metric("loki_write_sent_entries_total") == 2; }));
  REQUIRE(bench.send({"three"}, 3));
  REQUIRE(bench.advance_until([&] { return bench.metric("loki_write_sent_entries_total") == 3; }));
  CHECK(lines_of(server.requests().back()) == std::vector<std::string>{"three"});
  CHECK(bench.metric("loki_write_queued_entries") == 0);
}

TEST_CASE(
    "loki.write: with wal a disk budget that is used up makes sources wait, and loses nothing") {
  std::atomic<bool> up{false};
  ScriptedServer server(
      [&](const ScriptedServer::Request&, std::size_t) { return up ? status(204) : status(503); });
  Bench bench;
  REQUIRE(bench.configure({endpoint(server, {attribute("max_backoff_period", "1s")},
                                    {block("queue_config", {attribute("overflow_budget", "1KiB"),
                                                            attribute("capacity", "200B")})}),
                           block("wal", {attribute("enabled", true)})}));
  bench.start();
  std::jthread source([&] {
    for (int i = 0; i < 100; ++i) {
      if (!bench.send({"line " + std::to_string(i)}, i + 1)) return;
    }
  });
  REQUIRE(bench.advance_until([&] { return server.requests().size() >= 8; }));
  CHECK(bench.metric("loki_write_queued_entries") < 50);
  up = true;
  REQUIRE(
      bench.advance_until([&] { return bench.metric("loki_write_sent_entries_total") >= 100; }));
  source.join();
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 100; }));
  CHECK(bench.metric("loki_write_dropped_entries_total") == 0);
}

TEST_CASE(
    "loki.write: behind a dead endpoint of several the budget drops the oldest and counts them") {
  std::atomic<bool> up{false};
  ScriptedServer dead(
      [&](const ScriptedServer::Request&, std::size_t) { return up ? status(204) : status(503); });
  ScriptedServer healthy(always(status(204)));
  Bench bench;
  const auto small = [](const ScriptedServer& server) {
    return endpoint(server, {attribute("max_backoff_period", "1s")},
                    {block("queue_config", {attribute("capacity", "1KiB"),
                                            attribute("overflow_budget", "256KiB")})});
  };
  REQUIRE(bench.configure({small(dead), small(healthy)}));
  bench.start();
  std::minstd_rand random(1);
  for (int i = 0; i < 400; ++i) {
    std::string line(2000, 'x');
    for (char& c : line) c = static_cast<char>(' ' + random() % 90);  // does not compress
    REQUIRE(bench.send({line}, i + 1));
    bench.clock.advance(std::chrono::milliseconds(20));
  }
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 400; }));
  up = true;
  REQUIRE(bench.advance_until([&] { return bench.metric("loki_write_queued_entries") == 0; }));
  const double dropped = bench.dropped("overflow_budget");
  CHECK(dropped > 100);
  CHECK(bench.metric("loki_write_sent_entries_total") + dropped == 800);
}

TEST_CASE("loki.write: wal's max_segment_age drops what waited for longer, and counts it") {
  std::atomic<bool> up{false};
  ScriptedServer server(
      [&](const ScriptedServer::Request&, std::size_t) { return up ? status(204) : status(503); });
  Bench bench;
  REQUIRE(bench.configure(
      {endpoint(server, {attribute("max_backoff_period", "1s"), attribute("batch_size", "20KB")},
                {block("queue_config", {attribute("overflow_budget", "1MiB")})}),
       block("wal", {attribute("enabled", true), attribute("max_segment_age", "10m")})}));
  bench.start();
  const auto fill = [&](int count, char first) {
    std::minstd_rand random(1);
    for (int i = 0; i < count; ++i) {
      std::string line(5000, first);
      for (std::size_t c = 1; c < line.size(); ++c)
        line[c] = static_cast<char>(' ' + random() % 90);
      REQUIRE(bench.send({line}, i + 1));
    }
  };
  fill(60, 'o');
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 60; }));
  bench.clock.advance(std::chrono::minutes(11));
  fill(60, 'n');
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 120; }));
  up = true;
  REQUIRE(bench.advance_until([&] { return bench.metric("loki_write_queued_entries") == 0; }));
  const double dropped = bench.dropped("overflow_budget");
  CHECK(dropped > 0);
  CHECK(dropped <= 60);
  CHECK(bench.metric("loki_write_sent_entries_total") + dropped == 120);
}

TEST_CASE("loki.write: an endpoint that is removed drops what it had, and its disk") {
  ScriptedServer dead(always(ScriptedServer::silence()));
  ScriptedServer healthy(always(status(204)));
  Bench bench;
  const auto small = [](const ScriptedServer& server) {
    return endpoint(server, {}, {block("queue_config", {attribute("capacity", "500B")})});
  };
  REQUIRE(bench.configure({small(healthy), small(dead)}));
  bench.start();
  for (int i = 0; i < 50; ++i) REQUIRE(bench.send({"line " + std::to_string(i)}, i + 1));
  REQUIRE(bench.advance_until([&] { return dead.requests().size() == 1; }));
  REQUIRE(bench.configure({small(healthy)}));
  REQUIRE(bench.advance_until([&] { return bench.dropped("endpoint_removed") == 50; }));
  REQUIRE(bench.advance_until([&] { return bench.count(true) == 50; }));
  // One folder may be the healthy one's.
  REQUIRE(bench.advance_until([&] {
    const std::filesystem::directory_iterator folders(bench.data_dir / "overflow");
    return std::distance(begin(folders), end(folders)) <= 1;
  }));
}

TEST_CASE("loki.write: without a run() a receiver exists, and after its end it refuses") {
  std::shared_ptr<agent::component::LogReceiver> receiver;
  {
    Bench bench;
    bench.make();
    receiver = bench.receiver();
    REQUIRE(receiver != nullptr);
  }
  CHECK_FALSE(receiver->consume(EntryBatch(), {}));
}

TEST_CASE("loki.write: what cannot work is refused with a reason") {
  ScriptedServer server(always(status(204)));
  const auto errors = [&](std::vector<Block> blocks) {
    Bench bench;
    CHECK_FALSE(bench.configure(std::move(blocks)));
    return bench.problems;
  };
  CHECK_THAT(errors({block("endpoint", {})}), Catch::Contains("url"));
  CHECK_THAT(errors({block("endpoint", {attribute("url", "loki:3100")})}),
             Catch::Contains("url is not a URL that can be requested"));
  CHECK_THAT(errors({endpoint(server), endpoint(server)}), Catch::Contains("equal settings"));
  CHECK_THAT(errors({endpoint(server, {attribute("batch_size", "0B")})}),
             Catch::Contains("batch_size"));
  CHECK_THAT(errors({endpoint(server, {attribute("bearer_token", "x")},
                              {block("basic_auth", {attribute("username", "u")})})}),
             Catch::Contains("at most one of basic_auth, bearer_token"));
  CHECK_THAT(errors({endpoint(server, {}, {block("tls_config", {attribute("key_file", "k")})})}),
             Catch::Contains("cert_pem or cert_file"));
}

TEST_CASE("loki.echo: entries go to the log and are settled") {
  FakeClock clock;
  ComponentBox bench("loki.echo.test", clock);
  const RunningComponent component(bench, agent::write::loki_echo());
  bool delivered = false;
  EntryBatch batch(Receipt([&](bool good) { delivered = good; }));
  agent::model::Entry entry;
  entry.labels = bench.labels.intern({{"job", "j"}});
  entry.time_ns = 1'700'000'000'000'000'001;
  entry.line = "hello world";
  batch.entries.push_back(entry);
  REQUIRE(bench.receiver()->consume(std::move(batch), {}));
  CHECK(delivered);
  CHECK_THAT(bench.logged(), Catch::Contains("msg=entry timestamp=2023-11-14T22:13:20.000000001Z "
                                             "labels=\"{job=\\\"j\\\"}\" entry=\"hello world\""));
}
