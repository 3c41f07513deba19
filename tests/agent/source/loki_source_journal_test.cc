#include <catch2/catch.hpp>
#include <fstream>

#include "agent/component/relabel_args.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/journal_maker.h"
#include "tests/support/log_collector.h"
#include "tests/support/temp_dir.h"

namespace agent::source {

component::Declaration loki_source_journal();

namespace {

using Mode = LogCollector::Mode;

constexpr std::int64_t kNow = 1'700'000'000'000'000'000;
constexpr std::uint64_t kStart = 1'699'999'000'000'000;  // 1000 s ago

std::vector<JournalEntry> numbered(int from, int to) {
  std::vector<JournalEntry> out;
  for (int i = from; i < to; ++i) {
    out.push_back({kStart + static_cast<std::uint64_t>(i) * 1000,
                   {{"MESSAGE", "line " + std::to_string(i)},
                    {"PRIORITY", "6"},
                    {"_SYSTEMD_UNIT", "unit" + std::to_string(i % 3) + ".service"}}});
  }
  return out;
}

std::vector<std::string> lines(int from, int to) {
  std::vector<std::string> out;
  for (int i = from; i < to; ++i) out.push_back("line " + std::to_string(i));
  return out;
}

struct Fixture {
  FakeClock clock{kNow};
  ComponentBox box{"loki.source.journal.x", clock};
  const TempDir& dir = box.dir;
  std::shared_ptr<LogCollector> collector = std::make_shared<LogCollector>();
  lang::Body body;

  Fixture() {
    std::filesystem::create_directory(dir / "journal");
    body.attributes = {forward_to(collector), attribute("path", (dir / "journal").string())};
  }
  void append(const std::vector<JournalEntry>& entries) {
    append_journal(dir / "journal/a.journal", entries);
  }
  std::unique_ptr<RunningComponent> make() {
    return std::make_unique<RunningComponent>(box, loki_source_journal());
  }
  std::unique_ptr<RunningComponent> start() {
    auto component = make();
    REQUIRE(component->configure(body) == "");
    component->start();
    return component;
  }
};

}  // namespace

TEST_CASE("loki.source.journal: entries carry their time, the static labels and job") {
  Fixture f;
  f.append(numbered(0, 2));
  f.body.attributes.push_back(attribute("labels", lang::Value::Object{{"host", "h"}}));
  {
    const auto component = f.start();
    const auto got = f.collector->take(2);
    CHECK(got == std::vector<LogCollector::Line>{
                     {R"({host="h", job="loki.source.journal.x"})",
                      static_cast<std::int64_t>(kStart) * 1000, "line 0"},
                     {R"({host="h", job="loki.source.journal.x"})",
                      static_cast<std::int64_t>(kStart) * 1000 + 1'000'000, "line 1"}});
    CHECK(f.box.health.state().healthy);
    CHECK(component->debug("last_read_unix_seconds") == "1699999000");
  }
  CHECK(f.box.series("loki_source_journal_target_lines_total") == 0);
  f.body.attributes.back() =
      attribute("labels", lang::Value::Object{{"host", "h"}, {"job", "mine"}});
  const auto component = f.start();
  CHECK(f.collector->take(2).at(0).labels == R"({host="h", job="mine"})");
  CHECK(f.box.metric("loki_source_journal_target_lines_total") == 2);
}

TEST_CASE("loki.source.journal: rules and matches choose and label the entries") {
  Fixture f;
  f.append(numbered(0, 6));
  model::RelabelRule rule;
  rule.source_labels = {"__journal__systemd_unit"};
  rule.target_label = "unit";
  rule.regex = R"((.*)\.service)";
  const auto rules =
      std::make_shared<model::RelabelRules>(model::RelabelRules::compile({rule}).value());
  f.body.attributes.push_back(attribute("relabel_rules", component::capsule(rules)));
  f.body.attributes.push_back(
      attribute("matches", " _SYSTEMD_UNIT=unit1.service  _SYSTEMD_UNIT=unit2.service "));
  const auto component = f.start();
  const auto got = f.collector->take(4);
  REQUIRE(got.size() == 4);
  CHECK(got[0].text == "line 1");
  CHECK(got[0].labels == R"({job="loki.source.journal.x", unit="unit1"})");
  CHECK(got[3].text == "line 5");
  CHECK(got[3].labels == R"({job="loki.source.journal.x", unit="unit2"})");
}

TEST_CASE("loki.source.journal: arguments that cannot work are refused") {
  Fixture f;
  f.body.attributes.push_back(attribute("matches", "A=1 + B"));
  f.body.attributes.push_back(attribute("max_age", "-1h"));
  const auto component = f.make();
  CHECK(component->configure(f.body) ==
        "max_age must not be negative\n\"+\" is not a match\n\"B\" is not a match");
  CHECK(component->refused());
}

TEST_CASE("loki.source.journal: a message that is missing and labels that are gone are counted") {
  Fixture f;
  f.append({{kStart, {{"PRIORITY", "1"}}},
            {kStart + 1, {{"MESSAGE", "drop me"}, {"_COMM", "noisy"}}},
            {kStart + 2, {{"MESSAGE", "keep me"}}}});
  model::RelabelRule rule;
  rule.source_labels = {"__journal__comm"};
  rule.action = model::RelabelRule::Action::kDrop;
  rule.regex = "noisy";
  const auto rules =
      std::make_shared<model::RelabelRules>(model::RelabelRules::compile({rule}).value());
  f.body.attributes.push_back(attribute("relabel_rules", component::capsule(rules)));
  const auto component = f.start();
  CHECK(f.collector->take_text(1) == std::vector<std::string>{"keep me"});
  const std::string name = "loki_source_journal_target_parsing_errors_total";
  CHECK(f.box.metric(name, {{"error", "no_message"}}) == 1);
  CHECK(f.box.metric(name, {{"error", "empty_labels"}}) == 1);
}

TEST_CASE("loki.source.journal: format_as_json sends all fields, sorted") {
  Fixture f;
  f.append({{kStart, {{"PRIORITY", "1"}, {"MESSAGE", "a \"b\""}}}, {kStart + 1, {{"X", "1"}}}});
  f.body.attributes.push_back(attribute("format_as_json", true));
  const auto component = f.start();
  CHECK(f.collector->take_text(2) ==
        std::vector<std::string>{
            R"({"MESSAGE":"a \"b\"","PRIORITY":"1","_BOOT_ID":"4d2be1bd2cd84c4f84e6a4b4b3e0d6c1"})",
            R"({"X":"1","_BOOT_ID":"4d2be1bd2cd84c4f84e6a4b4b3e0d6c1"})"});
}

