#include <signal.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "agent/base/file.h"

#include "agent/component/relabel_args.h"
#include "agent/io/journal_child.h"
#include "tests/support/catch_main.h"
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
  std::filesystem::remove_all(f.box.data_dir);
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

namespace {

// The processes that read for this one.
std::vector<pid_t> reader_pids() {
  std::vector<pid_t> out;
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::ifstream children(task.path() / "children");
    for (pid_t pid = 0; children >> pid;) out.push_back(pid);
  }
  return out;
}

double failures(const Fixture& f) {
  return f.box.metric("loki_source_journal_read_failures_total");
}

// Pauses between attempts are the clock's: it has to move.
bool take_within(Fixture& f, const std::string& line, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  const auto is_there = [&](const std::vector<LogCollector::Line>& seen) {
    return std::any_of(seen.begin(), seen.end(),
                       [&](const LogCollector::Line& one) { return one.text == line; });
  };
  while (std::chrono::steady_clock::now() < deadline) {
    if (f.collector->wait(is_there, std::chrono::milliseconds(5))) return true;
    f.clock.advance(std::chrono::milliseconds(5));
  }
  return false;
}

constexpr auto kPatient = std::chrono::seconds(20);  // on a machine that does much else

}  // namespace

TEST_CASE("loki.source.journal: a reader that dies is replaced, and nothing is lost or repeated") {
  Fixture f;
  f.append(numbered(0, 100));
  const auto component = f.start();
  CHECK(f.collector->take_text(100) == lines(0, 100));
  for (int round = 1; round <= 5; ++round) {
    auto pids = reader_pids();
    while (pids.size() != 1) pids = reader_pids();
    ::kill(pids.at(0), round % 2 == 0 ? SIGABRT : SIGBUS);
    f.append(numbered(100 * round, 100 * round + 100));
    REQUIRE(take_within(f, "line " + std::to_string(100 * round + 99), kPatient));
    CHECK(f.collector->take_text(100) == lines(100 * round, 100 * round + 100));
  }
  CHECK(failures(f) == 5);
  CHECK(f.box.health.state().healthy);
  CHECK(f.box.logged().find("the journal's reader was ended by SIGBUS") != std::string::npos);
  component->stop();
  CHECK(reader_pids().empty());
  CHECK(f.box.metric("loki_source_journal_target_missing_entries_total") == 0);
}

TEST_CASE("loki.source.journal: entries that were removed before they were read are counted") {
  Fixture f;
  f.append(numbered(0, 10));
  {
    const auto component = f.start();
    CHECK(f.collector->take(10).size() == 10);
    component->shut_down();
  }
  // So many different fields that the writer begins a new file, and goes on with the numbers there.
  auto many = numbered(10, 2510);
  int field = 0;
  for (JournalEntry& entry : many)
    for (int i = 0; i < 100; ++i)
      entry.fields.emplace_back("F" + std::to_string(i), std::to_string(++field));
  f.append(many);
  std::size_t removed = 0;
  for (const auto& file : std::filesystem::directory_iterator(f.dir / "journal"))
    if (file.path().filename() != "a.journal") removed += std::filesystem::remove(file.path());
  REQUIRE(removed > 0);
  const auto component = f.start();
  REQUIRE(take_within(f, "line 2509", kPatient));
  const std::size_t read = f.collector->seen().size();
  CHECK(read < 2500);
  CHECK(f.box.metric("loki_source_journal_target_missing_entries_total") ==
        static_cast<double>(2500 - read));
}

TEST_CASE("loki.source.journal: an entry with a mad number does not end the reading") {
  Fixture f;
  f.append(numbered(0, 200));
  // In the entry its number stands before its time.
  const std::uint64_t time = kStart + 100'000;
  std::string bytes = read_file(f.dir / "journal/a.journal", 1U << 28).value();
  const std::size_t at =
      bytes.find(std::string_view(reinterpret_cast<const char*>(&time), sizeof time));
  REQUIRE(at != std::string::npos);
  bytes[at - 2] = '\x7f';
  std::ofstream(f.dir / "journal/a.journal", std::ios::binary) << bytes;
  const auto component = f.start();
  REQUIRE(take_within(f, "line 99", kPatient));
  // What follows within a second is given up with it.
  f.append({{kStart + 5'000'000, {{"MESSAGE", "later"}}}});
  CHECK(take_within(f, "later", kPatient));
  CHECK(f.box.metric("loki_source_journal_read_failures_total") > 0);
  CHECK(f.box.health.state().healthy);
}

