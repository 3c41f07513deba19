#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/file.h"
#include "tests/support/component_box.h"
#include "tests/support/fake_clock.h"
#include "tests/support/log_collector.h"

namespace agent::process {

component::Declaration loki_secretfilter();

namespace {

const std::string kToken = "glpat-aB3dE5gH7jK9mN1pQ2rS";  // 26 bytes

using Attributes = std::vector<std::pair<std::string, lang::Value>>;

struct Bench {
  explicit Bench(Clock& clock) : box("loki.secretfilter.x", clock) {}

  std::string configure(Attributes attributes) {
    attributes.emplace_back("forward_to", receivers(out));
    return component.configure(body_of(std::move(attributes)));
  }
  std::optional<bool> push(const std::vector<std::string>& lines, model::Labels labels = {}) {
    std::optional<bool> delivered;
    model::EntryBatch batch(model::Receipt([&](bool good) { delivered = good; }));
    for (const std::string& line : lines)
      batch.entries.push_back({box.labels.intern(labels), 0, batch.arena.store(line)});
    static_cast<void>(box.receiver()->consume(std::move(batch), {}));
    return delivered;
  }
  std::string one(const std::string& line) {
    push({line});
    return out->take_text(1).at(0);
  }

  ComponentBox box;
  RunningComponent component{box, loki_secretfilter()};
  std::shared_ptr<LogCollector> out = std::make_shared<LogCollector>();
};

}  // namespace

TEST_CASE("loki.secretfilter: what stands in a secret's place") {
  FakeClock clock;
  Bench bench(clock);
  REQUIRE(bench.configure({}) == "");
  CHECK(bench.one("nothing here") == "nothing here");
  CHECK(bench.one("a " + kToken + ", b " + kToken) == "a glpat..., b glpat...");
  REQUIRE(bench.configure({{"redact_percent", 100}}) == "");
  CHECK(bench.one("a " + kToken) == "a REDACTED");
  REQUIRE(bench.configure({{"redact_percent", 0}}) == "");
  CHECK(bench.one("a " + kToken) == "a glpat...");
  REQUIRE(bench.configure({{"redact_percent", 50}}) == "");
  CHECK(bench.one("a " + kToken) == "a " + kToken.substr(0, 13) + "...");
  REQUIRE(bench.configure({{"redact_percent", 1}}) == "");
  CHECK(bench.one("a " + kToken) == "a " + kToken + "...");
  REQUIRE(bench.configure({{"redact_with", "<$SECRET_NAME:$SECRET_HASH>"}}) == "");
  // printf %s glpat-aB3dE5gH7jK9mN1pQ2rS | sha1sum
  CHECK(bench.one(kToken) == "<gitlab-pat:09829b5596ad628167f1bcf4a1817e626d716ddf>");
}

TEST_CASE("loki.secretfilter: counts by rule and origin") {
  FakeClock clock;
  Bench bench(clock);
  REQUIRE(bench.configure({{"origin_label", "app"}}) == "");
  CHECK(bench.push({kToken, "x " + kToken, "none"}, {{"app", "web"}}) == true);
  CHECK(bench.push({kToken}) == true);
  CHECK(bench.box.metric("loki_secretfilter_secrets_redacted_total") == 3);
  const auto by = [&](const model::Labels& labels) {
    return bench.box.metric("loki_secretfilter_secrets_redacted_by_category_total", labels);
  };
  CHECK(by({{"rule", "gitlab-pat"}, {"origin", "web"}}) == 2);
  CHECK(by({{"rule", "gitlab-pat"}}) == 3);
}

TEST_CASE("loki.secretfilter: only a share of the entries is searched") {
  FakeClock clock;
  Bench bench(clock);
  REQUIRE(bench.configure({{"rate", 0.0}}) == "");
  CHECK(bench.one(kToken) == kToken);
  CHECK(bench.box.metric("loki_secretfilter_entries_bypassed_total") == 1);
  REQUIRE(bench.configure({{"rate", 0.5}}) == "");
  bench.push(std::vector<std::string>(1000, kToken));
  const double redacted = bench.box.metric("loki_secretfilter_secrets_redacted_total");
  CHECK(redacted > 400);
  CHECK(redacted < 600);
  CHECK(bench.box.metric("loki_secretfilter_entries_bypassed_total") == 1001 - redacted);
}

TEST_CASE("loki.secretfilter: a search that takes too long") {
  SystemClock clock;  // every search takes more than a nanosecond
  Bench bench(clock);
  const std::string line = "a " + kToken;
  SECTION("the entry goes on, with a label if asked for") {
    REQUIRE(bench.configure({{"processing_timeout", "1ns"}, {"label_timed_out", true}}) == "");
    CHECK(bench.push({line}) == true);
    CHECK(bench.out->seen().at(0).labels == "{secretfilter=\"timed-out\"}");
    CHECK(bench.box.metric("loki_secretfilter_lines_dropped_total") == 0);
  }
  SECTION("the entry is dropped, which settles it") {
    REQUIRE(bench.configure({{"processing_timeout", "1ns"}, {"drop_on_timeout", true}}) == "");
    CHECK(bench.push({line}) == true);
    CHECK(bench.out->seen().empty());
    CHECK(bench.box.metric("loki_secretfilter_lines_dropped_total") == 1);
  }
  CHECK(bench.box.metric("loki_secretfilter_lines_timed_out_total") == 1);
}

TEST_CASE("loki.secretfilter: rules from a file; a wrong one leaves the old in force") {
  FakeClock clock;
  Bench bench(clock);
  const std::string path = bench.box.dir / "rules.toml";
  REQUIRE(write_file_atomic(path, "[[rules]]\nid = \"mine\"\nregex = '''tok_\\w+'''\n", 0600));
  REQUIRE(bench.configure({{"gitleaks_config", path}, {"redact_with", "[$SECRET_NAME]"}}) == "");
  CHECK(bench.one("tok_abc " + kToken) == "[mine] " + kToken);
  REQUIRE(write_file_atomic(path, "[[rules]]\nid = \"mine\"\nregex = '''('''\n", 0600));
  CHECK(bench.configure({{"gitleaks_config", path}}) ==
        "gitleaks_config: rule \"mine\": the regular expression is wrong: missing ): (");
  CHECK(bench.configure({{"gitleaks_config", path + ".none"}}).starts_with("gitleaks_config: "));
  CHECK(bench.one("tok_abc") == "[mine]");
}

TEST_CASE("loki.secretfilter: wrong arguments") {
  FakeClock clock;
  Bench bench(clock);
  CHECK(bench.configure({{"rate", 1.5}, {"redact_percent", 101}, {"processing_timeout", "-1s"}}) ==
        "rate must be from 0 to 1\n"
        "redact_percent must be from 0 to 100\n"
        "processing_timeout must not be negative");
}

}  // namespace agent::process
