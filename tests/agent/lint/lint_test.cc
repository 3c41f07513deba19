// Each warning: what it finds, and what it leaves alone.
#include "agent/lint/lint.h"

#include <catch2/catch.hpp>

#include "agent/lang/rendering.h"
#include "agent/registration.h"
#include "agent/runtime/check.h"

namespace agent::lint {
namespace {

// The diagnostics as "line:column message", one per line.
std::string found(const std::string& text) {
  component::Registry registry;
  register_components(registry);
  const auto world = runtime::unknown_world();
  const runtime::CheckReport report = runtime::check({{"t", text}}, registry, *world, review);
  if (!report.ok()) return lang::render(report.diagnostics, report.sources.front());
  std::string out;
  for (const lang::Diagnostic& d : report.diagnostics.all())
    out += std::to_string(d.span.begin.line) + ":" + std::to_string(d.span.begin.column) + " " +
           d.message + "\n";
  return out;
}

const std::string kWrite = R"(loki.write "out" {
  endpoint {
    url = "http://loki/push"
  }
}
)";

std::string journal(const std::string& rules, const std::string& arguments = "") {
  return R"(loki.source.journal "j" {
  relabel_rules = loki.relabel.j.rules
  forward_to    = [loki.write.out.receiver]
}
)" + kWrite +
         "loki.relabel \"j\" {\n  forward_to = []\n" + arguments + rules + "}\n";
}

std::string rule(const std::string& arguments) { return "rule {\n" + arguments + "\n}\n"; }

}  // namespace

TEST_CASE("lint: a rule that a later one overwrites each time") {
  const std::string specific = rule(R"(source_labels = ["__journal__systemd_unit"]
regex = "ssh\\.service"
target_label = "job"
replacement = "ssh")");
  const std::string fallback = rule(R"(source_labels = ["__journal__systemd_unit"]
regex = ".+"
target_label = "job"
replacement = "systemd")");
  CHECK(found(journal(specific + fallback)) ==
        "12:1 this rule has no effect: rule 2 overwrites \"job\" each time\n");
  CHECK(found(journal(fallback + specific)) == "");
  CHECK(found(journal(specific + fallback, "precedence = \"first_match\"\n")) == "");
  CHECK(found(journal(fallback + specific, "precedence = \"first_match\"\n")) ==
        "19:1 this rule has no effect: rule 1 has always set \"job\" before, and the "
        "first match wins\n");
}

TEST_CASE("lint: rules behind one that is not known yet are not judged") {
  const std::string known = rule("target_label = \"a\"\nreplacement = \"b\"");
  const std::string unknown = rule("source_labels = [sys.env(\"SOURCE\")]\ntarget_label = \"c\"");
  CHECK(found(journal(known + known + unknown)) ==
        "12:1 this rule has no effect: rule 2 overwrites \"a\" each time\n");
  CHECK(found(journal(known + unknown + known)) == "");
}

TEST_CASE("lint: a rule that is never reached, never matches or changes nothing") {
  CHECK(found(journal(rule("action = \"drop\"") +
                      rule("target_label = \"a\"\nreplacement = \"b\""))) ==
        "15:1 this rule is never reached: rule 1 drops everything\n");
  CHECK(found(journal(rule("regex = \"x\"\ntarget_label = \"a\""))) ==
        "12:1 this rule has no effect: without source_labels it looks at an empty value, which its "
        "regex does not match\n");
  CHECK(found(journal(rule("source_labels = [\"a\"]\ntarget_label = \"a\""))) ==
        "12:1 this rule changes nothing\n");
  CHECK(found(journal(rule("source_labels = [\"b\"]\nregex = \"x\"\naction = \"drop\"") +
                      rule("target_label = \"a\"\nreplacement = \"b\""))) == "");
}

TEST_CASE("lint: a component to which nothing refers") {
  CHECK(found(kWrite) == "1:1 nothing refers to loki.write.out: it does nothing\n");
  CHECK(found(journal("")) == "");
  CHECK(found(kWrite + "logging {\n  write_to = [loki.write.out.receiver]\n}\n") == "");
}

