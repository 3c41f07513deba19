// What is wrong with a command line, for a person: perhaps one who knows ansible-playbook's.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace fleetctl::cli {

// "; did you mean 'limit'?" where `name` is a slip of the pen for one of `names`, else "".
std::string did_you_mean(const std::string& name, const std::vector<std::string>& names);

// What `app` did not take, and what helps; lines.
std::string usage_error(const CLI::App& app, const CLI::ParseError& error);

}  // namespace fleetctl::cli