TEST_CASE("loki.source.journal: a line that is too long is cut and counted") {
  Fixture f;
  f.append({{kStart, {{"MESSAGE", std::string(300 * 1024, 'x')}}}});
  const auto component = f.start();
  const auto got = f.collector->take_text(1);
  REQUIRE(got.size() == 1);
  CHECK(got[0].size() == 256 * 1024);
  CHECK(got[0].substr(got[0].size() - 12) == "x [line cut]");
  CHECK(f.box.metric("loki_source_journal_target_cut_lines_total") == 1);
}

TEST_CASE("loki.source.journal: max_age passes over old entries, at a resume too") {
  Fixture f;
  f.append(numbered(0, 10));
  f.clock.advance(std::chrono::seconds(3600) - std::chrono::seconds(1000));
  f.body.attributes.push_back(attribute("max_age", "3599994ms"));
  {
    const auto component = f.start();
    CHECK(f.collector->take_text(4) == lines(6, 10));
    component->shut_down();
  }
  f.append(numbered(10, 12));
  f.clock.advance(std::chrono::milliseconds(5));
  const auto component = f.start();
  CHECK(f.collector->take_text(1) == lines(11, 12));
}

TEST_CASE("loki.source.journal: what was delivered is not read again after an orderly end") {
  Fixture f;
  f.append(numbered(0, 5));
  {
    const auto component = f.start();
    CHECK(f.collector->take_text(5) == lines(0, 5));
    component->shut_down();
    CHECK_FALSE(component->debug("stored_cursor").empty());
  }
  f.append(numbered(5, 8));
  const auto component = f.start();
  CHECK(f.collector->take_text(3) == lines(5, 8));
}

TEST_CASE("loki.source.journal: what was not delivered is read again in the next life") {
  Fixture f;
  f.append(numbered(0, 3));
  {
    const auto component = f.start();
    CHECK(f.collector->take_text(3) == lines(0, 3));
    component->shut_down();
  }
  f.append(numbered(3, 6));
  f.collector->set_mode(Mode::kHold);
  {
    const auto component = f.start();
    CHECK(f.collector->take_text(3) == lines(3, 6));
    component->shut_down();
    f.collector->settle_held();
  }
  f.collector->set_mode(Mode::kSettle);
  const auto component = f.start();
  CHECK(f.collector->take_text(3) == lines(3, 6));
}

TEST_CASE("loki.source.journal: entries that come back undelivered are read again") {
  Fixture f;
  f.append(numbered(0, 3));
  f.collector->set_mode(Mode::kHold);
  const auto component = f.start();
  CHECK(f.collector->take_text(3) == lines(0, 3));
  f.collector->set_mode(Mode::kSettle);
  f.collector->lose_held();
  CHECK(f.collector->take_text(3) == lines(0, 3));
  CHECK(f.box.metric("loki_source_journal_rewinds_total") == 1);
  f.append(numbered(3, 4));
  CHECK(f.collector->take_text(1) == lines(3, 4));
}

