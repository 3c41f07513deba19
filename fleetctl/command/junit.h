// Results as CI systems show them: one <testsuite> of the XML that JUnit made usual.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fleetctl::command {

struct JunitCase {
  std::string group;  // classname: a host, a file
  std::string name;   // what was looked at
  enum class Result {
    kPassed,
    kFailed,
    kError,  // it could not be found out
    kSkipped,
  };
  Result result = Result::kPassed;
  std::string message = {};  // why not; one line
  std::string details = {};  // more of it
  double seconds = 0;
};

// The whole document. Any bytes may be in the texts: what XML cannot hold becomes '?'.
std::string junit_xml(std::string_view suite, const std::vector<JunitCase>& cases);

}  // namespace fleetctl::command
