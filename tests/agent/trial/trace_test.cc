#include "agent/trial/trace.h"

#include <catch2/catch.hpp>
#include <sstream>

#include "agent/component/receiver.h"
#include "agent/component/relabel_args.h"

namespace agent::process {
component::Declaration loki_process();
}  // namespace agent::process
namespace agent::relabel {
component::Declaration loki_relabel();
}  // namespace agent::relabel

namespace agent::trial {
namespace {

// Stood in for, as any source.
struct SourceArgs {
  std::vector<std::shared_ptr<component::LogReceiver>> forward_to;
  std::shared_ptr<model::RelabelRules> relabel_rules;
  static component::Schema<SourceArgs> schema() {
    return component::Schema<SourceArgs>()
        .required("forward_to", &SourceArgs::forward_to, "Receivers.")
        .optional("relabel_rules", &SourceArgs::relabel_rules, "Rules.");
  }
};
struct Source final : component::Configured<SourceArgs> {
  explicit Source(const component::Host&) {}
  Result<component::Commit> prepare(SourceArgs) override {
    return component::Commit([] {});
  }
};

constexpr char kConfig[] = R"x(
loki.source.test "web" {
  forward_to = [loki.relabel.r.receiver]
}
loki.relabel "r" {
  forward_to = [loki.process.p.receiver]
  rule {
    source_labels = ["unit"]
    regex         = "noise.*"
    action        = "drop"
  }
  rule {
    target_label = "env"
    replacement  = "prod"
  }
}
loki.process "p" {
  forward_to = [test.sink.w.receiver]
  stage.logfmt {
    mapping = { level = "", at = "" }
  }
  stage.labels {
    values = { level = "" }
  }
  stage.match {
    selector = "{level=\"debug\"}"
    stage.drop {
      expression          = "health"
      drop_counter_reason = "health checks"
    }
  }
  stage.timestamp {
    source = "at"
    format = "Unix"
  }
  stage.multiline {
    firstline = "^level"
  }
}
test.sink "w" { }
)x";

struct Fixture {
  component::Registry registry;
  TraceOptions options;
  std::string complaints;
  bool good = false;
  Fixture() {
    registry.add(component::declare<Source>("loki.source.test", "A source."));
    registry.add(process::loki_process());
    registry.add(relabel::loki_relabel());
  }

  std::string run(const std::string& input, const std::string& config = kConfig) {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream said;
    good = trace({{"t.alloy", config}}, registry, options, in, out, said);
    complaints = said.str();
    return out.str();
  }
};

}  // namespace

TEST_CASE("trace: what each stage and rule did, and where a line ended") {
  Fixture f;
  f.options.labels = {{"unit", "web.service"}};
  CHECK(f.run("level=debug GET /health\nlevel=info at=1704067203 GET /\n") ==
        R"x(line 1  level=debug GET /health
  loki.source.test.web
    out                 labels {unit="web.service"}
  loki.relabel.r
    in                  unchanged
    rule.1              unchanged
    rule.2              + env="prod"
    out                 unchanged
  loki.process.p
    in                  unchanged
    1.logfmt            + extracted level="debug"
    2.labels            + level="debug"
    3.match/1.drop      dropped: health checks

line 2  level=info at=1704067203 GET /
  loki.source.test.web
    out                 labels {unit="web.service"}
  loki.relabel.r
    in                  unchanged
    rule.1              unchanged
    rule.2              + env="prod"
    out                 unchanged
  loki.process.p
    in                  unchanged
    1.logfmt            + extracted level="info"
                        + extracted at="1704067203"
    2.labels            + level="info"
    3.match             unchanged
    4.timestamp         time 1704067203000000000 ns since 1970 (+3.000 s from when it was read)
    5.multiline         kept back, or a part of another now

later  what stages had kept back
  loki.process.p
    5.multiline         from line 2
    out                 from line 2
  test.sink.w
    in                  unchanged
)x");
  CHECK(f.good);
  CHECK(f.complaints.empty());
}

TEST_CASE("trace: a rule that drops is named, in relabel_rules, too") {
  Fixture f;
  f.options.labels = {{"unit", "noise.service"}};
  CHECK(f.run("x\n") == R"x(line 1  x
  loki.source.test.web
    out                 labels {unit="noise.service"}
  loki.relabel.r
    in                  unchanged
    rule.1              dropped: rule
)x");
  const std::string config = R"x(
loki.source.test "j" {
  forward_to    = [test.sink.w.receiver]
  relabel_rules = loki.relabel.r.rules
}
loki.relabel "r" {
  forward_to = []
  rule {
    source_labels = ["unit"]
    regex         = "noise.*"
    action        = "drop"
  }
}
test.sink "w" { }
)x";
  CHECK(f.run("x\n", config) == R"x(line 1  x
  loki.source.test.j
    relabel_rules.1     labels {unit="noise.service"}
                        dropped: relabel_rules
)x");
}

TEST_CASE("trace: entries with labels, a time and metadata come in as JSON, and steps go out") {
  Fixture f;
  f.options.entries = true;
  f.options.json = true;
  f.options.component = "test.sink.w";
  CHECK(f.run(R"({"line":"a","labels":{"x":"y"},"time_ns":"7","metadata":{"trace":"1"}})"
              "\n") ==
        R"({"number":1,"line":"a","steps":[{"component":"test.sink.w","at":"in","time_ns":"7",)"
        R"("line":"a","labels":{"x":"y"},"metadata":{"trace":"1"}}]})"
        "\n");
  CHECK(f.good);
  f.run("[]\n{\"line\":1}\n{\"line\":\"a\",\"time_ns\":\"x\"}\n{\"line\":\"a\",\"labels\":[]}\n");
  CHECK_FALSE(f.good);
  CHECK(f.complaints ==
        "line 1: no JSON object\nline 2: it has no text \"line\"\n"
        "line 3: time_ns is not a whole number of nanoseconds\n"
        "line 4: labels is not an object of texts\n");
}

TEST_CASE("trace: without a single source it asks which component gets the lines") {
  Fixture f;
  const std::string two = std::string(kConfig) +
                          "loki.source.test \"b\" {\n  forward_to = "
                          "[test.sink.w.receiver]\n}\n";
  CHECK(f.run("x\n", two).empty());
  CHECK_FALSE(f.good);
  CHECK(f.complaints.find("say with --component which one gets the lines:") == 0);
  CHECK(f.complaints.find("\n  loki.source.test.b\n") != std::string::npos);
  f.options.component = "loki.nothing.x";
  CHECK(f.run("x\n", two).empty());
  CHECK(f.complaints == "there is no source loki.nothing.x\n");
}

TEST_CASE("trace: a stage that slows entries down does not hold it up") {
  Fixture f;
  const std::string config = R"x(
loki.process "p" {
  forward_to = [test.sink.w.receiver]
  stage.limit {
    rate  = 0.001
    burst = 1
  }
}
test.sink "w" { }
)x";
  f.options.component = "loki.process.p";
  const std::string out = f.run("a\nb\nc\n", config);
  CHECK(f.good);
  CHECK(out.find("line 3  c\n") != std::string::npos);
  CHECK(out.find("later") == std::string::npos);
}

}  // namespace agent::trial
