// The command line of a program as a man page and as completion for shells, made from the
// description that parses it. Options and subcommands without a group (hidden ones) are left out.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace CLI {
class App;
}

namespace agent::cli {

struct ManPage {
  int section = 1;          // of the manual: 1 for users, 8 for administrators
  std::string version;      // "fleet 0.1.0"
  std::string see_also;     // roff: "\\fBssh\\fR(1)"
  std::string environment;  // roff of the section ENVIRONMENT; none when empty
  std::string files;        // the same of FILES
};

// Text as roff prints it: no escape, no request, dashes that can be copied.
std::string roff(std::string_view text);

// In roff's man macros (man(7)): one page for the program and all of its subcommands.
std::string man_page(const CLI::App& app, const ManPage& page);

// A script for `shell`, which is bash, zsh or fish. `words` has, for what values are called in help
// (HOST), a command that prints a word per line, run when one is completed.
Result<std::string> completion(const CLI::App& app, std::string_view shell,
                               const std::map<std::string, std::string>& words);

}  // namespace agent::cli