TEST_CASE("loki.source.journal: damage of any kind at any place ends in reading on behind it") {
  Fixture f;
  f.body.attributes.push_back(attribute("max_age", "0s"));
  std::string whole;
  std::size_t used = 0;
  const auto component = f.start();
  unsigned random = 4711;
  const auto draw = [&](std::size_t below) {
    random = random * 1664525U + 1013904223U;
    return (random >> 4U) % below;
  };
  const char* const rounds = std::getenv("FLEET_JOURNAL_DAMAGES");
  const int count = rounds == nullptr ? 24 : std::atoi(rounds);
  const double before = failures(f);
  std::size_t of_damaged = 0;
  for (int round = 0; round < count; ++round) {
    CAPTURE(round);
    const int first = round * 1000;
    append_journal(f.dir / "whole.journal", numbered(first, first + 300));
    whole = read_file(f.dir / "whole.journal", 1U << 28).value();
    std::filesystem::remove(f.dir / "whole.journal");
    for (used = whole.size(); used > 0 && whole[used - 1] == 0;) --used;
    const auto damaged = f.dir / ("journal/d" + std::to_string(round) + ".journal");
    std::string bytes = whole;
    std::size_t place = draw(used);
    while (bytes[place] == 0) place = draw(used);  // most of the file is empty tables
    switch (round % 4) {
      case 0:  // a bit
        bytes[place] = static_cast<char>(bytes[place] ^ (1 << draw(8)));
        break;
      case 1:  // a page of zeros
        bytes.replace(place / 4096 * 4096, std::min<std::size_t>(4096, used - place / 4096 * 4096),
                      std::min<std::size_t>(4096, used - place / 4096 * 4096), '\0');
        break;
      case 2:  // cut short
        bytes.resize(place);
        break;
      default:  // noise over the header's and the first objects' words
        for (int i = 0; i < 8; ++i) bytes[draw(4096)] = static_cast<char>(draw(256));
    }
    std::ofstream(damaged, std::ios::binary) << bytes;
    const std::string mark = "mark " + std::to_string(round);
    append_journal(
        f.dir / "journal/live.journal",
        {{kStart + static_cast<std::uint64_t>(first + 500) * 1000, {{"MESSAGE", mark}}}});
    CHECK(take_within(f, mark, kPatient));
    of_damaged += f.collector->seen().size() - 1;
    f.collector->clear();
    // Vacuumed, or cut short under the reader.
    if (round % 3 == 0) {
      std::error_code ignored;
      std::filesystem::resize_file(damaged, std::filesystem::file_size(damaged) / 2, ignored);
    }
    std::filesystem::remove(damaged);
  }
  CHECK(of_damaged > 50U * static_cast<std::size_t>(count));  // most is read
  // Damage that stays is not looked at again and again.
  std::string half = whole.substr(0, used / 2);
  half[used / 3] = static_cast<char>(half[used / 3] ^ 1);
  std::ofstream(f.dir / "journal/stays.journal", std::ios::binary) << half;
  f.collector->wait_for(1000, std::chrono::milliseconds(500));
  const auto pids = reader_pids();
  REQUIRE(pids.size() == 1);
  const auto switches = [&] {
    const auto status = read_file("/proc/" + std::to_string(pids[0]) + "/status").value_or("");
    const std::string_view name = "\nvoluntary_ctxt_switches:";
    const std::size_t at = status.find(name);
    REQUIRE(at != std::string::npos);
    return std::atol(status.c_str() + at + name.size());
  };
  const auto before_rest = switches();
  f.collector->wait_for(100'000, std::chrono::milliseconds(700));
  CHECK(switches() - before_rest <= 5);
  // Nothing goes round in circles: a damaged file costs a few attempts.
  CHECK(failures(f) - before <= 7.0 * count);
  CHECK(f.box.health.state().healthy);
}

}  // namespace agent::source

// The reader is this program too.
int main(int argc, char** argv) {
  if (agent::io::is_journal_child(argc, argv)) return agent::io::journal_child();
  return agent::run_tests(argc, argv);
}
