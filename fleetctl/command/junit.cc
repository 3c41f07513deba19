#include "fleetctl/command/junit.h"

#include <fmt/format.h>

#include <algorithm>

#include "fleetctl/command/host_run.h"

namespace fleetctl::command {
namespace {

using Result = JunitCase::Result;

std::string escaped(std::string_view text) {
  std::string clean = printable(text);
  // U+FFFE and U+FFFF are UTF-8 and no characters.
  for (const char* none : {"\xef\xbf\xbe", "\xef\xbf\xbf"})
    for (auto at = clean.find(none); at != std::string::npos; at = clean.find(none, at))
      clean.replace(at, 3, "?");
  std::string out;
  for (const char c : clean) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\n':
        out += "&#10;";
        break;
      case '\t':
        out += "&#9;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::ptrdiff_t count(const std::vector<JunitCase>& cases, Result result) {
  return std::count_if(cases.begin(), cases.end(),
                       [&](const JunitCase& one) { return one.result == result; });
}

}  // namespace

std::string junit_xml(std::string_view suite, const std::vector<JunitCase>& cases) {
  double seconds = 0;
  for (const JunitCase& one : cases) seconds += one.seconds;
  const std::string counts =
      fmt::format("tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3f}\"",
                  cases.size(), count(cases, Result::kFailed), count(cases, Result::kError),
                  count(cases, Result::kSkipped), seconds);
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  out += fmt::format("  <testsuite name=\"{}\" {}>\n", escaped(suite), counts);
  for (const JunitCase& one : cases) {
    out += fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3f}\"",
                       escaped(one.group), escaped(one.name), one.seconds);
    if (one.result == Result::kPassed && one.details.empty()) {
      out += "/>\n";
      continue;
    }
    const std::string_view tag = one.result == Result::kPassed   ? "system-out"
                                 : one.result == Result::kFailed ? "failure"
                                 : one.result == Result::kError  ? "error"
                                                                 : "skipped";
    const std::string message =
        one.result == Result::kPassed ? "" : " message=\"" + escaped(one.message) + "\"";
    out += fmt::format(">\n      <{}{}>{}</{}>\n    </testcase>\n", tag, message,
                       escaped(one.details), tag);
  }
  return out + "  </testsuite>\n</testsuites>\n";
}

}  // namespace fleetctl::command