TEST_CASE("loki.source.journal: a receiver that refuses gets everything once it accepts") {
  Fixture f;
  f.append(numbered(0, 3));
  f.collector->set_mode(Mode::kRefuse);
  const auto component = f.start();
  // It tries again at growing distances, so time has to pass.
  while (f.collector->calls() < 5) {
    f.clock.advance(std::chrono::seconds(1));
    std::this_thread::yield();
  }
  f.collector->set_mode(Mode::kSettle);
  while (f.collector->delivered().empty()) {
    f.clock.advance(std::chrono::seconds(1));
    std::this_thread::yield();
  }
  CHECK(f.collector->take_text(3) == lines(0, 3));
}

TEST_CASE("loki.source.journal: a kill at any batch loses nothing") {
  Fixture f;
  f.append(numbered(0, 5000));
  std::size_t lives = 0;
  while (f.collector->delivered().size() < 5000) {
    const std::size_t before = f.collector->delivered().size();
    f.collector->settle_then_hold(++lives);
    const auto component = f.start();
    REQUIRE(f.collector->wait_delivered(before + 1));
    f.clock.advance(std::chrono::seconds(2));
  }
  CHECK(lives > 2);
  std::set<std::string> all;
  for (auto& line : lines(0, 5000)) all.insert(std::move(line));
  CHECK(f.collector->delivered() == all);
}

TEST_CASE("loki.source.journal: it follows rotation and vacuum") {
  Fixture f;
  f.append(numbered(0, 3));
  const auto component = f.start();
  CHECK(f.collector->take_text(3) == lines(0, 3));
  for (int round = 1; round < 6; ++round) {
    std::filesystem::rename(f.dir / "journal/a.journal",
                            f.dir / ("journal/a@" + std::to_string(round) + ".journal"));
    f.append(numbered(round * 3, round * 3 + 3));
    CHECK(f.collector->take_text(3) == lines(round * 3, round * 3 + 3));
    std::filesystem::remove(f.dir / ("journal/a@" + std::to_string(round) + ".journal"));
  }
}

TEST_CASE("loki.source.journal: a cursor of another agent is taken over") {
  Fixture f;
  f.append(numbered(0, 5));
  std::string cursor;
  {
    const auto component = f.start();
    CHECK(f.collector->take_text(5) == lines(0, 5));
    component->shut_down();
    cursor = component->debug("stored_cursor");
  }
  f.append(numbered(5, 7));
  std::filesystem::remove_all(f.dir / "data");
  SECTION("named by legacy_position") {
    std::ofstream(f.dir / "promtail.yml") << "positions:\n  journal-old: " << cursor << "\n";
    lang::Body legacy;
    legacy.attributes = {attribute("file", (f.dir / "promtail.yml").string()),
                         attribute("name", "old")};
    f.body.blocks.push_back({"legacy_position", "", legacy, {}});
  }
  SECTION("Alloy's, in the component's own folder") {
    std::filesystem::create_directory(f.dir / "data");
    std::ofstream(f.dir / "data/positions.yml")
        << "positions:\n  ? path: cursor-loki.source.journal.x\n    labels: \"\"\n  : \"" << cursor
        << "\"\n";
  }
  const auto component = f.start();
  CHECK(f.collector->take_text(2) == lines(5, 7));
}

TEST_CASE("loki.source.journal: a damaged position starts from max_age") {
  Fixture f;
  f.append(numbered(0, 3));
  std::filesystem::create_directory(f.dir / "data");
  std::ofstream(f.dir / "data/positions") << "rubbish\n";
  const auto component = f.start();
  CHECK(f.collector->take_text(3) == lines(0, 3));
}

TEST_CASE("loki.source.journal: a folder that is not there makes it unhealthy until it is") {
  Fixture f;
  std::filesystem::remove(f.dir / "journal");
  const auto component = f.start();
  while (component->failed_runs() == 0) std::this_thread::yield();
  CHECK_FALSE(f.box.health.state().healthy);
  std::filesystem::create_directory(f.dir / "journal");
  f.append(numbered(0, 1));
  CHECK(f.collector->take_text(1) == lines(0, 1));
  CHECK(f.box.health.state().healthy);
}

TEST_CASE("loki.source.journal: a change of arguments takes effect while it runs") {
  Fixture f;
  f.append(numbered(0, 2));
  const auto component = f.start();
  CHECK(f.collector->take_text(2) == lines(0, 2));
  f.body.attributes.push_back(attribute("matches", "_SYSTEMD_UNIT=unit0.service"));
  f.body.attributes.push_back(attribute("labels", lang::Value::Object{{"job", "new"}}));
  REQUIRE(component->configure(f.body) == "");
  f.append(numbered(2, 4));
  const auto got = f.collector->take(1);
  REQUIRE(got.size() == 1);
  CHECK(got[0].text == "line 3");
  CHECK(got[0].labels == R"({job="new"})");
}

}  // namespace agent::source
