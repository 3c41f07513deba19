#include "agent/trial/test_file.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "agent/base/file.h"
#include "agent/registration.h"
#include "tests/support/temp_dir.h"

namespace agent::trial {
namespace {

struct Fixture {
  TempDir dir;
  component::Registry registry;
  Fixture() { register_components(registry); }

  // "" when the file passed, else the complaints, without the path of the folder.
  std::string run(const std::string& text, bool update = false) {
    const std::string path = (dir.path() / "a.test").string();
    std::ofstream(path) << text;
    std::ostringstream complaints;
    const bool good = run_test_file(path, registry, update, complaints);
    std::string said = complaints.str();
    for (std::size_t at; (at = said.find(dir.path().string() + "/")) != std::string::npos;)
      said.erase(at, dir.path().string().size() + 1);
    CHECK(good == said.empty());
    return said;
  }
};

constexpr char kJournal[] = R"(-- config --
loki.source.journal "j" {
  forward_to    = [loki.write.w.receiver]
  relabel_rules = loki.relabel.r.rules
  labels        = { host = "h" }
}
loki.relabel "r" {
  forward_to = []
  rule {
    source_labels = ["__journal__systemd_unit"]
    regex         = "secret.*"
    action        = "drop"
  }
  rule {
    source_labels = ["__journal__systemd_unit"]
    target_label  = "unit"
  }
}
loki.write "w" {
  endpoint { url = "http://127.0.0.1:1/push" }
}
-- input loki.source.journal.j {__journal__systemd_unit="a.service"} --
one\ttab
two
-- input loki.source.journal.j {__journal__systemd_unit="secret.service"} --
dropped
)";

constexpr char kMetrics[] = R"x(-- config --
discovery.docker "d" { host = "unix:///nowhere.sock" }
discovery.relabel "r" {
  targets = discovery.docker.d.targets
  rule {
    source_labels = ["__meta_docker_container_name"]
    regex         = "/(.*)"
    target_label  = "container"
  }
}
prometheus.scrape "s" {
  targets    = discovery.relabel.r.output
  forward_to = [prometheus.relabel.p.receiver]
}
prometheus.relabel "p" {
  forward_to = [prometheus.remote_write.w.receiver]
  rule {
    target_label = "instance"
    replacement  = "web1"
  }
}
prometheus.remote_write "w" {
  endpoint { url = "http://127.0.0.1:1/write" }
}
-- targets discovery.docker.d --
{__meta_docker_container_name="/web"}
-- output discovery.relabel.r --
{__meta_docker_container_name="/web", container="web"}
-- input prometheus.scrape.s --
up 1
requests_total{code="500"} 3.5
-- output prometheus.remote_write.w --
up{instance="web1"} 1
requests_total{code="500", instance="web1"} 3.5
)x";

}  // namespace

TEST_CASE("test files: a source's labels and rules hold for what it is given") {
  Fixture f;
  CHECK(f.run(std::string(kJournal) + "-- output loki.write.w --\n" +
              "{host=\"h\", job=\"loki.source.journal.j\", unit=\"a.service\"} one\\ttab\n" +
              "{host=\"h\", job=\"loki.source.journal.j\", unit=\"a.service\"} two\n") == "");
}

TEST_CASE("test files: what is not as the file says is told with its line") {
  Fixture f;
  CHECK(f.run(std::string(kJournal) + "-- output --\n{} two\n") ==
        "a.test:27: output differs\n  - {} two\n"
        "  + {host=\"h\", job=\"loki.source.journal.j\", unit=\"a.service\"} one\\ttab\n"
        "  + {host=\"h\", job=\"loki.source.journal.j\", unit=\"a.service\"} two\n");
  CHECK(f.run(kJournal) == "a.test:0: nothing is checked\n");
  CHECK(f.run("x\n-- config --\n") == "a.test:1: text before the first section\n");
  CHECK(f.run("-- confg --\n-- error --\n") == "a.test:1: unknown section confg\n");
  CHECK(f.run("-- config none.alloy --\n").starts_with("a.test:1: open none.alloy: "));
  CHECK(f.run("-- config --\ntest.sink \"s\" { }\n-- input loki.write.w --\nx\n-- output --\n") ==
        "a.test:3: there is no source loki.write.w\n");
  CHECK(f.run("-- config --\nloki.nothing \"s\" { }\n-- input loki.write.w --\nx\n")
            .find("unknown component") != std::string::npos);
}

TEST_CASE("test files: --update writes what came out") {
  Fixture f;
  CHECK(f.run(std::string(kJournal) + "-- output --\nwrong\n", true) == "");
  const auto text = read_file(f.dir.path() / "a.test");
  REQUIRE(text);
  CHECK(
      text->ends_with("-- output --\n"
                      "{host=\"h\", job=\"loki.source.journal.j\", unit=\"a.service\"} one\\ttab\n"
                      "{host=\"h\", job=\"loki.source.journal.j\", unit=\"a.service\"} two\n"));
  CHECK(f.run(*text) == "");
}

TEST_CASE("test files: samples, and targets through a discovery") {
  Fixture f;
  CHECK(f.run(kMetrics) == "");
}

}  // namespace agent::trial
