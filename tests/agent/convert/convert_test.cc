// Configurations of Promtail and Prometheus become ours. Each cases/NAME.yaml has a NAME.alloy,
// what comes out, and a NAME.report; UPDATE_GOLDEN=1 writes them. A first line "# extra-args: ..."
// is the command line. What is called refused_* is critical; all others are valid afterwards.
#include "agent/convert/convert.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "agent/base/file.h"
#include "agent/lang/printer.h"
#include "agent/lint/lint.h"
#include "agent/registration.h"
#include "agent/runtime/check.h"

namespace agent::convert {
namespace {

namespace fs = std::filesystem;

const fs::path kCases = fs::path(SOURCE_DIR) / "tests/agent/convert/cases";

const component::Registry& registry() {
  static const component::Registry all = [] {
    component::Registry made;
    register_components(made);
    return made;
  }();
  return all;
}

Converted converted(const std::string& yaml, Format format = Format::kPromtail,
                    const std::string& extra_args = "") {
  return convert(yaml, {format, extra_args}, registry(), lint::review);
}

// The report of a configuration that is wrong.
std::string report_of(const std::string& yaml, Format format = Format::kPromtail) {
  return render(converted(yaml, format).findings, "f");
}

bool is_valid(const std::string& text) {
  return runtime::check({{"converted", text}}, registry(), *runtime::unknown_world()).ok();
}

void check_golden(const fs::path& file, const std::string& text) {
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    REQUIRE(write_file_atomic(file, text, 0644));
    return;
  }
  const auto expected = read_file(file);
  REQUIRE(expected);
  CHECK(text == *expected);
}

constexpr std::string_view kExtraArgs = "# extra-args: ";

}  // namespace

TEST_CASE("convert: what becomes of each configuration in cases/") {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kCases))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  REQUIRE(files.size() > 5);
  for (const fs::path& file : files) {
    const std::string name = file.stem().string();
    INFO(name);
    const auto yaml = read_file(file);
    REQUIRE(yaml);
    std::string extra_args;
    if (yaml->starts_with(kExtraArgs))
      extra_args = yaml->substr(kExtraArgs.size(), yaml->find('\n') - kExtraArgs.size());
    const bool prometheus = name.find("prometheus") != std::string::npos;
    const Converted out =
        converted(*yaml, prometheus ? Format::kPrometheus : Format::kPromtail, extra_args);
    const std::string report = render(out.findings, name + ".yaml");
    check_golden(kCases / (name + ".alloy"), out.text);
    check_golden(kCases / (name + ".report"), report);
    const bool refused = name.starts_with("refused");
    CHECK((out.worst() == Severity::kCritical) == refused);
    // Every secret of these files is called so.
    CHECK(report.find("hunter2") == std::string::npos);
    CHECK(out.has_secrets == (yaml->find("hunter2") != std::string::npos));
    if (refused) continue;
    CHECK(is_valid(out.text));
    lang::Diagnostics diagnostics;
    CHECK(lang::format(out.text, "again", diagnostics) == out.text);
  }
}

TEST_CASE("convert: hostile YAML is refused in bounded time, with its place") {
  const auto refused = [](const std::string& yaml) {
    const std::string report = report_of(yaml);
    CHECK(report.size() < 100'000);
    return report.substr(0, report.find('\n'));
  };
  CHECK(refused("clients: [\n") == "f:2:1: critical: invalid YAML: end of sequence flow not found");
  CHECK(refused("a: 1\nb: 2\na: 3\n") ==
        "f:3:1: critical: the key a is written twice in this mapping");
  CHECK(refused("clients: \xFF") ==
        "f: critical: it is not UTF-8, or has characters for private use");
  CHECK(refused("a: \"\xEE\x80\x80\x30\xEE\x80\x81\"") ==
        "f: critical: it is not UTF-8, or has characters for private use");
  CHECK(refused(std::string(2'000'000, ' ')) == "f: critical: it is longer than 1048576 bytes");

  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 0; j < 9; ++j) bomb += ", " + before;
    bomb += "]\n";
  }
  CHECK(refused(bomb).find("there is too much of this") != std::string::npos);
  std::string fat = "a: &a " + std::string(500'000, 'x') + "\nb: [*a";
  for (int i = 0; i < 100; ++i) fat += ", *a";
  CHECK(refused(fat + "]\n").find("there is too much text") != std::string::npos);
  CHECK(refused(std::string(100'000, '[')).find("critical: this is nested too deep") !=
        std::string::npos);
  CHECK(refused(std::string(100, '[') + std::string(100, ']'))
            .find("critical: this is nested too deep") != std::string::npos);
  CHECK(refused("a: &a [*a, *a]\n").find("critical") != std::string::npos);

  std::string jobs = "clients: [{url: 'http://l/push'}]\nscrape_configs:\n";
  for (int i = 0; i < 5000; ++i) jobs += "- {job_name: same, unknown: 1}\n";
  const auto findings = converted(jobs).findings;
  CHECK(findings.size() == 501);
  CHECK(findings.back().message == "and 9501 more");
}

TEST_CASE("convert: what is no configuration at all says so and harms nothing") {
  for (const std::string yaml :
       {"", "x", "[]", "[1, {a: b}]", "clients: x", "clients: [x, [y], {}]", "scrape_configs: {}",
        "scrape_configs: [x, [], {job_name: [1]}]",
        "scrape_configs: [{static_configs: [[x], {labels: [], targets: x}]}]",
        "scrape_configs: [{pipeline_stages: {a: b}, journal: x}]",
        "scrape_configs: [{relabel_configs: x, syslog: {}}]", "remote_write: x",
        "remote_write: [x]", "global: x"}) {
    INFO(yaml);
    CHECK(converted(yaml).worst() == Severity::kCritical);
    CHECK_FALSE(converted(yaml, Format::kPrometheus).findings.empty());
  }
}

}  // namespace agent::convert