TEST_CASE("lint: stage.docker behind loki.source.docker") {
  const std::string process = R"(loki.process "p" {
  stage.match {
    selector = "{a=\"b\"}"
    stage.docker { }
  }
  forward_to = [loki.write.out.receiver]
}
)";
  CHECK(found(kWrite + R"(loki.source.docker "d" {
  host       = "unix:///var/run/docker.sock"
  forward_to = [loki.relabel.r.receiver]
}
loki.relabel "r" {
  forward_to = [loki.process.p.receiver]
}
)" + process) ==
        "16:5 stage.docker behind loki.source.docker: its lines are not those of Docker's files, "
        "and a line that is itself JSON with a \"log\" field is replaced by it\n");
  CHECK(found(kWrite + R"(loki.source.file "d" {
  targets    = [{__path__ = "/var/lib/docker/containers/x/x-json.log"}]
  forward_to = [loki.process.p.receiver]
}
)" + process) == "");
}

TEST_CASE("lint: a syslog port that two listeners want") {
  const auto source = [](const std::string& label, const std::string& address,
                         const std::string& protocol) {
    return "loki.source.syslog \"" + label + "\" {\n  listener {\n    address = \"" + address +
           "\"\n    protocol = \"" + protocol +
           "\"\n  }\n  forward_to = [loki.write.out.receiver]\n}\n";
  };
  CHECK(
      found(kWrite + source("a", "127.0.0.1:51401", "tcp") + source("b", "0.0.0.0:51401", "tcp")) ==
      "15:15 the tcp port 51401 is taken by a listener of loki.source.syslog.a\n");
  CHECK(found(kWrite + source("a", "127.0.0.1:51401", "tcp") +
              source("b", "127.0.0.1:51401", "udp") + source("c", "127.0.0.2:51401", "tcp")) == "");
}

TEST_CASE("lint: a label with a value for each container, process or request") {
  const auto stage = [](const std::string& values) {
    return kWrite + R"(loki.source.docker "d" {
  host       = "unix:///var/run/docker.sock"
  forward_to = [loki.process.p.receiver]
}
loki.process "p" {
  stage.labels {
    values = {
)" + values +
           R"(
    }
  }
  forward_to = [loki.write.out.receiver]
}
)";
  };
  CHECK(
      found(stage("stream = \"\",\ncontainer_id = \"\",\nrequest = \"reqId\",")) ==
      "14:1 label \"container_id\" takes a value of its own for nearly each container_id: each "
      "makes a stream or series of its own\n"
      "15:1 label \"request\" takes a value of its own for nearly each reqId: each makes a stream "
      "or series of its own\n");
  CHECK(found(stage("stream = \"\",\nlevel = \"\",")) == "");

  const std::string many =
      "12:1 label \"boot\" takes a value of its own for nearly each __journal__boot_id: each makes "
      "a stream or series of its own\n";
  CHECK(found(journal(rule(
            "source_labels = [\"a\", \"__journal__boot_id\"]\ntarget_label = \"boot\""))) == many);
  // All fields of the journal; the first letter of an id and the remainder of a division are few.
  CHECK(found(journal(rule("regex = \"__journal_(.+)\"\naction = \"labelmap\"")))
            .find("takes a value of its own for nearly each __journal__boot_id") !=
        std::string::npos);
  CHECK(found(journal(
            rule("source_labels = [\"__journal__boot_id\"]\nregex = \"(.).*\"\n"
                 "target_label = \"a\"") +
            rule("source_labels = [\"__journal__boot_id\"]\naction = \"hashmod\"\n"
                 "modulus = 4\ntarget_label = \"b\"") +
            rule("source_labels = [\"__journal__boot_id\"]\ntarget_label = \"__tmp\"") +
            rule("source_labels = [\"__journal__systemd_unit\"]\ntarget_label = \"c\""))) == "");
}

TEST_CASE("lint: certificates that are not verified") {
  const auto text = [](const std::string& value) {
    return R"(loki.source.journal "j" {
  forward_to = [loki.write.out.receiver]
}
loki.write "out" {
  endpoint {
    url = "https://loki/push"
    tls_config {
      insecure_skip_verify = )" +
           value + "\n    }\n  }\n}\n";
  };
  CHECK(
      found(text("true")) ==
      "8:30 certificates are not verified: whoever is in the way can read and change everything\n");
  CHECK(found(text("false")) == "");
}

}  // namespace agent::lint
