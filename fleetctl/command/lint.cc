#include "fleetctl/command/lint.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <tuple>
#include <utility>

#include "agent/base/strings.h"
#include "fleetctl/command/junit.h"
#include "fleetctl/command/lint_tree.h"
#include "fleetctl/command/private_file.h"
#include "fleetctl/command/report.h"
#include "fleetctl/command/tree.h"
#include "fleetctl/plan/diff.h"

namespace fleetctl::command {
namespace {

// What the other commands would show, too: each block begins with its place.
Finding finding_of(std::string_view block, std::string rule, bool error) {
  Finding finding;
  finding.error = error;
  finding.rule = std::move(rule);
  const std::size_t end = block.find('\n');
  const std::string_view first = block.substr(0, end);
  if (end != std::string_view::npos) finding.details = std::string(block.substr(end + 1));
  const Located located = locate(first);
  finding.file = std::string(located.file);
  finding.line = located.line;
  finding.column = located.column;
  finding.message = std::string(located.message);
  return finding;
}

void merge(std::vector<Finding>& findings) {
  const auto key = [](const Finding& f) {
    return std::tie(f.file, f.line, f.column, f.rule, f.message, f.details);
  };
  std::stable_sort(findings.begin(), findings.end(),
                   [&](const Finding& a, const Finding& b) { return key(a) < key(b); });
  std::vector<Finding> merged;
  for (Finding& finding : findings) {
    if (merged.empty() || key(merged.back()) != key(finding)) {
      merged.push_back(std::move(finding));
      continue;
    }
    auto& hosts = merged.back().hosts;
    for (std::string& host : finding.hosts)
      if (std::find(hosts.begin(), hosts.end(), host) == hosts.end())
        hosts.push_back(std::move(host));
  }
  findings = std::move(merged);
}

void print_text(const std::vector<Finding>& findings, bool color, std::ostream& out) {
  for (const Finding& finding : findings) {
    std::string place = finding.file;
    if (finding.line > 0) place += ":" + std::to_string(finding.line);
    if (finding.line > 0 && finding.column > 0) place += ":" + std::to_string(finding.column);
    out << place << (place.empty() ? "" : ": ")
        << painted(finding.error ? "error:" : "warning:",
                   finding.error ? Tone::kBad : Tone::kChange, color)
        << " " << finding.message << " " << painted("[" + finding.rule + "]", Tone::kFaint, color)
        << (finding.mend ? " (--fix mends it)" : "");
    if (!finding.hosts.empty()) out << " (" << name_some(finding.hosts) << ")";
    out << "\n";
    if (!finding.details.empty()) out << finding.details << "\n";
  }
}

void print_json(const std::vector<Finding>& findings, std::ostream& out) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    nlohmann::ordered_json one;
    one["severity"] = finding.error ? "error" : "warning";
    one["rule"] = finding.rule;
    if (!finding.file.empty()) one["file"] = finding.file;
    if (finding.line > 0) one["line"] = finding.line;
    if (finding.line > 0 && finding.column > 0) one["column"] = finding.column;
    one["message"] = finding.message;
    one["hosts"] = finding.hosts;
    one["fixable"] = finding.mend != nullptr;
    all.push_back(std::move(one));
  }
  out << all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
}

// A finding that does not fail the run is told as one that passed.
void print_junit(const std::vector<Finding>& findings, bool strict, std::ostream& out) {
  std::vector<JunitCase> cases;
  for (const Finding& finding : findings) {
    std::string place = finding.file;
    if (finding.line > 0) place += ":" + std::to_string(finding.line);
    JunitCase one{finding.file.empty() ? "tree" : finding.file,
                  finding.rule + (place.empty() ? "" : " " + place)};
    one.message = finding.message;
    one.details = place + (place.empty() ? "" : ": ") + (finding.error ? "error: " : "warning: ") +
                  finding.message + "\n" + finding.details;
    if (!finding.hosts.empty()) one.details += "\n(" + name_some(finding.hosts) + ")";
    if (finding.error || strict) one.result = JunitCase::Result::kFailed;
    cases.push_back(std::move(one));
  }
  if (cases.empty()) cases.push_back({"tree", "lint"});
  out << junit_xml("fleetctl lint", cases);
}

// Leaves the findings that are still there, and shows what was changed.
void mend(std::vector<Finding>& findings, bool color, std::ostream& shown, std::ostream& err) {
  std::vector<Finding> left;
  for (Finding& finding : findings) {
    if (!finding.mend) {
      left.push_back(std::move(finding));
      continue;
    }
    const Mend& what = *finding.mend;
    if (auto done = replace_file(what.path, what.after, Mode::kKept); !done) {
      err << done.error().message << "\n";
      left.push_back(std::move(finding));
      continue;
    }
    shown << painted_diff(plan::unified_diff(what.before, what.after, finding.file, finding.file),
                          color);
  }
  findings = std::move(left);
}

}  // namespace

std::vector<Finding> find_all(const LintOptions& options, const ConfigurationCheck& check) {
  std::vector<Finding> findings;
  auto loaded = Tree::load(options.fleet);
  if (!loaded) {
    findings.push_back(finding_of(loaded.error().message, "tree", true));
    return findings;
  }
  const std::shared_ptr<Tree> tree = std::move(*loaded);
  const auto fleet = load_fleet(tree, options.fleet, check);
  if (!fleet) {
    findings.push_back(finding_of(fleet.error().message, "tree", true));
    return findings;
  }
  for (const Problem& problem : fleet->problems) {
    findings.push_back(finding_of(problem.text, "render", true));
    if (!problem.host.empty()) findings.back().hosts = {problem.host};
  }
  for (const std::string& warning : fleet->warnings)
    findings.push_back(finding_of(warning, "warning", false));
  if (fleet->hosts.empty() && fleet->problems.empty())
    findings.push_back(
        finding_of("no selected host is managed: " + fleet->why_unmanaged, "tree", true));
  review_tree(*tree, *fleet, options.fleet, findings);
  merge(findings);
  return findings;
}

ExitCode lint(const LintOptions& options, const ConfigurationCheck& check, std::ostream& out,
              std::ostream& err) {
  std::vector<Finding> findings = find_all(options, check);
  const bool for_people = !options.json && !options.junit;
  if (options.fix)
    mend(findings, wants_color(options.colors, for_people ? STDOUT_FILENO : STDERR_FILENO),
         for_people ? out : err, err);
  const auto errors = std::count_if(findings.begin(), findings.end(),
                                    [](const Finding& finding) { return finding.error; });
  if (options.json) {
    print_json(findings, out);
  } else if (options.junit) {
    print_junit(findings, options.strict, out);
  } else {
    print_text(findings, wants_color(options.colors, STDOUT_FILENO), out);
  }
  out.flush();
  const auto warnings = static_cast<std::ptrdiff_t>(findings.size()) - errors;
  err << errors << (errors == 1 ? " error, " : " errors, ") << warnings
      << (warnings == 1 ? " warning\n" : " warnings\n");
  const bool bad = errors > 0 || (options.strict && !findings.empty());
  return bad ? ExitCode::kRefused : ExitCode::kDone;
}

}  // namespace fleetctl::command
